"""Walkers for XML whose meaning is unknown or irrelevant: they skip nothing that contains words."""

from __future__ import annotations

from collections.abc import Callable

from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker

_SPOKEN = frozenset(
    {"descr", "title", "tooltip", "prompt", "promptTitle", "error", "errorTitle", "alt", "author", "userName", "displayName", "v"}
)
_LONG = 24  # a value of at least this many characters with a blank in it is read, whatever the name of its attribute
_PIECES = 4 << 20


def is_number(text: str) -> bool:
    """Whether the text is a number too short to identify anybody."""
    return len(text) < 7 and text.replace(".", "", 1).replace("-", "", 1).isdigit()


def wordy(value: str) -> bool:
    """Whether an attribute's value may contain words."""
    return len(value) >= _LONG and " " in value.strip()


class Leaves(Walker):
    """Reads the text of each element, with its name as column, and attributes that contain words."""

    def __init__(self, texts: Texts, view: str = "metadata", named_by: str | None = None) -> None:
        super().__init__(texts)
        self.view = view
        self._named_by = named_by  # an attribute of an outer element that names the value
        self._name: str | None = None
        self._pieces: list[str] = []
        self._column = ""
        self.accept: Callable[[str], bool] = lambda text: not is_number(text)
        self.every_start, self.every_end = self._open, self._close

    def _open(self, tag: str, attrs: Attributes) -> None:
        self._give()
        self._column = tag
        if attrs:
            self._attributes(attrs)
        self.listen(self._pieces.append)

    def _close(self, tag: str) -> None:
        self._give()
        self._column = tag

    def _attributes(self, attrs: Attributes) -> None:
        for key, value in attrs.items():
            if key.startswith("xmlns"):
                continue
            local = key.rpartition(":")[2]
            if local == self._named_by:
                self._name = value
            if (local in _SPOKEN and not is_number(value) and value.strip()) or wordy(value):
                self.texts.add(value, self.view, column=f"{self._column}@{local}")

    def _give(self) -> None:
        if not self._pieces:
            return
        text = self.join(self._pieces).strip()
        self._pieces.clear()
        if text and self.accept(text):
            self.texts.add(text, self.view, column=self._name or self._column)

    def overflow(self) -> None:
        """Emit a text that is longer than a block may be."""
        if sum(map(len, self._pieces)) > _PIECES:
            self._give()

    def done(self) -> None:
        """Emit the text in which the part ended."""
        self._give()
