"""Fits changes to TOML: a value stays one value, and a key one key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, applied
from veritensor_ray.formats.editing.placing import Slot, doubled, fitted, inside, joined, near, widened
from veritensor_ray.formats.editing.spans import Range

_TOKEN = re.compile(
    r'(?P<comment>\#[^\n\r]*)|(?P<long_basic>"""(?:[^\\]|\\.)*?"{3,5}(?!"))|(?P<long_literal>\'\'\'.*?\'{3,5}(?!\'))'
    r'|(?P<basic>"(?:[^"\\\n]|\\.)*")|(?P<literal>\'[^\'\n]*\')'
    r"|(?P<bare>\d{4}-\d\d-\d\d \d\d:[\d:.+Zz-]+|[A-Za-z0-9_+.:-]+)|(?P<sign>[=\[\]{},\n])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\r?\n\s*|.)", re.DOTALL)
_SPECIAL = re.compile(r'[\\"]')
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BREAK = re.compile(r"\s*[\r\n]\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_EVERY = 10_000  # tokens between two signs of life


def fit_toml(text: str, edits: Sequence[Edit], pulse: Callable[[], None]) -> list[Edit]:
    """Return the edits as TOML needs them; unchanged if the text is not valid TOML. Raises CannotRewriteError if they would break it."""
    if not edits:
        return []
    before = _loaded(text)
    if before is None:
        return list(edits)
    slots = [slot for slot in _slots(text, pulse) if near(slot, edits)]
    found = fitted(edits, slots, text, _chosen, lambda slot, some: joined(_written(text, slot, some)))
    after = _loaded(applied(text, sorted(found)))
    if after is None:
        raise CannotRewriteError("with the changes it would no longer be valid TOML")
    if _shape(before, keys := not any(slot.kind.startswith("key") for slot in slots)) != _shape(after, keys):
        raise CannotRewriteError("the changes would change the structure of the TOML")
    return found


def toml_comments(text: str, pulse: Callable[[], None]) -> list[Range]:
    """Return the ranges of the comments; none if the text is not valid TOML."""
    if _loaded(text) is None:
        return []
    return [(slot.start, slot.end) for slot in _slots(text, pulse) if slot.kind == "comment"]


def _loaded(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return None


def _shape(value: Any, keys: bool) -> Any:
    """The structure of a value without its texts; with `keys` it includes their names."""
    if isinstance(value, dict):
        return [(key if keys else None, _shape(one, keys)) for key, one in value.items()]
    return [_shape(one, keys) for one in value] if isinstance(value, list) else None


def _slots(text: str, pulse: Callable[[], None]) -> Iterator[Slot]:
    """Yield keys, values and comments of valid TOML."""
    within: list[str] = []  # open brackets
    is_key = True
    for number, found in enumerate(_TOKEN.finditer(text)):
        if number % _EVERY == 0:
            pulse()
        kind, word = str(found.lastgroup), found.group()
        if kind == "comment":
            yield Slot(found.start(), found.end(), kind)
        elif kind == "sign":
            if word == "\n":
                is_key = is_key or not within
            elif word in "[{" and not (is_key and not within):
                within.append(word)
                is_key = word == "{"
            elif word in "]}" and within:
                within.pop()
                is_key = False
            elif word == "=":
                is_key = False
            elif word == ",":
                is_key = within[-1:] == ["{"]
        elif kind == "bare" and is_key:
            for part in _BARE_KEY.finditer(word):
                yield Slot(found.start() + part.start(), found.start() + part.end(), "key", "bare")
        else:
            yield Slot(found.start(), found.end(), "key" if is_key else "value", kind)


def _chosen(slots: Sequence[Slot]) -> Sequence[Slot]:
    """Keys are left as they are if a value is changed too."""
    values = [slot for slot in slots if slot.kind != "key"]
    return values or slots


def _written(text: str, slot: Slot, edits: list[Edit]) -> Iterator[Edit]:
    """Yield the changes within a key, value or comment, and those around it."""
    start, end = slot.start, slot.end
    edits = [edit._replace(text=_CONTROL.sub(" ", _BREAK.sub(" ", edit.text))) for edit in edits]
    if slot.kind == "comment":
        yield from (edit._replace(start=max(edit.start, start + 1)) for edit in edits if edit.end > start + 1)
    elif slot.quote == "bare":
        yield from _in_bare(text, slot, edits)
    else:
        marks = 3 if slot.quote.startswith("long") else 1
        inner = inside(edits, start + marks, end - marks)
        if slot.quote.endswith("basic"):
            for edit in widened(inner, _ESCAPE, text, start + marks, end - marks):
                yield edit._replace(text=_SPECIAL.sub(r"\\\g<0>", edit.text))
        elif not any("'" in edit.text for edit in inner):
            yield from inner
        else:  # a literal text cannot hold its quotation mark, so it becomes a basic one
            yield Edit(start, start + marks, '"' * marks)
            escaped = [edit._replace(text=_SPECIAL.sub(r"\\\g<0>", edit.text)) for edit in inner]
            yield from doubled(_SPECIAL, "\\", escaped, text, start + marks, end - marks)
            yield Edit(end - marks, end, '"' * marks)


def _in_bare(text: str, slot: Slot, edits: list[Edit]) -> Iterator[Edit]:
    """Yield the changes within a bare key or a number. It becomes a text if it can no longer be bare."""
    old = text[slot.start : slot.end]
    new = applied(old, [Edit(edit.start - slot.start, edit.end - slot.start, edit.text) for edit in edits])
    is_bare = _BARE_KEY.fullmatch(new) if slot.kind == "key" else _type(new) is not None and _type(new) is _type(old)
    if is_bare:
        yield from edits
        return
    mark = "'" if "'" not in new else '"'
    yield Edit(slot.start, slot.start, mark)
    yield from (edit._replace(text=_SPECIAL.sub(r"\\\g<0>", edit.text) if mark == '"' else edit.text) for edit in edits)
    yield Edit(slot.end, slot.end, mark)


def _type(value: str) -> type | None:
    """The type of a bare value; None if it is not valid."""
    found = _loaded(f"x = {value}\n") if _TOKEN.fullmatch(value) else None
    return type(found["x"]) if found and len(found) == 1 else None
