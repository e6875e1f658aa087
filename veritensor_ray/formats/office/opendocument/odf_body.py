"""Walks over the body of an OpenDocument: texts, sheets and slides, with their hidden, deleted and executable content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.office.opendocument.odf_files import EncodedFiles
from veritensor_ray.formats.office.opendocument.odf_grid import Grid
from veritensor_ray.formats.office.opendocument.odf_links import link_starts
from veritensor_ray.formats.office.opendocument.odf_styles import OdfStyles, Style, length
from veritensor_ray.formats.office.shared.formulas import cell_notice, formula_notice
from veritensor_ray.formats.office.shared.generic_xml import wordy
from veritensor_ray.formats.office.shared.paragraphs import Pieces, length_of, pieces_of, told
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import in_lines, on_one_line
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker, attribute

_LONGEST = 1 << 20
_AUTHORS = 1000
_NUMBER = 7  # minimum digits of a value that is read in addition to the displayed text of its cell
_SPOKEN = ("label", "title", "value", "name", "text", "description", "message")
_SHAPES = ("frame", "custom-shape", "rect", "ellipse", "circle", "caption", "line", "text-box", "control", "polygon", "path", "connector")


@dataclass(slots=True)
class _OdfParagraph:
    style: Style
    spans: list[Style] = field(default_factory=list)
    pieces: Pieces = field(default_factory=list)
    unseen: bool = False
    around: tuple[int, int] = (0, 0)  # the numbers of open shapes and annotations when the paragraph began


class OdfBody(Walker):
    """Reads one part.

    `start` counts the characters of its paragraphs, joined by line ends; cells have row and column, as sheets show them.
    """

    def __init__(self, texts: Texts, styles: OdfStyles, view: str = "visible") -> None:
        super().__init__(texts)
        self._styles, self._view = styles, view
        self._name = texts.part or "body"
        self.files = EncodedFiles()
        self._stack: list[_OdfParagraph] = []
        self._at = 0
        self._unseen: list[bool] = []  # for each enclosing section, sheet, slide or shape: whether it or one around it is hidden
        self._notes = self._deleted = self._annotations = 0
        self._mode, self._inside, self._meta = "", False, False
        self.every_start, self.every_end = self._unknown, self._unknown_end
        self._pages = 0
        self._authors: set[str] = set()
        self._aside: list[str] = []
        self._label = ""
        self._grid = Grid(styles)
        self._tables = 0
        self.starts = {
            **styles.handlers,
            **link_starts(texts),
            "meta": lambda attrs: setattr(self, "_meta", True),
            "body": lambda attrs: setattr(self, "_inside", True),
            "text": lambda attrs: self._begin("text"),
            "spreadsheet": lambda attrs: self._begin("spreadsheet"),
            "presentation": lambda attrs: self._begin("presentation"),
            "drawing": lambda attrs: self._begin("drawing"),
            "p": lambda attrs: self._open("paragraph", attrs),
            "h": lambda attrs: self._open("paragraph", attrs),
            "span": self._span,
            "s": self._spaces,
            "tab": lambda attrs: self._mark("\t"),
            "line-break": lambda attrs: self._mark("\n"),
            "section": self._section,
            "hidden-text": lambda attrs: self._hidden_value(attrs, "string-value"),
            "conditional-text": self._conditional,
            "hidden-paragraph": self._hidden_paragraph,
            "annotation": self._annotation,
            "tracked-changes": self._changes,
            "notes": self._page_notes,
            "page": self._page,
            "table": self._table,
            "table-column": self._grid.open_column,
            "table-row": self._table_row,
            "table-cell": self._table_cell,
            "covered-table-cell": self._table_cell,
            "binary-data": lambda attrs: self.listen(self.files.take),
            "script": self._script,
            **dict.fromkeys(_SHAPES, self._shape),
            **{name: lambda attrs: self._listen_aside() for name in ("creator", "date", "date-string", "title", "desc", "sender-initials")},
        }
        self.ends = {
            "style": styles.close,
            "default-style": styles.close,
            "p": self._close,
            "h": self._close,
            "span": self._span_end,
            "section": self._seen,
            "annotation": self._annotation_end,
            "tracked-changes": self._changes_end,
            "notes": self._page_notes_end,
            "page": self._page_end,
            "table": self._table_end,
            "table-cell": self._cell_end,
            "covered-table-cell": self._cell_end,
            "binary-data": self._binary_end,
            "script": self._script_end,
            "creator": lambda: self._said("author"),
            "date": lambda: self._said("date" if self._meta else None),
            "date-string": lambda: self._said(None),
            "sender-initials": lambda: self._said(None),
            "title": lambda: self._said("title" if self._meta else "alt text"),
            "desc": lambda: self._said("alt text"),
            "meta": lambda: setattr(self, "_meta", False),
            **dict.fromkeys(_SHAPES, self._seen),
        }

    def _unknown(self, tag: str, attrs: Attributes) -> None:
        """Read the text of an unknown element outside paragraphs; inside one, it belongs to the paragraph anyway."""
        if not self._stack:
            self._aside.clear()
            self.listen(self._aside.append)
        if attrs and (self._inside or self._meta):
            for key, value in attrs.items():
                if key.endswith(_SPOKEN) and wordy(value):
                    self.texts.add(value, "metadata", column=key.rpartition(":")[2])
                elif self._meta and key == "meta:name":
                    self._label = value

    def _unknown_end(self, tag: str) -> None:
        if not self._stack:
            text = self.join(self._aside).strip()
            self._aside.clear()
            if text:
                self.texts.add(text, "metadata", column=self._label or tag)
            self._label = ""
            self.listen(None)

    def _begin(self, mode: str) -> None:
        """Set the document type. Before the body, number formats have an element `text` too."""
        if self._inside:
            self._mode = self._mode or mode

    def _new_part(self, name: str) -> None:
        self.texts.part, self._at = name[:200], 0

    # Paragraphs

    def _open(self, family: str, attrs: Attributes) -> None:
        paragraph = _OdfParagraph(self._styles.get(family, attribute(attrs, "style-name", "text")), around=self._around())
        self._stack.append(paragraph)
        self._hear()

    def _hear(self) -> None:
        """Send characters to the open paragraph, in the view that they have there."""
        if not self._stack:
            self.listen(None)
            return
        take = pieces_of(self._stack[-1].pieces, self._kind()).append
        self.listen(lambda text: take(on_one_line(text)))

    def _kind(self) -> str:
        paragraph = self._stack[-1]
        if self._deleted:
            return "deleted"
        if self._annotations:
            return "comment"
        if self._is_unseen or paragraph.unseen:
            return "hidden"
        style = paragraph.spans[-1] if paragraph.spans else paragraph.style
        if style.unseen or style.tiny:
            return "hidden"
        # slides and drawings have backgrounds that are not looked up here; a cell's background is that of the cell
        if style.white and not style.shaded and self._mode == "text" and not self._tables:
            return "hidden"
        return "comment" if self._notes else self._view

    def _mark(self, character: str) -> None:
        if self._stack:
            pieces_of(self._stack[-1].pieces, self._kind()).append(character)

    def _spaces(self, attrs: Attributes) -> None:
        count = attribute(attrs, "c", "text") or "1"
        self._mark(" " * min(int(count[:4]) if count[:4].isdigit() else 1, 1000))

    def _span(self, attrs: Attributes) -> None:
        if self._stack:
            paragraph = self._stack[-1]
            around = paragraph.spans[-1] if paragraph.spans else paragraph.style
            paragraph.spans.append(self._styles.get("text", attribute(attrs, "style-name", "text")).within(around))
            self._hear()

    def _span_end(self) -> None:
        if self._stack and self._stack[-1].spans:
            self._stack[-1].spans.pop()
            self._hear()

    def _close(self) -> None:
        if self._stack:
            self._give(self._stack.pop())
        self._hear()

    def _give(self, paragraph: _OdfParagraph, ended: bool = True) -> None:
        pieces = paragraph.pieces
        if paragraph.unseen:
            pieces = [("hidden" if kind == self._view else kind, some) for kind, some in pieces]
        cell = self._grid.cell
        if cell is not None and not self._annotations and not self._deleted:
            cell.append(self.join([piece for _, some in pieces for piece in some]))
            self._grid.unseen |= any(kind == "hidden" and some for kind, some in pieces)
            return
        texts, length = told(pieces, self._at, self.join)
        for kind, text, start, origins in texts:
            self._add(text, kind, start, origins)
        self._at += length + ended if length else 0

    def _add(self, text: str, kind: str, start: int, origins: Sequence[Origin] | None) -> None:
        if kind == "deleted":
            self.texts.add(text, "hidden", column="deleted", start=start, origins=origins)
        elif self._grid.cell is not None:
            self.texts.add(text, kind, row=self._grid.row, column=self._grid.column)
        else:
            self.texts.add(text, kind, start=start, origins=origins)

    # Hidden and deleted text, and text beside the body

    def _section(self, attrs: Attributes) -> None:
        display = attribute(attrs, "display", "text")
        hidden = display == "none" or attribute(attrs, "is-hidden", "text") == "true"
        self._enter(hidden or bool(self._styles.get("section", attribute(attrs, "style-name", "text")).unseen))

    def _enter(self, hidden: bool) -> None:
        self._unseen.append(hidden or self._is_unseen)

    @property
    def _is_unseen(self) -> bool:
        return bool(self._unseen) and self._unseen[-1]

    def _seen(self) -> None:
        if self._unseen:
            self._unseen.pop()

    def _hidden_value(self, attrs: Attributes, *names: str) -> None:
        for name in names:
            if (value := attribute(attrs, name, "text")) and value.strip():
                self.texts.add(value, "hidden", column=name)

    def _conditional(self, attrs: Attributes) -> None:
        self._hidden_value(attrs, "string-value-if-true", "string-value-if-false")

    def _hidden_paragraph(self, attrs: Attributes) -> None:
        if self._stack and attribute(attrs, "is-hidden", "text") != "false":
            self._stack[-1].unseen = True

    def _annotation(self, attrs: Attributes) -> None:
        self._annotations += 1
        self.listen(None)

    def _annotation_end(self) -> None:
        self._annotations = max(0, self._annotations - 1)
        self._hear()

    def _changes(self, attrs: Attributes) -> None:
        self._deleted += 1

    def _changes_end(self) -> None:
        self._deleted = max(0, self._deleted - 1)

    def _around(self) -> tuple[int, int]:
        return len(self._unseen), self._annotations

    def _is_field(self) -> bool:
        """Whether an element that names a title, an author or a date is a field inside a paragraph."""
        return bool(self._stack) and self._stack[-1].around == self._around()

    def _listen_aside(self) -> None:
        if not self._is_field():
            self._aside.clear()
            self.listen(self._aside.append)

    def _script(self, attrs: Attributes) -> None:
        self._aside.clear()
        self.listen(self._aside.append)

    def _said(self, column: str | None) -> None:
        if self._is_field():
            return
        text = self.join(self._aside).strip()
        self._aside.clear()
        known = column == "author" and (text in self._authors or len(self._authors) >= _AUTHORS)
        if column and text and not known:
            if column == "author":
                self._authors.add(text)
            self.texts.add(text, "metadata", column=column)
        elif text:
            self.texts.repeat(text)
        self._hear()

    # Slides

    def _page(self, attrs: Attributes) -> None:
        self._pages += 1
        self._new_part(f"{'slide' if self._mode == 'presentation' else 'page'} {self._pages}")
        self._enter(bool(self._styles.get("drawing-page", attribute(attrs, "style-name", "draw")).unseen))

    def _page_end(self) -> None:
        self._seen()
        self._new_part(self._name)

    def _page_notes(self, attrs: Attributes) -> None:
        self._notes += 1
        self._new_part(f"notes {self._pages}")

    def _page_notes_end(self) -> None:
        self._notes = max(0, self._notes - 1)

    def _shape(self, attrs: Attributes) -> None:
        """Begin a shape, which is hidden if it lies entirely beside the page."""
        beside = False
        left, top = attribute(attrs, "x", "svg"), attribute(attrs, "y", "svg")
        if self._styles.page_width and self._mode in ("presentation", "drawing") and left is not None and top is not None:
            x, y = length(left), length(top)
            width, height = length(attribute(attrs, "width", "svg") or "0"), length(attribute(attrs, "height", "svg") or "0")
            beside = x >= self._styles.page_width or y >= self._styles.page_height or x + width < 0 or y + height < 0
        self._enter(beside)

    # Sheets

    def _table(self, attrs: Attributes) -> None:
        self._tables += 1
        if self._mode != "spreadsheet" or self._tables > 1:
            return
        self._new_part(attribute(attrs, "name", "table") or "sheet")
        self._enter(bool(self._styles.get("table", attribute(attrs, "style-name", "table")).unseen))
        self._grid.begin()

    def _table_end(self) -> None:
        self._tables = max(0, self._tables - 1)
        if self._mode == "spreadsheet" and not self._tables:
            self._seen()
            self._new_part(self._name)

    def _table_row(self, attrs: Attributes) -> None:
        if self._tables == 1:
            self._grid.open_row(attrs)

    def _table_cell(self, attrs: Attributes) -> None:
        if self._mode != "spreadsheet" or self._tables != 1 or self._deleted:
            return
        self._grid.open_cell(attrs)
        self.texts.cell(self._grid.row)
        formula = attribute(attrs, "formula", "table")
        if formula is not None and ((notice := formula_notice(formula)) or '"' in formula):
            self.texts.add(formula, "metadata", column=self._grid.column, row=self._grid.row, notice=notice)

    def _cell_end(self) -> None:
        grid = self._grid
        if grid.cell is None:
            return
        text, value = in_lines(grid.cell, self.join), grid.value
        grid.cell = None
        view = "hidden" if grid.unseen or self._is_unseen else "visible"
        if text and not text.isspace():
            self.texts.add(text, view, row=grid.row, column=grid.column, notice=cell_notice(text))
        if value and value != text and len(value) >= _NUMBER:
            self.texts.add(value, view, row=grid.row, column=grid.column)
        elif value:
            self.texts.repeat(value)

    # Code and files in the XML

    def _script_end(self) -> None:
        text = self.join(self._aside).strip()
        self._aside.clear()
        if text:
            self.texts.add(text, "hidden", column="script", notice="macro")
        self._hear()

    def _binary_end(self) -> None:
        self.files.end()
        self._hear()

    def overflow(self) -> None:
        """Emit unfinished paragraphs in pieces."""
        for paragraph in self._stack:
            if length_of(paragraph.pieces) > _LONGEST:
                self._give(paragraph, ended=False)
                paragraph.pieces = []
                if paragraph is self._stack[-1]:
                    self._hear()
        cell = self._grid.cell
        if cell is not None and sum(map(len, cell)) > _LONGEST:
            self.texts.add(in_lines(cell, self.join), row=self._grid.row, column=self._grid.column)
            cell.clear()

    def done(self) -> None:
        """Emit the paragraphs in which the part ended."""
        while self._stack:
            self._close()
        self._cell_end()
