"""Compiles YARA sources into rules with their metadata."""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import yara

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.base import CATEGORIES, Rule, unknown_value
from veritensor_ray.engines.signatures.narrowed import NarrowedRules, instances

# An `include` could name any file on the machine, and the digest would not cover its text.
_OPTIONS: dict[str, Any] = {"externals": {"extension": "", "offset": 0}, "includes": False}
_MISSPELLED = 0.75  # how similar a value must be to one of ours to be a misspelling of it
_Value = TypeVar("_Value", bound=str)


@dataclass(frozen=True)
class RuleSet:
    """Compiled rules. `restricted` maps rule ids to a pattern that the file's base name must match."""

    compiled: Any
    rules: Mapping[str, Rule]
    ids: Mapping[tuple[str, str], str]  # from YARA namespace and name to rule id
    restricted: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    views: Mapping[str, frozenset[str]] = field(default_factory=dict)  # from rule id to the views of a text to which it applies
    source: frozenset[str] = frozenset()  # rules that also match the source text of JSON, which readers split into values
    digest: str = ""
    narrowed: NarrowedRules | None = None

    def __bool__(self) -> bool:
        return bool(self.rules)

    def match(self, data: bytes, externals: Mapping[str, Any] | None = None) -> Iterator[tuple[str, int, int]]:
        """Yield rule id, start and end (in bytes) of every string match. A rule without strings matches the beginning of the data."""
        for space, name, start, end in instances(self.compiled, data, externals or {}) if self.rules else ():
            yield self.ids[space, name], start, end

    def match_text(self, data: bytes) -> Iterator[tuple[str, int, int]]:
        """Yield the same as `match` for text, where most rules can be skipped."""
        found = self.narrowed.match(data) if self.narrowed else None
        return self.match(data) if found is None else ((self.ids[space, name], start, end) for space, name, start, end in found)

    def wants(self, rule: str, texts: pa.RecordBatch, row: int) -> bool:
        """Return whether a rule applies to the name of a text's file and to the text's view."""
        views = self.views.get(rule)
        if views is not None and texts.column("view")[row].as_py() not in views:
            return False
        return rule not in self.restricted or self.named(rule, texts.column("path")[row].as_py() or "")

    def named(self, rule: str, path: str) -> bool:
        """Return whether a rule applies to files with the base name of `path`."""
        pattern = self.restricted.get(rule)
        return pattern is None or pattern.search(re.split(r"/|!/", path)[-1]) is not None


@functools.cache
def built_in(scope: str) -> RuleSet:
    """Return the built-in rules for `text` or `file`, compiled once per process."""
    folder = Path(str(files("veritensor_ray.engines.signatures"))) / "rules" / scope
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yar"))}
    return replace(_compile(sources, ""), narrowed=NarrowedRules(sources) if scope == "text" else None)


def from_folders(folders: Sequence[str]) -> RuleSet:
    """Return the user's rules: every .yar and .yara file below the folders. Raises UsageError if one is missing or does not compile."""
    sources: dict[str, str] = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise UsageError(f"rules: {folder} is not a folder")
        found = [path for path in sorted(Path(folder).rglob("*")) if path.suffix in (".yar", ".yara")]
        if not found:
            raise UsageError(f"rules: {folder} contains no .yar or .yara file")
        for path in found:
            name = str(path.relative_to(folder).with_suffix(""))
            while name in sources:  # the same name in another folder, or with the other suffix
                name += "+"
            sources[name] = path.read_text(encoding="utf-8", errors="replace")
    return _compile(sources, "user-")


def _compile(sources: Mapping[str, str], prefix: str) -> RuleSet:
    if not sources:
        return RuleSet(None, {}, {})
    each: dict[str, Any] = {}
    for name, source in sources.items():
        try:
            each[name] = yara.compile(source=source, **_OPTIONS)
        except yara.Error as error:
            raise UsageError(f"rules: {name}.yar does not compile: {error}") from None
    compiled = yara.compile(sources=dict(sources), **_OPTIONS)
    rules: dict[str, Rule] = {}
    ids: dict[tuple[str, str], str] = {}
    restricted, views = {}, {}
    over_source = set()
    for namespace, name, meta in _declared(each, compiled):
        rule = _rule(f"{namespace}.yar, rule {name}", name, meta, prefix)
        if meta.get("source"):
            over_source.add(rule.id)
        rules[rule.id] = rule
        ids[namespace, name] = rule.id
        if meta.get("views") and not prefix:
            views[rule.id] = frozenset(_list(str(meta["views"])))
        if meta.get("files") and not prefix:  # in a user's rule, this key may have any meaning
            restricted[rule.id] = re.compile(str(meta["files"]), re.IGNORECASE)
    digest = hashlib.sha256("\0".join(f"{name}\0{source}" for name, source in sorted(sources.items())).encode()).hexdigest()
    return RuleSet(compiled, rules, ids, restricted, views, frozenset(over_source), digest)


def _declared(each: Mapping[str, Any], compiled: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield namespace, name and metadata of each rule. Rules that are compiled together lack their namespace, but keep the order of `each`."""
    names = [(namespace, rule.identifier) for namespace, rules in each.items() for rule in rules]
    for (namespace, name), rule in zip(names, compiled, strict=True):
        yield namespace, name, rule.meta


def _rule(where: str, name: str, meta: Mapping[str, Any], prefix: str) -> Rule:
    text = {key: str(value) for key, value in meta.items()}
    return Rule(
        id=f"signatures.{prefix}{name.lower().replace('_', '-')}",
        title=text.get("title") or text.get("description") or name,
        description=text.get("description", ""),
        category=_one_of(CATEGORIES, f"rules: {where}: category", text.get("category"), "malware"),
        severity=_one_of(SEVERITIES, f"rules: {where}: severity", text.get("severity"), "medium"),
        remediation=text.get("remediation", "Ask the rule's author."),
        taxonomy=_list(text.get("taxonomy")),
        references=_list(text.get("references") or text.get("reference")),
        false_alarms=text.get("false_alarms", ""),
        confidence=_confidence(text.get("confidence")),
    )


def _one_of(known: tuple[_Value, ...], what: str, value: str | None, default: _Value) -> _Value:
    """Return the known value that is meant, or the default for a value of someone else's vocabulary. Raises UsageError for a misspelled one."""
    given = (value or default).lower()
    if difflib.get_close_matches(given, known, n=1, cutoff=_MISSPELLED) not in ([], [given]):
        raise UsageError(unknown_value(what, value, known))
    return next((one for one in known if one == given), default)


def _list(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def _confidence(value: str | None) -> float:
    try:
        return min(1.0, max(0.0, float(value or 1.0)))
    except ValueError:
        return 1.0
