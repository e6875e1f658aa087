"""The cleaning policy: which action a finding gets. A file `clean.yaml` may come from anyone."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from veritensor_ray.core.config import SEVERITIES, NamedSecret, Section, Severity
from veritensor_ray.core.detection import CATEGORIES, Category, unknown_value
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import nearest
from veritensor_ray.formats.editing.actions import Action, Conversion, Ruling, Strippable
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.editing.spans import UNSEEN_VIEWS
from veritensor_ray.masking.redaction import visible
from veritensor_ray.policy.policy_file import Glob, Words, as_list, path_glob, rule_glob
from veritensor_ray.policy.yaml_file import FileKind

FILE = FileKind(
    "cleaning policy",
    "docs/clean.md",
    1 << 20,
    "Name one with --policy",
    "Correct its path, or create the file",
    "Match findings by globs",
)
View = Literal["visible", "hidden", "comment", "metadata", "ocr", "decoded", "residue"]
_INVISIBLE_VIAS = ("tag-characters", "variation-selectors", "zero-width")  # how messages in invisible characters are decoded
_MOST_RULES = 1000
_REMEMBERED = 1 << 16  # decisions


def _one_of(what: str, known: Collection[str]) -> BeforeValidator:
    """Reject a value that is not one of the known ones, with the nearest known one."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value not in known:
            raise ValueError(unknown_value(what, value, tuple(known)))
        return value

    return BeforeValidator(check)


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _strip_rules(value: Any) -> Any:
    """Gather the kinds that stand alone, which apply to every file, in one entry at the end."""
    if not isinstance(value, list | tuple):
        return as_list(value)
    everywhere = [one for one in value if isinstance(one, str)]
    return (*(one for one in value if not isinstance(one, str)), *([{"kinds": everywhere}] if everywhere else []))


def _columns(pattern: str) -> re.Pattern[str]:
    """Compile a glob for paths of columns. `[]` stands for any entry of a list: some readers number the entries, as in `messages[0].content`.

    Other brackets have no special meaning.
    """
    return re.compile(fnmatch.translate(pattern.replace("[]", "\0").replace("[", "[[]")).replace("\0", r"\[\d*\]"))


_Severity = Annotated[Severity, _one_of("severity", SEVERITIES)]
_Action = Annotated[Action, _one_of("action", [one.value for one in Action])]
_Category = Annotated[Category, _one_of("category", CATEGORIES)]
_View = Annotated[View, _one_of("view", get_args(View))]
_Kind = Annotated[Strippable, _one_of("kind", [one.value for one in Strippable])]
_Conversion = Annotated[Conversion, _one_of("conversion", [one.value for one in Conversion])]
_Held = Annotated[Literal["hold", "copy"], _one_of("value", ("hold", "copy"))]
_Names = Annotated[Literal["keep", "pseudonym"], _one_of("value", ("keep", "pseudonym"))]
_Conversions = Annotated[tuple[_Conversion, ...], BeforeValidator(_one_or_more, json_schema_input_type=Conversion | list[Conversion])]
_Views = Annotated[tuple[_View, ...], BeforeValidator(_one_or_more, json_schema_input_type=View | list[View])]


class CleanRule(Section):
    """The action for findings that meet all given conditions, of any severity unless `severity` is one of them."""

    rule: Glob | None = Field(None, description="glob for the rule's id, such as pii.*")
    category: _Category | None = Field(None, description="subject of the rule, such as secret")
    severity: _Severity | None = Field(None, description="this severity or a higher one")
    path: Glob | None = Field(None, description="glob for the artifact's name")
    column: Words | None = Field(None, description="glob for the name or path of the column, such as *.email")
    view: _Views | None = Field(None, description="how the text is seen, or a list: visible, hidden, comment, metadata, ocr, decoded")
    action: _Action = Field(description="what to do about the findings")
    keep_length: bool = Field(False, description="make a mask as long as the text that it replaces")
    reason: Words | None = Field(None, description="comment for readers of the file")

    @model_validator(mode="after")
    def _is_complete(self) -> CleanRule:
        if not self.conditions:
            raise ValueError("give at least one of rule, category, severity, path, column, view")
        if self.keep_length and self.action is not Action.MASK:
            raise ValueError(f"keep_length is only for the action mask, and not for {self.action.value}; remove it")
        return self

    @property
    def conditions(self) -> dict[str, str | tuple[str, ...]]:
        """The conditions that a finding must meet."""
        names = ("rule", "category", "severity", "path", "column", "view")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class StripRule(Section):
    """What to remove from files, whether or not anything was found in them."""

    path: Glob | None = Field(None, description="glob for the artifact's name; default: every artifact")
    kinds: tuple[_Kind, ...] = Field(description="what to remove: hidden-text, comments, metadata, macros, notebook-outputs")


class Default(NamedTuple):
    """What happens to findings that no rule matches."""

    applies: Callable[[Mark, str], bool]
    action: Action


def _in(*categories: Category) -> Callable[[Mark, str], bool]:
    return lambda mark, category: category in categories


def _is_unseen(mark: Mark) -> bool:
    """Return whether people do not see the text: it is hidden, or written in invisible characters."""
    return mark.view in UNSEEN_VIEWS or any(via in (mark.decoded_via or "") for via in _INVISIBLE_VIAS)


_INSTRUCTIONS = _in("prompt-injection", "exfiltration")
DEFAULTS = (  # the first that applies decides; docs/clean.md lists them
    Default(lambda mark, _: mark.rule.startswith("structure.macro"), Action.STRIP),
    Default(_in("unsafe-deserialization", "unsafe-model", "malware", "malicious-package", "archive-hazard"), Action.QUARANTINE),
    Default(_in("secret", "pii"), Action.MASK),
    Default(_in("hidden-content"), Action.STRIP),
    Default(lambda mark, category: _INSTRUCTIONS(mark, category) and _is_unseen(mark), Action.STRIP),
    Default(lambda mark, category: _INSTRUCTIONS(mark, category) and mark.row is not None, Action.DROP_ROW),
    Default(lambda *_: True, Action.QUARANTINE),
)


class _RuleMatcher(NamedTuple):
    """The conditions of a rule, compiled."""

    rule: re.Pattern[str] | None
    category: str | None
    severity: int
    path: re.Pattern[str] | None
    column: re.Pattern[str] | None
    view: tuple[str, ...] | None
    verdict: Ruling

    def matches(self, mark: Mark, category: str, artifact: str) -> bool:
        return (
            (self.category is None or self.category == category)
            and (self.view is None or mark.view in self.view)
            and SEVERITIES.index(mark.severity) >= self.severity
            and (self.rule is None or self.rule.match(mark.rule) is not None)
            and (self.column is None or (mark.column is not None and self.column.match(mark.column) is not None))
            and (self.path is None or self.path.match(artifact) is not None)
        )


def _rule_matcher(one: CleanRule) -> _RuleMatcher:
    return _RuleMatcher(
        rule_glob(one.rule) if one.rule else None,
        one.category,
        SEVERITIES.index(one.severity) if one.severity else 0,
        path_glob(one.path) if one.path else None,
        _columns(one.column) if one.column else None,
        one.view,
        Ruling(one.action, one.keep_length),
    )


def _not_too_many(rules: tuple[CleanRule, ...]) -> tuple[CleanRule, ...]:
    if len(rules) > _MOST_RULES:
        raise ValueError(f"more than {_MOST_RULES} rules are not allowed; match more findings with one rule")
    return rules


class CleanPolicy(Section):
    """What to do about findings. Can be pickled."""

    level: _Severity = Field("medium", description="lowest severity at which the defaults act")
    unsupported: _Held = Field("hold", description="a file with a finding that cannot be rewritten: hold it back or copy it")
    unchecked: _Held = Field("hold", description="a file that was not wholly checked: hold it back or copy it")
    remaining: _Held = Field("hold", description="a file with findings that further rounds did not remove: hold it back or leave the copy")
    names: _Names = Field("keep", description="names of files and folders with personal data or secrets: keep them, or replace the values")
    convert: _Conversions = Field((), description="formats that a file may become if it cannot stay in its own: safetensors, office")
    pseudonym_key: NamedSecret = Field(
        None, description="key of the pseudonyms as env:NAME or file:/path; default: derived from the site key"
    )
    rules: Annotated[
        tuple[CleanRule, ...],
        BeforeValidator(as_list, json_schema_input_type=list[CleanRule] | None),
        AfterValidator(_not_too_many),
    ] = Field((), description="actions; the first rule that matches a finding decides, and the defaults follow")
    strip: Annotated[tuple[StripRule, ...], BeforeValidator(_strip_rules, json_schema_input_type=list[Strippable | StripRule] | None)] = (
        Field((), description="what to remove whether or not anything was found there")
    )
    _file: str | None = PrivateAttr(None)
    _matchers: tuple[_RuleMatcher, ...] = PrivateAttr(())
    _strippers: tuple[tuple[re.Pattern[str] | None, frozenset[Strippable]], ...] = PrivateAttr(())
    _known: dict[tuple[Any, ...], Ruling] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _: Any) -> None:
        self._matchers = tuple(_rule_matcher(one) for one in self.rules)
        self._strippers = tuple((path_glob(one.path) if one.path else None, frozenset(one.kinds)) for one in self.strip)

    @property
    def file(self) -> str | None:
        """The path as given, None for the defaults."""
        return self._file

    def decide(self, mark: Mark, category: str, artifact: str) -> Ruling:
        """Return what to do about a finding in a rule's category. Its text and place in the unit do not matter, so answers are remembered."""
        key = mark.rule, mark.severity, mark.view, mark.decoded_via, mark.column, mark.row is None, category, artifact
        verdict = self._known.get(key)
        if verdict is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            verdict = self._known[key] = self._decided(mark, category, artifact)
        return verdict

    def ruled(self, mark: Mark, category: str, artifact: str) -> Ruling | None:
        """Return what the first rule that matches a finding says; None if only the defaults decide."""
        return next((one.verdict for one in self._matchers if one.matches(mark, category, artifact)), None)

    def at_level(self, level: str) -> CleanPolicy:
        """Return the policy with another level. Raises UsageError if there is none of that name."""
        if level not in SEVERITIES:
            raise UsageError(f"--level: {unknown_value('severity', level, SEVERITIES)}")
        return self.model_copy(update={"level": level})

    def _decided(self, mark: Mark, category: str, artifact: str) -> Ruling:
        if (ruled := self.ruled(mark, category, artifact)) is not None:
            return ruled
        if not self.counts(mark.severity):
            return Ruling(Action.KEEP)
        action = next(default.action for default in DEFAULTS if default.applies(mark, category))
        return Ruling(action, unless_stripped=action is Action.QUARANTINE and _INSTRUCTIONS(mark, category))

    def counts(self, severity: str) -> bool:
        """Return whether the copy must have no finding of this severity."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.level)

    def strips(self, artifact: str) -> frozenset[Strippable]:
        """Return what to remove from an artifact whether or not anything was found there."""
        found: frozenset[Strippable] = frozenset()
        for path, kinds in self._strippers:
            if path is None or path.match(artifact):
                found |= kinds
        return found

    def check_rules(self, known: Collection[str]) -> None:
        """Raise UsageError if a glob of the policy matches none of the known rule ids, because it may be a mistake that keeps findings."""
        for number, one in enumerate(self.rules, 1):
            if one.rule is None:
                continue
            compiled = rule_glob(one.rule)
            if not any(map(compiled.match, known)):
                near = nearest(one.rule, sorted(known))
                hint = f"; did you mean {near}?" if near else ""
                raise UsageError(f"{FILE.called(self.file)}: key rules.{number}.rule: no engine has a rule {visible(one.rule)}{hint}")

    def digest(self) -> str:
        """A short SHA-256 of everything the file says except reasons; comments and layout do not count."""
        values = self.model_dump(mode="json", exclude_none=True, exclude={"rules": {"__all__": {"reason"}}})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_clean_policy(path: str | None) -> CleanPolicy:
    """Read a policy file; None means the defaults. Raises UsageError that names the line, the wrong key and the nearest known one."""
    return CleanPolicy() if path is None else parse(FILE.read(Path(path)), path)


def parse(text: str, file: str | None = None) -> CleanPolicy:
    """Parse a cleaning policy; `file` is used in messages. Raises UsageError."""
    policy = FILE.parse(text, file, CleanPolicy)
    policy._file = file
    return policy


__all__ = ["DEFAULTS", "CleanPolicy", "CleanRule", "StripRule", "load_clean_policy", "parse"]
