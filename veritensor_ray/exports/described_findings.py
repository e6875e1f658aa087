"""Words and facts about a finding that several formats share. Everything here is safe to print: see `shown`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from veritensor_ray.core.wording import counted
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.place_names import place
from veritensor_ray.results.run_text import Uncovered

PRODUCT = "veritensor-ray"
_LINK = re.compile(r"https?://[!#-;=?-Z_a-z~\[\]]{1,2000}")  # printable ASCII without quotes, angle brackets and backslashes
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#!|~$]|^[-+=]|(?<=^\d)\.|(?<=^\d\d)\.")  # marks, and what begins a list or underlines a heading
_FOUND = re.compile(r"@|#(?=\d)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)
_CWE = re.compile(r"CWE-(\d{1,6})")
_ATLAS = re.compile(r"ATLAS:(AML\.T\d{4}(?:\.\d{3})?)")
# The two rules whose evidence is `NAME==VERSION ADVISORY`, or `NAMESPECIFIER ADVISORY` if the version is not pinned.
_ADVISED = ("dependencies.known-vulnerability", "dependencies.malicious-package")
_PINNED = re.compile(r"(?P<name>[^\s*=<>~!;]+)(?:==(?P<version>[^\s*]+)|[=<>~!;][^*]*)? (?P<advisory>[A-Z][A-Za-z0-9-]*-[A-Za-z0-9:.-]+)")


@dataclass(frozen=True, slots=True)
class FoundPackage:
    """A package that a finding is about. Results do not record its ecosystem."""

    name: str
    version: str | None = None
    advisory: str | None = None


@dataclass(frozen=True, slots=True)
class WhySuppressed:
    """Why a finding does not count. `accepted` is False if a rule of the policy turned it off; `words` is a sentence."""

    accepted: bool
    words: str


def shown(value: object) -> str:
    """Return text of any origin, with control, bidirectional and invisible characters escaped. None becomes empty."""
    return "" if value is None else visible(str(value))


def version_of(run: Mapping[str, Any]) -> str:
    """Return the version that wrote the results. A run.json of unknown origin may lack it."""
    return shown(run.get("package_version")) or "unknown"


def markdown_safe(value: object) -> str:
    """Return text of any origin that Markdown shows as it is: no link, image, mention, heading, markup or HTML survives.

    An empty comment breaks what renderers look for in text that is already escaped: addresses, mentions and references to issues.
    """
    text = shown(value).strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _FOUND.sub(r"\g<0><!-- -->", _MARKDOWN.sub(r"\\\g<0>", text))


def title(rule: RuleText | None, row: Mapping[str, Any]) -> str:
    """Return the title of a finding's rule. A rule that is not known has the finding's message as its title."""
    return shown((rule.title if rule else "") or row["message"] or row["rule_id"])


def headline(rule: RuleText | None, row: Mapping[str, Any]) -> str:
    """Return the title of a finding's rule and the finding's own message, if that says more."""
    own, message = title(rule, row), shown(row["message"])
    return own if message in ("", own) else f"{own}: {message}"


def references(rule: RuleText | None) -> list[str]:
    """Return the addresses of a rule that are plain http(s) addresses. Rules from a user's own files may have anything there."""
    return [one for one in (rule.references if rule else ()) if _LINK.fullmatch(one)]


def path_of(row: Mapping[str, Any]) -> str:
    """Return the artifact and the member inside it, joined as in tables."""
    return shown(row["artifact"]) + (f"!/{shown(row['member'])}" if row["member"] else "")


def place_of(row: Mapping[str, Any]) -> str:
    """Return the artifact, the member and the location inside it in a few words."""
    return shown(place(row["artifact"], row["location"], row["member"]))


def line_of(row: Mapping[str, Any]) -> int | None:
    """Return the line in the file, or None if the finding's line is counted in a part of it, such as a cell of a notebook."""
    at = row["location"] or {}
    return None if at.get("part") or at.get("page") is not None else at.get("line")


def cwes(row: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the weaknesses in a finding's taxonomy."""
    return [int(found[1]) for one in row["taxonomy"] or () if (found := _CWE.fullmatch(one))]


def techniques(row: Mapping[str, Any]) -> list[str]:
    """Return the ids of the MITRE ATLAS techniques in a finding's taxonomy."""
    return [found[1] for one in row["taxonomy"] or () if (found := _ATLAS.fullmatch(one))]


def package_of(row: Mapping[str, Any]) -> FoundPackage | None:
    """Return the package that a finding of the engine `dependencies` is about, if its evidence names one."""
    evidence = shown(row["evidence"])
    if row["rule_id"] in _ADVISED and (found := _PINNED.fullmatch(evidence)):
        return FoundPackage(found["name"], found["version"], found["advisory"])
    if row["rule_id"] == "dependencies.typosquat" and evidence and not re.search(r"[\s*]", evidence):
        return FoundPackage(evidence)
    return None


def suppression_of(row: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> WhySuppressed | None:
    """Return why the policy does not let a finding count, or None. `entries` are the suppressions in run.json by id."""
    by = row["suppressed_by"]
    if by is None:
        return None
    if str(by).startswith("policy:"):
        return WhySuppressed(False, f"Rule {shown(by).removeprefix('policy:')} of the policy turns this finding off.")
    entry = entries.get(by, {})
    words = f"Suppressed by {shown(by)}: {shown(entry.get('reason') or 'run.json does not record the reason')}."
    words += f" Owner: {shown(entry['owner'])}." if entry.get("owner") else ""
    words += f" Expires: {shown(entry['expires'])}." if entry.get("expires") else ""
    return WhySuppressed(True, words)


def suppressions(run: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the suppressions in run.json by id."""
    return {str(one["id"]): one for one in (run.get("policy") or {}).get("suppressions", ())}


def uncovered_words(one: Uncovered) -> str:
    """Return one reason why something was not checked, with the number of artifacts that it applies to, as a line."""
    number = "" if one.artifacts is None else f" ({counted(one.artifacts, 'artifact')})"
    status = "" if one.status == "engine" else f"{shown(one.status)}: "
    return f"{status}{shown(one.reason)}{number}"


def uncovered_id(one: Uncovered) -> str:
    """Return an id that stays the same from run to run as long as the reason does."""
    return hashlib.sha256(f"not-covered\0{one.status}\0{one.reason}".encode("utf-8", "backslashreplace")).hexdigest()[:32]


def milliseconds(moment: datetime | str | None) -> int | None:
    """Return a time of a table or of run.json as milliseconds since 1970."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return None if moment is None else int(moment.timestamp() * 1000)


def write_object(
    file: BinaryIO, head: Mapping[str, Any], lists: Mapping[str, Iterable[Any]], tail: Mapping[str, Any] | None = None
) -> None:
    """Write one JSON object in ASCII: the members of `head`, then lists whose items are made while they are written, then `tail`."""
    begin = "{"
    for name, value in head.items():
        file.write(f"{begin}{json.dumps(name)}:{as_json(value)}".encode())
        begin = ",\n"
    for name, items in lists.items():
        file.write(f"{begin}{json.dumps(name)}:[".encode())
        for number, item in enumerate(items):
            file.write((",\n" if number else "\n").encode() + as_json(item).encode())
        file.write(b"]")
        begin = ",\n"
    for name, value in (tail or {}).items():
        file.write(f"{begin}{json.dumps(name)}:{as_json(value)}".encode())
    file.write(b"}\n")


def as_json(value: object) -> str:
    """Return compact JSON in ASCII, so that no character of the corpus reaches a terminal or a parser as it is."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
