"""Scan and clean texts in memory: lists, columns of data frames, batches of data sets."""

from __future__ import annotations

import functools
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from veritensor_ray.api.arguments import described, one_of
from veritensor_ray.api.batches import column_of, replaced, texts_in
from veritensor_ray.api.messages import spread
from veritensor_ray.core.config import SEVERITIES, Settings, load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.findings.recorded import RANK, Recorded
from veritensor_ray.masking.redaction import reason_safe

if TYPE_CHECKING:
    from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
    from veritensor_ray.cleaning.replacements import Replacements
    from veritensor_ray.formats.editing.marks import Mark
    from veritensor_ray.pipeline.context import Workbench
    from veritensor_ray.pipeline.texts_in_memory import EncodedFile, TextResults

_SURROGATES = re.compile("[\ud800-\udfff]")
T = TypeVar("T")
_ROWS, _CHARS = 2048, 1 << 20  # texts and characters that are scanned at once
_TURN = threading.Lock()  # engines, and the guard of the import path, serve one thread at a time


PolicyLike = str | os.PathLike[str] | Mapping[str, Any] | None  # the path of a cleaning policy, or its content; None means the defaults


class _Scanned(NamedTuple):
    """A few texts with everything that was found in them, by their numbers.

    `seen` are the texts as engines saw them. `unchecked` has the reason for each text that was not wholly checked.
    """

    texts: list[str]
    seen: list[str]
    results: TextResults
    files: dict[int, list[dict[str, Any]]]
    unchecked: dict[int, str]


class _Ready(NamedTuple):
    """Engines that are loaded in the process `pid`."""

    bench: Workbench
    categories: dict[str, str]
    pid: int


class Scanner:
    """Scans and cleans texts in this process, in batches, without Ray and without files.

    The engines are loaded on first use and stay loaded. A scanner can be pickled, so that Ray and `multiprocessing` can send it to other
    processes, which load the engines again. Several threads may share it; they take turns.

    `engines` names the engines to run, all by default. `cleaning_policy` says what `clean` does: its path, or its content as a mapping; by default, findings of severity `medium` or worse are masked, removed or dropped. `column` names the column, or several,
    that a call with a batch reads. `config` is the path of a configuration file, and `options` are its keys. Raises UsageError.
    """

    def __init__(
        self,
        engines: Sequence[str] | None = None,
        cleaning_policy: PolicyLike = None,
        config: str | None = None,
        *,
        column: str | Sequence[str] = "text",
        **options: Any,
    ) -> None:
        self._columns = _names(column)
        with Guard():
            from veritensor_ray.engines.registry import selected

            if isinstance(engines, str):
                raise UsageError(f"engines must be a list of names, not text; pass [{engines!r}]")
            self._settings = load_settings(config, {**options, "engines": None if engines is None else list(engines)})
            self._engines = tuple(selected(self._settings))
            self._policy = clean_policy(cleaning_policy)
            if any(rule.rule for rule in self._policy.rules):
                _check_rules(self._policy, self._settings)
            self._replace = _replacements(self._policy, self._settings)
        self._ready: _Ready | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ready": None}  # engines are loaded again where they are needed

    def __repr__(self) -> str:
        return f"<Scanner {', '.join(self._engines)}>"

    def texts(self, texts: Iterable[Any]) -> list[list[dict[str, Any]]]:
        """Return the findings of each text, in order of position. A missing text (None or NaN) has none.

        `texts` is a list, a tuple, a NumPy array, a pandas Series or an Arrow array. An item may also be a chat message, a mapping with `role`
        and `content`; every text in it is read, and its findings are those of the message.

        A finding is a mapping with `rule_id`, `category`, `severity`, `confidence` (0 to 1), `start` and `end` (characters of that text),
        `evidence` (masked as in the results of an audit), `message`, and `decoded_via` and `member`, which are None unless it was found
        under an encoding or in an encoded file; `start` and `end` are then those of the encoded text. `place` says where the text of a message
        is, such as `messages[1].content[0].text`; it is None for other texts. Every hit is listed. Warns if a text
        could not be checked wholly. Raises UsageError if `texts` is not a list of texts.
        """
        given = spread(texts, "texts")
        found = self._each(given.texts, None, True, self._findings)
        placed = [[row | {"place": place} for row in found.get(number, ())] for number, place in enumerate(given.places)]
        return [[row for number in numbers for row in placed[number]] for numbers in given.ranges]

    def flags(self, texts: Iterable[Any], at: str = "medium") -> list[bool]:
        """Return for each text whether it has a finding of severity `at` or worse. This is faster than `texts`.

        Warns if a text could not be checked wholly. Raises UsageError.
        """
        least = RANK[one_of(at, SEVERITIES, "at")]
        given = spread(texts, "texts")
        flags = self._each(given.texts, None, False, lambda scanned, number: _worst(scanned, number) >= least)
        return [any(flags.get(number, False) for number in numbers) for numbers in given.ranges]

    def clean(self, texts: Iterable[Any]) -> list[Any]:
        """Return the texts as the policy wants them: unchanged, or with findings masked, replaced or removed.

        A text becomes None if the policy drops or quarantines it, or holds it back: because a finding cannot be replaced in it, or because
        it could not be checked wholly (`unchecked: hold`). A missing text stays None. A message is copied with
        its texts cleaned, and becomes None if one of them does. Raises UsageError.
        """
        given = spread(texts, "texts")
        return given.put(*self._cleaned(given.texts, None))

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the texts of its columns cleaned, and without the rows whose text becomes None.

        A batch is what `ray.data.Dataset.map_batches` and `datasets.Dataset.map(batched=True)` pass: a mapping of column names to lists or
        NumPy arrays, a pandas DataFrame, an Arrow table or record batch. The result is of the same kind. Rows without a text are kept.
        Engines and policy see the name of the column, as in an audit of the table. Raises UsageError, also for an unknown column.
        """
        columns: dict[str, list[str | None]] = {}
        kept: list[bool] = []
        for name in self._columns:
            columns[name], dropped = self._cleaned(texts_in(column_of(batch, name), f"column {name}"), name)
            kept = [keep and not drop for keep, drop in zip(kept or [True] * len(dropped), dropped, strict=True)]
        return replaced(batch, columns, kept)

    def _cleaned(self, given: list[str | None], column: str | None) -> tuple[list[str | None], list[bool]]:
        """Return the texts, and which of them were dropped."""
        cleaned = self._each(given, column, False, lambda scanned, number: self._clean_one(scanned, number, column))
        texts = [cleaned.get(number, text) for number, text in enumerate(given)]
        return texts, [number in cleaned and text is None for number, text in enumerate(texts)]

    def _each(self, given: list[str | None], column: str | None, showing: bool, made: Callable[[_Scanned, int], T]) -> dict[int, T]:
        """Return what `made` makes of each text, by the text's number. It gets some of the texts at once, and a number among those.

        Missing and empty texts are left out.
        """
        results: dict[int, T] = {}
        gaps: list[str] = []
        for numbers in _groups(given):
            with _TURN, Guard():
                scanned = self._scan([str(given[number]) for number in numbers], column, showing)
                results.update((number, made(scanned, local)) for local, number in enumerate(numbers))
            gaps += scanned.unchecked.values()
        if gaps:
            warnings.warn(f"{len(gaps)} of {len(given)} texts were not checked completely: {gaps[0]}", stacklevel=4)
        return results

    def _scan(self, texts: list[str], column: str | None, showing: bool) -> _Scanned:
        from veritensor_ray.pipeline.texts_in_memory import scan_texts

        seen = [_SURROGATES.sub("\ufffd", text) for text in texts]
        results = scan_texts(self._engines_here().bench, self._settings.limits, seen, column, showing)
        unchecked = {number: reason_safe(gap.reason) for number, gap in reversed(results.gaps) if gap.coverage is None}
        scanned = _Scanned(texts, seen, results, {}, unchecked)
        for file in results.files:
            self._scan_file(file, scanned)
        return scanned

    def _engines_here(self) -> _Ready:
        """Return the loaded engines. A forked process does not use those of its parent, whose threads it lacks."""
        if self._ready is None or self._ready.pid != os.getpid():
            self._ready = _loaded(self._settings, self._engines)
        return self._ready

    def _scan_file(self, file: EncodedFile, scanned: _Scanned) -> None:
        """Scan a file that was encoded in a text as `inspect` does: in a separate process, because decoding it may end the process."""
        from veritensor_ray.api.inspecting import inspected

        seen = inspected(None, file.content, None, self._settings)
        end = _end_of_run(scanned.seen[file.text], file.at)
        for row in seen.findings:
            member = row["member"]
            scanned.files.setdefault(file.text, []).append(
                {name: row[name] for name in ("rule_id", "category", "severity", "confidence")}
                | {"start": file.at, "end": end, "evidence": row["evidence"], "message": row["message"], "decoded_via": file.via}
                | {"member": f"{file.via}@{file.at}!/{member}" if member else f"{file.via}@{file.at}"}
            )
        if seen.ledger["status"] not in ("scanned", "skipped"):
            scanned.unchecked.setdefault(file.text, str(seen.ledger["reason"]))

    def _findings(self, scanned: _Scanned, number: int) -> list[dict[str, Any]]:
        """Return what is shown of the findings of one text."""
        rows = scanned.files.get(number, [])
        if recorded := scanned.results.recorded.get(number):
            rows = [*(self._shown(row) for row in _rows(recorded)), *rows]
        return sorted(rows, key=lambda row: (row["start"], row["end"], row["rule_id"]))

    def _shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        at = row["location"]
        return {
            "rule_id": row["rule_id"],
            "category": self._engines_here().categories[row["rule_id"]],
            "severity": row["severity"],
            "confidence": row["confidence"],
            "start": at["start"],
            "end": at["end"],
            "evidence": row["evidence"],
            "message": row["message"],
            "decoded_via": at["decoded_via"],
            "member": None,
        }

    def _clean_one(self, scanned: _Scanned, number: int, column: str | None) -> str | None:
        """Return one text as the policy wants it, or None."""
        from veritensor_ray.cleaning.clean_text import cleaned
        from veritensor_ray.pipeline.texts_in_memory import NAME

        text = scanned.texts[number]
        if number in scanned.unchecked and self._policy.unchecked == "hold":
            return None
        marks = [*_marks(scanned, number), *(_file_mark(row, column) for row in scanned.files.get(number, ()))]
        if not marks and not self._policy.strip:
            return text
        return cleaned(text, scanned.seen[number], marks, self._policy, self._engines_here().categories, self._replace, NAME)


def clean_policy(given: object) -> CleanPolicy:
    """Return a cleaning policy from a file, or from the same content as a mapping. Raises UsageError."""
    from veritensor_ray.cleaning.cleaning_policy import CleanPolicy, load_clean_policy, parse

    if isinstance(given, CleanPolicy):
        return given
    if isinstance(given, Mapping):
        import yaml

        try:
            return parse(yaml.safe_dump(dict(given)))
        except yaml.YAMLError:
            raise UsageError("cleaning_policy must be a mapping of texts, numbers and lists, as in a YAML file") from None
    if given is None or isinstance(given, (str, os.PathLike)):
        return load_clean_policy(None if given is None else os.fspath(given))
    raise UsageError(f"cleaning_policy must be the path of a cleaning policy or its content as a mapping, not {described(given)}")


def _check_rules(policy: CleanPolicy, settings: Settings) -> None:
    """Raise UsageError if a rule of the policy names a rule that no engine has."""
    from veritensor_ray.api.inspecting import with_bundle
    from veritensor_ray.engines.registry import available, rules_of

    active = with_bundle(settings)[0]
    policy.check_rules(rules_of(active, available(active)))


def _replacements(policy: CleanPolicy, settings: Settings) -> Replacements:
    """Return what takes the place of findings. The key is read only if there are pseudonyms: it may have to be created first."""
    from veritensor_ray.cleaning.cleaning_context import pseudonym_key
    from veritensor_ray.cleaning.replacements import Replacements
    from veritensor_ray.formats.editing.actions import Action

    if not any(rule.action is Action.PSEUDONYM for rule in policy.rules):
        return Replacements(b"")
    return Replacements(pseudonym_key(policy, settings.site_key))


def _names(column: str | Sequence[str]) -> tuple[str, ...]:
    names = (column,) if isinstance(column, str) else tuple(column) if isinstance(column, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"column must be the name of a column or a list of names, not {described(column)}")
    return names


def _groups(given: Sequence[str | None]) -> Iterator[list[int]]:
    """Yield the numbers of the texts to scan, a limited amount at a time. Missing and empty texts have nothing to scan."""
    group, size = list[int](), 0
    for number, text in enumerate(given):
        if not text:
            continue
        group.append(number)
        size += len(text)
        if len(group) >= _ROWS or size >= _CHARS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _marks(scanned: _Scanned, number: int) -> Iterable[Mark]:
    recorded = scanned.results.recorded.get(number)
    return recorded.marks if recorded else ()


def _worst(scanned: _Scanned, number: int) -> int:
    """Return the rank of the worst severity found in a text; -1 if nothing was found."""
    severities = [mark.severity for mark in _marks(scanned, number)] + [row["severity"] for row in scanned.files.get(number, ())]
    return max(map(RANK.__getitem__, severities), default=-1)


def _file_mark(row: Mapping[str, Any], column: str | None) -> Mark:
    """Return the mark of a finding in an encoded file. Its member keeps everyone from looking for it in the text."""
    from veritensor_ray.formats.editing.marks import Mark

    places = None, None, None, column, "decoded", row["decoded_via"], row["start"], row["end"]
    return Mark(row["rule_id"], row["severity"], row["member"], *places, None, straight=False)


def _rows(recorded: Recorded) -> list[dict[str, Any]]:
    """Return the findings of one text with nothing secret in them, as an audit stores them."""
    from veritensor_ray.findings.outcome import Outcome
    from veritensor_ray.findings.outcome_row import outcome_row

    rows: list[dict[str, Any]] = outcome_row(Outcome("", 0, 0, recorded=recorded), {}, b"")["findings"]
    return rows


def _end_of_run(text: str, at: int) -> int:
    """Return the end of the encoded characters that begin at `at`."""
    from veritensor_ray.formats.editing.spans import ENCODED

    found = ENCODED.match(text, at)
    return found.end() if found else at


def _loaded(settings: Settings, engines: tuple[str, ...]) -> _Ready:
    """Load the engines with the models and rules of the bundle in use, if there is one. Scanners with equal settings share them."""
    from veritensor_ray.api.inspecting import with_bundle

    return _shared(with_bundle(settings)[0].model_dump_json(), engines, os.getpid())


@functools.lru_cache(maxsize=4)
def _shared(settings_json: str, engines: tuple[str, ...], pid: int) -> _Ready:
    from veritensor_ray.pipeline.context import load

    bench = load(Settings.model_validate_json(settings_json), engines)
    return _Ready(bench, {name: rule.category for name, rule in bench.rules.items()}, pid)
