"""Two runs never write one output: a lock on a local disk, an object that is renewed elsewhere. It knows nothing of what is written.

No clocks are compared. A lease in a store is taken over only after it was watched for a whole lifetime without being renewed; who holds
it counts from before the last renewal that arrived, on a clock that goes on while the machine sleeps. So the holder knows that it has
lost its lease before anybody else may have it, however wrong the time of day is on either machine. A process that this machine knows
to have ended need not be waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from veritensor_ray.errors import CannotRunError, LeaseHeld, StoreError, VeritensorError
from veritensor_ray.stores.conditional import BestEffort, Conditional, NoConditions, Seen, conditional, plain
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.holder import Holder, parse, this_process
from veritensor_ray.stores.outputs import OutputStore

LEASE = "_work/.lease"
LIFETIME_SECONDS = 180.0
RENEW_SECONDS = 30.0
SETTLE_SECONDS = 2.0  # where nothing else decides between two writers: how long each looks whether its own bytes stay


class Lease(Protocol):
    """The right to write an output."""

    def check(self) -> None:
        """Call it before publishing. Raises LeaseHeld when the lease is not this run's any more, or when that cannot be known."""


@contextlib.contextmanager
def lease(store: OutputStore, note: Callable[[str], None] = lambda text: None) -> Iterator[Lease]:
    """Hold the output while the block runs. Raises LeaseHeld when another run does, CannotRunError and StoreError when none can.

    In a store this may watch another's lease for up to LIFETIME_SECONDS before it says so, or takes it over.
    """
    folder = store.local
    with _locked(folder) if folder is not None else _kept(store, note) as held:
        yield held


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Lease]:
    """Between the processes of this machine; ends with the process, however it ends."""
    try:
        (folder / "_work").mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / LEASE, timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise LeaseHeld(f"another run is writing {folder}; wait for it, or choose another --output") from None
    except OSError as error:
        raise CannotRunError(f"the output {folder} is not writable: {error.strerror}; choose another --output") from None
    try:
        yield _Lock(folder / LEASE)
    finally:
        lock.release()


class _Lock:
    def __init__(self, file: Path) -> None:
        self._file, self._number = file, file.stat().st_ino

    def check(self) -> None:
        """Whoever makes the file anew locks another file than this run."""
        try:
            same = self._file.stat().st_ino == self._number
        except OSError:
            same = False
        if not same:
            raise LeaseHeld(
                f"{self._file} was removed while this run held it; nothing of this run is published. Give the same command again"
            )


@contextlib.contextmanager
def _kept(store: OutputStore, note: Callable[[str], None]) -> Iterator[Lease]:
    me = this_process(LIFETIME_SECONDS)
    try:
        kept = _Kept(*_taken(store, me, note), store.uri, me, note)
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind; all mean: no results can be written
        raise StoreError(denied(store.uri, "write", error)) from None
    kept.start()
    try:
        yield kept
    finally:
        kept.close()


def _taken(store: OutputStore, me: Holder, note: Callable[[str], None]) -> tuple[Conditional, str, float]:
    """The object, its version with this run's token, and the time from before it was written."""
    place: Conditional = conditional(store.uri, store.stores, LEASE)
    seen = _free(place, store.uri, note)
    if not isinstance(place, BestEffort):
        began = _clock()
        with contextlib.suppress(NoConditions):
            version = _written(place, me, seen, store.uri)
            if place.write(me.data(), None) is None:  # refused, since it is there: the store does keep conditions
                return place, version, began
        note(f"{store.uri} knows no conditional writes, so the lease of this output is best effort: let one scheduler start runs over it")
        place = plain(store.uri, store.stores, LEASE)
        seen = place.read()
    began = _clock()
    version = _written(place, me, seen, store.uri)
    time.sleep(SETTLE_SECONDS)
    last = place.read()
    if not _is(last, me):
        raise _held(store.uri, last)
    return place, version, began


def _free(place: Conditional, uri: str, note: Callable[[str], None]) -> Seen | None:
    """What may be overwritten, once nobody holds it. Raises LeaseHeld as soon as its holder shows that it is alive."""
    seen = place.read()
    holder = parse(seen.data, LIFETIME_SECONDS) if seen is not None else None
    if seen is None or holder is None or holder.released or holder.gone():
        return seen
    note(f"{uri} is held by {holder}; waiting up to {holder.lifetime:.0f} s to see whether that run is alive")
    until = _clock() + holder.lifetime
    while _clock() < until:
        time.sleep(RENEW_SECONDS / 6)
        now = place.read()
        if now is None or parse(now.data, 0).released:
            return now
        if now.version != seen.version:
            raise _held(uri, now)
    return seen


def _written(place: Conditional, me: Holder, seen: Seen | None, uri: str) -> str:
    version = place.write(me.data(), seen.version if seen else None)
    if version is not None:
        return version
    last = place.read()
    if last is None or not _is(last, me):
        raise _held(uri, last)
    return last.version  # the write arrived; its answer did not, and the library tried again


def _is(seen: Seen | None, me: Holder) -> bool:
    return seen is not None and parse(seen.data, 0).token == me.token


def _held(uri: str, seen: Seen | None) -> LeaseHeld:
    if seen is None:
        return LeaseHeld(f"another run is writing {uri}; wait for it, or choose another --output")
    holder = parse(seen.data, LIFETIME_SECONDS)
    return LeaseHeld(
        f"another run is writing {uri}: {holder}; wait for it, or choose another --output. "
        f"If that machine is gone, its lease ends by itself at {holder.expires:%H:%M:%S} UTC, and the same command goes on"
    )


class _Kept:
    """An object with this run's token, renewed by a thread."""

    def __init__(self, place: Conditional, version: str, began: float, uri: str, me: Holder, note: Callable[[str], None]) -> None:
        self._place, self._version, self._renewed, self._uri, self._me, self._note = place, version, began, uri, me, note
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._lost = self._trouble = ""
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Renews at once: what is published in the LIFETIME_SECONDS after this is this run's alone."""
        if self._lock.acquire(timeout=self._me.lifetime):
            try:
                self._renew()
            finally:
                self._lock.release()
        if self._lost:
            raise LeaseHeld(self._lost)
        if _clock() - self._renewed >= self._me.lifetime:
            raise LeaseHeld(
                f"the lease of {self._uri} could not be renewed for {self._me.lifetime:.0f} s ({self._trouble or 'no answer'}); "
                "nothing of this run is published. When the store answers again, give the same command again"
            )

    def close(self) -> None:
        """Give it back, so that the next run need not wait."""
        self._stop.set()
        if not self._lock.acquire(timeout=10):  # a write that hangs
            return
        try:
            if not self._lost:
                self._place.write(replace(self._me.renewed(), released=True).data(), self._version)
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; the run has ended, and the lease ends by itself
            self._note(f"the lease of {self._uri} could not be given back ({_short(error)}); it ends in {self._me.lifetime:.0f} s")
        finally:
            self._lost = self._lost or f"the lease of {self._uri} was given back"
            self._lock.release()

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            with self._lock:
                self._renew()

    def _renew(self) -> None:
        if self._lost:
            return
        began, me = _clock(), self._me.renewed()
        try:
            version = self._place.write(me.data(), self._version)
            last = self._place.read() if version is None else None
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; the next try may get through
            if not self._trouble:
                self._note(f"the lease of {self._uri} cannot be renewed ({_short(error)}); trying again")
            self._trouble = _short(error)
            return
        if version is None and (last is None or not _is(last, me)):
            self._lost = self._taken_by(last)
            return
        # where an answer was lost and the write was not, the object is a later one of this run
        self._me, self._version = me, version or (last.version if last else "")
        if version is not None or (last is not None and last.data == me.data()):
            self._renewed, self._trouble = began, ""

    def _taken_by(self, last: Seen | None) -> str:
        if last is None:
            return f"{self._uri}/{LEASE} was removed while this run held it; nothing of this run is published. Give the same command again"
        return (
            f"the lease of {self._uri} was taken over by {parse(last.data, 0)}; nothing of this run is published. "
            "Wait for that run, or choose another --output"
        )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _clock() -> float:
    """Seconds that nobody sets, and that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
