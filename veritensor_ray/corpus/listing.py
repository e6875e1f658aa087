"""List a corpus as a stream in a stable order.

A folder that cannot be listed, or an entry that is not a file, appears in the listing too. It opens no file.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fsspec.utils import glob_translate

from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.core.reasons import ReasonCode, access_code
from veritensor_ray.core.timespans import moment
from veritensor_ray.core.uris import DATASET, is_local, named_kind, real_base
from veritensor_ray.corpus.bucket_inventory import BucketInventory, InventoryRows, manifest
from veritensor_ray.corpus.datasets.dataset_folders import (
    CARD,
    DICT,
    INFO,
    STATE,
    DatasetFolder,
    DatasetPart,
    DatasetStart,
    dataset_at,
    may_be_dataset,
)
from veritensor_ray.corpus.datasets.descriptions import says_dataset
from veritensor_ray.corpus.datasets.hub_cache import DATASETS, BlobNames, blob_of, repository
from veritensor_ray.corpus.tables.iceberg_catalogs import SCHEME, metadata_file
from veritensor_ray.corpus.tables.table_kinds import ICEBERG, KINDS, TableKind, kind_of, proven
from veritensor_ray.stores import redirects
from veritensor_ray.stores.bucket_versions import LISTING, BucketAsOf, keeps_versions, version_of, with_version, without_version
from veritensor_ray.stores.filesystems import Stores, absolute, denied, filesystem
from veritensor_ray.stores.folder_pages import Page, PagesAhead, has_folder, is_archived, pages
from veritensor_ray.stores.patience import patient
from veritensor_ray.stores.store_errors import RESTORE, store_code, trouble

if TYPE_CHECKING:
    from veritensor_ray.corpus.datasets.dataset_listing import Datasets
    from veritensor_ray.corpus.tables.snapshot_listing import Tables

_GLOB = re.compile(r"[*?\[]")
OWN = "the output of this run"
_LOGS = frozenset(kind.log for kind in KINDS.values())
_FULL_PAGE = 1000  # entries; S3 returns no more at once
_LATER = "no version of it is as old as the moment of --as-of: it came later, or older versions were removed"
_KINDS = ((stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a listing.

    `path` is the name for the store, `artifact` the printable name within the corpus. `status`, `reason` and `reason_code` are set if there
    is nothing to scan: skipped, unreadable, or unlisted (for a prefix). A reason without a status says what is known to be missing of a file.
    `view` is what the snapshot of a table shows of a data file, and `dataset` the dataset that it belongs to. `table` is set for data files
    and the log of a table: its kind, and how many parts of the name lie below its folder, such as `delta:2`.
    """

    artifact: str
    path: bytes
    size: int | None = None
    etag: str | None = None
    mtime: float | None = None
    status: str | None = None
    reason: str | None = None
    reason_code: ReasonCode | None = None
    view: bytes | None = None
    table: str | None = None
    dataset: DatasetPart | None = None


@dataclass(frozen=True, slots=True)
class TableStart:
    """Stands in a listing before the entries of a folder that is a table."""

    kind: TableKind
    folder: bytes
    artifact: str
    uri: str


@dataclass(frozen=True, slots=True)
class Root:
    """A parsed source: where the listing starts and what to take from it.

    `table` is the kind of table that the folder was named as, and `head` the file in its log that says what its latest snapshot is.
    """

    uri: str  # of the folder that artifact names are relative to
    prefix: str  # prepended to artifact names if a corpus has several sources
    single: str | None = None  # the one file, if the source is a file
    pattern: str | None = None  # a regular expression for the name within the source
    table: str | None = None
    head: str | None = None
    inventory: str | None = None  # the manifest of the S3 inventory to list it from
    as_of: float | None = None  # the moment of which the versions of its objects are read
    version: str | None = None  # of the one file, if it has to be this one


class Taken(NamedTuple):
    """Which artifacts the settings take, by their names in the corpus."""

    include: re.Pattern[str] | None = None
    exclude: re.Pattern[str] | None = None

    def includes(self, artifact: str) -> bool:
        """Return whether `include` names an artifact."""
        return self.include is None or self.include.match(artifact) is not None

    def excludes(self, artifact: str) -> bool:
        """Return whether `exclude` names an artifact."""
        return self.exclude is not None and self.exclude.match(artifact) is not None


EVERYTHING = Taken()


def roots(sources: Sequence[str], stores: Stores, inventories: Sequence[str] = (), as_of: str | None = None) -> list[Root]:
    """Parse sources. Raises StoreError for one that does not exist. Buckets that keep versions are seen as they were at the moment `as_of`."""
    by_bucket = _by_bucket(inventories, stores) if any(map(_on_s3, sources)) else {}
    seen_at = None if (when := snapshot_moment(as_of)) is None else when.timestamp()
    found = [_root(source, stores, by_bucket, seen_at) for source in sources]
    if len(found) == 1:
        return found
    taken: set[str] = set()
    named = []
    for root in found:
        base = root.uri.rstrip("/").rsplit("/", 1)[-1] or "root"
        prefix = next(name for n in itertools.count(1) if (name := f"{base}/" if n == 1 else f"{base}-{n}/") not in taken)
        taken.add(prefix)
        named.append(replace(root, prefix=prefix))
    return named


def snapshot_moment(as_of: str | None) -> datetime | None:
    """Return the moment that `as_of` names, or None if it names a version of a table. Raises UsageError."""
    if as_of is None or as_of.isdecimal():
        return None
    try:
        return moment(as_of, datetime.now(UTC), -1)
    except ValueError as error:
        raise UsageError(f"as_of: a version such as 12, or a time: {error}") from None


def _on_s3(uri: str) -> bool:
    return named_kind(uri)[1].startswith(("s3://", "s3a://"))


def _by_bucket(inventories: Sequence[str], stores: Stores) -> dict[str, str]:
    found: dict[str, str] = {}
    for uri in inventories:
        bucket = manifest(uri, stores).bucket
        if (other := found.setdefault(bucket, uri)) != uri:
            raise UsageError(f"{other} and {uri} are inventories of the same bucket, {bucket}. Name one of them")
    return found


def check_inventories(starts: Sequence[Root], inventories: Sequence[str]) -> None:
    """Raise UsageError for an inventory that is not used, because no source is in its bucket."""
    if unused := set(inventories) - {root.inventory for root in starts}:
        raise UsageError(f"no source is in the bucket of the inventory {min(unused)}. Name the bucket, or a folder in it, as a source")


def _root(source: str, stores: Stores, inventories: Mapping[str, str], as_of: float | None) -> Root:
    name, uri = named_kind(source)[0], absolute(source)
    if name == ICEBERG.name and uri.startswith(SCHEME):
        uri = absolute(metadata_file(uri, stores))
    inventory = inventories.get(uri.split("/")[2]) if _on_s3(uri) else None
    if as_of is not None and (inventory is not None or not _on_s3(uri) or not keeps_versions(filesystem(uri, stores)[0], uri)):
        as_of = None
    root = _started(uri, stores, inventory if name is None else None, as_of)
    if name is None:
        return root
    if name == DATASET:
        _check_dataset(root, uri, stores, inventory)
        return root
    kind, head = KINDS[name], None
    if root.single and proven(kind, [root.single]) and root.uri.endswith(f"/{kind.log}"):
        root, head = Root(_folder(root.uri), "", as_of=as_of), root.single
    if root.single or root.pattern or not _is_table(root.uri, stores, kind):
        content = f"no folder {kind.log}{'' if kind.proof is None else ' with a metadata file'}"
        raise StoreError(f"{uri} is not {'an' if kind.title[0] in 'AEIOU' else 'a'} {kind.title}: it has {content}")
    return replace(root, table=name, head=head, inventory=inventory)


def _check_dataset(root: Root, uri: str, stores: Stores, inventory: str | None) -> None:
    """Raise StoreError if a source that was named as a dataset of Hugging Face is not one, nor belongs to a cache of the hub."""
    if inventory is not None:
        raise UsageError(f"an inventory does not say what a dataset consists of. Name {uri} without {DATASET}+, or leave out {inventory}")
    try:
        if root.single is None and root.pattern is None and _is_dataset(uri, stores, root.as_of):
            return
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, "list", error)) from None
    raise StoreError(
        f"{uri} is not a dataset of Hugging Face: it has no {DICT}, no {INFO} with a {STATE} or Arrow files, and no {CARD} that begins with "
        f"`configs` or `dataset_info`, and it is not in a cache of the hub. Name the folder that has one of these, or leave out {DATASET}+ "
        "to read everything there as it is"
    )


def _is_dataset(uri: str, stores: Stores, as_of: float | None) -> bool:
    """Return whether a folder is a dataset of Hugging Face, a cache that has one, or a part of this cache."""
    if is_local(uri):
        path = os.fsencode(uri)
        names = _names_in(path)
    else:
        fs, base = filesystem(uri, stores)
        path = base.encode("utf-8", "surrogateescape")
        seen = _seen(fs, as_of)
        names = list(_on_page(seen, base, next(_pages(seen, base))))
    here = repository(path)
    if here is not None and here.kind == DATASETS:
        return True
    if any(is_folder and name.startswith(f"{DATASETS}--".encode()) for name, is_folder, _ in names):
        return True
    about = _dataset_at(path, uri, names, False, stores)
    return about is not None and says_dataset(about._replace(as_of=as_of))


def _is_table(uri: str, stores: Stores, kind: TableKind) -> bool:
    try:
        fs, path = filesystem(uri, stores)
        log = f"{path.rstrip('/')}/{kind.log}"
        return bool(fs.exists(log)) if kind.proof is None else proven(kind, _names(fs, log))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, "list", error)) from None


def _names(fs: Any, folder: str) -> Iterator[str]:
    """Yield the names in a folder of a store, if it can be listed."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from (str(name).rstrip("/").rpartition("/")[2] for name in patient(partial(fs.ls, folder, detail=False)))


def table_above(uri: str, stores: Stores) -> tuple[TableKind, str] | None:
    """Return the nearest folder above a URI that is a table, with its kind. Raises StoreError."""
    folder = uri
    while (folder := folder.rpartition("/")[0]) and not folder.endswith((":", "/")):
        for kind in KINDS.values():
            if _is_table(folder, stores, kind):
                return kind, folder
    return None


class LoosePart(NamedTuple):
    """A source that is only a part of a table, so that the table's snapshot does not apply to it. `table` is the table's folder."""

    uri: str
    kind: TableKind
    table: str

    @property
    def said(self) -> str:
        """A sentence about it, with what to do instead."""
        return (
            f"{self.uri} is a part of the {self.kind.title} {self.table} and is read as loose files, including rows that the table no longer has. "
            f"To read the table's snapshot, name {self.table} as the source"
        )

    @property
    def noted(self) -> dict[str, str | int | None]:
        """What run.json says of it, beside the tables that were read."""
        return {"table": self.table, "kind": self.kind.name, "version": None, "data_files": None, "read_loosely": self.uri}


def read_loosely(starts: Sequence[Root], stores: Stores) -> Iterator[LoosePart]:
    """Yield each source that is only a part of a table."""
    for root in starts:
        uri = str(real_base(root.uri) or root.uri)
        uri = f"{uri}/{root.single}" if root.single else uri
        if uri.startswith(("http://", "https://")):  # a web server may answer any path, also one that does not exist
            continue
        with contextlib.suppress(StoreError):  # whoever may read the source need not be allowed to look above it
            found = table_above(uri, stores)
            if found is not None and not any(_is_table(uri, stores, kind) for kind in KINDS.values()):
                yield LoosePart(uri, *found)


def read_as_now(starts: Sequence[Root], stores: Stores, as_of: str | None) -> Iterator[str]:
    """Yield a sentence about each source in a store whose objects are read as they are now, although a moment was named."""
    for root in starts if snapshot_moment(as_of) is not None else ():
        if root.as_of is not None or is_local(root.uri) or root.table is not None:
            continue
        with contextlib.suppress(StoreError):
            if any(_is_table(root.uri, stores, kind) for kind in KINDS.values()):
                continue
        if root.inventory is not None:
            why, remedy = "is listed from an inventory", "Leave out --inventory to read its objects as they were"
        elif _on_s3(root.uri):
            why, remedy = "is in a bucket that keeps no versions", "Only what is written after versioning was enabled can be read as it was"
        else:
            why, remedy = "is in a store whose versions are not read", "Only buckets of S3 are read as they were"
        yield f"{root.uri} {why}, so --as-of applies only to tables in it, and all else is read as it is now. {remedy}"


def _started(uri: str, stores: Stores, inventory: str | None = None, as_of: float | None = None) -> Root:
    literal = is_local(uri) and os.path.lexists(uri)  # a file name may contain brackets
    at = None if literal else _GLOB.search(uri)
    if at:
        base = _folder(uri[: at.start()])
        return Root(base, "", None, glob_translate(uri.removeprefix(base).lstrip("/")), inventory=inventory, as_of=as_of)
    if inventory is not None:
        single = _is_object(uri, stores)
        return Root(_folder(uri), "", uri.rpartition("/")[2], inventory=inventory) if single else Root(uri, "", inventory=inventory)
    fs, path = filesystem(uri, stores)
    try:
        # a source given explicitly may be a link; `follow_links` applies to what is below it
        kind = _local_kind(uri) if is_local(uri) else _store_kind(_seen(fs, as_of), path)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, _listing(as_of), error)) from None
    if kind is None:
        raise StoreError(f"{uri} does not exist" + ("" if as_of is None else ", and no version of it is known"))
    return Root(_folder(uri), "", uri.rpartition("/")[2], as_of=as_of) if kind == "file" else Root(uri, "", as_of=as_of)


def _seen(fs: Any, as_of: float | None) -> Any:
    """Return a store as it was at a moment, or as it is."""
    return fs if as_of is None else BucketAsOf(fs, as_of)


def _pages(seen: Any, folder: str) -> Iterator[Page]:
    return seen.pages(folder) if isinstance(seen, BucketAsOf) else pages(seen, folder)


def _listing(as_of: float | None) -> str:
    """Return what is done to a folder to list it, as `denied` names it."""
    return "list" if as_of is None else LISTING


def _local_kind(uri: str) -> str | None:
    if Path(uri).is_file():
        return "file"
    return "directory" if os.path.lexists(uri) else None


def _store_kind(fs: Any, path: str) -> str | None:
    """Return whether a path is a file or a directory, or None if there is nothing. A store may also mean by this that it is asked too often."""
    try:
        return str(patient(partial(fs.info, path))["type"])
    except FileNotFoundError as error:
        if trouble(error) is not None or redirects.leading(error) is not None:
            raise
        return None


def _is_object(uri: str, stores: Stores) -> bool:
    """Return whether a source is an object. Who has an inventory of its bucket need not be allowed to list it."""
    fs, path = filesystem(uri, stores)
    try:
        return "/" in path and _store_kind(fs, path) == "file"
    except Exception:  # noqa: BLE001  # every store raises its own kind
        return False


def _folder(uri: str) -> str:
    """Return the part before the last slash. The root of a store (memory://) keeps its slashes."""
    folder = uri.rpartition("/")[0]
    return f"{folder}/" if not folder or folder.endswith(":/") else folder


def check_source(root: Root, stores: Stores) -> None:
    """List a source and read one byte of it. Raises StoreError that names the missing permission.

    Single files may still be unreadable. Of an inventory, only the manifest is read.
    """
    if root.inventory is not None:
        manifest(root.inventory, stores)
        return
    for entry in walk(root, stores):
        if entry.status == "unlisted" and entry.artifact in (".", root.prefix + "."):
            raise StoreError(entry.reason or f"{root.uri} cannot be listed")
        if entry.status is None and not is_local(root.uri):
            fs, _ = filesystem(root.uri, stores)
            try:
                version = without_version(entry.etag or "")[1]
                pinned = {"version_id": version} if version else {}
                patient(partial(fs.cat_file, os.fsdecode(entry.path), start=0, end=1, **pinned))
            except Exception as error:  # noqa: BLE001  # every store raises its own kind
                if store_code(error) in (ReasonCode.ARCHIVED, ReasonCode.ENCRYPTED):  # this says nothing about the others
                    return
                raise StoreError(denied(root.uri, "read", error)) from None
        return


def walk(
    root: Root,
    stores: Stores,
    follow_links: bool = False,
    own_output: str = "",
    tables: Tables | None = None,
    datasets: Datasets | None = None,
    taken: Taken = EVERYTHING,
) -> Iterator[Listed]:
    """Yield every entry below a root, depth first, sorted by name. The folder `own_output` is a single entry.

    Without `tables`, folders that are tables are listed like any others, and without `datasets` those that are datasets. What is not `taken`
    is listed too, but a file with several names counts as read only under one that is.
    """
    found: Iterable[_Entry]
    if root.inventory is not None:
        found = _walk_inventory(root, root.inventory, stores, own_output)
    elif is_local(root.uri):
        found = _walk_local(root, stores, follow_links, own_output, taken)
    else:
        found = _walk_store(root, stores, own_output)
    named = datasets(found) if datasets is not None else (one for one in found if not isinstance(one, DatasetStart))
    entries = tables(named) if tables is not None else (one for one in named if isinstance(one, Listed))
    wanted = re.compile(root.pattern).match if root.pattern else None
    for entry in entries:
        if wanted and entry.status != "unlisted" and not wanted(entry.artifact):
            continue
        yield Listed(root.prefix + entry.artifact, *(getattr(entry, name) for name in Listed.__slots__[1:])) if root.prefix else entry


def printable(path: bytes) -> str:
    """Return a name that UTF-8 can hold.

    Bytes that are not UTF-8 become \\xNN. Text that looks like such an escape is escaped, so different names stay different.
    """
    return re.sub(rb"\\(?=x([89a-f][0-9a-f]|5c))", rb"\\x5c", path).decode("utf-8", "backslashreplace")


def unprintable(name: str) -> bytes:
    """Return the name that was given to `printable`."""
    return re.sub(rb"\\x([89a-f][0-9a-f]|5c)", lambda found: bytes.fromhex(found[1].decode()), name.encode("utf-8", "surrogateescape"))


_Entry = Listed | TableStart | DatasetStart


def _walk_local(root: Root, stores: Stores, follow_links: bool, own_output: str, taken: Taken) -> Iterator[_Entry]:
    base = os.fsencode(root.uri)
    cut = len(base.rstrip(b"/")) + 1
    if root.single is not None:
        yield _local_entry(os.path.join(base, os.fsencode(root.single)), cut, link=False, follow_links=True)  # noqa: PTH118  # bytes
        return
    stack, seen, own = [base], {os.path.realpath(base)}, os.fsencode(own_output)
    own_real = os.path.realpath(own) if own and follow_links else None  # a link may lead to the output, or to a folder above it
    wanted = re.compile(root.pattern).match if root.pattern else None

    def is_included(link: bytes) -> bool:
        name = printable(link[cut:])
        return (wanted is None or wanted(name) is not None) and taken.includes(root.prefix + name)

    def is_excluded(link: bytes) -> bool:
        return taken.excludes(root.prefix + printable(link[cut:]))

    blobs = BlobNames(base, is_included, is_excluded)
    while stack:
        folder = stack.pop()
        artifact = printable(folder[cut:]) or "."
        if folder == own or (own_real is not None and os.path.realpath(folder) == own_real):
            yield Listed(artifact, folder, status="skipped", reason=OWN, reason_code=ReasonCode.OWN_OUTPUT)
            continue
        try:
            names = _names_in(folder)
        except OSError as error:
            yield Listed(artifact, folder, status="unlisted", reason=f"cannot be listed: {error.strerror}", reason_code=access_code(error))
            continue
        deeper = []
        folders = [os.fsdecode(name) for name, is_dir, is_link in names if is_dir or is_link]
        if kind := kind_of(folders, partial(_local_names, folder), root.table if folder == base else None):
            yield TableStart(kind, folder, artifact, os.fsdecode(folder))
        if about := _dataset_at(folder, os.fsdecode(folder), names, follow_links, stores):
            yield DatasetStart(folder, artifact, about)
        is_cached = b"--" in folder  # it may be in a cache of the hub; a call for each file would be too slow for a million
        for name, is_dir, is_link in names:
            path = os.path.join(folder, name)  # noqa: PTH118  # bytes, and a million times
            if is_cached and not is_dir and (read_as := blobs.name_of(path) or _other_name(path, is_link, blobs)) is not None:
                out = is_excluded(read_as)
                reason = f"the same file as {printable(read_as[cut:])}, {'which is excluded (exclude)' if out else 'as which it is read'}"
                code = ReasonCode.EXCLUDED if out else ReasonCode.LINK
                yield Listed(printable(path[cut:]), path, status="skipped", reason=reason, reason_code=code)
                continue
            if is_cached and is_link and blob_of(path) is not None:
                yield _local_entry(path, cut, link=False, follow_links=True)
                continue
            if is_link and follow_links and os.path.isdir(path):  # noqa: PTH112
                real = os.path.realpath(path)
                if real in seen:
                    yield Listed(
                        printable(path[cut:]),
                        path,
                        status="skipped",
                        reason="symbolic link to a folder that has already been scanned",
                        reason_code=ReasonCode.LINK,
                    )
                    continue
                seen.add(real)
                is_dir = True
            if is_dir:
                deeper.append(path)
            else:
                yield _local_entry(path, cut, is_link, follow_links)
        stack.extend(reversed(deeper))


def _names_in(folder: bytes) -> list[tuple[bytes, bool, bool]]:
    """Return the names in a folder in order, each with whether it is a folder and whether it is a link. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)


def _local_names(folder: bytes, name: str) -> Sequence[str]:
    """Return the names in a folder of a folder. One that cannot be listed has a row of its own."""
    try:
        return os.listdir(os.path.join(os.fsdecode(folder), name))  # noqa: PTH118, PTH208  # as above
    except OSError:
        return ()


def _dataset_at(
    folder: bytes, uri: str, names: Iterable[tuple[bytes, bool, bool]], follow_links: bool, stores: Stores
) -> DatasetFolder | None:
    """Return a folder that may be a dataset by the names in it, each with whether it is a folder and whether it is a link."""
    names = list(names)
    if not may_be_dataset(folder, {name for name, is_dir, _ in names if not is_dir}):
        return None
    files, folders = {}, set()
    for name, is_dir, is_link in names:
        path = folder + b"/" + name
        if is_dir:
            folders.add(os.fsdecode(name))
        elif not is_link or follow_links or blob_of(path) is not None:
            files[os.fsdecode(name)] = path
    return dataset_at(folder, uri, files, folders, stores)


def _other_name(path: bytes, is_link: bool, blobs: BlobNames) -> bytes | None:
    """Return the name under which the blob behind a link is read, if it is not this one."""
    blob = blob_of(path) if is_link else None
    read_as = blobs.of(blob) if blob is not None else None
    return None if read_as == path else read_as


def _local_entry(path: bytes, cut: int, link: bool, follow_links: bool) -> Listed:
    name = printable(path[cut:])
    if link and not follow_links:
        return Listed(name, path, status="skipped", reason="symbolic link (not followed; see follow_links)", reason_code=ReasonCode.LINK)
    try:
        info = os.stat(path)  # noqa: PTH116  # bytes
    except OSError as error:
        return Listed(name, path, status="unreadable", reason=f"cannot be read: {error.strerror}", reason_code=access_code(error))
    for is_kind, kind in _KINDS:
        if is_kind(info.st_mode):
            return Listed(name, path, status="skipped", reason=f"not a regular file: {kind}", reason_code=ReasonCode.NOT_A_FILE)
    return Listed(name, path, info.st_size, None, info.st_mtime)


def _walk_store(root: Root, stores: Stores, own_output: str) -> Iterator[_Entry]:
    fs, base = filesystem(root.uri, stores)
    seen = _seen(fs, root.as_of)
    cut = len(base.rstrip("/")) + 1
    if root.single is not None:
        name = f"{base}/{root.single}"
        info = partial(seen.info, name) if root.version is None else partial(version_of, fs, name, root.version)
        yield _store_entry(patient(info), cut)
        return
    stack, own = [base], fs._strip_protocol(own_output) if own_output else None
    ahead = PagesAhead(partial(_pages, seen))
    try:
        while stack:
            folder = stack.pop()
            artifact, path = folder[cut:] or ".", folder.encode("utf-8", "surrogateescape")
            if folder == own:
                yield Listed(artifact, path, status="skipped", reason=OWN, reason_code=ReasonCode.OWN_OUTPUT)
                continue
            deeper: list[str] = []
            try:
                page, others = ahead.take(folder)
                if kind := kind_of(
                    _folders(seen, folder, page), partial(_store_names, seen, folder), root.table if folder == base else None
                ):
                    yield TableStart(kind, path, artifact, f"{root.uri}/{folder[cut:]}".rstrip("/"))
                if about := _dataset_at(path, f"{root.uri}/{folder[cut:]}".rstrip("/"), _on_page(seen, folder, page), True, stores):
                    yield DatasetStart(path, artifact, about._replace(as_of=root.as_of))
                for entries in itertools.chain((page,), others):
                    yield from _store_page(fs, folder, entries, cut, deeper)
            except Exception as error:  # noqa: BLE001  # an unlistable prefix becomes a row of the ledger, whatever the store raised
                reason = denied(root.uri if isinstance(error, PermissionError) else folder, _listing(root.as_of), error)
                yield Listed(artifact, path, status="unlisted", reason=reason, reason_code=store_code(error))
            stack.extend(reversed(deeper))
            ahead.begin(stack)
    finally:
        ahead.close()


def _walk_inventory(root: Root, inventory: str, stores: Stores, own_output: str) -> Iterator[Listed | TableStart]:
    fs, base = filesystem(root.uri, stores)
    bucket, _, key = base.rstrip("/").partition("/")
    below = f"{key}/" if key else ""
    cut = len(below)
    output = f"{fs._strip_protocol(own_output)}/" if own_output else ""
    own = output.removeprefix(f"{bucket}/") if output.startswith(f"{bucket}/") else None
    try:
        with BucketInventory(manifest(inventory, stores), stores, below + (root.single or "")).opened() as rows:
            starts, folder, seen, is_empty = _tables_in(rows, bucket, cut, root), None, False, bool(key or root.single)
            for row in rows.sorted():
                if root.single is not None and row.key != below + root.single:  # the names of others may begin like it
                    continue
                is_empty = False
                if own is not None and row.key.startswith(own):
                    if not seen:
                        yield Listed(
                            own[cut:-1], f"{bucket}/{own[:-1]}".encode(), status="skipped", reason=OWN, reason_code=ReasonCode.OWN_OUTPUT
                        )
                    seen = True
                    continue
                if starts and row.folder != folder:
                    folder = row.folder
                    parts = folder.split("/")
                    above = ["", *("/".join(parts[: number + 1]) for number in range(len(parts)))]
                    yield from (starts.pop(one) for one in above if one in starts)
                path = f"{bucket}/{row.key}".encode("utf-8", "surrogateescape")
                if row.archive is None:
                    yield Listed(row.key[cut:], path, row.size, row.etag, row.modified)
                else:
                    reason = (
                        f"its inventory has it in the archive {row.archive}. Restore it in its store, and audit it without the inventory"
                    )
                    yield Listed(
                        row.key[cut:], path, row.size, row.etag, row.modified, "skipped", reason=reason, reason_code=ReasonCode.ARCHIVED
                    )
            if is_empty:
                reason = f"the inventory {inventory} has nothing there. Check the name of the source, or audit it without the inventory"
                yield Listed(".", base.encode(), status="unlisted", reason=reason, reason_code=ReasonCode.NOT_FOUND)
    except StoreError as error:
        yield Listed(".", base.encode(), status="unlisted", reason=str(error), reason_code=ReasonCode.STORE_FAILED)


def _tables_in(rows: InventoryRows, bucket: str, cut: int, root: Root) -> dict[str, TableStart]:
    """Return the folders of an inventory that are tables."""
    found: dict[str, TableStart] = {}
    for kind in KINDS.values():
        for folder in rows.folders_with(kind.log):
            base = f"{folder}/" if folder else ""
            wanted = root.table if len(folder) < cut or not folder else None
            if folder not in found and (real := kind_of([kind.log], lambda name, base=base: rows.names_in(base + name), wanted)):  # type: ignore[misc]
                where = folder[cut:]
                found[folder] = TableStart(real, f"{bucket}/{folder}".rstrip("/").encode(), where or ".", f"{root.uri}/{where}".rstrip("/"))
    return found


def _folders(fs: Any, folder: str, page: Page) -> list[str]:
    """Return the names of the folders on a page, and of those on later ones that make a folder a table."""
    names = [entry["name"].rpartition("/")[2] for entry in page if entry["type"] == "directory"]
    logs = [kind.log for kind in KINDS.values() if kind.log not in names] if len(page) >= _FULL_PAGE else []
    if isinstance(fs, BucketAsOf):  # a folder whose objects had all been deleted is on the page too
        logs += [log for log in names if log in _LOGS]
        names = [name for name in names if name not in _LOGS]
    return names + [log for log in logs if has_folder(fs, f"{folder}/{log}")]


def _on_page(fs: Any, folder: str, page: Page) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield what is on a page, and what makes a folder of many Arrow files a dataset on later ones, as `_dataset_at` takes it."""
    names = [(entry["name"].rstrip("/").rpartition("/")[2], entry["type"] == "directory") for entry in page if not entry.get("later")]
    if len(page) >= _FULL_PAGE and any(name.endswith(".arrow") for name, _ in names):
        names += [(mark, False) for mark in (INFO, STATE) if patient(partial(fs.exists, f"{folder}/{mark}"))]
    yield from ((name.encode("utf-8", "surrogateescape"), is_folder, False) for name, is_folder in names)


def _store_names(fs: Any, folder: str, name: str) -> Sequence[str]:
    """Return the names in a folder of a folder. One that cannot be listed has a row of its own."""
    try:
        return list(_names(fs, f"{folder.rstrip('/')}/{name}"))
    except Exception:  # noqa: BLE001  # every store raises its own kind
        return ()


def _store_page(fs: Any, folder: str, page: Page, cut: int, deeper: list[str]) -> Iterator[Listed]:
    """Yield the objects of a page, and add the folders in it to `deeper`."""
    for entry in page:
        name = entry["name"]
        if entry["type"] == "directory":
            if name not in (folder, folder.rstrip("/")):
                deeper.append(name)
        elif entry.get("size") != 0 or not name.endswith("/"):
            listed = _store_entry(entry, cut)
            is_left = listed.status is None and is_archived(entry, fs)
            yield replace(listed, status="skipped", reason=RESTORE, reason_code=ReasonCode.ARCHIVED) if is_left else listed


def _store_entry(entry: Mapping[str, Any], cut: int) -> Listed:
    name = entry["name"]
    etag = entry.get("ETag") or entry.get("etag") or entry.get("md5Hash")
    etag = etag.strip('"') if isinstance(etag, str) else None
    etag = with_version(etag, entry.get("VersionId")) if "later" in entry else etag
    left: tuple[Any, ...] = ("skipped", _LATER, ReasonCode.NOT_IN_SNAPSHOT) if entry.get("later") else ()
    return Listed(name[cut:], name.encode("utf-8", "surrogateescape"), entry.get("size"), etag, modified(entry), *left)


def modified(entry: Mapping[str, Any]) -> float | None:
    """Return when an object was written, as its store describes it."""
    when = entry.get("LastModified") or entry.get("last_modified") or entry.get("updated") or entry.get("mtime")
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.timestamp() if isinstance(when, datetime) else when
