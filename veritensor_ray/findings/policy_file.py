"""The policy file: what may stand in it, and how a file that nobody vouches for is read. It knows neither tables nor the terminal."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from veritensor_ray.config import Section, explain
from veritensor_ray.corpus.planning import globs
from veritensor_ray.errors import UsageError

if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:  # libyaml's parser is ten times as fast
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEFAULT = "policy.yaml"
MATCHES = ("finding", "fingerprint", "rule", "sha256", "path")
_MOST_BYTES = 4 << 20
_MOST_NODES = 400_000
_MOST_DEPTH = 8
_MOST_TEXT = 4096


def path_glob(pattern: str) -> re.Pattern[str]:
    """A glob on names of artifacts, as in `include` and `exclude`; `/notes.md` matches at the top alone, `notes.md` in any folder."""
    compiled = re.compile(fnmatch.translate(pattern[1:])) if pattern.startswith("/") else globs([pattern])
    assert compiled is not None  # noqa: S101  # of one pattern
    return compiled


def rule_glob(pattern: str) -> re.Pattern[str]:
    """A glob on ids of rules."""
    return re.compile(fnmatch.translate(pattern))


def _compiles(pattern: str) -> str:
    try:
        path_glob(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"no glob: {error}") from None
    return pattern


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _day(value: Any) -> Any:
    """Numbers are no days here, or `expires: 2027` would be in 1970."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("give a day as YYYY-MM-DD")
    return value


def _listed(value: Any) -> Any:
    """A key with nothing behind it is an empty list."""
    return () if value is None else value


_Words = Annotated[str, Field(max_length=_MOST_TEXT), AfterValidator(_says_something)]
_Glob = Annotated[_Words, AfterValidator(_compiles)]
_Id = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{32}$")]
_Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]


class PolicyRule(Section):
    """What findings of a path and rule are worth. Without a severity they keep the engine's: an exception to the rules below it."""

    path: _Glob | None = None
    rule: _Glob | None = None
    severity: Literal["info", "low", "medium", "high", "critical", "off"] | None = None
    min_confidence: float | None = Field(None, ge=0, le=1)
    reason: _Words | None = None

    @model_validator(mode="after")
    def _matches_something(self) -> PolicyRule:
        if self.path is None and self.rule is None:
            raise ValueError("give path, rule or both")
        return self


class Suppression(Section):
    """Findings that somebody has looked at and does not want to see; all that is given has to match."""

    finding: _Id | None = None
    fingerprint: _Id | None = None
    rule: _Glob | None = None
    sha256: _Sha256 | None = None
    path: _Glob | None = None
    reason: _Words
    owner: _Words | None = None
    expires: Annotated[date | None, BeforeValidator(_day)] = None
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None

    @model_validator(mode="after")
    def _matches_something(self) -> Suppression:
        if not self.match:
            raise ValueError(f"give at least one of {', '.join(MATCHES)}")
        return self

    @property
    def match(self) -> dict[str, str]:
        """What has to be true of a finding."""
        return {name: value for name in MATCHES if (value := getattr(self, name)) is not None}

    @property
    def name(self) -> str:
        """Its id; where the file gives none, one that depends on what it matches alone."""
        digest = hashlib.sha256(json.dumps(self.match, sort_keys=True).encode()).hexdigest()
        return self.id or f"S-{digest[:8]}"

    def expired(self, today: date) -> bool:
        """From the day on that `expires` names."""
        return self.expires is not None and self.expires <= today


class Policy(Section):
    """Everything that a policy file says. `file` is where it came from; None: there is none."""

    required_engines: Annotated[tuple[_Words, ...], BeforeValidator(_listed)] = ()
    rules: Annotated[tuple[PolicyRule, ...], BeforeValidator(_listed)] = ()
    suppressions: Annotated[tuple[Suppression, ...], BeforeValidator(_listed)] = ()
    _file: str | None = PrivateAttr(None)

    @field_validator("suppressions")
    @classmethod
    def _ids_are_unique(cls, value: tuple[Suppression, ...]) -> tuple[Suppression, ...]:
        known: dict[str, dict[str, str]] = {}
        for one in value:
            # what was renewed after it expired stands there twice, and is the same
            if one.id and known.setdefault(one.id, one.match) != one.match:
                raise ValueError(f"two suppressions have the id {one.id}")
        return value

    @property
    def file(self) -> str | None:
        """The path as it was given."""
        return self._file

    def digest(self) -> str:
        """Short SHA-256 over all that the file says; comments and layout do not count."""
        values = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_policy(path: str | None) -> Policy:
    """The policy in a file; without a path that in policy.yaml here, or an empty one. Raises UsageError."""
    file = Path(path or DEFAULT)
    if path is None and not os.path.lexists(file):  # a dangling link is a mistake, not a policy that asks for nothing
        return Policy()
    return parse(read(file), str(file))


def read(file: Path) -> str:
    """The text of a policy file, line ends as they are. Raises UsageError where it is none, or too large."""
    try:
        if file.exists() and not file.is_file():
            raise UsageError(f"policy file {file} is no regular file; name one with --policy or `policy` in the configuration")
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UsageError(f"policy file {file} is larger than {_MOST_BYTES >> 20} MiB; match many findings by path, rule or sha256")
        return data.decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"policy file {file} does not exist; correct `policy` in the configuration, or write one") from None
    except OSError as error:
        raise UsageError(f"policy file {file} cannot be read ({error.strerror}); correct its permissions") from None
    except UnicodeDecodeError:
        raise UsageError(f"policy file {file} is not UTF-8; save it as UTF-8") from None


def parse(text: str, file: str | None = None) -> Policy:
    """The policy in a text; `file` is for messages. Raises UsageError that names the key and the nearest known one."""
    try:
        _refuse_tricks(text)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:  # the last three: hostile tags
        raise UsageError(f"policy file {file}: {error}; docs/policy.md shows what it may hold") from None
    if not isinstance(data or {}, dict):
        raise UsageError(f"policy file {file}: the top level has to be a mapping: required_engines, rules, suppressions")
    try:
        policy = Policy.model_validate(data or {})
    except ValidationError as error:
        raise UsageError("\n".join(f"policy file {file}: {line}" for line in explain(error, Policy, "key"))) from None
    policy._file = file
    return policy


def _refuse_tricks(text: str) -> None:
    """What lets a small file become a large one, or a deep one. Raises ValueError."""
    depth = nodes = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(f"anchors and aliases are refused (line {event.start_mark.line + 1}): write the entry out")
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH or nodes > _MOST_NODES:
            raise ValueError(f"more than {_MOST_DEPTH} levels or {_MOST_NODES} values are refused")


class _Loader(_Base):
    """Every scalar is text, but for null: an id of digits stays one, `off` is no boolean. A key that stands there twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own
        first: [(tag, pattern) for tag, pattern in known if tag == "tag:yaml.org,2002:null"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the key {twice} stands there twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)
