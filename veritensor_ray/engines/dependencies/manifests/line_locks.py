"""Parses formats that have one package in each line: go.mod, go.sum, Gemfile.lock and gradle.lockfile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from veritensor_ray.engines.dependencies.advisory_model import GEMS, GO, MAVEN, NAMES, Dependency, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests.line_positions import lines_of

_WORD = re.compile(r'"[^"\n]*"|[()]|[^\s"()]+')
_VERSION = re.compile(r"v\d[\w.+-]*\Z", re.ASCII)
_HEADING = re.compile(r"[A-Z][A-Z ]*\Z")
_GEM = re.compile(r" {4}([^\s()]+) \(([^\s()]+)\)\s*\Z")
_REMOTE = re.compile(r" {2}remote: (\S+)\s*\Z")
_GRADLE = re.compile(r"\s*([^\s:=#]+:[^\s:=]+):([^\s:=]+)=[\w,.$ -]*\Z")


def parse_go_mod(text: str) -> Iterator[Item]:
    """Yield the modules that a go.mod requires, or those that replace them. A module replaced by a folder is part of the project."""
    replaced: dict[tuple[str, ...], list[str]] = {}
    for _, _, words in _directives(text, "replace"):
        if "=>" in words[2:4]:
            arrow = words.index("=>")
            replaced[tuple(words[1:arrow])] = words[arrow + 1 :]
    for number, at, words in _directives(text, "require"):
        found = _replacement(replaced, words)
        if found is None:
            continue
        if len(found) < 2 or not NAMES[GO].match(found[0]) or not _VERSION.match(found[1]):
            yield Unread("the requirement of a module cannot be parsed", number)
        else:
            start = max(text.find(words[1], at, at + 4096), at)
            yield Dependency(GO, found[0], found[1].removeprefix("v"), start, start + len(words[1]))


def _directives(text: str, wanted: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield number, offset and words of each directive of a kind, whether it stands alone or in a block."""
    block = ""
    for number, at, line in lines_of(text):
        words = [word.strip('"') for word in _WORD.findall(line.partition("//")[0])]
        if not words:
            continue
        if words == [")"]:
            block = ""
        elif words[-1] == "(" and len(words) == 2:
            block = words[0]
        elif (block or words[0]) == wanted:
            yield number, at, [block, *words] if block else words


def _replacement(replaced: Mapping[tuple[str, ...], list[str]], words: list[str]) -> list[str] | None:
    """Return name and version of the module that is built: the required one unless it, or this version of it, is replaced. None is a folder."""
    other = replaced.get(tuple(words[1:3]), replaced.get(tuple(words[1:2])))
    if other is None:
        return words[1:]
    return None if not other or other[0].startswith((".", "/")) else other


def parse_go_sum(text: str) -> Iterator[Item]:
    """Yield the modules whose content a go.sum vouches for. A module of which only the go.mod was read is not built."""
    for number, at, line in lines_of(text):
        words = line.split()
        if not words or (len(words) == 3 and words[1].endswith("/go.mod")):
            continue
        if len(words) != 3 or not NAMES[GO].match(words[0]) or not _VERSION.match(words[1]):
            yield Unread("the line does not have the form of a go.sum", number)
        else:
            start = at + line.find(words[0])
            yield Dependency(GO, words[0], words[1].removeprefix("v"), start, start + len(words[0]))


def parse_gemfile_lock(text: str) -> Iterator[Item]:
    """Yield the gems of a Gemfile.lock: from an index (GEM), from an address (GIT), but not from a folder of the project (PATH)."""
    section, remote, indexes = "", "", 0
    for number, at, line in lines_of(text):
        if _HEADING.match(line):
            section, remote = line.strip(), ""
        elif section in ("GEM", "GIT") and (found := _REMOTE.match(line)):
            remote = found[1]
            if section == "GEM":
                indexes += 1
                if indexes > 1:
                    yield Index("a second remote", remote, at + found.start(1), at + found.end(1))
        elif section in ("GEM", "GIT") and re.match(r" {4}\S", line):
            yield _gem(line, number, at, remote if section == "GIT" else None)


def _gem(line: str, number: int, at: int, url: str | None) -> Item:
    found = _GEM.match(line)
    if found is None or not NAMES[GEMS].match(found[1]):
        return Unread("the entry of a gem cannot be parsed", number)
    version = found[2].partition("-")[0]  # what follows is the platform
    return Dependency(GEMS, found[1], version, at + found.start(1), at + found.end(1), url=url)


def parse_gradle_lock(text: str) -> Iterator[Item]:
    """Yield the packages of a gradle.lockfile: `group:artifact:version=configurations`."""
    for number, at, line in lines_of(text):
        if not line.strip() or line.lstrip().startswith("#") or line.startswith("empty="):
            continue
        found = _GRADLE.match(line)
        if found is None or not NAMES[MAVEN].match(found[1]):
            yield Unread("the line does not have the form of a Gradle lock file", number)
        else:
            yield Dependency(MAVEN, found[1], found[2], at + found.start(1), at + found.end(1))
