"""Where the files of a bundle are: in a tar of unknown origin, or in an imported folder.

It lists the files and does not judge their contents.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veritensor_ray.bundle.bundle_manifest import MANIFEST, MANIFEST_BYTES, SIGNATURE, SIGNATURE_BYTES
from veritensor_ray.core.errors import BundleError, UsageError

BLOCK = tarfile.BLOCKSIZE
_AGAIN = "Copy the bundle again"
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "an extended header",
    tarfile.GNUTYPE_LONGNAME: "an extended header",
    tarfile.GNUTYPE_LONGLINK: "an extended header",
}


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file of a bundle: `size` bytes of `file`, starting at `offset`."""

    name: str
    size: int
    file: Path
    offset: int = 0

    def open(self) -> int:
        """Open the file and return a descriptor. Links are not followed, and a pipe does not block."""
        try:
            return os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise BundleError(f"{self.file} cannot be read: {error.strerror}. {_AGAIN}") from None

    def read(self, most: int) -> bytes:
        """Read a small file completely. Raises BundleError if it has more than `most` bytes."""
        if self.size > most:
            raise BundleError(f"{self.name} in {self.file} has {self.size:,} bytes, more than {most:,}, so this is not a bundle")
        descriptor = self.open()
        try:
            data = os.pread(descriptor, self.size, self.offset)
        except OSError as error:
            raise BundleError(f"{self.file} cannot be read: {error.strerror}. {_AGAIN}") from None
        finally:
            os.close(descriptor)
        if len(data) < self.size:
            raise BundleError(f"{self.file} is truncated. {_AGAIN}")
        return data


@dataclass(frozen=True, slots=True)
class Carrier:
    """Manifest and signature, and the other files, which are listed lazily."""

    path: Path
    manifest: bytes
    signature: bytes
    entries: Iterator[CarriedFile]
    again: str  # the remedy if something is wrong


def tar(path: Path) -> Carrier:
    """Open a bundle as a tar. Only its first two entries are read here, and nothing has been checked."""
    try:
        about = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        raise UsageError(f"{path} is not a file. Name the tar that `bundle create` wrote")
    entries = _listed(path.resolve(), about.st_size)
    manifest, signature = (_first(path, entries, *expected) for expected in ((MANIFEST, MANIFEST_BYTES), (SIGNATURE, SIGNATURE_BYTES)))
    return Carrier(path, manifest, signature, entries, _AGAIN)


def _first(path: Path, entries: Iterator[CarriedFile], name: str, most: int) -> bytes:
    entry = next(entries, None)
    if entry is None or entry.name != name:
        raise BundleError(f"{path} is not a bundle: it does not begin with {MANIFEST} and {SIGNATURE}. Name one that `bundle create` wrote")
    return entry.read(most)


def _listed(path: Path, size: int) -> Iterator[CarriedFile]:
    """Yield the plain files of a tar.

    Everything else is refused, including extensions, which may rename the next entry or have any size.
    """
    with path.open("rb") as file:
        position = 0
        while True:
            file.seek(position)
            block = file.read(BLOCK)
            if block == bytes(BLOCK):
                _ends(path, file.read(64 * BLOCK), size - position)
                return
            entry = _header(path, block, position)
            position += BLOCK + -(-entry.size // BLOCK) * BLOCK
            if position > size:
                raise BundleError(f"{path} is truncated: {entry.name!r} is incomplete. {_AGAIN}")
            yield entry


def _header(path: Path, block: bytes, position: int) -> CarriedFile:
    try:
        found = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        what = "is truncated" if len(block) < BLOCK else "is not a tar, or damaged"
        raise BundleError(f"{path} {what} at byte {position:,} ({error}). {_AGAIN}") from None
    if found.type != tarfile.REGTYPE or found.size < 0:
        kind = _KINDS.get(found.type, "not a plain file")
        raise BundleError(f"{found.name[:80]!r} in {path} is {kind}. A bundle contains only plain files. Create it with `bundle create`")
    return CarriedFile(found.name, found.size, path, position + BLOCK)


def _ends(path: Path, rest: bytes, left: int) -> None:
    """Check that only padding follows the end. tar pads with zeros; anything else would be carried unnoticed."""
    if left > len(rest) + BLOCK or rest.strip(b"\0"):
        raise BundleError(f"{path} has data after its end. {_AGAIN}")


def folder(path: Path) -> Carrier:
    """Open an imported bundle. Nothing in it has been checked."""
    entries = {entry.name: entry for entry in _below(path, "")}
    head = []
    for name, most in ((MANIFEST, MANIFEST_BYTES), (SIGNATURE, SIGNATURE_BYTES)):
        if name not in entries:
            raise BundleError(f"{path / name} is missing. Import the bundle again")
        head.append(entries.pop(name).read(most))
    return Carrier(path, head[0], head[1], iter(entries.values()), "Import the bundle again")


def _below(root: Path, prefix: str) -> Iterator[CarriedFile]:
    try:
        with os.scandir(root / prefix) as found:
            children = sorted(found, key=lambda child: child.name)
        for child in children:
            name = f"{prefix}{child.name}"
            if child.is_dir(follow_symlinks=False):
                yield from _below(root, f"{name}/")
            elif child.is_file(follow_symlinks=False):
                yield CarriedFile(name, child.stat(follow_symlinks=False).st_size, root / name)
            else:
                raise BundleError(f"{root / name} is a link, or not a plain file. Remove it, or import the bundle again")
    except OSError as error:
        raise BundleError(f"{root / prefix} cannot be read: {error.strerror}. Import the bundle again") from None
