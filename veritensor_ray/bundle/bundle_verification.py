"""Verify a bundle against its manifest: its signers, its files, and every digest. It changes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event

from veritensor_ray.bundle import bundle_manifest as manifests
from veritensor_ray.bundle.bundle_manifest import BundleManifest, bundle_id
from veritensor_ray.bundle.carrier import CarriedFile, Carrier
from veritensor_ray.core.errors import BundleError
from veritensor_ray.core.signing import TrustedKey, TrustList

BUFFER = 1 << 20  # measured: from 256 KiB up, the size makes no difference
THREADS = 2  # hashing releases the interpreter lock; more threads would take cores from runs
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle with a valid signature and all its files in the right size. `entries` maps names to files."""

    id: str
    manifest: BundleManifest
    keys: tuple[TrustedKey, ...]
    entries: dict[str, CarriedFile]
    again: str


def listed(carrier: Carrier, trusted: TrustList) -> VerifiedBundle:
    """Check the signature first, then names and sizes. Raises SignatureError or BundleError."""
    manifest, keys = manifests.opened(str(carrier.path), carrier.manifest, carrier.signature, trusted)
    return VerifiedBundle(bundle_id(carrier.manifest), manifest, keys, _matched(carrier, manifest), carrier.again)


def _matched(carrier: Carrier, manifest: BundleManifest) -> dict[str, CarriedFile]:
    found: dict[str, CarriedFile] = {}
    for entry in carrier.entries:
        expected, shown = manifest.files.get(entry.name), f"{carrier.path}: {entry.name[:80]!r}"
        if expected is None:
            wrong = manifests.objection(entry.name) or f"{entry.name[:80]!r} is extra"
            raise BundleError(f"{carrier.path}: {wrong} and is not listed in the manifest. {carrier.again}")
        if entry.name in found:
            raise BundleError(f"{shown} appears twice. {carrier.again}")
        if entry.size != expected.size:
            raise BundleError(f"{shown} has {entry.size:,} bytes instead of {expected.size:,}. {carrier.again}")
        found[entry.name] = entry
    if missing := manifest.files.keys() - found.keys():
        raise BundleError(f"{carrier.path}: {min(missing)!r} is missing. {carrier.again}")
    return found


def contents(found: VerifiedBundle, progress: Progress = lambda done: None) -> None:
    """Check every digest. Raises BundleError for the first that differs."""
    each(found.entries.values(), lambda entry, stop: check(found, entry, digest(entry, progress, stop)))


def check(found: VerifiedBundle, entry: CarriedFile, seen: str) -> None:
    """Raise BundleError if the digest differs from the manifest."""
    if seen != found.manifest.files[entry.name].sha256:
        where = entry.file if entry.offset == 0 else f"{entry.name} in {entry.file}"
        raise BundleError(f"{where} has changed: its SHA-256 differs from the manifest of bundle {found.id}. {found.again}")


def each(entries: Iterable[CarriedFile], work: Callable[[CarriedFile, Event], None]) -> None:
    """Process all entries, big ones first, in a few threads. The first error stops the others."""
    stop = Event()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="bundle") as pool:
        try:
            futures = [pool.submit(work, entry, stop) for entry in sorted(entries, key=lambda entry: -entry.size)]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:  # on any exit, including Ctrl-C
            stop.set()
            pool.shutdown(cancel_futures=True)


def digest(entry: CarriedFile, progress: Progress, stop: Event, copy: int | None = None) -> str:
    """Return the SHA-256 of an entry, read once into one buffer, and optionally write it to the descriptor `copy`."""
    source, buffer, seen = entry.open(), memoryview(bytearray(min(BUFFER, max(1, entry.size)))), hashlib.sha256()
    try:
        position = 0
        while position < entry.size and not stop.is_set():
            count = os.preadv(source, [buffer[: entry.size - position]], entry.offset + position)
            if not count:
                raise BundleError(f"{entry.file} was truncated while it was being read. Copy the bundle again")
            seen.update(buffer[:count])
            if copy is not None:
                write(copy, buffer[:count])
            position += count
            progress(count)
    except OSError as error:
        raise BundleError(f"{entry.file} or its copy caused a disk error: {error.strerror}. Check the disk") from None
    finally:
        os.close(source)
    return seen.hexdigest()


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all the data, since one call may write less."""
    data = memoryview(data)
    while data:
        data = data[os.write(descriptor, data) :]
