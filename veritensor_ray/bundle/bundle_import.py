"""Import a bundle: stage, verify, rename, switch the links.

An interrupted import leaves nothing that is used.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from veritensor_ray.bundle import bundle_verification, carrier
from veritensor_ray.bundle.active_bundle import CURRENT, PREVIOUS, bundles_folder, is_id, linked, verified
from veritensor_ray.bundle.bundle_manifest import MANIFEST, SIGNATURE, BundleManifest, ages
from veritensor_ray.bundle.bundle_verification import Progress, VerifiedBundle
from veritensor_ray.bundle.carrier import CarriedFile
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import BundleError, CannotRunError, SignatureError
from veritensor_ray.core.signing import TrustList, trust_list

_STAGING = ".staging-"
_SPARE = 64 << 20  # bytes that an import leaves free


@dataclass(frozen=True, slots=True)
class Imported:
    """The bundle now in use, the one before it, and whether anything had to be copied."""

    id: str
    folder: Path
    manifest: BundleManifest
    previous: str | None
    copied: bool
    warnings: tuple[str, ...]


def import_bundle(settings: Settings, path: Path, progress: Progress = lambda done: None) -> Imported:
    """Verify the tar, copy it in and make it current. The previous bundle is kept.

    Raises BundleError, SignatureError or UsageError.
    """
    folder, trusted, carried = bundles_folder(settings.bundle), trust_list(settings.trusted_keys), carrier.tar(path)
    found = bundle_verification.listed(carried, trusted)
    warnings = ages(f"bundle {found.id}", found.manifest, settings.bundle)
    with _alone(folder):
        _clean(folder)
        before = linked(folder)
        copied = not _is_whole(folder / found.id, trusted)
        if copied:
            _copy(found, carried, folder, progress)
        warnings += _older(before, found, trusted)
        _point(folder, found.id)
        previous = linked(folder, PREVIOUS)
        _forget(folder)
    return Imported(found.id, folder / found.id, found.manifest, previous.name if previous else None, copied, tuple(warnings))


def rollback(settings: Settings, progress: Progress = lambda done: None) -> Imported:
    """Verify the previous bundle and make it current. A second call switches back. Raises BundleError or SignatureError."""
    folder, trusted = bundles_folder(settings.bundle), trust_list(settings.trusted_keys)
    if not folder.is_dir():
        raise BundleError(f"there is no bundle in {folder}. Import one: `veritensor-ray bundle import FILE.tar`")
    with _alone(folder):
        before = linked(folder, PREVIOUS)
        if before is None:
            raise BundleError(f"there is no previous bundle in {folder}. Import the one you want")
        found = verified(before, trusted, progress=progress)
        warnings = ages(f"bundle {found.id}", found.manifest, settings.bundle)
        _point(folder, found.id)
        previous = linked(folder, PREVIOUS)
    return Imported(found.id, before, found.manifest, previous.name if previous else None, False, tuple(warnings))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Allow one import at a time, and report disk errors in one sentence."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # runs of other users read it
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise CannotRunError(f"another import is running in {folder}. Wait for it") from None
    except OSError as error:
        place = error.filename or folder
        raise BundleError(f"{place} cannot be written: {error.strerror}. Check the disk, or set bundle.folder") from None


def _is_whole(folder: Path, trusted: TrustList) -> bool:
    try:
        verified(folder, trusted)
    except (BundleError, SignatureError):
        return False
    return True


def _older(before: Path | None, found: VerifiedBundle, trusted: TrustList) -> list[str]:
    """Return a warning if the bundle in use was newer. An attacker may want an old, correctly signed bundle to be used."""
    if before is None or before.name == found.id:
        return []
    try:
        created = verified(before, trusted, thorough=False).manifest.created
    except (BundleError, SignatureError):
        return []
    if created <= found.manifest.created:
        return []
    return [
        f"bundle {found.id} was created before the one that was in use ({found.manifest.created}, {created}). Undo with `bundle rollback`"
    ]


def _copy(found: VerifiedBundle, carried: carrier.Carrier, folder: Path, progress: Progress) -> None:
    """Copy the files into a temporary folder, verified and flushed to disk, before it gets its final name."""
    free = shutil.disk_usage(folder).free
    if free < found.manifest.size + _SPARE:
        raise BundleError(
            f"{folder} has {free:,} bytes free, but the bundle needs {found.manifest.size + _SPARE:,}. Free some, or set bundle.folder"
        )
    staging = folder / f"{_STAGING}{secrets.token_hex(4)}"
    try:
        for below in {(staging / name).parent for name in found.entries}:
            below.mkdir(parents=True, exist_ok=True)
        for name, data in ((MANIFEST, carried.manifest), (SIGNATURE, carried.signature)):
            with _new(staging / name) as copy:
                bundle_verification.write(copy, data)
        bundle_verification.each(found.entries.values(), lambda entry, stop: _copy_entry(found, entry, staging, progress, stop))
        for below in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
            below.chmod(0o755)
            _sync(below)
        target = folder / found.id
        if target.exists() or target.is_symlink():  # it is incomplete
            target.rename(folder / f"{_STAGING}{secrets.token_hex(4)}")
        staging.rename(target)
        _sync(folder)
    finally:
        _clean(folder)


def _copy_entry(found: VerifiedBundle, entry: CarriedFile, staging: Path, progress: Progress, stop: Event) -> None:
    with _new(staging / entry.name) as copy:
        bundle_verification.check(found, entry, bundle_verification.digest(entry, progress, stop, copy))


@contextmanager
def _new(path: Path) -> Iterator[int]:
    """Open a descriptor for a new file, which is flushed to disk afterwards. Everyone may read it, since nothing is secret."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clean(folder: Path) -> None:
    """Remove the remains of an unfinished import."""
    for left in folder.glob(f"{_STAGING}*"):
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path)


def _point(folder: Path, name: str) -> None:
    """Switch `previous`, then `current`. At every moment, `current` points to a complete bundle."""
    before = linked(folder)
    if before is not None and before.name == name:
        return
    if before is not None:
        _link(folder, PREVIOUS, before.name)
    _link(folder, CURRENT, name)


def _link(folder: Path, link: str, name: str) -> None:
    temporary = folder / f"{_STAGING}{secrets.token_hex(4)}"
    temporary.symlink_to(name)
    temporary.replace(folder / link)
    _sync(folder)


def _forget(folder: Path) -> None:
    """Remove all bundles except the current and the previous one."""
    kept = {one.name for one in (linked(folder), linked(folder, PREVIOUS)) if one}
    for path in folder.iterdir():
        if is_id(path.name) and path.name not in kept:
            _remove(path)
