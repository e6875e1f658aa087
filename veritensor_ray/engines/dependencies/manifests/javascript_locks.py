"""Parses yarn.lock of both Yarn 1 and Yarn Berry, pnpm-lock.yaml and bun.lock, line by line as these programs write them.

No YAML parser is needed, and none for JSON with trailing commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, pairwise

from veritensor_ray.engines.dependencies.advisory_model import NAMES, NPM, Dependency, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.line_positions import LineNumbers

_ENTRY = re.compile(r"^(?!#)(?P<key>[^\s][^\n]{0,8000}?):[ \t]*\r?$", re.MULTILINE)
_FIELD = re.compile(r'^ {2}"?(version|resolution|resolved)"?:?[ ]"?([^"\n]{1,2000}+)"?[ \t]*+\r?$', re.MULTILINE)
_DESCRIPTOR = re.compile(r"(@[^@/\s\"]+/[^@\s\"]+|[^@\s\"]+)@(.*)", re.DOTALL)
_LOCAL = ("workspace:", "link:", "portal:", "file:", "exec:")
_REGISTRY = ("npm:", "patch:")
_PNPM_SECTION = re.compile(r"^(\w[\w-]*):[ \t]*(?:\{\})?\r?$", re.MULTILINE)
_PNPM_KEY = re.compile(r"^ {2}(?=\S)(?:'(?P<quoted>[^'\n]+)'|(?P<bare>[^'\s{][^\n]*?)):[ \t]*(?:\{\})?\r?$", re.MULTILINE)
_PNPM_PACKAGE = re.compile(r"/?(?P<name>(?:@[^@/\s]+/)?[^@/\s]+)[@/](?P<version>\d[^()_/\s]*)(?:[(_].*)?\Z")
_ELSEWHERE = re.compile(r"://|\.(?:com|org|net)/|git\+")
_PNPM_LINES = re.compile(r"^ {2}(?=\S)[^\n]+", re.MULTILINE)
_BUN_PACKAGES = re.compile(r'^ {2}"packages": \{[ \t]*\r?$', re.MULTILINE)
_BUN_END = re.compile(r"^ {0,2}\}", re.MULTILINE)
_BUN_LINE = re.compile(r"^ {4}(?=\S)[^\n]+", re.MULTILINE)
_BUN_PACKAGE = re.compile(r' {4}"[^"\n]+": \["(?P<package>(?P<name>(?:@[^@/"\n]+/)?[^@/"\n]+)@(?P<version>[^"\n]*))"')


def parse_yarn(text: str) -> Iterator[Item]:
    """Yield the packages of a yarn.lock, each in the line that names who asked for it."""
    if not _ENTRY.search(text) and "yarn lockfile" not in text and text.strip():
        raise Unparsable("it has no entries of a yarn.lock")
    lines = LineNumbers(text)
    for entry, following in _sections(_ENTRY, text):
        if entry["key"] != "__metadata":
            fields = _FIELD.finditer(text, entry.end(), following)
            item = _yarn(text, entry, {found[1]: found[2].strip() for found in fields})
            if item is not None:
                yield replace(item, line=lines.of(entry.start())) if isinstance(item, Unread) else item


def _sections(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield each match, and where the next one begins. No more than two are held, since there may be millions."""
    for found, following in pairwise(chain(pattern.finditer(text), [None])):
        if found is not None:
            yield found, following.start() if following else len(text)


def _yarn(text: str, entry: re.Match[str], fields: dict[str, str]) -> Dependency | Unread | None:
    """Return the item of an entry, or None for a folder of the project itself."""
    asked = _DESCRIPTOR.match(entry["key"].lstrip('"').split(",", 1)[0].rstrip('"'))
    resolved = _DESCRIPTOR.match(fields.get("resolution", ""))
    name, wanted = (resolved or asked).group(1, 2) if asked else ("", "")
    if not resolved and wanted.startswith("npm:") and (alias := _DESCRIPTOR.match(wanted[4:])):
        name = alias[1]  # another package under this name
    if wanted.startswith(_LOCAL):
        return None
    if not NAMES[NPM].match(name) or "version" not in fields:
        return Unread("the entry of a package cannot be parsed")
    start = max(text.find(name, entry.start("key"), entry.end()), entry.start("key"))
    end = start + len(name) if text.startswith(name, start) else entry.end("key")
    return Dependency(NPM, name, fields["version"], start, end, url=_address(wanted, fields.get("resolved", "")))


def _address(wanted: str, resolved: str) -> str | None:
    """Return the address of a package that is not wanted from a registry. Yarn 1 knows `owner/repository` as one."""
    if "/" not in wanted or wanted.startswith(_REGISTRY):
        return None
    return wanted if "://" in wanted or not resolved else resolved


def parse_pnpm(text: str) -> Iterator[Item]:
    """Yield the packages of a pnpm-lock.yaml of any version: the keys of its section `packages`."""
    if not re.search(r"^lockfileVersion:", text, re.MULTILINE):
        raise Unparsable("it has no lockfileVersion")
    lines = LineNumbers(text)
    for section, following in _sections(_PNPM_SECTION, text):
        if section[1] == "packages":
            for line in _PNPM_LINES.finditer(text, section.end(), following):
                item = _pnpm(text, line.start())
                if item is not None:
                    yield replace(item, line=lines.of(line.start())) if isinstance(item, Unread) else item


def _pnpm(text: str, at: int) -> Dependency | Unread | None:
    """Return the item of a key, or None for a folder of the project itself."""
    key = _PNPM_KEY.match(text, at)
    written = (key["quoted"] or key["bare"]) if key else ""
    package = _PNPM_PACKAGE.match(written)
    start = text.find(written, at)
    if package and NAMES[NPM].match(package["name"]):
        start += package.start("name")
        return Dependency(NPM, package["name"], package["version"], start, start + len(package["name"]))
    if written.startswith("file:") or "@file:" in written:
        return None
    return _fetched(written, start) if _ELSEWHERE.search(written) else Unread("the entry of a package cannot be parsed")


def _fetched(key: str, start: int) -> Dependency:
    """Return a package that is named by its address, or by its name and its address."""
    named = _DESCRIPTOR.match(key)
    name = named[1] if named and NAMES[NPM].match(named[1]) else key[:100]
    return Dependency(NPM, name, None, start, start + len(name), url=named[2] if named and name == named[1] else key)


def parse_bun(text: str) -> Iterator[Item]:
    """Yield the packages of a bun.lock, which has one line for each. The binary bun.lockb of earlier versions is not read."""
    if "\0" in text:
        raise Unparsable("it is a binary lock file of Bun: write a bun.lock with `bun install --save-text-lockfile`")
    if '"lockfileVersion"' not in text:
        raise Unparsable("it has no lockfileVersion")
    section = _BUN_PACKAGES.search(text)
    end = _BUN_END.search(text, section.end()) if section else None
    lines = LineNumbers(text)
    for line in _BUN_LINE.finditer(text, section.end(), end.start() if end else len(text)) if section else ():
        found = _BUN_PACKAGE.match(text, line.start())
        if found is None or not NAMES[NPM].match(found["name"]):
            yield Unread("the entry of a package cannot be parsed", lines.of(line.start()))
        elif not found["version"].startswith(_LOCAL):
            version, (start, end_of_name) = found["version"], found.span("name")
            exact = version if version[:1].isdigit() and "/" not in version else None
            yield Dependency(NPM, found["name"], exact, start, end_of_name, url=None if exact else version)
