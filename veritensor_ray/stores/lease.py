"""Prevent two runs from writing one output: a lock on a local disk, a renewed object in any other store.

No clocks are compared. A lease in a store is taken over only after it has been watched for a whole lifetime without a renewal. Its holder
counts that lifetime from before the last renewal that succeeded, on a clock that keeps running while the machine sleeps. So the holder
knows that it has lost the lease before anyone else can take it, however wrong the time of day is on either machine. There is no need to
wait for a process that this machine knows to have ended. It does not depend on what is written.
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

from veritensor_ray.core.errors import CannotRunError, LeaseHeld, StoreError, VeritensorError
from veritensor_ray.stores.conditional_writes import BestEffort, Conditional, NoConditions, Seen, conditional, plain
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.holder import Holder, parse, this_process
from veritensor_ray.stores.outputs import OutputStore, refuse_linked

LEASE = "_work/.lease"
LIFETIME_SECONDS = 180.0
RENEW_SECONDS = 30.0
SETTLE_SECONDS = 2.0  # without conditional writes: how long a writer watches whether its own bytes remain


class Lease(Protocol):
    """The right to write an output."""

    def check(self) -> None:
        """Check the lease; call this before publishing. Raises LeaseHeld if it is lost, or if that cannot be determined."""


@contextlib.contextmanager
def lease(store: OutputStore, note: Callable[[str], None] = lambda text: None) -> Iterator[Lease]:
    """Hold the output while the block runs. Raises LeaseHeld if another run holds it, or CannotRunError or StoreError.

    In a store, this may watch another run's lease for up to LIFETIME_SECONDS before it takes over or fails.
    """
    folder = store.local
    with _locked(folder) if folder is not None else _kept(store, note) as held:
        yield held


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Lease]:
    """Lock an output among the processes of this machine. The lock ends with the process, however it ends."""
    refuse_linked(folder)  # first: the lock file itself would be written through a link
    try:
        (folder / "_work").mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / LEASE, timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise LeaseHeld(f"another run is writing {folder}. Wait for it, or choose a different --output") from None
    except OSError as error:
        raise CannotRunError(f"the output {folder} is not writable: {error.strerror}. Choose a different --output") from None
    try:
        yield _Lock(folder / LEASE)
    finally:
        lock.release()


class _Lock:
    def __init__(self, file: Path) -> None:
        self._file, self._number = file, file.stat().st_ino

    def check(self) -> None:
        """Check that the lock file is still the same. Anyone who recreates it locks a different file."""
        try:
            same = self._file.stat().st_ino == self._number
        except OSError:
            same = False
        if not same:
            raise LeaseHeld(f"{self._file} was removed while this run held it, so nothing from this run was published. Repeat the command")


@contextlib.contextmanager
def _kept(store: OutputStore, note: Callable[[str], None]) -> Iterator[Lease]:
    me = this_process(LIFETIME_SECONDS)
    try:
        kept = _Kept(*_taken(store, me, note), store.uri, me, note)
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind; each means that no results can be written
        raise StoreError(denied(store.uri, "write", error)) from None
    kept.start()
    try:
        yield kept
    finally:
        kept.close()


def _taken(store: OutputStore, me: Holder, note: Callable[[str], None]) -> tuple[Conditional, str, float]:
    """Take the lease. Returns the object, its version with this run's token, and the time before it was written."""
    place: Conditional = conditional(store.uri, store.stores, LEASE)
    seen = _free(place, store.uri, note)
    if not isinstance(place, BestEffort):
        began = _clock()
        with contextlib.suppress(NoConditions):
            version = _written(place, me, seen, store.uri)
            if place.write(me.data(), None) is None:  # refused because it exists: the store does support conditions
                return place, version, began
        note(
            f"{store.uri} does not support conditional writes, so the lease on this output is not guaranteed. "
            "Start runs on it from one scheduler only"
        )
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
    """Return what may be overwritten once nobody holds it. Raises LeaseHeld as soon as its holder proves to be alive."""
    seen = place.read()
    holder = parse(seen.data, LIFETIME_SECONDS) if seen is not None else None
    if seen is None or holder is None or holder.released or holder.gone():
        return seen
    note(f"{uri} is held by {holder}. Waiting up to {holder.lifetime:.0f} s to see whether that run is alive")
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
    return last.version  # the write arrived, but its answer was lost and the library retried


def _is(seen: Seen | None, me: Holder) -> bool:
    return seen is not None and parse(seen.data, 0).token == me.token


def _held(uri: str, seen: Seen | None) -> LeaseHeld:
    if seen is None:
        return LeaseHeld(f"another run is writing {uri}. Wait for it, or choose a different --output")
    holder = parse(seen.data, LIFETIME_SECONDS)
    return LeaseHeld(
        f"another run is writing {uri}: {holder}. Wait for it, or choose a different --output. "
        f"If that machine is gone, its lease expires at {holder.expires:%H:%M:%S} UTC, after which the same command resumes"
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
        """Renew at once. Only this run may publish in the LIFETIME_SECONDS after this."""
        if self._lock.acquire(timeout=self._me.lifetime):
            try:
                self._renew()
            finally:
                self._lock.release()
        if self._lost:
            raise LeaseHeld(self._lost)
        if _clock() - self._renewed >= self._me.lifetime:
            raise LeaseHeld(
                f"the lease on {self._uri} could not be renewed for {self._me.lifetime:.0f} s ({self._trouble or 'no answer'}), so "
                "nothing from this run was published. Repeat the command when the store answers again"
            )

    def close(self) -> None:
        """Release the lease, so that the next run need not wait."""
        self._stop.set()
        if not self._lock.acquire(timeout=10):  # in case a write hangs
            return
        try:
            if not self._lost:
                self._place.write(replace(self._me.renewed(), released=True).data(), self._version)
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; the run has ended, and the lease expires
            self._note(f"the lease on {self._uri} could not be released ({_short(error)}). It expires in {self._me.lifetime:.0f} s")
        finally:
            self._lost = self._lost or f"the lease on {self._uri} was released"
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
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; the next attempt may succeed
            if not self._trouble:
                self._note(f"the lease on {self._uri} cannot be renewed ({_short(error)}). Trying again")
            self._trouble = _short(error)
            return
        if version is None and (last is None or not _is(last, me)):
            self._lost = self._taken_by(last)
            return
        # if a write succeeded but its answer was lost, the object is a later state of this run
        self._me, self._version = me, version or (last.version if last else "")
        if version is not None or (last is not None and last.data == me.data()):
            self._renewed, self._trouble = began, ""

    def _taken_by(self, last: Seen | None) -> str:
        if last is None:
            return f"{self._uri}/{LEASE} was removed while this run held it, so nothing from this run was published. Repeat the command"
        return (
            f"the lease on {self._uri} was taken over by {parse(last.data, 0)}, so nothing from this run was published. "
            "Wait for that run, or choose a different --output"
        )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _clock() -> float:
    """Return seconds of a clock that nobody sets and that keeps running while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
