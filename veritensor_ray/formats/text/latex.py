"""Reads LaTeX: paragraphs, and separately comments and text that is not printed. Commands that start programs are reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.colors import WHITE, Color, same
from veritensor_ray.formats.common.joined_text import Paragraph
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.css.css_colors import parsed
from veritensor_ray.formats.markup.reading import finished
from veritensor_ray.formats.text.read import via_of

_WINDOW = 64 << 20
_GROUP = 100_000  # how many characters a hidden group is followed for
_NOTICES = 1000
_BEFORE = 300  # characters before a text that may set a background
_ARGUMENT = r"\s{0,9}(?:\[(?P<model>[^\[\]{}\n]{0,40})\])?\s{0,9}\{(?P<ink>[^{}\n]{0,80})\}"
_TOKEN = re.compile(
    r"(?P<escape>\\[\\%])"
    r"|(?P<verbatim>\\verb\*?(?P<mark>[^\w\s*])[^\n]{0,1000}?(?P=mark)|\\(?:url|path|href)\s{0,9}\{[^{}\n]{0,2000}\})"
    r"|\\begin\{(?P<raw>verbatim\*?|Verbatim|lstlisting|minted|alltt|comment)\}"
    r"|\\(?P<end>end\{document\})"
    r"|\\(?P<unused>iffalse|if0)(?![a-zA-Z])"
    rf"|\\(?P<inked>textcolor|color){_ARGUMENT}"
    r"|\\(?P<phantom>[hv]?phantom|texttransparent\s*\{0(?:\.0*)?\}|scalebox\s*\{0(?:\.0{0,3}1?)?\}|resizebox\s*\{0\w*\}\s*\{[^{}\n]{0,20}\})(?![a-zA-Z])"
    r"|\\fontsize\s{0,9}\{(?P<size>\d{1,4}(?:\.\d{0,4})?|\.\d{1,4})\s?(?:pt)?\}\s{0,9}\{[^{}\n]{0,20}\}"
    r"|(?P<comment>%[^\n]*\n?[ \t]*)"
    r"|(?P<blank>\n[ \t\r]*\n\s*)"
)
_CONDITION = re.compile(r"\\(if[a-zA-Z@]*|fi|else)(?![a-zA-Z@])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BACKGROUND = re.compile(
    r"\\(?:f?colorbox|cellcolor|rowcolor|columncolor|pagecolor|setbeamercolor|usetheme|rowcolors)\b|\b(?:fill|colback|bg|background)\s?="
)
_DEFINED = re.compile(r"\\(?:definecolor|providecolor)\s{0,9}\{([^{}\n]{1,40})\}\s{0,9}\{(\w{1,10})\}\s{0,9}\{([^{}\n]{1,40})\}")
_SHELL = re.compile(
    r"\\(?:immediate\s*)?write\s?18\s?\{[^\n]{0,300}|\\(?:input|include|openin\s?\S{1,20})\s?=?\s?\{?\s?\"?\|[^\n]{0,300}"
    r"|\\ShellEscape\b[^\n]{0,300}|\\directlua[^\n]{0,200}?\b(?:os\.execute|io\.popen)[^\n]{0,200}"
    r"|\\openout[^\n]{0,40}?=?\s?[\"{]?(?:/|~|\.\./|[\w.-]{1,60}\.(?:sh|bat|cmd|ps1|py|exe|bashrc)\b)[^\n]{0,200}"
)


def read_latex(source: Source) -> Iterator[Item]:
    """Read the file. Nothing fails to parse: anything that is neither a comment nor hidden is text."""
    chars = Characters(source, _WINDOW)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    line = 1
    while chars.text:
        document = _Latex(writer, chars.text, chars.base, line)
        for _ in document.read():
            yield from writer.drain()
        line = document.line_of(len(chars.text))
        chars.grow(len(chars.text), _WINDOW)
    yield from finished(chars, writer)


class _Latex:
    """Reads one window of the text."""

    def __init__(self, writer: Writer, text: str, base: int, line: int) -> None:
        self._writer, self._text, self._base = writer, text, base
        self._line, self._counted = line, 0
        self._visible = Paragraph(lambda text, origins, owned: writer.add("visible", text, origins, None, owned))
        self._comment = Paragraph(lambda text, origins, owned: writer.add("comment", text, origins, None, owned))
        self._colors = {name: _color(model, value) for name, model, value in _DEFINED.findall(text)}
        self._done = 0  # everything before this position has been emitted

    def line_of(self, at: int) -> int:
        """The line of a character, to be asked in ascending order."""
        self._line += self._text.count("\n", self._counted, at)
        self._counted = max(self._counted, at)
        return self._line

    def read(self) -> Iterator[None]:
        """Read everything in order, pausing whenever something may be ready."""
        text, at = self._text, 0
        while found := _TOKEN.search(text, at):
            at = found.end()
            if found["comment"] is not None:
                self._read_comment(found)
            elif found["blank"] is not None:
                self._flush(found.start())
                self._done = at
                self._visible.end()
                self._comment.end()
            elif found["raw"] and found["raw"] != "comment":
                at = self._behind(f"\\end{{{found['raw']}}}", at)
            elif found["escape"] is None and found["verbatim"] is None and (end := self._hidden_end(found)):
                self._flush(found.start())
                self._writer.source("hidden", text[found.start() : end], self._base + found.start(), self.line_of(found.start()))
                self._done = at = end
            if self._writer.ready:
                yield
        self._flush(len(text))
        self._visible.end()
        self._comment.end()
        self._name_commands()
        yield

    def _flush(self, end: int) -> None:
        """Emit the text before `end`."""
        if end > self._done:
            piece = self._text[self._done : end]
            if not piece.isspace():
                self._comment.end()
            self._visible.keep_all(piece, self._base + self._done, self.line_of(self._done))
        self._done = max(self._done, end)

    def _read_comment(self, found: re.Match[str]) -> None:
        """Read a comment, up to the first letter of the next line. Comments in consecutive lines are one text."""
        start = found.start()
        self._flush(start)
        words = found.group().strip("% \t\r\n")
        at = self._text.index(words, start) if words else start
        line = self.line_of(start)
        if words:
            self._comment.keep_all(words, self._base + at, line)
            self._comment.space(self._base + at + len(words), line)
        self._done = found.end()

    def _hidden_end(self, found: re.Match[str]) -> int:
        """The end of a text that is not printed; 0 if the text is printed."""
        if found["raw"]:
            return self._behind("\\end{comment}", found.end())
        if found["end"]:
            return len(self._text) if self._text[found.end() :].strip() else 0
        if found["unused"]:
            return self._condition_end(found.end())
        if found["size"]:
            return self._group_end(found.end()) if float(found["size"]) <= 1 else 0
        if found["phantom"]:
            return self._argument_end(found.end())
        ink = self._colors.get(found["ink"]) or _color(found["model"] or "named", found["ink"])
        if not same(ink, WHITE) or _BACKGROUND.search(self._text, max(0, found.start() - _BEFORE), found.start()):
            return 0
        return self._argument_end(found.end()) if found["inked"] == "textcolor" else self._group_end(found.end())

    def _behind(self, mark: str, at: int) -> int:
        found = self._text.find(mark, at)
        return found + len(mark) if found >= 0 else len(self._text)

    def _condition_end(self, at: int) -> int:
        depth = 1
        while found := _CONDITION.search(self._text, at):
            at = found.end()
            depth += 1 if found[1].startswith("if") else -1 if found[1] == "fi" else 0
            if not depth or (depth == 1 and found[1] == "else"):
                return at
        return len(self._text)

    def _argument_end(self, at: int) -> int:
        opening = re.compile(r"\s{0,20}\{").match(self._text, at)
        return self._group_end(opening.end()) if opening else 0

    def _group_end(self, at: int) -> int:
        """The position after the brace that closes the group around `at`."""
        depth, last = 1, min(len(self._text), at + _GROUP)
        for found in _BRACE.finditer(self._text, at, last):
            depth += {"{": 1, "}": -1}.get(found.group(), 0)
            if not depth:
                return found.end()
        return last

    def _name_commands(self) -> None:
        line, seen = self._line - self._text.count("\n", 0, self._counted), 0
        for found in islice(_SHELL.finditer(self._text), _NOTICES):
            line += self._text.count("\n", seen, found.start())
            seen = found.start()
            self._writer.source("metadata", found.group(), self._base + seen, line, "command", "latex-shell-escape")


def _color(model: str, value: str) -> Color | None:
    """Parse a color in one of the models of xcolor."""
    if model == "named":
        return parsed(value.strip().lower())
    if model == "HTML":
        return parsed(f"#{value.strip().lower()}")
    try:
        parts = [float(part) for part in value.split(",")]
    except ValueError:
        return None
    if model == "gray" and len(parts) == 1:
        return (255 * parts[0], 255 * parts[0], 255 * parts[0], 1.0)
    if model.lower() == "rgb" and len(parts) == 3:
        scale = 255 if model == "rgb" else 1
        return (scale * parts[0], scale * parts[1], scale * parts[2], 1.0)
    if model == "cmyk" and len(parts) == 4:
        white = 255.0 if not any(parts) else 0.0
        return (white, white, white, 1.0)
    return None
