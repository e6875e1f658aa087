"""Decides where the text of an RTF group goes, and judges fields and templates."""

from __future__ import annotations

import re

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.joined_text import Paragraph
from veritensor_ray.formats.office.shared.dde import field_dde
from veritensor_ray.formats.rtf import control_words

_DDE = re.compile(r"\s{0,99}DDE(AUTO)?\s", re.IGNORECASE)
_FETCHED = re.compile(r"\s{0,99}(INCLUDETEXT|IMPORT|LINK)\s[^\n]{0,200}?(https?:|ftp:|\\{2,4}\w)", re.IGNORECASE)
_REMOTE = re.compile(r"\s{0,99}(https?:|ftp:|\\\\\w)", re.IGNORECASE)


class Sink:
    """The destination of a group's text: visible and hidden text."""

    __slots__ = ("_shown_since", "destination", "digits", "hidden", "shown", "start", "word")

    def __init__(self, writer: Writer, destination: control_words.Destination, word: str = "", start: int = 0) -> None:
        self.destination, self.word, self.start = destination, word, start
        self._shown_since = False
        self.digits: list[str] | None = [] if word in control_words.HEX else None

        def emit(text: str, origins: list[Origin], owned: int, view: str = destination.view) -> None:
            writer.part = destination.part
            writer.add(view, text, origins, destination.column, owned, _notice(word, text))

        self.shown = Paragraph(emit)
        self.hidden = Paragraph(lambda text, origins, owned: emit(text, origins, owned, "hidden"))

    def into(self, hides: bool, start: int, line: int) -> Paragraph:
        """The paragraph that grows. Hidden words from different places are kept apart."""
        if hides and self._shown_since:
            self.hidden.space(start, line)
        self._shown_since = not hides
        return self.hidden if hides else self.shown

    def end(self) -> None:
        """End a paragraph."""
        self.shown.end()
        self.hidden.end()


def _notice(word: str, text: str) -> str | None:
    if word == "fldinst" and _DDE.match(text):
        return field_dde(text)
    if word == "fldinst" and _FETCHED.match(text):
        return "external-content"
    return "remote-template" if word == "template" and _REMOTE.match(text) else None
