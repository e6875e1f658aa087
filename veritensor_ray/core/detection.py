"""The vocabulary shared by engines and findings: files, hits and rules."""

from __future__ import annotations

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
        return (self.member or self.path).rsplit("/", 1)[-1]

    @property
    def extension(self) -> str:
        """The extension in lower case, with the dot; empty if there is none."""
        stem, dot, last = self.name.rpartition(".")
        return f".{last.lower()}" if dot and stem else ""


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
