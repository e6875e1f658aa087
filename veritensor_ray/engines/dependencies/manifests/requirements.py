"""Parses requirements.txt and single lines in its syntax, as pip does. Lines it cannot parse are reported; includes are not followed."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import replace

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from veritensor_ray.engines.dependencies.advisory_model import NAMES, PYPI, Dependency, Index, Item, Unparsable, Unread

_LONGEST = 20_000  # characters of one requirement with all its continuations, without hashes
_COMMENT = re.compile(r"(?:^|\s)#.*")
_EXACT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[A-Za-z0-9._,\s-]{0,500}\]\s*)?={2,3}\s*([A-Za-z0-9][A-Za-z0-9._!+-]*)\s*(?:;(.*))?\Z"
)
_PER_REQUIREMENT = re.compile(r"\s--?[a-zA-Z][\w-]*(?:[=\s]|\Z)")
_OPTION = re.compile(r"(--?[a-zA-Z][\w-]*)(?:\s*=\s*|\s+|\Z)(.*)\Z|(-[rcief])(\S.*)\Z", re.DOTALL)
_INDEXES = frozenset({"--extra-index-url", "--find-links", "-f", "--trusted-host", "-i", "--index-url", "--pypi-url"})
_INCLUDES = frozenset({"-r", "--requirement", "-c", "--constraint"})
_EDITABLE = frozenset({"-e", "--editable"})
_SWITCHES = """
    --no-index --pre --prefer-binary --no-binary --only-binary --require-hashes --use-feature --use-pep517 --no-build-isolation --no-cache-dir
    --upgrade -U --no-deps --platform --python-version --implementation --abi --process-dependency-links
"""
_HARMLESS = frozenset(_SWITCHES.split())
_URL = re.compile(r"(?:[a-z][a-z0-9.-]*\+)?[a-z][a-z0-9.-]*://", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_FOREIGN = re.compile(r"[^\s\[\](){}<>=!~;@,#&|:/\\'\"]{1,214}")
_PATH = re.compile(r"(?:\.{0,2}/|\.{1,2}\Z|~/|[A-Za-z]:\\|file:)|.*\.(?:whl|zip|tar\.gz|tgz|tar\.bz2)\Z", re.IGNORECASE)


def parse(text: str) -> Iterator[Item]:
    """Yield every requirement, index and unparsed line. Raises Unparsable for binary data."""
    if "\0" in text:
        raise Unparsable("it contains zero bytes, so it is not a list of requirements")
    for line, start, logical in _logical(text):
        yield from requirement_line(logical, start, line)


def _logical(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield number, offset and text of each logical line. Joining continuations keeps the number of characters, so offsets stay valid."""
    at, number, parts, first, begin = 0, 0, "", 0, 0
    for raw in text.splitlines(keepends=True):
        number += 1
        line = raw.rstrip("\r\n")
        if not parts:
            first, begin = number, at
        at += len(raw)
        comment = _COMMENT.search(line)
        if comment is None and line.endswith("\\"):
            if len(parts) < 16 * _LONGEST:  # a longer line is cut, and then fails to parse
                parts += line[:-1] + " " * (len(raw) - len(line) + 1)
            continue
        yield first, begin, parts + (line if comment is None else line[: comment.start()])
        parts = ""
    if parts:
        yield first, begin, parts


def requirement_line(text: str, start: int, line: int | None) -> Iterator[Item]:
    """Yield the items of one logical line, which begins at `start`."""
    stripped = text.strip()
    if not stripped:
        return
    at = start + len(text) - len(text.lstrip())
    if stripped.startswith("-"):
        yield from _option(stripped, at, line)
    else:
        yield from _requirement(stripped, at, line)


def _option(text: str, at: int, line: int | None) -> Iterator[Item]:
    match = _OPTION.match(text)
    name = (match[1] or match[3]) if match else text
    value = ((match[2] if match[1] else match[4]) or "").strip().strip("\"'") if match else ""
    if name in _INDEXES:
        if name in ("-i", "--index-url", "--pypi-url") and not value.lower().startswith("http:"):
            return  # a single index that replaces the default is how a closed network works
        yield Index(name, value, at, at + len(text))
    elif name in _INCLUDES:
        if not followed_by_itself(value):
            yield Unread("another file is included, and that is not followed", line)
    elif name in _EDITABLE:
        yield from _requirement(value, at + text.find(value), line)
    elif name not in _HARMLESS:
        yield Unread("an option is unknown", line)


def followed_by_itself(path: str) -> bool:
    """Return whether this engine reads an included file anyway, if it is in the corpus."""
    from veritensor_ray.engines.dependencies.manifests import named

    if _URL.match(path) or path.startswith(("/", "~")) or "\\" in path or ".." in path.split("/"):
        return False
    return named(path.rsplit("/", 1)[-1]) is not None


def _requirement(text: str, at: int, line: int | None) -> Iterator[Item]:
    cut = _PER_REQUIREMENT.search(text)
    text = (text[: cut.start()] if cut else text).rstrip()
    if len(text) > _LONGEST:
        yield Unread("a requirement is too long", line)
        return
    exact = _EXACT.match(text)
    if exact and (exact[3] is None or _is_marker(exact[3].strip())):
        yield Dependency(PYPI, exact[1], exact[2], at, at + len(exact[1]))
    elif _URL.match(text):
        yield from _direct(text.partition(" ")[0], at)
    else:
        yield from _general(text, at, line)


def _general(text: str, at: int, line: int | None) -> Iterator[Item]:
    found = _parsed(text)
    if found is None:
        if (foreign := _foreign(text, at)) is not None:
            yield foreign
        elif _PATH.match(text.partition(" ")[0]):
            yield from _direct(text.partition(" ")[0], at)
        else:
            yield Unread("a requirement cannot be parsed", line)
        return
    if NAMES[PYPI].match(found.name):
        yield from_requirement(found, at)
    else:
        yield Unread("a requirement cannot be parsed", line)


@functools.lru_cache(maxsize=4096)  # in commands and lists, the same requirements recur
def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        return None


def _foreign(text: str, at: int) -> Dependency | None:
    """Parse a requirement whose name has letters that no package name may have: no index has it, but it may imitate a name that exists."""
    name = _FOREIGN.match(text)
    if name is None or name[0].isascii():
        return None
    found = _parsed("x" * len(name[0]) + text[name.end() :])
    return None if found is None else replace(from_requirement(found, at), name=name[0])


def from_requirement(found: Requirement, at: int) -> Dependency:
    """Return the dependency for a parsed requirement whose name begins at `at`."""
    exact = [one.version for one in found.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")]
    version = exact[0] if len(set(exact)) == 1 else None
    return Dependency(PYPI, found.name, version, at, at + len(found.name), str(found.specifier), found.url)


@functools.lru_cache(maxsize=4096)
def _is_marker(text: str) -> bool:
    try:
        Marker(text)
    except (InvalidMarker, ValueError, RecursionError):
        return False
    return True


def _direct(url: str, at: int) -> Iterator[Dependency]:
    """Yield a package at an address or path, named if the address contains its name. A folder of the project itself is not a dependency."""
    egg, remote = _EGG.search(url), _URL.match(url) is not None and not url.lower().startswith("file:")
    name, version = (egg[1], None) if egg else _from_file_name(re.split(r"[#?]", url)[0].rsplit("/", 1)[-1])
    if name is None and not remote:
        return
    place = url.find(name) if name and name in url else 0
    shown = name or url
    yield Dependency(PYPI, shown, version, at + place, at + place + len(shown), url=url if remote else None)


def _from_file_name(file: str) -> tuple[str | None, str | None]:
    try:
        name, version, *_ = parse_wheel_filename(file) if file.endswith(".whl") else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None, None
    return str(name), str(version)
