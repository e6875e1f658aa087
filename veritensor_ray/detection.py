"""The vocabulary between engines and findings: files, hits and rules; it knows neither engines nor the schema of findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

# What a finding is about. What rules of the categories `secret` and `pii` find is masked, wherever it stands.
CATEGORIES = (
    "prompt-injection", "hidden-content", "exfiltration", "pii", "secret", "malware", "unsafe-deserialization", "unsafe-model",
    "archive-hazard", "format-mismatch", "vulnerable-dependency", "typosquat", "malicious-package",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file before it is read.

    `media_type` is what its bytes are, `declared_type` what its name claims (None where the name claims nothing); `offset` is where
    in the artifact the bytes begin, where they are a part of a split one; `mismatched` says that name and content disagree; `sha256`
    gives the digest of the bytes.
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
        """Lower case, with the dot; empty where there is none."""
        stem, dot, last = self.name.rpartition(".")
        return f".{last.lower()}" if dot and stem else ""


class Hit(NamedTuple):
    """One thing that an engine saw: a tuple, since some texts have one every few characters.

    `start` and `end` are character offsets in the segment `row` of the batch, or byte offsets in the file where `row` is None.
    `severity` overrides the rule's own, for engines that grade. `evidence` is shown, and identifies the finding, where the text or the
    bytes themselves would not tell: the name that a few opcodes put together.
    """

    rule: str
    start: int
    end: int
    row: int | None = None
    score: float = 1.0
    severity: str | None = None
    message: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a finding of this kind means and what to do about it. `id` is `<engine>.<name>` and stays the same for ever.

    `category` is one of CATEGORIES, `severity` one of `config.SEVERITIES`.
    """

    id: str
    title: str
    description: str
    category: str
    severity: str
    remediation: str
    taxonomy: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_alarms: str = ""
    confidence: float = 1.0
