"""Streams the fields of messages in the wire format of protocol buffers, by a schema. Numbers in bulk are skipped, and nothing is interpreted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.model_files.forward import ForwardView

LONGEST = bounds.MESSAGE_TEXT
FIRST_NUMBER = b"\x08"  # a file whose first field is a number, such as its version, begins with this tag
_DEPTH = 64  # nesting depth of messages, such as graphs in attributes of nodes of graphs
TEXT, DATA, NUMBERS, NUMBER = "text", "data", "numbers", "number"
BULK = ("", NUMBERS)
OTHERWISE = 0  # stands for every field of a message that has no row of its own
PAIR = "Pair"  # the message of a key with its value
_GROUP = "group of unknown fields"

# For each message, maps field numbers to a name and a type: a string, bytes that may contain text, numbers in bulk, one number, or another
# message. Other fields are skipped and told, unless they are single numbers of variable length.
Schema = Mapping[str, Mapping[int, tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class WireText:
    """A text in a field of a message. `too_long` is the number of its bytes if it was skipped."""

    message: str
    name: str
    text: str
    offset: int
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class WireNumber:
    """A number in a field of a message."""

    message: str
    name: str
    value: int
    offset: int


@dataclass(frozen=True, slots=True)
class UnreadField:
    """Numbers, or a field of unknown meaning, which may hold anything."""

    start: int
    end: int
    numbers: bool


@dataclass(slots=True)
class Opened:
    """A message begins. `outer` is the message that contains it, in its field `name`."""

    message: str
    start: int
    end: int | None
    outer: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """A message ends: the last one that was opened."""

    message: str


WireEvent = WireText | WireNumber | UnreadField | Opened | Closed


def begins_with(head: bytes, judged: Callable[[ForwardView, int, int], bool | None]) -> bool:
    """Return what the first fields of a message say of it. `judged` gets number and wire type of each, reads it, and decides or returns None.

    A beginning that is damaged, or that decides nothing, is not that of the message.
    """
    window = ForwardView(io.BytesIO(head))
    try:
        while window.at < len(head):
            tag = varint(window)
            if (decided := judged(window, tag >> 3, tag & 7)) is not None:
                return decided
    except Malformed:
        return False
    return False


def walk(file: BinaryIO, schema: Schema, root: str, whole: bool = True) -> Iterator[WireEvent]:
    """Yield what a file that is one message of type `root`, or begins with a part of one, consists of, in order. Raises Malformed."""
    window = ForwardView(file)
    stack = [Opened(root, 0, window.size if whole else None)]
    yield stack[0]
    while stack:
        here = stack[-1]
        if (here.end is not None and window.position >= here.end) or (here.end is None and not window.ensure(1)):
            if here.end is not None and window.position > here.end:
                raise Malformed("a field is longer than its message")
            if here.message == _GROUP:
                raise Malformed("a group of fields has no end")
            stack.pop()
            yield Closed(here.message)
            continue
        found = _field(window, here, stack, schema)
        if found is not None:
            yield found


def _field(window: ForwardView, here: Opened, stack: list[Opened], schema: Schema) -> WireEvent | None:
    begin, tag = window.position, varint(window)
    number, wire = tag >> 3, tag & 7
    if number == 0 or wire > 5:
        raise Malformed(f"there is no valid field at byte {window.position}")
    if wire in (3, 4):
        return _group(window, here, stack, begin, opens=wire == 3)
    rows = schema.get(here.message, {})
    name, kind = rows.get(number) or rows.get(OTHERWISE, ("", ""))
    if wire == 0:
        value = varint(window)
        return WireNumber(here.message, name, value, begin) if kind == NUMBER else _misused(window, begin, kind)
    length = {1: 8, 5: 4}.get(wire) or varint(window)
    end = window.position + length
    if here.end is not None and end > here.end:
        raise Malformed(f"a field of {length} bytes at byte {window.position} is longer than its message")
    if wire != 2 or not kind or kind in (NUMBERS, NUMBER):
        _skip(window, length)
        return _misused(window, begin, kind) if wire != 2 and kind else UnreadField(begin, end, numbers=bool(kind))
    if kind in (TEXT, DATA):
        return _text(window, here.message, name, length)
    if len(stack) >= _DEPTH:
        raise Malformed(f"messages are nested deeper than {_DEPTH} levels")
    stack.append(Opened(kind, begin, end, here.message, name))
    return stack[-1]


def _misused(window: ForwardView, begin: int, kind: str) -> UnreadField | None:
    """A number, unless the schema has something else in its place."""
    return UnreadField(begin, window.position, numbers=False) if kind not in ("", NUMBER, NUMBERS) else None


def _text(window: ForwardView, message: str, name: str, length: int) -> WireText:
    offset = window.position
    if length > LONGEST:
        _skip(window, length)
        return WireText(message, name, "", offset, too_long=length)
    data = window.take(length)
    if len(data) < length:
        raise Malformed("the file ends inside a string")
    return WireText(message, name, data.decode("utf-8", "replace"), offset)


def _group(window: ForwardView, here: Opened, stack: list[Opened], begin: int, opens: bool) -> WireEvent:
    """Begin or end a group: an old kind of field, which every parser still skips."""
    if not opens:
        if here.message != _GROUP:
            raise Malformed(f"a group of fields that never began ends at byte {begin}")
        stack.pop()
        return Closed(_GROUP)
    if len(stack) >= _DEPTH:
        raise Malformed(f"messages are nested deeper than {_DEPTH} levels")
    stack.append(Opened(_GROUP, begin, here.end, here.message))
    return stack[-1]


def _skip(window: ForwardView, length: int) -> None:
    if not window.skip(length):
        raise Malformed("the file ends inside a field")


def varint(window: ForwardView) -> int:
    """Read a number of variable length. Raises Malformed."""
    value = shift = 0
    window.ensure(10)
    while window.at < len(window.data) and shift < 70:
        byte = window.data[window.at]
        window.at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    raise Malformed("the file ends inside a number")
