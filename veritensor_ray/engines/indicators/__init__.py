"""Finds the user's indicators of compromise: file digests, domains, IP addresses and URLs."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.core.format_table import is_text_type
from veritensor_ray.engines.automaton import Automaton
from veritensor_ray.engines.base import Category, FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.indicators.feeds import NOTHING, Indicators, host_and_path, load_lists, refanged
from veritensor_ray.engines.indicators.parts import automaton_of
from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.models.model_store import ModelStore

CHUNK = 8 << 20
_LONGEST = 2048  # most characters of a URL that are examined


def _rule(name: str, title: str, severity: Severity, category: Category = "malware") -> Rule:
    return Rule(
        f"indicators.{name}",
        title,
        "The match is on a list of indicators that was passed to this run with --iocs.",
        category,
        severity,
        "Follow the guidance of the list's source. Find out how the indicator got into the corpus and which systems have read it.",
    )


RULES = (
    _rule("file-hash", "File on the list of indicators", "critical"),
    _rule("domain", "Domain on the list of indicators", "high"),
    _rule("ip-address", "IP address on the list of indicators", "high"),
    _rule("url", "URL on the list of indicators", "high"),
)
_DOT = r"(?:\.|\[\.\]|\(\.\)|\[dot\])"
_HOST = re.compile(
    rf"(?P<url>(?:https?|hxxps?|ftp)(?:://|\[:\]//)[^\s\"'<>\\\x00-\x1f\x7f-\x9f]{{1,{_LONGEST}}})|(?<![\w.-])[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,40}}",
    re.IGNORECASE,
)
_PATH = re.compile(rf"(?::\d{{1,5}})?[/?#][^\s\"'<>\\\x00-\x1f\x7f-\x9f]{{0,{_LONGEST}}}")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


class IndicatorEngine:
    """Looks up every digest, host and URL in the lists. Without lists, it applies to no file."""

    name = "indicators"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._files = tuple(settings.iocs)
        self.version = self.version if self._files else f"{self.version}-idle"  # because `applies` answers differently then
        self._loaded: Indicators | None = None
        self._automaton: Automaton | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None, "_automaton": None}  # an automaton cannot be pickled

    def _lists(self) -> Indicators:
        if self._loaded is None:
            self._loaded = load_lists(self._files) if self._files else NOTHING
            hosts = (*self._loaded.hosts, *(re.split("[/?#]", url)[0] for url in self._loaded.urls))
            self._automaton = automaton_of(hosts, self._loaded.has_ipv6)
        return self._loaded

    def applies(self, about: FileInfo) -> bool:
        """Return True for every file if there is a list."""
        return bool(self._files)

    def load(self, models: ModelStore) -> None:
        """Read the lists. Raises UsageError for a line that is not an indicator."""
        self._lists()

    def rules(self) -> Sequence[Rule]:
        """Return one rule for each kind of indicator."""
        return RULES

    def fingerprint(self) -> str:
        """Return a digest of the indicators."""
        return hashlib.sha256(f"{self.version}\0{self._lists().digest()}".encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return hits for hosts and URLs, including defanged ones."""
        if not self._files:
            return []
        column = texts.column("text")
        return [hit for row in self._rows(column) if (text := column[row].as_py()) for hit in self._in(text, row)]

    def _rows(self, column: pa.Array) -> Iterable[int]:
        """Return the rows whose texts may contain a listed host."""
        known = self._lists()
        if not known.hosts and not known.urls:
            return ()
        scanner = self._automaton
        if scanner is None:
            return range(len(column))
        found = ((joined, scanner.ends(joined.data)) for joined in JoinedBytes.pieces(column))
        return sorted({joined.first + joined.index(end - 1) for joined, ends in found for _, end in ends})

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit]:
        """Yield hits for the file's digest, and for hosts and URLs in files that are not text."""
        known = self._lists()
        if not self._files:
            return
        digest = about.sha256() if about.sha256 and known.sha256 else None
        if digest in known.sha256:
            yield Hit("indicators.file-hash", 0, 16, evidence=f"sha256:{digest}", message=known.why(str(digest)))
        file.seek(0)
        if not is_text_type(about.media_type) and (known.hosts or known.urls):
            yield from self._in_bytes(file)

    def _in_bytes(self, file: BinaryIO) -> Iterator[Hit]:
        offset, data = 0, file.read(CHUNK)
        seen: set[tuple[str, int]] = set()
        while data:
            for hit in () if self._automaton and not self._automaton.ends(data) else self._in(data.decode("latin-1"), None, offset):
                if (hit.rule, hit.start) not in seen:
                    seen.add((hit.rule, hit.start))
                    yield hit
            more = file.read(CHUNK)
            keep = data[-_LONGEST:] if more else b""
            offset += len(data) - len(keep)
            data = keep + more if more else b""

    def _in(self, text: str, row: int | None, base: int = 0) -> Iterator[Hit]:
        known = self._lists()
        for match in _HOST.finditer(text):
            behind = _PATH.match(text, match.end()) if known.urls and not match["url"] else None
            host, path = host_and_path(refanged(match.group()) + (behind[0] if behind else ""))
            url = known.url(host, path)
            entry, rule = (url, "url") if url else known.host(host)
            if entry:
                start = match.start()
                shown = (match.group() + (behind[0] if behind and url else "")).rstrip(".,;:)]}")
                yield Hit(f"indicators.{rule}", base + start, base + start + len(shown), row, message=known.why(entry))
        for match in _IPV6.finditer(text) if known.has_ipv6 else ():
            entry = _address(match.group())
            if entry in known.hosts:
                yield Hit("indicators.ip-address", base + match.start(), base + match.end(), row, message=known.why(entry))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
