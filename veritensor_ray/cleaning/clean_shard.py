"""The cleaning of one shard: opens its artifacts again, writes what becomes of them, and leaves a table for `publish`.

Everything goes to a folder of the run below `_work/` of the destination. It is written before the shard is committed, under names that depend only on the plan,
so that a shard that is repeated writes the same objects again.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.artifact_cleaner import ArtifactCleaner, Draft, Following, copied
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_manifest import CLEANED, CORPUS, QUARANTINE, Cleaned, Result, blank
from veritensor_ray.cleaning.copy_places import copy_path, staged
from veritensor_ray.cleaning.names.copy_names import NAME_TAG, CopyNames
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.fetch import OpenArtifact, is_beside
from veritensor_ray.corpus.listing import Root
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.format_registry import use
from veritensor_ray.formats.opened_files import kind_of_part
from veritensor_ray.masking.redaction import reason_safe
from veritensor_ray.stores.outputs import OutputStore

PIECES = "pieces"
PLACES = {Result.COPIED: CORPUS, Result.CLEANED: CORPUS, Result.QUARANTINED: QUARANTINE, Result.HELD: QUARANTINE}
Pulse = Callable[[], None]


@dataclass(frozen=True)
class Careful:
    """How to continue after a process died while it wrote this shard: `held` maps artifacts, by number, to why they are not rewritten."""

    held: Mapping[int, str]


def rewriting_key(work: str, shard: int) -> str:
    """Return the key of the object that names the artifact being rewritten, while a shard is repeated with care."""
    return f"{work}/rewriting/{shard:07d}"


def piece_key(work: str, artifact: str, part: int) -> str:
    """Return the key of one part of a split artifact."""
    return f"{work}/{PIECES}/{hashlib.sha256(artifact.encode('utf-8', 'surrogatepass')).hexdigest()}/{part:05d}"


def place_of(cleaned: Cleaned, root: Root, cleaning: Cleaning) -> str | None:
    """Return the path of an artifact's copy in the destination, or None if no copy is to be written."""
    place = PLACES.get(cleaned.result)
    if place is None or cleaning.dry_run or (cleaning.again and cleaned.result is not Result.CLEANED):
        return None
    return f"{place}/{copy_path(cleaned.name or cleaned.artifact, not is_local(root.uri), cleaning.store.local is None)}"


@dataclass(frozen=True)
class ShardCleaner:
    """Writes the copies of a shard's artifacts. `categories` maps the rules of the run to their categories; `leave` has to follow.

    Without `names`, copies have the names of their artifacts, except for those that are converted, and without `following` few are.
    """

    cleaning: Cleaning
    settings: Settings
    roots: Sequence[Root]
    categories: Mapping[str, str]
    run: str
    pulse: Pulse = lambda: None
    names: CopyNames | None = None
    following: Following | None = None

    def clean(self, rows: Sequence[PlanRow], outcomes: Sequence[Outcome], care: Careful | None = None) -> list[Cleaned]:
        """Return what became of each artifact. Raises StoreError or OSError if the destination refuses."""
        use(self.settings)
        by_place = {(outcome.artifact, outcome.part): outcome for outcome in outcomes}
        cleaner = ArtifactCleaner(self.cleaning, self.categories, self.settings.limits, self.pulse, following=self.following)
        found = self.names.of([row.artifact for row in rows]) if self.names else {}
        done: list[Cleaned] = []
        for number, row in enumerate(rows):
            self.pulse()
            outcome = by_place[row.artifact, row.part]
            outcome.settle()
            if self.cleaning.again and not outcome.recorded.marks:
                done.append(blank(row, outcome))
                continue
            if care is not None:
                self._note(row.shard, number)
            name = self.names.new(row.artifact, found, outcome.recorded.marks) if self.names else None
            done.append(self._one(row, outcome, cleaner, care.held.get(number) if care else None, name))
            if self.names and name is not None and name != (expected := self.names.new(row.artifact, found, ()) or row.artifact):
                done[-1].expected = expected
            outcome.recorded.forget_marks()  # a shard may have many
        return done

    def _note(self, shard: int, number: int) -> None:
        """Note which artifact comes next. It is not synced: it has to outlive this process only, and a disk may take seconds, without a pulse."""
        with self.cleaning.store.writer(rewriting_key(self._work, shard), sync=False) as note:
            note.write(str(number).encode())
        self.pulse()

    @property
    def _work(self) -> str:
        return self.cleaning.work(self.run)

    def _one(self, row: PlanRow, outcome: Outcome, cleaner: ArtifactCleaner, held: str | None, name: str | None) -> Cleaned:
        """Write one artifact, or one part of it. What cannot be read again is left out, with the reason."""
        try:
            with closing(OpenArtifact(row, self.roots[row.root], self.settings.stores)) as artifact:
                file = artifact.file()
                draft = cleaner.clean(row, outcome, file, _kind(row, file), held)
                draft.cleaned.name = self._converted_name(row, name, draft.extension) if draft.extension else name
                if self.cleaning.again and draft.cleaned.result is not Result.CLEANED:
                    draft.cleaned.source_sha256 = artifact.content_id()
                    return draft.cleaned
                with closing(draft.content) if draft.content is not None else closing(artifact.file()) as content:
                    done = self._part(row, draft, content) if row.parts > 1 else self._whole(row, outcome, artifact, draft, content)
                artifact.check_unchanged()
                return done
        except ReadError as error:
            return blank(row, outcome, Result.LEFT_OUT, reason_safe(str(error)), error.reason_code)

    def _converted_name(self, row: PlanRow, name: str | None, extension: str) -> str:
        """Return the name of a converted artifact: with the new extension, and with a tag before that if another artifact has this name."""
        stem = name or row.artifact
        if name is None and is_beside(row, self.roots[row.root], self.settings.stores, extension):
            tag = hmac.digest(self.cleaning.key, b"converted " + stem.encode("utf-8", "surrogateescape"), hashlib.sha256).hex()[:NAME_TAG]
            stem = f"{stem}~{tag}"
        return f"{stem}{extension}"

    def _part(self, row: PlanRow, draft: Draft, content: BinaryIO) -> Cleaned:
        """Write a part of a split artifact if it has changes; others are read from the source once it is known what becomes of the artifact."""
        cleaned = draft.cleaned
        if cleaned.result is Result.CLEANED and not self.cleaning.dry_run:
            with self.cleaning.store.writer(piece_key(self._work, row.artifact, row.part), sync=False, pulse=self.pulse) as out:
                cleaned.clean_size, cleaned.clean_sha256 = copied(content, out, self.pulse)
        return cleaned

    def _whole(self, row: PlanRow, outcome: Outcome, artifact: OpenArtifact, draft: Draft, content: BinaryIO) -> Cleaned:
        cleaned = draft.cleaned
        cleaned.source_size, cleaned.source_sha256 = artifact.size, artifact.content_id()
        if outcome.content_id_kind == "sha256" and outcome.content_id != cleaned.source_sha256:
            return blank(row, outcome, Result.LEFT_OUT, "changed during the run", ReasonCode.CHANGED_DURING_RUN)
        cleaned.path = place_of(cleaned, self.roots[row.root], self.cleaning)
        if cleaned.path is not None:
            with staged(self.cleaning.store, self._work, cleaned.path, self.pulse) as out:
                cleaned.clean_size, cleaned.clean_sha256 = copied(content, out, self.pulse)
        return cleaned


def leave(cleaning: Cleaning, run: str, shard: int, done: Sequence[Cleaned]) -> None:
    """Write the table about a shard's artifacts, once their copies are sure to survive a loss of power."""
    store, work = cleaning.store, cleaning.work(run)
    if store.local is not None:
        os.sync()  # once, instead of once for each file
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([one.as_row() for one in done], schema=CLEANED), buffer, compression="zstd")
    store.put(f"{work}/cleaned/{shard:07d}.parquet", buffer.getvalue())
    store.remove([rewriting_key(work, shard)])


def left(store: OutputStore, work: str) -> Iterator[pa.Table]:
    """Yield the tables that the shards of a run left, in order. `work` is the folder of the run."""
    for name in store.parquet_names(f"{work}/cleaned"):
        yield pq.read_table(io.BytesIO(store.read(f"{work}/cleaned/{name}") or b""), schema=CLEANED)


def split(store: OutputStore, work: str) -> Iterator[list[Cleaned]]:
    """Yield the parts of each split artifact, in order."""
    rows = (row for table in left(store, work) for row in table.filter(pc.greater(table["parts"], 1)).to_pylist())
    for _, some in groupby(map(Cleaned.of_row, rows), key=lambda one: one.artifact):
        yield sorted(some, key=lambda one: one.part)


def _kind(row: PlanRow, file: BinaryIO) -> Kind | None:
    """Return the kind of a part; None if the content shows it."""
    if row.kind not in BYTE_RANGES:
        return None
    return kind_of_part(file, FileInfo(row.artifact, None, "").extension, row.kind == "jsonl", row.part == 0)
