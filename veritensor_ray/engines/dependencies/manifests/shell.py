"""Parses install commands in scripts, Dockerfiles and notebook cells: `pip install x`, `%pip install x`, `npm install x`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.engines.dependencies.advisory_model import NAMES, NPM, Dependency, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests.javascript import asked_for
from veritensor_ray.engines.dependencies.manifests.requirements import requirement_line

_COMMENT = re.compile(r"[^\S\n]*+#")
HINT = re.compile(r"\b(?:pip[\d.]*|uv|npm|pnpm|yarn)\s")
_COMMAND = re.compile(
    r"""(?:^[ \t]*|[!%;&|(`"'\[{}][ \t]*|(?<=\s)-m[ \t]+|\b(?:RUN|sudo|then|do|exec|run)\b[^\n;]{0,200}?[ \t])(?:
        (?P<pip> (?:uv[ \t]+)?pip(?:[23](?:\.\d+)?)?[ \t]+(?:-[\w-]+(?:=\S*)?[ \t]+){0,5}install | uv[ \t]+add )
      | (?P<npm> npm[ \t]+(?:-[\w-]+[ \t]+){0,5}(?:install|i|add) | pnpm[ \t]+add | yarn[ \t]+(?:global[ \t]+)?add )
    )(?=[ \t\\])(?P<rest>(?:\\\r?\n|"[^"\n]*"|'[^'\n]*'|[<>](?==)|[^\n;&|`)<>"'])*+)""",
    re.VERBOSE | re.MULTILINE,
)
_WORD = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|(?:\\\r?\n|\s)+|[^\s"\'\\]+|\\')
# Options whose value is the next word. Any other option counts as a switch.
_VALUED = """
    -r --requirement -c --constraint -i --index-url --extra-index-url -f --find-links --trusted-host -t --target --prefix --root --src
    --cache-dir --proxy --python --platform --python-version --implementation --abi --timeout --retries --progress-bar --no-binary
    --only-binary --report --log --cert --client-cert --upgrade-strategy --use-feature --use-deprecated --config-settings -C
    --global-option --build --registry --workspace -w --group --index --default-index --tag --extra --exists-action --keyring-provider
    --root-user-action
"""
_TAKES_VALUE = frozenset(_VALUED.split())
_INDEXES = frozenset({"--extra-index-url", "--find-links", "-f", "--trusted-host"})
_NPM = re.compile(r"(@[^/@\s]+/[^@\s]+|[^@/\s:]+)(?:@(.+))?\Z")
_VARIABLE = re.compile(r"[$`{}]")


def parse(text: str) -> Iterator[Item]:
    """Yield the packages that a script's commands install. Words with variables are skipped, because their values are unknown."""
    if not HINT.search(text):
        return
    seen, commented = 0, _COMMENT.match(text) is not None
    for match in _COMMAND.finditer(text):
        if line := text.rfind("\n", seen, match.start() + 1) + 1:  # each line is looked at once, however many commands it has
            commented = _COMMENT.match(text, line) is not None
        seen = match.start() + 1
        if commented:
            continue
        words = list(_words(match["rest"], match.start("rest")))
        yield from _pip(words) if match["pip"] else _npm(words)


def _words(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Yield the words before any comment, without quotes, each with its offset."""
    word, start, place = "", 0, 0
    for match in _WORD.finditer(text):
        part, place = match[0], match.start()
        if part[0].isspace() or part[0] == "\\":
            if word:
                yield word, at + start
            word = ""
            continue
        quoted = part[0] in "\"'" and len(part) > 1
        if not word:
            start = place + quoted
            if part[0] == "#":
                return
        word += part[1:-1] if quoted else part
    if word:
        yield word, at + start


def _pip(words: list[tuple[str, int]]) -> Iterator[Item]:
    option = ""
    for word, at in words:
        if option:
            yield from _valued(option, word, at)
            option = ""
        elif word.startswith("-"):
            name, given, value = word.partition("=")
            if given:
                yield from _valued(name, value, at + len(name) + 1)
            elif word in _TAKES_VALUE:
                option = word
            elif word in ("-e", "--editable"):
                continue
        elif not _VARIABLE.search(word):
            yield from (item for item in requirement_line(word, at, None) if not isinstance(item, Unread))


def _valued(option: str, value: str, at: int) -> Iterator[Index]:
    plain = option in ("-i", "--index-url", "--default-index") and value.lower().startswith("http:")
    if plain or option in _INDEXES or option == "--index":
        yield Index(option, value, at, at + len(value))


def _npm(words: list[tuple[str, int]]) -> Iterator[Item]:
    skip = False
    for word, at in words:
        if skip or word.startswith("-"):
            skip = not skip and word in _TAKES_VALUE
            continue
        match = None if _VARIABLE.search(word) else _NPM.match(word)
        if match and NAMES[NPM].match(match[1]):
            item = asked_for(match[1], match[2] or "")
            if isinstance(item, Dependency):
                yield Dependency(NPM, item.name, item.version, at, at + len(match[1]), item.specifier, item.url)
