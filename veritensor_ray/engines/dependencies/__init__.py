"""Checks the dependencies in manifests, lock files and install commands for known vulnerabilities, malicious packages and typosquats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Settings
from veritensor_ray.core.media_types import NOTEBOOK
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.dependencies import dependency_rules
from veritensor_ray.engines.dependencies.advisory_model import CONDA, IMAGE, PYPI, Dependency, Index, Manifest, Unparsable, normal
from veritensor_ray.engines.dependencies.advisory_records import Group, grouped
from veritensor_ray.engines.dependencies.exploitation import Exploitation
from veritensor_ray.engines.dependencies.knowledge import Answers, Knowledge
from veritensor_ray.engines.dependencies.known_names import TARGETS, Lists
from veritensor_ray.engines.dependencies.manifests import Parser, parser_for, shell
from veritensor_ray.engines.dependencies.manifests.image_references import changes
from veritensor_ray.engines.dependencies.osv_decoding import DecodedText
from veritensor_ray.models.model_store import ModelStore

LARGEST = bounds.MANIFEST
MOST = bounds.DEPENDENCIES
_INSTALLS = re.compile(rb"\b(?:pip|uv|npm|pnpm|yarn)\b[^\n]{0,80}?\b(?:install|add|i)\b")
_MALICIOUS_UNPINNED = 0.9

__all__ = ["Dependencies"]


class Dependencies:
    """Parses manifests (recognized by name) and notebook cells, and checks their packages against advisories and lists of popular names."""

    name = "dependencies"
    version = "3"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._configuration = settings.dependencies
        self._allow = tuple(settings.dependencies.allow)
        self._lists = Lists(settings.dependencies.popular)
        self._knowledge = Knowledge(settings.dependencies)
        self._open = False

    def __getstate__(self) -> dict[str, Any]:
        configuration = self._configuration  # connections cannot be pickled, so opened objects are created again
        fresh = {"_lists": Lists(configuration.popular), "_knowledge": Knowledge(configuration), "_open": False}
        return {**self.__dict__, **fresh}

    def applies(self, about: FileInfo) -> bool:
        """Return True for manifests and notebooks."""
        return about.media_type == NOTEBOOK or parser_for(about) is not None

    def load(self, models: ModelStore) -> None:
        """Read the user's lists, and open the advisory database if there is one. If it is missing, each manifest gets a gap."""
        self._lists.load()
        self._knowledge.open()
        self._open = True

    def rules(self) -> Sequence[Rule]:
        """Return all rules."""
        return dependency_rules.RULES

    def role(self, path: str) -> Hashable:
        """Return the parser for a manifest of that name."""
        return parser_for(FileInfo(path, None, ""))

    @property
    def volatile(self) -> bool:
        """Whether findings may change from day to day: a service's answers do, and a database becomes stale."""
        return self._configuration.online or self._knowledge.stale

    def fingerprint(self) -> str:
        """Return a digest of the version, rules, lists of names, allowed names and advisories in use."""
        parts = (
            self.version,
            repr(dependency_rules.RULES),
            self._lists.digest(),
            self._knowledge.digest(),
            repr(self._configuration.allow),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        """Yield the hits in a manifest. For a notebook, whose cells arrive as text, yield only the gaps."""
        parser = parser_for(about)
        if parser is None and about.media_type != NOTEBOOK:
            return
        data = file.read(LARGEST + 1)
        if parser is None:
            if _INSTALLS.search(data):
                yield from self._knowledge.ask([Dependency(PYPI, "pip", "0", 0, 0)]).gaps
        elif len(data) > LARGEST:
            yield Gap(f"the manifest is larger than {LARGEST} bytes", engine=self.name, bound="manifest_bytes")
        else:
            yield from self._manifest(parser, DecodedText.of(data))

    def _manifest(self, parser: Parser, text: DecodedText) -> Iterator[Hit | Gap]:
        manifest = Manifest()
        reason = ""
        try:
            for item in parser(text.value):
                manifest.add(item)
                if len(manifest.dependencies) >= MOST:
                    yield Gap(f"dependencies after the first {MOST} were not checked", engine=self.name, bound="manifest_dependencies")
                    break
        except Unparsable as error:
            reason = str(error)
        hits, gaps = self._checked(manifest)
        yield from gaps
        yield from self._unread(manifest, reason)
        yield from text.in_bytes(hits)

    def _unread(self, manifest: Manifest, reason: str) -> Iterator[Gap]:
        if reason:
            yield Gap(reason, engine=self.name, coverage="unparsable")
        for item in manifest.unread:
            where = f"line {item.line}" if item.line else None
            reason = f"{where}: {item.reason}" if where else item.reason
            yield Gap(reason, engine=self.name, coverage="unparsable", location=where)
        rest = manifest.unread_total - len(manifest.unread)
        if rest:
            yield Gap(f"{rest} more lines could not be parsed", engine=self.name, coverage="unparsable", count=rest)

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the hits in install commands of notebook cells."""
        if NOTEBOOK not in texts.column("media_type").dictionary.to_pylist():
            return []
        types, columns, values = (texts.column(name) for name in ("media_type", "column", "text"))
        hits: list[Hit] = []
        for row in range(texts.num_rows):
            if types[row].as_py() == NOTEBOOK and columns[row].as_py() == "source":
                manifest = Manifest()
                for item in shell.parse(values[row].as_py() or ""):
                    manifest.add(item)
                found, _ = self._checked(manifest)
                hits += [_in_row(hit, row) for hit in found]
        return hits

    def _checked(self, manifest: Manifest) -> tuple[list[Hit], list[Gap]]:
        """Return the hits, sorted and with offsets in characters of the text, and the gaps."""
        if not self._open:
            self.load(ModelStore("embedded"))
        indexed = [dependency for dependency in manifest.dependencies if dependency.url is None and dependency.ecosystem != IMAGE]
        looked_up = [one for one in indexed if one.ecosystem != CONDA or self._same_as_on_pypi(one)]
        answers = self._knowledge.ask(looked_up) if looked_up else Answers()
        hits = [hit for one in manifest.dependencies for hit in self._hits(one, answers)]
        hits += [_index_hit(index) for index in manifest.indexes]
        gaps = answers.gaps
        if len(looked_up) < len(indexed):
            reason = f"there are no advisories for conda packages: {len(indexed) - len(looked_up)} were not checked"
            gaps = [*gaps, Gap(reason, engine=self.name, coverage="db_missing", code=ReasonCode.ADVISORIES_MISSING)]
        return sorted(hits, key=lambda hit: (hit.start, hit.rule, hit.evidence or "")), gaps

    def _same_as_on_pypi(self, dependency: Dependency) -> bool:
        """Return whether a conda package is sure to be the PyPI project of the same name, which is assumed only for popular names."""
        return self._lists.of(PYPI).is_popular(dependency.key[1])

    def _hits(self, one: Dependency, answers: Answers) -> Iterator[Hit]:
        malicious = False
        for group in grouped(answers.found.get(one.key, ())):
            malicious = malicious or group.malicious
            yield _advised(one, group, answers.exploitation(group.names))
        if one.url is not None:
            severity, message = dependency_rules.address_severity(one.url), dependency_rules.direct(one)
            yield Hit("dependencies.direct-url", one.start, one.end, severity=severity, message=message, evidence=one.url[:200])
        elif not malicious and one.ecosystem in TARGETS:
            yield from self._squats(one)
        elif why := changes(one):
            evidence = f"{one.name}{one.specifier or ':latest' * bool(one.version)}"
            yield Hit("dependencies.mutable-reference", one.start, one.end, message=dependency_rules.mutable(one, why), evidence=evidence)

    def _squats(self, one: Dependency) -> Iterator[Hit]:
        name = normal(one.ecosystem, one.name)
        squat = self._lists.of(one.ecosystem).check(name)
        if squat is not None and not any(fnmatchcase(name, pattern) for pattern in self._allow):
            message = dependency_rules.typosquat(one, squat)
            yield Hit("dependencies.typosquat", one.start, one.end, severity=squat.severity, message=message, evidence=one.name)


def _advised(one: Dependency, group: Group, exploited: Exploitation) -> Hit:
    evidence = f"{one.shown} {group.names[0]}"
    if group.malicious:
        score = 1.0 if one.version else _MALICIOUS_UNPINNED
        message = dependency_rules.malicious(one, group)
        return Hit("dependencies.malicious-package", one.start, one.end, score=score, message=message, evidence=evidence)
    severity, message = exploited.risen(group.severity), dependency_rules.vulnerability(one, group, exploited)
    return Hit("dependencies.known-vulnerability", one.start, one.end, severity=severity, message=message, evidence=evidence)


def _index_hit(index: Index) -> Hit:
    severity = dependency_rules.address_severity(index.url)
    return Hit(
        "dependencies.extra-index",
        index.start,
        index.end,
        severity=severity,
        message=dependency_rules.index(index),
        evidence=index.url[:200],
    )


def _in_row(hit: Hit, row: int) -> Hit:
    return Hit(hit.rule, hit.start, hit.end, row, hit.score, hit.severity, hit.message, hit.evidence)
