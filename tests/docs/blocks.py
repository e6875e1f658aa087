"""The shell blocks of a page, and the commands in them; it knows no page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from veritensor_ray.cli import app

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its line in the page, what stands behind the fence, and its text."""

    line: int
    info: str
    text: str

    @property
    def mark(self) -> tuple[str, str]:
        """`sh test=closed` to test and closed."""
        found = re.fullmatch(r"sh (\w+)=([\w-]+)", self.info)
        return (found[1], found[2]) if found else ("", "")


def blocks(page: Path) -> list[Block]:
    """All fenced blocks."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text.count("\n", 0, match.start()) + 1, match[1].strip(), match[2]) for match in found]


def wrong_commands(text: str) -> Iterator[str]:
    """Each use of `veritensor-ray` whose command or flag does not exist."""
    for match in re.finditer(r"\bveritensor-ray((?: +[^\s;&|()\"'`]+)+)", re.sub(r"\\\n\s*", " ", text)):
        words = match[1].split()
        if words[0].startswith("-"):
            continue
        command, name = _root(), "veritensor-ray"
        while words and hasattr(command, "commands"):
            name = f"{name} {words[0]}"
            if words[0] != "verify" and name.startswith("veritensor-ray clean "):
                command = command.commands["corpus"]  # the command `clean` itself, without a name of its own
                continue
            if words[0] not in command.commands:
                yield f"there is no command {name}"
                break
            command = command.commands[words.pop(0)]
        else:
            flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
            yield from (f"{name} has no {word}" for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in flags)


@cache
def _root() -> Any:
    return typer.main.get_command(app)


def _commands(command: Any, *name: str) -> Iterator[tuple[str, ...]]:
    yield name
    for word, inner in getattr(command, "commands", {}).items():
        if inner.hidden:
            continue
        yield from _commands(inner, *name, word)


COMMANDS = tuple(_commands(_root()))  # all there are, as words; the first is none


def missing_files(text: str, made: frozenset[str] = frozenset()) -> Iterator[str]:
    """Files of the repository that are named and not there, but for those that the reader makes."""
    named = re.findall(r"(?<![\w./-])(?:(?:scripts|deploy|docs|requirements|tools)/[\w./-]*\w|cluster\.yaml|Dockerfile[\w.]*\w)", text)
    yield from (path for path in named if path not in made and not (ROOT / path).exists())


def unknown_script_flags(text: str) -> Iterator[str]:
    """Flags of this repository's scripts that the script does not mention."""
    for match in re.finditer(r"\b((?:deploy|scripts)/\w+\.(?:sh|py))((?: +[^\s;&|]+)*)", re.sub(r"\\\n\s*", " ", text)):
        path, own = ROOT / match[1], match[2].split(" -- ")[0].split()
        source = path.read_text() if path.exists() else ""
        yield from (f"{match[1]} has no {word}" for word in own if word.startswith("--") and word.split("=")[0] not in source)
