"""Lists folders of stores page by page, and the next folders at the same time, so that large folders take no memory and many small ones no time.

An entry is a mapping as fsspec describes it, with `name`, `type` and, for an object, `size`. S3 is asked directly, because fsspec returns a
folder only as a whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from veritensor_ray.stores.patience import patient

Page = list[Mapping[str, Any]]
_AT_ONCE = 16
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def pages(fs: Any, folder: str) -> Iterator[Page]:
    """Yield the entries of a folder, sorted by name within each page. Raises the errors of the store's library."""
    if "s3" not in _protocols(fs) or not folder:
        listed = patient(partial(fs.ls, folder, detail=True))
        plain = (one | {"name": one["name"].rstrip("/")} if one["type"] == "directory" else one for one in listed)
        yield _by_name(plain)
        return
    bucket, slash, key = folder.partition("/")  # a key may begin with a slash, in a folder whose name is empty
    asked = {"Bucket": bucket, "Prefix": f"{key}/" if slash else "", "Delimiter": "/", "OptionalObjectAttributes": ["RestoreStatus"]}
    for number in itertools.count():
        answer = patient(partial(fs.call_s3, "list_objects_v2", **asked))
        page = page_of(answer, bucket, answer.get("Contents", ()))
        if not page and number == 0 and slash:
            raise FileNotFoundError(folder)
        yield page
        if not answer.get("IsTruncated"):
            return
        asked["ContinuationToken"] = answer["NextContinuationToken"]


def has_folder(fs: Any, folder: str) -> bool:
    """Return whether a store has anything in a folder."""
    return bool(patient(partial(fs.exists, folder)))


def _protocols(fs: Any) -> Sequence[str]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def page_of(answer: Mapping[str, Any], bucket: str, listed: Iterable[Mapping[str, Any]]) -> Page:
    """Return the folders of an answer of S3 and its `listed` objects as entries, sorted by name."""
    folders: Page = [{"name": f"{bucket}/{one['Prefix'][:-1]}", "type": "directory"} for one in answer.get("CommonPrefixes", ())]
    objects: Page = [{**one, "name": f"{bucket}/{one['Key']}", "type": "file", "size": one["Size"]} for one in listed]
    return _by_name((*folders, *objects))


def _by_name(entries: Iterable[Mapping[str, Any]]) -> Page:
    """Return entries sorted by name."""
    return sorted(entries, key=lambda entry: str(entry["name"]))


def is_archived(entry: Mapping[str, Any], fs: Any) -> bool:
    """Return whether a listing says that an object is archived, and was not restored.

    Only AWS is known to list what was restored. Elsewhere, the attempt to read an object shows it.
    """
    restored = entry.get("RestoreStatus", {})
    is_readable = bool(restored.get("RestoreExpiryDate")) and not restored.get("IsRestoreInProgress")
    return entry.get("StorageClass") in _ARCHIVES and not is_readable and _is_aws(fs)


def _is_aws(fs: Any) -> bool:
    host = urlsplit(fs.s3.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


class PagesAhead:
    """Lists the folders that come next while one is being looked at. A folder is taken once. `listing` yields the pages of a folder."""

    def __init__(self, listing: Callable[[str], Iterator[Page]]) -> None:
        self._listing = listing
        self._pool = ThreadPoolExecutor(_AT_ONCE, "listing")
        self._begun: dict[str, Future[tuple[Page, Iterator[Page]]]] = {}

    def begin(self, folders: Sequence[str]) -> None:
        """Begin to list the last of these folders, which are taken first."""
        for folder in folders[-_AT_ONCE:]:
            if folder not in self._begun:
                self._begun[folder] = self._pool.submit(self._first, folder)

    def take(self, folder: str) -> tuple[Page, Iterator[Page]]:
        """Return the first page of a folder, and the further ones. Raises the errors of the store's library."""
        begun = self._begun.pop(folder, None)
        return begun.result() if begun is not None else self._first(folder)

    def _first(self, folder: str) -> tuple[Page, Iterator[Page]]:
        found = self._listing(folder)
        return next(found), found

    def close(self) -> None:
        """End the listings that nobody waits for any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
