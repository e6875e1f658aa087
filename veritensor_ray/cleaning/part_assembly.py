"""Puts the parts of one split artifact together: changed parts from what the shards left, the others from the source."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from veritensor_ray.cleaning.artifact_cleaner import copied
from veritensor_ray.cleaning.clean_shard import piece_key, place_of
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_manifest import Cleaned, Result
from veritensor_ray.cleaning.copy_places import staged
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import CopyCode, ReasonCode
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Root
from veritensor_ray.formats.common.file_ranges import Holes, pieces
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.masking.redaction import reason_safe

# A part that changed during the run, then the worst of the others, decides about all of the artifact.
_SEVERE = (Result.LEFT_OUT, Result.DROPPED, Result.QUARANTINED, Result.HELD)
Pulse = Callable[[], None]


@dataclass(frozen=True)
class Assembler:
    """Assembles split artifacts of a run, in any process."""

    cleaning: Cleaning
    settings: Settings
    roots: Sequence[Root]
    run: str

    @property
    def work(self) -> str:
        """The folder where the copies of the run wait."""
        return self.cleaning.work(self.run)

    def assembled(
        self,
        parts: Sequence[Cleaned],
        held: str | None = None,
        pulse: Pulse = lambda: None,
        code: CopyCode | ReasonCode = ReasonCode.PROCESS_DIED,
    ) -> Cleaned:
        """Write a split artifact to its place, and return its row. `held` and `code` are why it must not be put together from its parts."""
        whole = _whole(parts)
        if held is not None and whole.result is Result.CLEANED:
            whole = _aside(whole, held, code)
        try:
            return self._written(whole, parts, pulse)
        except CannotRewriteError as error:
            return self.assembled(parts, str(error), pulse, error.reason_code)
        except ReadError as error:
            return replace(
                _aside(whole, str(error), error.reason_code), result=Result.LEFT_OUT, path=None, clean_size=None, clean_sha256=None
            )

    def _written(self, whole: Cleaned, parts: Sequence[Cleaned], pulse: Pulse) -> Cleaned:
        root = self.roots[whole.root]
        path = place_of(whole, root, self.cleaning)
        with closing(OpenArtifact(whole.planned(), root, self.settings.stores)) as artifact:
            source = artifact.file()
            if path is not None:
                whole.path = path
                with staged(self.cleaning.store, self.work, path, pulse) as out:
                    if whole.result is Result.CLEANED:
                        whole.clean_size, whole.clean_sha256 = self._joined(whole, parts, source, out, pulse)
                    else:
                        whole.clean_size, whole.clean_sha256 = copied(source, out, pulse)
            whole.source_size, whole.source_sha256 = artifact.size, artifact.content_id()
            artifact.check_unchanged()
        return whole

    def _joined(self, whole: Cleaned, parts: Sequence[Cleaned], source: BinaryIO, out: BinaryIO, pulse: Pulse) -> tuple[int, str]:
        hashing = _Hashing(out, pulse)
        with contextlib.ExitStack() as stack:
            if whole.kind == "rowgroups":
                from veritensor_ray.formats.columnar.parquet.rewrite import joined_parquet

                groups = [self._changed(part, stack) or self._same_groups(part, source, stack, pulse) for part in parts]
                joined_parquet(groups, source, cast("BinaryIO", hashing))
            else:
                for part in parts:
                    piece = self._changed(part, stack)
                    start, end = (part.start or 0, part.end or 0) if piece is None else (0, part.clean_size or 0)
                    for data in pieces(piece or source, start, end, pulse):
                        hashing.write(data)
        hashing.end()
        return hashing.size, hashing.digest.hexdigest()

    def _changed(self, part: Cleaned, stack: contextlib.ExitStack) -> BinaryIO | None:
        """Return a part as its shard left it, or None if nothing was changed in it."""
        if part.result is not Result.CLEANED:
            return None
        return stack.enter_context(self.cleaning.store.open(piece_key(self.work, part.artifact, part.part)))

    def _same_groups(self, part: Cleaned, source: BinaryIO, stack: contextlib.ExitStack, pulse: Pulse) -> BinaryIO:
        """Return unchanged row groups of a Parquet file as a file."""
        from veritensor_ray.formats.columnar.parquet.rewrite import rewrite_parquet

        source.seek(0)
        groups = opened(source, part.artifact, self.settings.limits)
        groups = replace(groups, row_groups=(part.start or 0, part.end or 0), first_part=part.part == 0)
        target = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  # the stack closes it
        rewrite_parquet(groups, target, Orders((), frozenset(), self.cleaning.replace, pulse=pulse))
        target.seek(0)
        return target


def _whole(parts: Sequence[Cleaned]) -> Cleaned:
    """Return the row for all of an artifact, without its copy: the worst result of its parts counts for all of it."""
    whole = replace(parts[0], part=0, parts=1, clean_sha256=None, clean_size=None)
    worst = next((part for result in _SEVERE for part in parts if part.result is result), None)
    if worst is not None:
        whole = _aside(whole, worst.reason or "", worst.reason_code)
        whole.result = worst.result
        whole.actions = added(part.actions for part in parts if part.result is worst.result)
        return whole
    whole.result = Result.CLEANED if any(part.result is Result.CLEANED for part in parts) else Result.COPIED
    whole.actions = added(part.actions for part in parts)
    whole.reason, whole.reason_code = next(((part.reason, part.reason_code) for part in parts if part.reason), (None, None))
    whole.changes = sum(part.changes for part in parts)
    whole.rows, first = [], 0
    for part in parts:
        shift = first if part.kind != "rowgroups" else 0
        whole.rows += [row | {"row": row["row"] + shift} for row in part.rows]
        first += part.row_count
    whole.rows_dropped = sum(part.rows_dropped for part in parts)
    whole.samples = [sample for part in parts for sample in part.samples]
    return whole


def _aside(whole: Cleaned, reason: str, code: str | None) -> Cleaned:
    """Return the row for an artifact that is held back as it is."""
    return replace(
        whole,
        result=Result.HELD,
        reason=reason_safe(reason) or None,
        reason_code=code,
        actions=[],
        changes=0,
        rows=[],
        rows_dropped=0,
        samples=[],
    )


class _Hashing(io.RawIOBase):
    """Passes bytes on and hashes them."""

    def __init__(self, out: BinaryIO, pulse: Pulse) -> None:
        self._holes, self._pulse, self.digest, self.size = Holes(out), pulse, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._holes.write(data)
        self.digest.update(data)
        self.size += len(data)
        self._pulse()
        return len(data)

    def tell(self) -> int:
        return self.size

    def end(self) -> None:
        """Give the file its size, if it ends with a hole."""
        self._holes.end()


def added(actions: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the sum of several counts of actions by rule."""
    counts: Counter[tuple[str, str]] = Counter()
    for some in actions:
        for one in some:
            counts[one["rule"], one["action"]] += one["count"]
    return [{"rule": rule, "action": action, "count": count} for (rule, action), count in sorted(counts.items())]
