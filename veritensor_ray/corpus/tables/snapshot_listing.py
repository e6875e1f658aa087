"""Turns the listing of a folder that is a table into that of a snapshot: data files with their views, and everything else with what it is.

A table whose snapshot cannot be read is one row of its own, and none of its data files is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.listing import Listed, TableStart, printable, snapshot_moment, table_above
from veritensor_ray.corpus.tables.table_kinds import DataFile, Opener, TableFolder
from veritensor_ray.stores.bucket_versions import without_version
from veritensor_ray.stores.filesystems import Stores

VIEW = "+view:"  # in an ETag, before the digest of a view


def stored_etag(etag: str | None) -> str | None:
    """Return an ETag as the store gives it, without what identifies a version, or the view of a table's data file."""
    stored = without_version(etag.rpartition(VIEW)[0] if VIEW in etag else etag)[0] if etag else None
    return None if not stored or stored.startswith("@") else stored


def stored_version(etag: str | None) -> str | None:
    """Return the version of an object that an ETag names, if it names one."""
    return without_version(etag.rpartition(VIEW)[0] if VIEW in etag else etag)[1] if etag else None


def view_of(etag: str | None) -> str | None:
    """Return what identifies the view of a table's data file in its ETag, or None for any other artifact."""
    return etag.rpartition(VIEW)[2] if etag and VIEW in etag else None


def _identified(entry: Listed, view: bytes) -> str:
    """Return an ETag that changes with the file and with its view. A store without ETags has the time instead."""
    return f"{entry.etag or f'@{entry.mtime}'}{VIEW}{hashlib.sha256(view).hexdigest()[:16]}"


class Tables:
    """Reads the tables that a listing meets. A table that is met again is read in the version that it had the first time."""

    def __init__(
        self, stores: Stores, opener: Opener, as_of: str | None = None, follow_links: bool = False, heads: Mapping[str, str] | None = None
    ) -> None:
        self._stores, self._opener, self._as_of, self._follow_links, self._heads = stores, opener, as_of, follow_links, heads or {}
        self._versions: dict[str, str] = {}
        if (when := snapshot_moment(as_of)) is not None:
            self._as_of = when.isoformat()  # the same moment for all tables

    def __call__(self, entries: Iterable[Listed | TableStart]) -> Iterator[Listed]:
        """Yield the entries of a listing. The entries below a folder follow its TableStart, without others in between."""
        inside: list[_Folder] = []
        for entry in entries:
            path = entry.folder if isinstance(entry, TableStart) else entry.path
            while inside and not path.startswith(inside[-1].above):
                yield from inside.pop().missing()
            if isinstance(entry, TableStart):
                inside.append(self._folder(entry))
                yield from inside[-1].heading()
            else:
                judged = inside[-1].judged(entry) if inside else entry
                for outer in inside[:-1]:
                    judged = outer.around(judged)
                yield judged
        while inside:
            yield from inside.pop().missing()

    def in_table(self, entry: Listed, uri: str) -> Listed:
        """Return a single file as the snapshot of the table that it stands in has it. `uri` is that of the file. Raises StoreError."""
        found = table_above(uri, self._stores)
        if found is None:
            return entry
        kind, folder = found
        above = entry.path.rsplit(b"/", uri.count("/") - folder.count("/"))[0]
        return self._folder(TableStart(kind, above, ".", folder)).judged(entry)

    def _folder(self, start: TableStart) -> _Folder:
        wanted = self._versions.get(start.uri, self._as_of)
        folder = TableFolder(start.kind.name, start.uri, self._stores, wanted, self._follow_links, self._heads.get(start.uri))
        try:
            snapshot = self._opener(folder)
        except ReadError as error:
            return _Folder(start, {}, "", error)
        self._versions[start.uri] = snapshot.version
        return _Folder(start, dict(snapshot.files), snapshot.version)


@dataclass
class _Folder:
    """A table that is being listed. `left` are the data files that were not listed yet."""

    start: TableStart
    left: dict[bytes, DataFile]
    version: str
    error: ReadError | None = None

    @property
    def above(self) -> bytes:
        return self.start.folder.rstrip(b"/") + b"/"

    @property
    def _named(self) -> str:
        return f"{self.start.kind.unit} {self.version} of the {self.start.kind.title}"

    def heading(self) -> Iterator[Listed]:
        """Yield a row for the table itself if its snapshot cannot be read."""
        if self.error is not None:
            reason = f"this {self.start.kind.title} was not read: {self.error}"
            code = ReasonCode.TABLE_NOT_READ
            yield Listed(self.start.artifact, self.start.folder, status="unreadable", reason=reason, reason_code=code)

    def judged(self, entry: Listed) -> Listed:
        """Return an entry as the snapshot has it."""
        name = entry.path[len(self.above) :]
        known = self.left.pop(name, None)
        if known is not None and entry.status == "skipped" and entry.reason_code == ReasonCode.NOT_IN_SNAPSHOT:
            # the clocks of its writer and of its store differ: what a snapshot names was there
            entry = replace(entry, status=None, reason=None, reason_code=None)
        if entry.status is not None:
            return entry
        is_log = self.start.kind.is_log(name)
        if known is not None or is_log:
            entry = self._tagged(entry, name)
        if known is not None:
            return self._live(entry, known)
        if is_log or not self.start.kind.files.fullmatch(name):
            return entry
        if self.error is not None:
            reason = f"the {self.start.kind.title} that it may belong to was not read: {self.error}"
            return replace(entry, status="unreadable", reason=reason, reason_code=ReasonCode.TABLE_NOT_READ)
        reason = f"not in the snapshot: no data file of {self._named}"
        return replace(entry, status="skipped", reason=reason, reason_code=ReasonCode.NOT_IN_SNAPSHOT)

    def around(self, entry: Listed) -> Listed:
        """Return an entry that a table inside of this one has judged. It is there, and what is in this table's log stays a part of that."""
        name = entry.path[len(self.above) :]
        self.left.pop(name, None)
        return self._tagged(entry, name) if entry.view is None and entry.status is None and self.start.kind.is_log(name) else entry

    def _tagged(self, entry: Listed, name: bytes) -> Listed:
        return replace(entry, table=f"{self.start.kind.name}:{name.count(b'/') + 1}")

    def _live(self, entry: Listed, known: DataFile) -> Listed:
        if known.problem is not None:
            reason = f"a data file of {self._named}, but {known.problem}"
            return replace(entry, status="unreadable", reason=reason, reason_code=ReasonCode.TABLE_NOT_READ)
        if known.size is not None and entry.size is not None and entry.size != known.size:
            reason = f"it has {entry.size:,} bytes, but {self._named} says {known.size:,}: it was replaced or cut off"
            return replace(entry, status="unreadable", reason=reason, reason_code=ReasonCode.TABLE_NOT_READ)
        return replace(entry, etag=_identified(entry, known.view), view=known.view)

    def missing(self) -> Iterator[Listed]:
        """Yield a row for each data file that the snapshot names and the folder does not have."""
        base = "" if self.start.artifact == "." else f"{self.start.artifact}/"
        for name, known in sorted(self.left.items()):
            why = known.problem or "it does not exist"
            reason = f"a data file of {self._named}, but {why}"
            yield Listed(
                base + printable(name), self.above + name, status="unreadable", reason=reason, reason_code=ReasonCode.TABLE_NOT_READ
            )


__all__ = ["VIEW", "Tables", "stored_etag", "stored_version", "view_of"]
