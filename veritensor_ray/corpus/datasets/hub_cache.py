"""The cache of the Hugging Face hub on a disk: one blob for each content, and links that give it a name in each revision.

A link is followed only to a blob of its own repository. It opens no file but those that name revisions.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

DATASETS = "datasets"
_KINDS = (DATASETS.encode(), b"models", b"spaces")
_REVISION = re.compile(rb"[0-9a-f]{40}")
_LOCAL_DOWNLOADS = b"/.cache/huggingface/"  # beside files that were downloaded to a folder of the user's
_LONGEST_REF = 64


class RepositoryFolder(NamedTuple):
    """A repository in a cache: its folder, its kind (`datasets`), its name (`org/name`), and where in the folder a path is."""

    folder: bytes
    kind: str
    name: str
    below: tuple[bytes, ...]

    @property
    def revision(self) -> str | None:
        """The revision that the path belongs to, if it is that of a snapshot or in one."""
        return self.below[1].decode("utf-8", "replace") if len(self.below) > 1 and self.below[0] == b"snapshots" else None


def repository(path: bytes) -> RepositoryFolder | None:
    """Return the innermost repository that a path names."""
    if b"--" not in path:
        return None
    parts = path.split(b"/")
    for at in range(len(parts) - 1, -1, -1):
        kind, _, name = parts[at].partition(b"--")
        if kind in _KINDS and name:
            full = name.replace(b"--", b"/").decode("utf-8", "backslashreplace")
            return RepositoryFolder(b"/".join(parts[: at + 1]), kind.decode(), full, tuple(parts[at + 1 :]))
    return None


def is_unfinished(path: bytes) -> bool:
    """Return whether a file is what was received of a download that has not ended."""
    if not path.endswith(b".incomplete"):
        return False
    here = repository(path)
    return _LOCAL_DOWNLOADS in path or (here is not None and here.below[:1] == (b"blobs",))


def blob_of(link: bytes) -> bytes | None:
    """Return the blob that a link in a snapshot leads to, or None for any other link."""
    here = repository(link)
    if here is None or here.below[0:1] != (b"snapshots",) or len(here.below) < 3:
        return None
    try:
        target = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))  # noqa: PTH115, PTH118, PTH120  # bytes
    except OSError:
        return None
    folder, name = os.path.split(target)
    # the blob, and the folder of blobs, may be links that lead anywhere
    if folder != here.folder + b"/blobs" or os.path.realpath(link) != os.path.realpath(here.folder) + b"/blobs/" + name:
        return None
    return target if os.path.isfile(target) else None  # noqa: PTH113


class BlobNames:
    """Under which of its names each blob is read, in the caches below a folder. The last repository that was asked for is kept.

    Only names that are included count, and those that are excluded only if a blob has no other.
    """

    def __init__(self, base: bytes, is_included: Callable[[bytes], bool], is_excluded: Callable[[bytes], bool]) -> None:
        self._base, self._is_included, self._is_excluded = base.rstrip(b"/"), is_included, is_excluded
        self._folder, self._names = b"", dict[bytes, bytes]()

    def of(self, blob: bytes) -> bytes | None:
        """Return the link under which a blob is read, if any names it."""
        folder = os.path.dirname(os.path.dirname(blob))  # noqa: PTH120
        if folder != self._folder:
            self._folder, self._names = folder, {}
            for link in sorted(filter(self._is_included, self._links(folder)), key=self._is_excluded):
                if (named := blob_of(link)) is not None:
                    self._names.setdefault(named, link)
        return self._names.get(blob)

    def name_of(self, file: bytes) -> bytes | None:
        """Return the link under which a file is read, if it is a blob that any names."""
        here = repository(file)
        return self.of(file) if here is not None and here.below[:1] == (b"blobs",) and len(here.below) == 2 else None

    def _links(self, folder: bytes) -> Iterator[bytes]:
        """Yield the links of a repository that are part of the corpus, those of the revisions that a branch or a tag names first."""
        top = folder + b"/snapshots"
        is_inside = (top + b"/").startswith(self._base + b"/")
        if is_inside and top != self._base and os.path.islink(top):  # noqa: PTH114
            return  # os.walk would follow a link that the listing does not
        starts = [top + b"/" + name for name in _revisions(folder)] if is_inside else [self._base]
        for start in starts:
            if is_inside and os.path.islink(start):  # noqa: PTH114
                continue
            for above, folders, names in os.walk(start):
                folders.sort()
                yield from (path for name in sorted(names) if os.path.islink(path := above + b"/" + name))  # noqa: PTH114


def _revisions(folder: bytes) -> list[bytes]:
    try:
        there = sorted(os.listdir(folder + b"/snapshots"))  # noqa: PTH208
    except OSError:
        return []
    current = [name for name in _referred(folder) if name in there]
    return list(dict.fromkeys([*current, *there]))


def _referred(folder: bytes) -> Iterator[bytes]:
    """Yield the revisions that references name, that of `main` first."""
    refs = os.fsdecode(folder + b"/refs")
    others = (os.path.join(above, name) for above, _, names in sorted(os.walk(refs)) for name in sorted(names))  # noqa: PTH118
    for path in itertools.chain([f"{refs}/main"], others):
        try:
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                with Path(path).open("rb") as file:
                    said = file.read(_LONGEST_REF).strip()
                if _REVISION.fullmatch(said):
                    yield said
        except OSError:
            continue


__all__ = ["DATASETS", "BlobNames", "RepositoryFolder", "blob_of", "is_unfinished", "repository"]
