"""The values on a pickle's stack, as far as they matter for the names that it calls and their arguments. Nothing is ever built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

ITEMS = 32  # items of a list, tuple or dict that are kept
_DEPTH = 6
SHOWN = 200
_NUMBER = re.compile(r"[<>=|]?([a-zA-Z?])(\d*)")
_LETTER_BYTES = {
    "?": 1,
    "b": 1,
    "B": 1,
    "h": 2,
    "H": 2,
    "i": 4,
    "I": 4,
    "l": 8,
    "L": 8,
    "q": 8,
    "Q": 8,
    "f": 4,
    "d": 8,
    "e": 2,
    "F": 8,
    "D": 16,
}


class Dull:
    """A value that does not matter."""

    def __repr__(self) -> str:
        return "…"


DULL = Dull()  # None, a truth value or a number with a fraction
LOST = Dull()  # a value that was not kept


@dataclass(frozen=True, slots=True)
class Name:
    """A reference to `module.name` at a byte offset. `resolved` is False if the pickle hides or computes the name."""

    module: str
    name: str
    offset: int
    end: int
    resolved: bool = True

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Blob:
    """A bytes value: its position and its first bytes.

    `dtype` is NumPy's name for its text type if it is the memory of an array of texts; `numbers` says that it is that of an array of numbers.
    """

    offset: int
    size: int
    head: bytes
    dtype: str = ""
    numbers: bool = False


@dataclass(slots=True)
class Many:
    """A list, tuple, set or dict (keys and values alternating), cut at ITEMS."""

    kind: str
    items: list[Any] = field(default_factory=list)
    depth: int = 1

    def extend(self, items: Iterable[Any]) -> None:
        """Add items that are not nested too deeply."""
        for item in items:
            if len(self.items) >= ITEMS:
                return
            deep = depth(item) + 1
            self.items.append(item if deep <= _DEPTH else LOST)
            self.depth = max(self.depth, min(deep, _DEPTH))

    def get(self, key: str) -> Any:
        """The value of a dict's key; the last one counts."""
        found: Any = DULL
        for name, value in zip(self.items[::2], self.items[1::2], strict=False):
            if name == key:
                found = value
        return found


@dataclass(slots=True)
class Called:
    """The result of a callable, and the state that was set on it."""

    function: Any
    args: Any
    depth: int
    state: Any = None


def depth(value: Any) -> int:
    """The nesting depth of a value. It never refers to itself, because stored values are at most _DEPTH deep."""
    return value.depth if isinstance(value, (Many, Called)) else 0


def called(function: Any, args: Any) -> Any:
    """The result of a call, or LOST at the end of a long chain of calls."""
    deep = max(depth(function), depth(args)) + 1
    return Called(function, args, deep) if deep <= _DEPTH else LOST


def of_class(value: Any) -> str:
    """The `module.name` of the callable that made a value. Protocols 0 and 1 go through copyreg."""
    if not isinstance(value, Called):
        return ""
    maker = value.function
    if str(maker) in ("copyreg._reconstructor", "copy_reg._reconstructor") and isinstance(value.args, Many) and value.args.items:
        maker = value.args.items[0]
    return str(maker) if isinstance(maker, Name) else ""


def shown(value: Any) -> str:
    """A value as source text of at most SHOWN characters."""
    text, budget = "", 400
    for piece in _pieces(value, 0):
        text += piece
        budget -= 1
        if len(text) > SHOWN or not budget:
            return f"{text[: SHOWN - 1]}…"
    return text


def _pieces(value: Any, level: int) -> Iterator[str]:
    if level > _DEPTH:
        yield "…"
    elif isinstance(value, Many):
        start, end = {"tuple": ("(", ")"), "dict": ("{", "}")}.get(value.kind, ("[", "]"))
        yield start
        for i, item in enumerate(value.items):
            if i:
                yield ": " if value.kind == "dict" and i % 2 else ", "
            yield from _pieces(item, level + 1)
        yield end
    elif isinstance(value, Called):
        yield from _pieces(value.function, level + 1)
        yield from _pieces(value.args, level + 1) if isinstance(value.args, Many) else ("(…)",)
    elif isinstance(value, Blob):
        yield repr(value.head)
    else:
        yield str(value) if isinstance(value, Name) else repr(value)


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """The raw bytes that joblib writes after a NumpyArrayWrapper: their number and padding, or another pickle in their place."""

    size: int
    padded: bool
    pickled: bool


def array_layout(wrapper: Any) -> ArrayLayout | None:
    """The layout of the data after a wrapper; None if its state does not define it."""
    state = wrapper.state
    if not isinstance(state, Many):
        return None
    dtype, shape = state.get("dtype"), state.get("shape")
    if not isinstance(shape, Many) or not all(type(n) is int and n >= 0 for n in shape.items):
        return None
    letter, itemsize, objects = _dtype(dtype)
    if not letter:
        return None
    count = 1
    for n in shape.items:
        count *= n
    return ArrayLayout(count * itemsize, type(state.get("numpy_array_alignment_bytes")) is int, objects)


def _dtype(dtype: Any) -> tuple[str, int, bool]:
    """The kind letter, the item size, and whether it holds objects, of `numpy.dtype('f8', …)` with its state."""
    if not isinstance(dtype, Called) or str(dtype.function) != "numpy.dtype" or not isinstance(dtype.args, Many) or not dtype.args.items:
        return "", 0, False
    found = _NUMBER.fullmatch(str(dtype.args.items[0]))
    if not found:
        return "", 0, False
    letter, digits = found[1], found[2]
    flags = dtype.state.items[7] if isinstance(dtype.state, Many) and len(dtype.state.items) > 7 else 0
    objects = letter == "O" or (type(flags) is int and bool(flags & 1) and letter == "V")
    size = int(digits[:9]) if digits else _LETTER_BYTES.get(letter, 0)
    return letter, size * (4 if letter == "U" else 1), objects


def text_dtype(wrapper: Any) -> str:
    """NumPy's name for the type of the array after a wrapper if it is a text type; otherwise empty."""
    return texts_of(wrapper.state.get("dtype")) if isinstance(wrapper.state, Many) else ""


def texts_of(dtype: Any) -> str:
    """NumPy's name for a text type; empty for others."""
    letter, size, _ = _dtype(dtype)
    if letter not in ("U", "S") or not isinstance(dtype, Called):
        return ""
    order = dtype.state.items[1] if isinstance(dtype.state, Many) and len(dtype.state.items) > 1 else "<"
    return f"{order if order in ('<', '>') else '<'}{letter}{size // 4 if letter == 'U' else size}"


def is_numeric(dtype: Any) -> bool:
    """Whether a value is a type of NumPy whose values are numbers, or records of numbers as far as can be known."""
    return _dtype(dtype)[0] not in ("", "U", "S", "O")


# The bytes of a number in a storage of torch.
_STORED = {
    **{f"torch.{name}Storage": size for size, names in (
        (1, ("Byte", "Char", "Bool", "QInt8", "QUInt8")), (2, ("Half", "BFloat16", "Short")), (4, ("Float", "Int", "QInt32")),
        (8, ("Double", "Long", "ComplexFloat")), (16, ("ComplexDouble",)),
    ) for name in names}
}  # fmt: skip


def storage_of(value: Any) -> tuple[str, int] | None:
    """The key and the size in bytes of the storage of torch that a persistent id names; None unless it is a storage of known size."""
    items = value.items if isinstance(value, Many) else []
    if len(items) < 5 or items[0] != "storage" or type(items[4]) is not int or items[4] < 0 or str(items[1]) not in _STORED:
        return None
    return str(items[2]), items[4] * _STORED[str(items[1])]


def module_of(value: Any) -> Name | None:
    """The class that a persistent id of old files of torch stands for; it comes with its source, which is not run."""
    items = value.items if isinstance(value, Many) else []
    return items[1] if len(items) > 1 and items[0] == "module" and isinstance(items[1], Name) else None
