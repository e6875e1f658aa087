"""The vocabulary shared by engines and findings: files, hits and rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from veritensor_ray.core.config import SEVERITIES, Severity
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import nearest

# The subject of a finding. Evidence of rules in the categories `secret` and `pii` is masked everywhere.
Category = Literal[
    "prompt-injection", "hidden-content", "exfiltration", "pii", "secret", "malware", "unsafe-deserialization", "unsafe-model",
    "archive-hazard", "format-mismatch", "vulnerable-dependency", "typosquat", "malicious-package",
]  # fmt: skip
CATEGORIES: tuple[Category, ...] = get_args(Category)
# What is known about a file as a whole, from best to worst: proven to do nothing but hold data, not understood wholly, or harmful.
FileVerdict = Literal["inert", "unknown", "dangerous"]
VERDICTS: tuple[FileVerdict, ...] = get_args(FileVerdict)
EVIDENCE = 240  # characters of a hit that a finding shows at most
CONTEXT = 120  # characters that it shows on each side


def unknown_value(what: str, value: object, known: tuple[str, ...]) -> str:
    """Return a sentence that says that `value` is not one of the known ones, and which of those is nearest."""
    near = nearest(str(value).lower(), known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{what} {value!r} is not one of {', '.join(known)}{hint}"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known about a file before it is read.

    `media_type` is the type that the bytes have, `declared_type` the type that the name promises (None if it promises nothing); `offset`
    is where the bytes begin in the artifact, if they are part of a split one; `mismatched` means that name and content disagree; `sha256`
    returns the digest of the bytes.
    """

    path: str
    size: int | None
    media_type: str
    declared_type: str | None = None
    member: str | None = None
    offset: int = 0
    mismatched: bool = False
    sha256: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The last component of the path."""
        return _name_and_extension(self.member or self.path)[0]

    @property
    def extension(self) -> str:
        """The extension in lower case, with the dot; empty if there is none."""
        return _name_and_extension(self.member or self.path)[1]


@functools.lru_cache(256)  # each file is asked for them by every engine in turn
def _name_and_extension(path: str) -> tuple[str, str]:
    stem, _, last = path.rpartition(".")
    return path.rsplit("/", 1)[-1], f".{last.lower()}" if stem and "/" not in last and not stem.endswith("/") else ""


class Hit(NamedTuple):
    """One match of an engine. It is a tuple for speed, since some texts have a match every few characters.

    `start` and `end` are character offsets in the segment `row` of the batch, or byte offsets in the file if `row` is None. `severity`
    overrides that of the rule, for engines that grade. `evidence` is shown, and identifies the finding, if the text or the bytes alone
    would not explain it: for example a name that is assembled by a few opcodes.
    """

    rule: str
    start: int
    end: int
    row: int | None = None
    score: float = 1.0
    severity: Severity | None = None
    message: str | None = None
    evidence: str | None = None


EffectKind = Literal["imports", "calls", "reads", "writes", "connects", "runs", "holds"]


class Effect(NamedTuple):
    """One thing that a file does when it is loaded, or one thing in it that was judged.

    `what` is a name, path, address, key or operator, and `why` the reason for the verdict, in one clause. `start` and `end` are byte
    offsets in the file, those of the first of `times` equal effects.
    """

    kind: EffectKind
    what: str
    verdict: FileVerdict
    why: str
    start: int = 0
    end: int = 0
    times: int = 1

    def said(self) -> str:
        """Return the effect as a reason for a verdict, without the lone surrogates that texts of a file may contain but outputs cannot."""
        return f"{self.kind} {self.what[:200]}: {self.why[:200]}".encode("utf-8", "replace").decode()


class Judged(NamedTuple):
    """An engine's verdict on a file as a whole.

    `reasons` are clauses that say what speaks against the file, the most important first. `read_as` says in a few words as what the file
    was read. `effects` are what the verdict follows from; `left_out` is the number of those that are not among them.
    """

    verdict: FileVerdict
    reasons: tuple[str, ...] = ()
    read_as: str = ""
    effects: tuple[Effect, ...] = ()
    left_out: int = 0


def worse(*verdicts: FileVerdict) -> FileVerdict:
    """Return the worst of some verdicts, `inert` if there are none."""
    return max(verdicts, key=VERDICTS.index, default="inert")


@dataclass(frozen=True, slots=True)
class Rule:
    """The meaning of a finding, and what to do about it. `id` is `<engine>.<name>` and never changes.

    `category` is one of CATEGORIES, `severity` one of `config.SEVERITIES`. Raises UsageError for any other value.
    """

    id: str
    title: str
    description: str
    category: Category
    severity: Severity
    remediation: str
    taxonomy: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_alarms: str = ""
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise UsageError(unknown_value(f"rule {self.id}: severity", self.severity, SEVERITIES))
        if self.category not in CATEGORIES:
            raise UsageError(unknown_value(f"rule {self.id}: category", self.category, CATEGORIES))
