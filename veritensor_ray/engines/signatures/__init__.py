"""Matches YARA rules: the built-in ones for text and for raw bytes, and the user's own."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.core.media_types import APACHE, JSON, PICKLE, UNKNOWN
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.engines.signatures.ruleset import RuleSet, built_in, from_folders
from veritensor_ray.engines.signatures.yara_matching import distinct, hits
from veritensor_ray.models.model_store import ModelStore

CHUNK = 32 << 20
SOURCE = 1 << 20  # agent configurations are small; datasets are not
OVERLAP = 64 << 10  # longer than any match of the built-in rules

MISMATCH = Rule(
    id="signatures.format-mismatch",
    title="Content does not match the file name",
    description="The file's name indicates one format, but its bytes are in another. Code and archives use this to pass checks that trust names.",
    category="format-mismatch",
    severity="medium",
    remediation="Find out how the file got its name, and rename or remove it.",
    taxonomy=("CWE-434", "CWE-646"),
    false_alarms="Truncated downloads, Git LFS pointers and files renamed by hand.",
)


class Signatures:
    """Matches rules, compiled once per process, in joined buffers of text and in chunks of raw bytes."""

    name = "signatures"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._folders = tuple(settings.rules)
        self._text: RuleSet | None = None
        self._file: RuleSet | None = None
        self._user: RuleSet | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_folders": self._folders, "_text": None, "_file": None, "_user": None}  # compiled rules cannot be pickled

    def _compiled(self) -> tuple[RuleSet, RuleSet, RuleSet]:
        if self._text is None or self._file is None or self._user is None:
            self._text, self._file, self._user = built_in("text"), built_in("file"), from_folders(self._folders)
        return self._text, self._file, self._user

    def applies(self, about: FileInfo) -> bool:
        """Return True for every file."""
        return True

    def load(self, models: ModelStore) -> None:
        """Compile the rules. Raises UsageError if a user's rule does not compile."""
        self._compiled()

    def rules(self) -> Sequence[Rule]:
        """Return all rules, including the user's."""
        return [MISMATCH, *(rule for rules in self._compiled() for rule in rules.rules.values())]

    def fingerprint(self) -> str:
        """Return a digest of the source of every rule."""
        return hashlib.sha256("\0".join([self.version, *(rules.digest for rules in self._compiled())]).encode()).hexdigest()[:16]

    def role(self, path: str) -> Hashable:
        """Return the rules that are restricted to certain names and apply to this one."""
        return tuple(rule for rules in self._compiled() for rule in rules.restricted if rules.named(rule, path))

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return hits of the built-in text rules, and of the user's rules in segments whose text the raw bytes do not contain."""
        ours, _, users = self._compiled()
        found = (hit for joined in JoinedBytes.pieces(texts.column("text")) for hit in hits(joined, ours))
        wants = functools.cache(lambda rule, row: ours.wants(rule, texts, row))  # one text may have many hits
        wanted = [hit for hit in found if wants(hit.rule, hit.row or 0)]
        return [*wanted, *self._user_hits(users, texts)] if users else wanted

    def _user_hits(self, users: RuleSet, texts: pa.RecordBatch) -> Iterator[Hit]:
        types, via = texts.column("media_type"), texts.column("decoded_via")
        for row, text in enumerate(texts.column("text")):
            packed = via[row].as_py() or str(types[row].as_py()).startswith(APACHE)
            if packed and text.is_valid:
                yield from hits(JoinedBytes(pa.array([text.as_py()]), row), users)

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit]:
        """Yield hits of the built-in file rules and the user's rules in raw bytes, in overlapping chunks if the file is large."""
        text, ours, users = self._compiled()
        if about.mismatched:
            yield _mismatch(about)
        found: list[Hit] = []
        for offset, chunk in _chunks(file):
            externals = {"extension": about.extension, "offset": about.offset + offset}
            for rules in (ours, users):
                found += (Hit(rule, offset + start, offset + end) for rule, start, end in rules.match(chunk, externals))
            wanted = (
                {rule for rule in text.source if text.named(rule, about.path)} if about.media_type == JSON and len(chunk) <= SOURCE else ()
            )
            if wanted:
                found += (Hit(rule, s, e) for rule, s, e in text.match_text(chunk) if rule in wanted)
        yield from distinct(found)


def _mismatch(about: FileInfo) -> Hit:
    severity: Severity = "high" if about.media_type in (*EXECUTABLES, PICKLE) else "low" if about.media_type == UNKNOWN else "medium"
    return Hit(MISMATCH.id, 0, 16, severity=severity, message=f"named {about.extension}, but its content is {about.media_type}")


def _chunks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield chunks with their offsets. Each begins with the last bytes of the previous one."""
    offset, data = 0, file.read(CHUNK)
    yield offset, data
    while more := file.read(CHUNK):
        keep = min(OVERLAP, len(data))
        offset += len(data) - keep
        data = data[len(data) - keep :] + more
        yield offset, data
