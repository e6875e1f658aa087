"""Walks over WordprocessingML: paragraphs with their hidden text, deleted text and fields. It does not open packages."""

from __future__ import annotations

from dataclasses import dataclass, field

from veritensor_ray.formats.office.shared.generic_xml import wordy
from veritensor_ray.formats.office.shared.paragraphs import Pieces, length_of, pieces_of, told
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Start, Walker, attribute
from veritensor_ray.formats.office.word.word_background import Ground
from veritensor_ray.formats.office.word.word_fields import field_notice
from veritensor_ray.formats.office.word.word_styles import Look, Styles, is_shade, look_starts

_LONGEST = 1 << 20  # characters of a paragraph that is kept in one piece
_FIELDS = 100
_AUTHORS = 1000
_SPOKEN = {
    "docPr": ("descr", "title"),
    "cNvPr": ("descr", "title"),
    "hyperlink": ("tooltip", "tgtFrame"),
    "alias": ("val",),
    "tag": ("val",),
    "helpText": ("val",),
    "statusText": ("val",),
    "default": ("val",),
    "listItem": ("displayText", "value"),
    "listEntry": ("val",),
    "bookmarkStart": ("name",),
    "shape": ("alt", "title"),
    "docVar": ("val",),
}
_ALT = frozenset({"docPr", "cNvPr", "shape"})


@dataclass(slots=True)
class _Paragraph:
    """A paragraph that has not ended. `pieces` holds its characters in order, with their views."""

    look: Look
    run: Look
    pieces: Pieces = field(default_factory=list)
    properties: bool = False  # inside <w:pPr>, where run properties apply to the paragraph mark


class Body(Walker):
    """Reads one part. Text boxes are paragraphs within paragraphs. A fallback is read if it differs from the content it replaces."""

    def __init__(self, texts: Texts, styles: Styles, view: str) -> None:
        super().__init__(texts)
        self._styles, self._view = styles, view
        self._plain = styles.look(None)
        self._stack: list[_Paragraph] = []
        self._at = 0  # characters of the part so far
        self._ended = 0  # paragraphs of the part so far, empty ones too
        self._deleted = self._changes = 0
        self._fields: list[list[str]] = []
        self._instruction: list[str] | None = None
        self._ground = Ground(styles)
        self._choices: list[list[str]] = []
        self._fallback: list[str] | None = None
        self._fallbacks = 0
        self._authors: set[str] = set()
        self.starts = {
            **look_starts(self._look),
            **{name: self._speaker(name, keys) for name, keys in _SPOKEN.items()},
            "p": self._open,
            "r": self._run,
            "pPr": self._properties,
            "pStyle": self._paragraph_style,
            "rStyle": self._run_style,
            "t": self._text,
            "delText": self._deleted_text,
            "tab": lambda attrs: self._mark("\t"),
            "ptab": lambda attrs: self._mark("\t"),
            "br": lambda attrs: self._mark("\n"),
            "cr": lambda attrs: self._mark("\n"),
            "noBreakHyphen": lambda attrs: self._mark("-"),
            "softHyphen": lambda attrs: self._mark("\u00ad"),
            "sym": self._symbol,
            "instrText": self._instruct,
            "delInstrText": self._instruct,
            "fldChar": self._field_mark,
            "fldSimple": lambda attrs: self._field(attribute(attrs, "instr") or ""),
            "del": self._delete,
            "ins": self._author,
            "moveFrom": self._delete,
            "rPrChange": self._change,
            "pPrChange": self._change,
            "AlternateContent": lambda attrs: self._choices.append([]),
            "Fallback": self._fall_back,
            "comment": self._author,
            "textpath": lambda attrs: self._aside(attribute(attrs, "string"), "visible", "word art"),
        }
        self.starts |= self._ground.starts | {"shd": self._shade, "shape": self._old_shape}
        self.ends = self._ground.ends | {
            "p": self._close,
            "pPr": self._properties_end,
            "t": self._silence,
            "delText": self._silence,
            "instrText": self._silence,
            "delInstrText": self._silence,
            "del": self._undelete,
            "moveFrom": self._undelete,
            "rPrChange": self._unchange,
            "pPrChange": self._unchange,
            "AlternateContent": self._alternatives_end,
            "Fallback": self._fall_back_end,
        }

    # Paragraphs and runs

    def _open(self, attrs: Attributes) -> None:
        self._stack.append(_Paragraph(self._plain, self._plain))

    def _properties(self, attrs: Attributes) -> None:
        if self._stack:
            self._stack[-1].properties = True

    def _properties_end(self) -> None:
        if self._stack:
            self._stack[-1].properties = False
            self._stack[-1].run = self._stack[-1].look

    def _paragraph_style(self, attrs: Attributes) -> None:
        if self._stack and not self._changes:
            self._stack[-1].look = self._styles.look(attribute(attrs, "val"))

    def _run(self, attrs: Attributes) -> None:
        if self._stack:
            paragraph = self._stack[-1]
            paragraph.run = paragraph.look

    def _run_style(self, attrs: Attributes) -> None:
        if (now := self._look()) is not None:
            own = self._styles.own(attribute(attrs, "val") or "").over(now)
            self._stack[-1].run = own

    def _look(self) -> Look | None:
        """The look that run properties change, or None if they belong to a paragraph mark or to the state before a change."""
        if not self._stack or self._changes or self._stack[-1].properties:
            return None
        paragraph = self._stack[-1]
        if paragraph.run is paragraph.look:
            paragraph.run = paragraph.look.copy()
        return paragraph.run

    def _shade(self, attrs: Attributes) -> None:
        """Set the shading of a run, a paragraph or a cell."""
        shaded = is_shade(attrs)
        if self._changes:
            return
        if self._stack and self._stack[-1].properties:
            self._stack[-1].look = self._stack[-1].look.copy()
            self._stack[-1].look.shaded = shaded
        elif (now := self._look()) is not None:
            now.shaded = shaded
        else:
            self._ground.shade(shaded)

    def _kind(self) -> str:
        """The view of characters at this position."""
        if self._deleted:
            return "deleted"
        return "hidden" if self._stack[-1].run.hides(self._ground.coloured) else self._view

    def _text(self, attrs: Attributes) -> None:
        self._take("deleted" if self._deleted else None)

    def _deleted_text(self, attrs: Attributes) -> None:
        self._take("deleted")

    def _take(self, kind: str | None) -> None:
        if self._fallback is not None:
            self.listen(self._fallback.append)
            return
        if not self._stack:
            self._open({})
        pieces = pieces_of(self._stack[-1].pieces, kind or self._kind())
        if self._choices:
            choice = self._choices[-1]

            def both(text: str) -> None:
                pieces.append(text)
                choice.append(text)

            self.listen(both)
        else:
            self.listen(pieces.append)

    def _silence(self) -> None:
        self.listen(None)

    def _mark(self, character: str) -> None:
        if self._stack and not self._stack[-1].properties and self._fallback is None:
            pieces_of(self._stack[-1].pieces, self._kind()).append(character)

    def _symbol(self, attrs: Attributes) -> None:
        try:
            code = int(attribute(attrs, "char") or "", 16)
        except ValueError:
            return
        if 31 < code < 0xFFFF:
            self._mark(chr(code - 0xF000 if 0xF020 <= code <= 0xF0FF else code))

    def _close(self) -> None:
        if self._stack:
            paragraph = self._stack.pop()
            if paragraph.pieces:
                self._give(paragraph)
            self._ended += 1
        if self._fallback is not None:
            self._fallback.append("\n")

    def _give(self, paragraph: _Paragraph, ended: bool = True) -> None:
        """Emit one text for the visible and one for the hidden characters."""
        texts, length = told(paragraph.pieces, self._at, self.join)
        for kind, text, start, origins in texts:
            deleted = kind == "deleted"
            view, column = ("hidden", "deleted") if deleted else (kind, None)
            self.texts.add(text, view, column=column, paragraph=self._ended + 1, start=start, origins=origins)
        self._at += length + ended if length else 0

    # Changes, comments and their authors

    def _delete(self, attrs: Attributes) -> None:
        self._deleted += 1
        self._author(attrs)

    def _undelete(self) -> None:
        self._deleted -= 1

    def _change(self, attrs: Attributes) -> None:
        self._changes += 1

    def _unchange(self) -> None:
        self._changes -= 1

    def _author(self, attrs: Attributes) -> None:
        author = attribute(attrs, "author")
        if author and author not in self._authors and len(self._authors) < _AUTHORS:
            self._authors.add(author)
            self.texts.add(author, "metadata", column="author")
        elif author:
            self.texts.repeat(author)

    # Fields

    def _instruct(self, attrs: Attributes) -> None:
        if not self._fields:
            self._fields.append([])
        self.listen(self._fields[-1].append)

    def _field_mark(self, attrs: Attributes) -> None:
        kind = attribute(attrs, "fldCharType")
        if kind == "begin":
            self._fields.append([])
            if len(self._fields) > _FIELDS:
                self._field(self.join(self._fields.pop(0)))
        elif kind == "separate" and self._fields:
            self._field(self.join(self._fields[-1]))
            self._fields[-1].clear()
        elif kind == "end" and self._fields:
            self._field(self.join(self._fields.pop()))

    def _field(self, instruction: str) -> None:
        """Add an instruction if it names something; a page number does not."""
        if len(instruction.strip()) > 12:
            self.texts.add(instruction, "metadata", column="field", notice=field_notice(instruction))

    # Alternatives: a choice, and a fallback with the same content for older programs

    def _fall_back(self, attrs: Attributes) -> None:
        self._fallbacks += 1
        if self._fallback is None:
            self._fallback = []

    def _fall_back_end(self) -> None:
        self._fallbacks -= 1
        if self._fallbacks or self._fallback is None:
            return
        text, self._fallback = self.join(self._fallback), None
        seen = "".join("".join(self._choices[-1]).split()) if self._choices else ""
        if "".join(text.split()) not in seen:
            self.texts.add(text.strip(), "hidden", column="fallback")
        else:
            self.texts.repeat(text)

    def _alternatives_end(self) -> None:
        if not self._choices:
            return
        inner = self._choices.pop()
        if self._choices:
            self._choices[-1] += inner

    # Words in attributes

    def _old_shape(self, attrs: Attributes) -> None:
        self._ground.old_shape(attrs)
        self._speaker("shape", _SPOKEN["shape"])(attrs)

    def _speaker(self, name: str, keys: tuple[str, ...]) -> Start:
        column = "alt text" if name in _ALT else name

        def speak(attrs: Attributes) -> None:
            for key in keys:
                value = attribute(attrs, key)
                if value and (column == "alt text" or wordy(value) or len(value) > 40):
                    self._aside(value, "metadata", column)

        return speak

    def _aside(self, value: str | None, view: str, column: str) -> None:
        if value and value.strip() and self._fallback is None:
            self.texts.add(value, view, column=column)

    def overflow(self) -> None:
        """Emit unfinished paragraphs and alternatives in pieces."""
        for paragraph in self._stack:
            if length_of(paragraph.pieces) > _LONGEST:
                self._give(paragraph, ended=False)
                paragraph.pieces = []
        for choice in self._choices:
            if sum(map(len, choice)) > _LONGEST:
                choice.clear()
        if self._fallback is not None and sum(map(len, self._fallback)) > _LONGEST:
            self.texts.add(self.join(self._fallback), "hidden", column="fallback")
            self._fallback.clear()
        for pieces in self._fields:
            if sum(map(len, pieces)) > _LONGEST:
                self._field(self.join(pieces))
                pieces.clear()

    def done(self) -> None:
        """Emit the paragraphs in which the part ended."""
        while self._stack:
            self._close()
        while self._fields:
            self._field(self.join(self._fields.pop()))
