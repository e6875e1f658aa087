"""Compare a corpus with the ledger of an earlier audit of it: what was added, changed or removed since. It opens no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from veritensor_ray.core.reasons import LEFT_OUT, ReasonCode
from veritensor_ray.corpus.listing import Listed

Kind = Literal["new", "changed", "gone", "unlisted"]
_NAMED = 3  # artifacts of each kind


@dataclass(frozen=True, slots=True)
class Compared:
    """An artifact as the ledger of an audit or a listing describes it. `wanted` means that the audit read it, or would read it now."""

    artifact: str
    size: int | None
    etag: str | None
    mtime: float | None
    wanted: bool
    folder: bool = False  # one that could not be listed

    def same(self, other: Compared) -> bool:
        """Return whether this seems to be the same content: by ETag where a store has them, otherwise by modification time."""
        if self.size != other.size:
            return False
        return self.etag == other.etag if self.etag and other.etag else self.mtime == other.mtime


def of_listing(entries: Iterable[tuple[int, Listed, tuple[ReasonCode, str] | None]]) -> Iterator[Compared]:
    """Yield the entries of a listing."""
    for _, entry, left_out in entries:
        wanted = left_out is None and entry.status != "skipped"
        yield Compared(entry.artifact, entry.size, entry.etag, entry.mtime, wanted, entry.status == "unlisted")


def of_ledger(rows: Iterable[dict[str, Any]]) -> Iterator[Compared]:
    """Yield the rows of a ledger, of which these columns are used: artifact, size, etag, mtime and reason_code."""
    for row in rows:
        was_archived = row["reason_code"] == ReasonCode.ARCHIVED  # what is restored has the same ETag and time, and is to be read now
        etag, mtime = (None, None) if was_archived else (row["etag"], row["mtime"])
        yield Compared(row["artifact"], row["size"], etag, mtime, row["reason_code"] not in LEFT_OUT)


@dataclass(slots=True)
class CorpusChanges:
    """How many artifacts are new, changed or gone, and how many folders can no longer be listed, each with a few names."""

    counts: dict[Kind, int] = field(default_factory=dict)
    names: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, artifact: str) -> None:
        """Count an artifact."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(names := self.names.setdefault(kind, [])) < _NAMED:
            names.append(artifact)


def changes(before: Iterable[Compared], now: Iterable[Compared]) -> CorpusChanges:
    """Compare the ledger of an audit with the present listing.

    Artifacts that the settings left out then and leave out now are not compared. Both come in nearly the same order, so only differences and
    the artifacts of a few shards are in memory at once.
    """
    found, earlier, later = CorpusChanges(), dict[str, Compared](), dict[str, Compared]()
    for one, other in zip_longest(before, now):
        for seen, own, others in ((one, earlier, later), (other, later, earlier)):
            if seen is None:
                continue
            if (match := others.pop(seen.artifact, None)) is None:
                own[seen.artifact] = seen
            elif (seen.wanted or match.wanted) and not seen.same(match):
                found.add("changed", seen.artifact)
    _unmatched(found, earlier.values(), later.values())
    return found


def _unmatched(found: CorpusChanges, earlier: Iterable[Compared], later: Iterable[Compared]) -> None:
    """Count what is in only one of the two. Nothing is known about artifacts in a folder that can no longer be listed."""
    closed = []
    for seen in later:
        if seen.folder:
            closed.append(_inside(seen.artifact))
            found.add("unlisted", seen.artifact)
        elif seen.wanted:
            found.add("new", seen.artifact)
    for seen in earlier:
        was_there = seen.wanted and (seen.size is not None or seen.mtime is not None or seen.etag is not None)
        if was_there and not seen.artifact.startswith(tuple(closed)):
            found.add("gone", seen.artifact)


def _inside(folder: str) -> str:
    """Return how the names of artifacts in a folder begin. A listing calls the folder of a source a dot."""
    return folder[:-1] if folder == "." or folder.endswith("/.") else f"{folder}/"


__all__ = ["Compared", "CorpusChanges", "changes", "of_ledger", "of_listing"]
