"""The policy file: what it may contain.

It does not depend on tables or a terminal.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    StringConstraints,
    WrapValidator,
    field_validator,
    model_validator,
)

from veritensor_ray.core.config import Section
from veritensor_ray.corpus.planning import globs
from veritensor_ray.policy.yaml_file import FileKind

MATCHES = ("finding", "fingerprint", "rule", "sha256", "path")
FILE = FileKind(
    "policy file",
    "docs/policy.md",
    32 << 20,  # 700,000 ids, one per line; reading 100,000 takes about a second
    "Name one with --policy, or with `policy` in the configuration",
    "Correct `policy` in the configuration, or create the file",
    "Match many findings by path, rule or sha256",
)
_MOST_TEXT = 4096
_DIGITS = re.compile("[0-9a-fA-F]{32}")


def path_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for names of artifacts, as in `include` and `exclude`.

    `/notes.md` matches only at the top, `notes.md` in any folder.
    """
    compiled = re.compile(fnmatch.translate(pattern[1:])) if pattern.startswith("/") else globs([pattern])
    assert compiled is not None  # noqa: S101  # compiled from one pattern
    return compiled


def rule_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for rule IDs."""
    return re.compile(fnmatch.translate(pattern))


def _compiles(pattern: str) -> str:
    try:
        path_glob(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a valid glob: {error}") from None
    return pattern


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _day(value: Any) -> Any:
    """Reject numbers, because `expires: 2027` would be a day in 1970."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("give a day as YYYY-MM-DD")
    return value


def as_list(value: Any) -> Any:
    """Read a key with an empty value as an empty list."""
    return () if value is None else value


def _one_or_more(value: Any, validate: Any) -> Any:
    """Accept an id, or a list of ids. The order of a list and repeated ids do not matter, so that equal lists make equal entries."""
    if value is None:
        return validate(value)
    if not isinstance(value, list | tuple):
        value = [value]
    wrong = next((number for number, one in enumerate(value, 1) if not isinstance(one, str) or not _DIGITS.fullmatch(one)), None)
    if wrong and len(value) == 1:
        raise ValueError("give an id of 32 hexadecimal digits, or a list of them")
    if wrong:
        raise ValueError(f"number {wrong:,} of the list is not an id of 32 hexadecimal digits")
    ids = tuple(sorted({one.lower() for one in value}))
    if not ids:
        raise ValueError("must not be empty")
    return ids[0] if len(ids) == 1 else ids


Words = Annotated[str, Field(max_length=_MOST_TEXT), AfterValidator(_says_something)]
Glob = Annotated[Words, AfterValidator(_compiles)]
_Id = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{32}$")]
_Ids = Annotated[_Id | Annotated[tuple[_Id, ...], Field(min_length=1)] | None, WrapValidator(_one_or_more)]
_Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]


class PolicyRule(Section):
    """The severity for findings of a path and rule.

    Without a severity they keep the engine's, which makes an exception to the rules below.
    """

    path: Glob | None = Field(None, description="glob for the artifact's name")
    rule: Glob | None = Field(None, description="glob for the rule's id, such as pii.*")
    severity: Literal["info", "low", "medium", "high", "critical", "off"] | None = Field(
        None, description="severity that the findings get; default: the engine's"
    )
    min_confidence: float | None = Field(None, ge=0, le=1, description="findings with a lower confidence are off")
    reason: Words | None = Field(None, description="comment for readers of the file")

    @model_validator(mode="after")
    def _matches_something(self) -> PolicyRule:
        if self.path is None and self.rule is None:
            raise ValueError("give path, rule or both")
        return self


class Suppression(Section):
    """Findings that somebody has reviewed and does not want to see. All given conditions must match."""

    finding: _Ids = Field(None, description="finding_id of one finding, or a list of them")
    fingerprint: _Ids = Field(None, description="content_fingerprint, or a list of them: the same content in any artifact")
    rule: Glob | None = Field(None, description="glob for the rule's id, such as pii.*")
    sha256: _Sha256 | None = Field(None, description="content_id of the artifact, wherever it lies")
    path: Glob | None = Field(None, description="glob for the artifact's name")
    reason: Words = Field(description="why these findings need not be seen")
    owner: Words | None = Field(None, description="person who answers for the suppression")
    expires: Annotated[date | None, BeforeValidator(_day, json_schema_input_type=date | None)] = Field(
        None, description="day from which on the suppression does not count, as YYYY-MM-DD in UTC"
    )
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = Field(
        None, description="name of the suppression; default: one that follows from its conditions"
    )

    @model_validator(mode="after")
    def _matches_something(self) -> Suppression:
        if not self.match:
            raise ValueError(f"give at least one of {', '.join(MATCHES)}")
        return self

    @property
    def match(self) -> dict[str, str | tuple[str, ...]]:
        """The conditions that a finding must meet. Of several ids it must have one."""
        return {name: value for name in MATCHES if (value := getattr(self, name)) is not None}

    @property
    def name(self) -> str:
        """The ID, or, if the file gives none, one that depends only on the conditions."""
        digest = hashlib.sha256(json.dumps(self.match, sort_keys=True).encode()).hexdigest()
        return self.id or f"S-{digest[:8]}"

    def expired(self, today: date) -> bool:
        """Whether `today` is the day that `expires` names, or later."""
        return self.expires is not None and self.expires <= today


class Policy(Section):
    """Everything that a policy file says. `file` is its path, None if there is no file."""

    required_engines: Annotated[tuple[Words, ...], BeforeValidator(as_list, json_schema_input_type=list[Words] | None)] = Field(
        (), description="engines without which a run refuses to start"
    )
    rules: Annotated[tuple[PolicyRule, ...], BeforeValidator(as_list, json_schema_input_type=list[PolicyRule] | None)] = Field(
        (), description="severities; the first rule that matches a finding decides"
    )
    suppressions: Annotated[tuple[Suppression, ...], BeforeValidator(as_list, json_schema_input_type=list[Suppression] | None)] = Field(
        (), description="findings that somebody has reviewed; they stay in the results but do not count"
    )
    _file: str | None = PrivateAttr(None)
    _in_output: bool = PrivateAttr(False)

    @field_validator("suppressions")
    @classmethod
    def _ids_are_unique(cls, value: tuple[Suppression, ...]) -> tuple[Suppression, ...]:
        known: dict[str, Mapping[str, Any]] = {}
        for one in value:
            # a suppression renewed after it expired appears twice, with the same meaning
            if one.id and known.setdefault(one.id, one.match) != one.match:
                raise ValueError(f"two suppressions have the id {one.id}")
        return value

    @property
    def file(self) -> str | None:
        """The path as given."""
        return self._file

    @property
    def in_output(self) -> bool:
        """Whether it is kept in the output that it judges."""
        return self._in_output

    def kept_in_output(self, file: str) -> Policy:
        """Return the same policy as one that is kept in the output, under this name there."""
        policy = self.model_copy()
        policy._file, policy._in_output = file, True
        return policy

    def digest(self) -> str:
        """A short SHA-256 of everything the file says; comments and layout do not count."""
        values = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_policy(path: str | None) -> Policy:
    """Load a policy file, or an empty policy if no path is given. Raises UsageError."""
    return Policy() if path is None else parse(read(Path(path)), path)


def read(file: Path) -> str:
    """Return the text of a policy file with its line ends. Raises UsageError if it is not readable text, or too large."""
    return FILE.read(file)


def parse(text: str, file: str | None = None) -> Policy:
    """Parse a policy; `file` is used in messages. Raises UsageError that names the wrong key and the nearest known one."""
    policy = FILE.parse(text, file, Policy)
    policy._file = file
    return policy
