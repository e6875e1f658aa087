"""One artifact on its way into the copy: decides what becomes of it as a whole, and has it rewritten if need be."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_manifest import Cleaned, Result, blank
from veritensor_ray.cleaning.followed_findings import Look, followed
from veritensor_ray.cleaning.last_net import removed_values, still_there
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.format_table import text_type
from veritensor_ray.core.media_types import MARKDOWN
from veritensor_ray.core.reasons import CopyCode, ReasonCode
from veritensor_ray.core.table_view import TableView
from veritensor_ray.core.wording import counted
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.formats.common.file_ranges import Holes, length, pieces
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.converted_formats import CONVERSIONS, ConvertedFormat
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Account, Order, Orders
from veritensor_ray.formats.editing.many_edits import ManyOrders
from veritensor_ray.formats.editing.marks import REFERENCE
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.masking.redaction import mask, name_safe, reason_safe, visible
from veritensor_ray.masking.sensitive_values import without_values

_IN_MEMORY = 64 << 20
_DOTS = "•••"
_NAMED = 3  # rules that a reason names
Pulse = Callable[[], None]
Following = Callable[[BinaryIO, str, Pulse], Look]  # for a converted file and its name


@dataclass
class Draft:
    """An artifact's manifest row, and its new content; None means that the source's bytes are copied, or nothing at all.

    `extension` is that of the format it was converted to, such as `.safetensors`, and follows its own name.
    """

    cleaned: Cleaned
    content: BinaryIO | None = None
    extension: str = ""


class _Allowance:
    """The time for rewriting an artifact of `size` bytes, however often its rewriter says that it makes progress.

    Calling it is such a sign, and raises CannotRewriteError when the time is over.
    """

    def __init__(self, limits: Limits, size: int, pulse: Pulse, clock: Callable[[], float]) -> None:
        self._pulse, self._clock, self._limit = pulse, clock, limits.artifact_seconds
        self._until = clock() + limits.artifact_seconds * (1 + size // limits.split_bytes)

    def __call__(self) -> None:
        if self._clock() > self._until:
            raise CannotRewriteError(f"rewriting it takes too long (limits.artifact_seconds: {self._limit:g})", ReasonCode.TIMEOUT)
        self._pulse()


class ArtifactCleaner:
    """Carries a policy to single artifacts. `categories` maps the rules of this run to their categories.

    Without `following`, no artifact is converted.
    """

    def __init__(
        self,
        cleaning: Cleaning,
        categories: Mapping[str, str],
        limits: Limits,
        pulse: Pulse = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        following: Following | None = None,
    ) -> None:
        self._cleaning, self._categories, self._limits, self._pulse, self._clock = cleaning, categories, limits, pulse, clock
        self._following = None if cleaning.again else following

    def clean(self, row: PlanRow, outcome: Outcome, file: BinaryIO, kind: Kind | None, held: str | None = None) -> Draft:
        """Decide about an artifact that was scanned, and rewrite it. `file` is open at its beginning.

        `kind` is given for a part of a split artifact, `held` is why it must not be rewritten. Errors of the content end up in the result.
        """
        try:
            orders, waiting = self._orders(outcome, row.artifact)
        except MemoryError:
            said = f"its {len(outcome.recorded.marks):,} findings need more memory than limits.worker_memory allows"
            return self._aside(blank(row, outcome), Result.HELD, said, ReasonCode.LIMIT)
        converter = None if held else self._converter(row, outcome, orders)
        if converter is None:
            return self._in_its_format(row, outcome, file, kind, orders, waiting, held)
        try:
            return self._converted(row, outcome, file, orders, converter)
        except (CannotRewriteError, ReadError) as error:
            refusal = str(error)
        except Exception as error:  # noqa: BLE001  # the boundary of an artifact, as below
            refusal = str(as_read_error(error, "it cannot be read"))
        file.seek(0)
        draft = self._in_its_format(row, outcome, file, kind, orders, waiting, held)
        if refusal and draft.cleaned.result in (Result.HELD, Result.QUARANTINED):
            draft.cleaned.reason = reason_safe(f"{draft.cleaned.reason}; it does not become {converter.needs}: {refusal}")
        return draft

    def _converter(self, row: PlanRow, outcome: Outcome, orders: ManyOrders) -> ConvertedFormat | None:
        """Return what may turn an artifact with findings into one of another format, if it was wholly checked and is not to be dropped."""
        converter = CONVERSIONS.get(outcome.media_type or "")
        if converter is None or converter.keeps_findings or not self._allows(converter):
            return None
        if row.parts > 1 or not orders or outcome.recorded.marks.lost:
            return None
        if self._cleaning.policy.unchecked == "hold" and outcome.unchecked is not None:
            return None
        return None if orders.such(lambda kind: kind.action is Action.DROP_FILE) else converter

    def _allows(self, conversion: ConvertedFormat) -> bool:
        return conversion.needs is None or self._cleaning.converts(conversion.needs)

    def _converted(self, row: PlanRow, outcome: Outcome, file: BinaryIO, orders: ManyOrders, converter: ConvertedFormat) -> Draft:
        """Write an artifact in another format, without everything that was found in it. Raises CannotRewriteError, ReadError."""
        allowance = _Allowance(self._limits, length(file), self._pulse, self._clock)
        file.seek(0)
        target = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # closed by the caller, or here
        try:
            became = converter.write(opened(file, row.artifact, self._limits), target, allowance)
            self._check(target, outcome, Orders(orders, frozenset(), self._cleaning.replace, pulse=allowance))
        except BaseException:
            target.close()
            raise
        counts = Counter(order.mark.rule for order in orders)
        actions = [{"rule": rule, "action": "convert", "count": count} for rule, count in sorted(counts.items())]
        result = replace(blank(row, outcome), result=Result.CLEANED, reason=f"it became {became}", actions=actions, changes=len(orders))
        return Draft(result, target, converter.extension)

    def _in_its_format(
        self,
        row: PlanRow,
        outcome: Outcome,
        file: BinaryIO,
        kind: Kind | None,
        orders: ManyOrders,
        waiting: set[int],
        held: str | None,
    ) -> Draft:
        policy, result = self._cleaning.policy, blank(row, outcome)
        for action, becomes in ((Action.QUARANTINE, Result.QUARANTINED), (Action.DROP_FILE, Result.DROPPED)):
            if chosen := orders.such(lambda kind, action=action: kind.action is action and kind.number not in waiting):  # type: ignore[misc]
                return self._aside(result, becomes, _because(chosen), CopyCode.FINDING, chosen)
        code: CopyCode | ReasonCode = ReasonCode.PROCESS_DIED
        if outcome.recorded.marks.lost and held is None:
            held, code = f"it has more than {outcome.recorded.marks.limit:,} findings (limit marks)", ReasonCode.LIMIT
        if policy.unchecked == "hold" and outcome.unchecked is not None:
            return self._aside(result, Result.HELD, f"it was not wholly checked: {outcome.unchecked}", outcome.unchecked_code, orders)
        strip = self._cleaning.strips(row.artifact)
        try:
            hidden = _hidden(row, file)
        except ReadError as error:
            return self._aside(result, Result.HELD, str(error), error.reason_code, orders)
        if not orders and not strip and hidden is None:
            return Draft(result)
        problem = held
        if problem is None:
            account = Account()
            allowance = _Allowance(self._limits, length(file), self._pulse, self._clock)
            carried = Orders(orders, strip, self._cleaning.replace, account, None, allowance)
            try:
                content = self._rewritten(row, outcome, file, kind, carried)
            except (CannotRewriteError, ReadError) as error:
                problem, code = str(error), error.reason_code
            except Exception as error:  # noqa: BLE001  # the boundary of an artifact: hostile input may raise anything in any library
                unexpected = as_read_error(error, "it cannot be rewritten")
                problem, code = str(unexpected), unexpected.reason_code
            else:
                undone = carried.undone
                if not undone:
                    return self._changed(result, content, account, outcome, hidden)
                content.close()
                problem = f"{len(undone)} of {len(orders)} findings cannot be changed in this format: {_rules(undone)}"
                code = CopyCode.NO_EXACT_CHANGE
            if orders and all(kind.mark.rule == REFERENCE for kind in orders.kinds):
                problem = f"it refers to a file whose name is replaced: {problem}"
                code = CopyCode.REFERENCE_LEFT if code is CopyCode.NO_EXACT_CHANGE else code
        if waiting:  # something visible, or a comment that could not be removed
            chosen = orders.such(lambda kind: kind.number in waiting)
            return self._aside(result, Result.QUARANTINED, _because(chosen), CopyCode.FINDING, chosen)
        if hidden is not None:
            return self._aside(result, Result.HELD, f"{hidden} of its table cannot be left out: {problem}", code, orders)
        if not orders:  # only something to strip, from a file that cannot be rewritten: nothing was found in it
            result.reason, result.reason_code = reason_safe(f"nothing was stripped: {problem}"), code
            return Draft(result)
        if policy.unsupported == "copy":
            said = f"copied with {counted(len(orders), 'finding')} in it, as the policy says: {problem}"
            result.reason, result.reason_code = reason_safe(said), code
            return Draft(result)
        return self._aside(result, Result.HELD, problem, code, orders)

    def _orders(self, outcome: Outcome, artifact: str) -> tuple[ManyOrders, set[int]]:
        """Return the orders, and the numbers of the kinds of those that quarantine the file unless their text is stripped with the comment around it.

        Only Markdown has comments that its reader does not separate from visible text.
        """
        marks = outcome.recorded.marks
        decided = [self._cleaning.decide(mark, self._categories.get(mark.rule, ""), artifact) for mark in marks.kinds]
        orders = ManyOrders.of(marks, [(ruling.action, ruling.keep_length) for ruling in decided])
        stripped = {kind.mark.member for kind in orders.kinds if kind.action is Action.STRIP}
        waiting = {
            kind.number
            for kind in orders.kinds
            if decided[kind.number].unless_stripped
            and not kind.mark.over_bytes
            and _is_markdown(kind.mark.member or artifact)
            and kind.mark.member in stripped
        }
        return orders, waiting

    def _aside(
        self, result: Cleaned, becomes: Result, reason: str, code: CopyCode | ReasonCode | None, orders: Sequence[Order] | None = None
    ) -> Draft:
        result.result, result.reason, result.reason_code = becomes, reason_safe(reason), code
        counts = Counter(order.mark.rule for order in orders or ())
        action = {Result.DROPPED: Action.DROP_FILE.value}.get(becomes, Action.QUARANTINE.value)
        result.actions = [{"rule": rule, "action": action, "count": count} for rule, count in sorted(counts.items())]
        return Draft(result)

    def _rewritten(self, row: PlanRow, outcome: Outcome, file: BinaryIO, kind: Kind | None, orders: Orders) -> BinaryIO:
        file.seek(0)
        source: Source = opened(file, row.artifact, self._limits, kind=kind)
        groups = (row.start or 0, row.end or 0) if row.kind == "rowgroups" else None
        source = replace(source, row_groups=groups, first_part=row.part == 0, view=_view(row))
        target = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  # closed by the caller, or here
        try:
            conversion = CONVERSIONS.get(source.kind.media_type)
            if conversion is not None and conversion.keeps_findings and any(orders) and self._following is not None:
                self._convert(conversion, source, target, orders, self._following)
            else:
                rewrite(source, target, orders)
            if any(orders) and not orders.undone:
                self._check(target, outcome, orders)
        except BaseException:
            target.close()
            raise
        return target

    def _convert(self, conversion: ConvertedFormat, source: Source, target: BinaryIO, orders: Orders, following: Following) -> None:
        """Write the artifact in another format, with the same orders."""
        if not self._allows(conversion):
            raise CannotRewriteError(
                f"files of type {source.kind.media_type} can only be rewritten as {conversion.extension.removeprefix('.').upper()}: "
                f"add `convert: [{conversion.needs}]` to the cleaning policy",
                CopyCode.TYPE_NOT_REWRITTEN,
            )
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            new = cast("BinaryIO", spool)
            conversion.write(source, new, orders.pulse)
            name = f"converted{conversion.extension}"
            every = list(orders)
            found = followed(every, source.file, following(new, name, orders.pulse), every[-1].number + 1)
            carried = Orders(found.orders, orders.strip, self._cleaning.replace, orders.account, None, orders.pulse)
            new.seek(0)
            rewrite(opened(new, name, self._limits), target, carried)
            if undone := carried.undone:
                raise CannotRewriteError(
                    f"{len(undone)} of {len(found.orders)} findings cannot be changed in the converted file: {_rules(undone)}"
                )
        for order in found.gone:
            orders.tick(order)
        orders.account.done.update(order.number for order in every)
        orders.converted(conversion.extension)

    def _check(self, copy: BinaryIO, outcome: Outcome, orders: Orders) -> None:
        """Raise CannotRewriteError if a value that was removed is still somewhere in the copy."""
        values = removed_values(outcome.recorded.marks, orders, self._categories, self._cleaning.replace)
        if left := still_there(copy, values, self._limits, orders.pulse):
            raise CannotRewriteError(left, CopyCode.VALUE_LEFT)

    def _changed(self, result: Cleaned, content: BinaryIO, account: Account, outcome: Outcome, hidden: str | None) -> Draft:
        result.reason = hidden and f"without {hidden} of its table"
        if not account.counts and hidden is None:
            content.close()  # nothing to strip was there
            return Draft(result)
        result.result = Result.CLEANED
        result.actions = [{"rule": rule, "action": action, "count": count} for (rule, action), count in sorted(account.counts.items())]
        result.changes = sum(account.counts.values())
        result.rows = [one._asdict() | {"member": one.member and name_safe(one.member)} for one in dict.fromkeys(account.rows)]
        result.rows_dropped = len({(one.member, one.row) for one in account.rows})
        result.samples = _shown(account, outcome, self._cleaning.reveal)
        return Draft(result, content, account.becomes)


def _view(row: PlanRow) -> TableView | None:
    return None if row.view is None else TableView.from_bytes(row.view)


def _hidden(row: PlanRow, file: BinaryIO) -> str | None:
    """Return what a data file of a table holds that its snapshot does not show, or None. Raises ReadError."""
    if (view := _view(row)) is None:
        return None
    if view.lance:
        from veritensor_ray.formats.columnar.lance.rewrite import hidden_in  # which few runs need

        return hidden_in(view, file)
    from veritensor_ray.formats.columnar.parquet.rewrite import schema_of  # as above
    from veritensor_ray.formats.columnar.viewed_columns import ViewedFile

    schema = schema_of(file)
    file.seek(0)
    return ViewedFile(view, schema, 0).hides


def _is_markdown(name: str) -> bool:
    return text_type(FileInfo(name, None, "").extension) == MARKDOWN


def _because(orders: Sequence[Order]) -> str:
    """Say it without a number, so that files with the same rules have the same reason; the actions count."""
    return f"findings of {_rules(orders)}"


def _rules(orders: Sequence[Order]) -> str:
    """Name the most frequent rules, with the number of the others."""
    rules = [rule for rule, _ in Counter(order.mark.rule for order in orders).most_common()]
    more = f" and {counted(len(rules) - _NAMED, 'more rule')}" if len(rules) > _NAMED else ""
    return ", ".join(rules[:_NAMED]) + more


def _shown(account: Account, outcome: Outcome, reveal: bool) -> list[dict[str, Any]]:
    """Return the samples as texts before and after, with nothing secret in them: neither known forms nor other values of the artifact.

    With `reveal`, they also have these texts as they were and as they are now, in three pieces.
    """
    around = [mask(text) for one in account.samples for text in (one.left, one.right)]
    safe = without_values(around, outcome.recorded.values)
    texts = iter([visible(safe.get(text, text)) for text in around])
    shown = []
    for one in account.samples:
        left, right = next(texts), next(texts)
        after = f"{left}{visible(one.new)}{right}"
        sample: dict[str, Any] = {"rule": one.rule, "action": one.action, "before": f"{left}{_DOTS}{right}", "after": after}
        values = {"was": [*map(visible, one.old)], "became": [*map(visible, (one.left, one.new, one.right))]} if reveal else {}
        shown.append(sample | values)
    return shown


def copied(file: BinaryIO, out: BinaryIO, pulse: Pulse = lambda: None) -> tuple[int, str]:
    """Copy a file from its beginning; its holes stay holes. Returns the number of bytes and their SHA-256."""
    digest, size, holes = hashlib.sha256(), 0, Holes(out)
    for data in pieces(file, 0, None, pulse):
        digest.update(data)
        holes.write(data)
        size += len(data)
    holes.end()
    return size, digest.hexdigest()
