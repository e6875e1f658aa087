"""What a pickle says about arrays of NumPy, also one that joblib wrote, and whether it holds anything besides.

joblib writes the bytes of an array into the file directly behind the opcode that describes it, where no other unpickler expects them.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.file_ranges import copy_range, length, pieces
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.pickle.events import Broken
from veritensor_ray.formats.model_files.pickle.pickle_tree import (
    SHOWN,
    Builder,
    CannotBuild,
    PickleBytes,
    Reference,
    Tree,
    TreeBuffer,
    TreeDict,
    TreeList,
    Unknown,
    below,
    described,
    named_entries,
    read_tree,
    shown,
    within,
)
from veritensor_ray.formats.model_files.safetensors.write import blocks_of

_DIMENSIONS = 64
_LARGEST = 1 << 62
_ALONE = "array"  # the name of one that stands in nothing else
_TYPES = {
    "f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u8": "U64", "u4": "U32", "u2": "U16", "u1": "U8",
    "b1": "BOOL", "c8": "C64",
}  # fmt: skip
_CALLED = {"PickledArray": "an array without values", "ArrayType": "a type", "_Wrapper": "a description of an array"}
_OBJECTS, _OBJECT_FLAGS = "O8", 63
_CLASSES = ("numpy ndarray", "numpy memmap")
_STATE = frozenset(("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"))
Pulse = Callable[[], None]


class _Stretch(NamedTuple):
    """Bytes of a file from `place` on."""

    file: BinaryIO
    place: int


@dataclass(eq=False, slots=True)
class ArrayType:
    """A type of NumPy: its letter and size, such as `f8`, and the order of its bytes once it is set."""

    written: str
    order: str | None = None

    @property
    def size(self) -> int:
        """The number of bytes of a value."""
        return int(self.written[1:])

    @property
    def is_objects(self) -> bool:
        """Whether its values are any objects."""
        return self.written == _OBJECTS

    def with_state(self, state: object) -> object:
        """Take the order of bytes. Raises CannotBuild for a type with parts."""
        if self.order is not None or not isinstance(state, tuple) or len(state) != 8 or state[0] != 3:
            raise CannotBuild("an array with an unknown state of its type")
        if any(one is not None for one in state[2:5]):
            raise CannotBuild("an array of records")
        if state[1] not in ("<", "|"):
            raise CannotBuild("an array whose numbers are not stored with the lowest byte first")
        if any(type(one) is not int for one in state[5:]) or state[5:] != (-1, -1, _OBJECT_FLAGS if self.is_objects else 0):
            raise CannotBuild("an array with an unknown state of its type")
        self.order = cast("str", state[1])
        return self


@dataclass(eq=False, slots=True)
class PickledArray:
    """An array. Until its state is set, it has no type. `data` are its values, or the objects in it."""

    type: ArrayType | None = None
    shape: tuple[int, ...] = ()
    is_fortran: bool = False
    data: bytes | TreeBuffer | TreeList | _Stretch = b""

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return math.prod(self.shape) * self.type.size if self.type else 0

    @property
    def dtype(self) -> str:
        """Its type as safetensors calls it."""
        return _TYPES[self.type.written] if self.type else ""

    def with_state(self, state: object) -> object:
        """Take type, shape and values, as `ndarray.__setstate__` does. Raises CannotBuild."""
        if self.type is not None or not isinstance(state, tuple) or len(state) != 5 or state[0] != 1:
            raise CannotBuild("an array with an unknown state")
        _, shape, kind, fortran, data = state
        made = _array(kind, shape, fortran is True, data)
        self.type, self.shape, self.is_fortran, self.data = made.type, made.shape, made.is_fortran, made.data
        return self

    def values(self, pulse: Pulse) -> Iterator[bytes]:
        """Yield its bytes in the order of its indexes."""
        if not self.size or self.type is None:
            return
        if isinstance(self.data, _Stretch):
            file, begin = self.data
            if not self.is_fortran:
                yield from pieces(file, begin, begin + self.size, pulse)
                return
            with tempfile.TemporaryFile() as spool:
                copy_range(file, spool, begin, begin + self.size, pulse)
                spool.flush()
                yield from self._in_order(np.memmap(spool, f"V{self.type.size}", "r"), pulse)
            return
        data = self.data.data if isinstance(self.data, TreeBuffer) else cast("bytes", self.data)
        yield from self._in_order(np.frombuffer(data, f"V{self.type.size}"), pulse)

    def _in_order(self, flat: np.ndarray[tuple[int], np.dtype[np.void]], pulse: Pulse) -> Iterator[bytes]:
        for block in blocks_of(flat.reshape(self.shape, order="F" if self.is_fortran else "C")):
            pulse()
            yield block


def _array(kind: object, shape: object, fortran: bool, data: object) -> PickledArray:
    """Return an array of these parts. Raises CannotBuild."""
    if isinstance(kind, Unknown):
        raise CannotBuild(kind.what)
    if not isinstance(kind, ArrayType) or kind.order is None or (kind.size > 1 and kind.order != "<" and not kind.is_objects):
        raise CannotBuild("an array without a known type")
    count = math.prod(_shape(shape))
    if count * kind.size >= _LARGEST:
        raise CannotBuild("an array that is larger than any file")
    if kind.is_objects:
        if not isinstance(data, TreeList) or len(data.items) != count:
            raise CannotBuild("an array of objects that lacks some")
        return PickledArray(kind, _shape(shape), fortran, data)
    found = data.data if isinstance(data, TreeBuffer) else data
    if not isinstance(found, bytes) or len(found) != count * kind.size:
        raise CannotBuild("an array whose values do not have its size")
    return PickledArray(kind, _shape(shape), fortran, cast("bytes | TreeBuffer", data))


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > _DIMENSIONS or not all(type(one) is int and 0 <= one < _LARGEST for one in value):
        raise CannotBuild("an array without a valid shape")
    return value


def _type(arguments: tuple[object, ...]) -> ArrayType:
    written, *rest = arguments
    if not isinstance(written, str) or len(rest) > 2 or any(type(one) not in (bool, int) for one in rest):
        raise CannotBuild("a type that the pickle computes")
    if written not in _TYPES and written != _OBJECTS:
        raise CannotBuild(f"an array of the type {written[:SHOWN]}, which safetensors lacks")
    return ArrayType(written)


def _empty(arguments: tuple[object, ...]) -> PickledArray:
    of_class, shape, kind = arguments
    if not isinstance(of_class, Reference) or of_class.name not in _CLASSES or shape != (0,) or kind not in (b"b", "b"):
        raise CannotBuild("an array of another class")
    return PickledArray()


def _from_buffer(arguments: tuple[object, ...]) -> PickledArray:
    data, kind, shape, order = arguments
    if order not in ("C", "F"):
        raise CannotBuild("an array with its axes in another order")
    return _array(kind, shape, order == "F", data)


def _encoded(arguments: tuple[object, ...]) -> bytes:
    """Return bytes as pickles for Python 2 have them."""
    text, encoding = arguments
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise CannotBuild("bytes in an unknown encoding")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise CannotBuild("bytes in an unknown encoding") from None


def _no_bytes(arguments: tuple[object, ...]) -> bytes:
    if arguments:
        raise CannotBuild("bytes that are made from another value")
    return b""


def _ordered(arguments: tuple[object, ...]) -> TreeDict:
    if arguments:
        raise CannotBuild("an OrderedDict that is made from another value")
    return TreeDict()


def _persistent(_: tuple[object, ...]) -> object:
    raise CannotBuild("a value that the loader provides")


_BUILDERS: dict[str, Builder] = {
    "numpy dtype": _type,
    **{f"numpy.{core}.multiarray _reconstruct": _empty for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _from_buffer for core in ("core", "_core")},
    "_codecs encode": _encoded,
    "builtins bytes": _no_bytes,
    "__builtin__ bytes": _no_bytes,
    "collections OrderedDict": _ordered,
}


class _JoblibReader:
    """Reads what joblib writes behind its descriptions of arrays."""

    def __init__(self, stream: PickleBytes, size: int, pulse: Pulse) -> None:
        self._stream, self._pulse, self._size = stream, pulse, size
        self.given: list[object] = []

    def wrapper(self, arguments: tuple[object, ...]) -> _Wrapper:
        if arguments:
            raise CannotBuild("a description of an array with arguments")
        return _Wrapper(self)

    def array(self, state: object) -> object:
        """Return the array that follows its description. Raises CannotBuild, Broken."""
        pairs = state.pairs if isinstance(state, TreeDict) else []
        about = {key: value for key, value in pairs if isinstance(key, str)}
        if not pairs or len(about) != len(pairs) or not about.keys() <= _STATE:
            raise CannotBuild("an array with an unknown description")
        of_class, kind, order = about.get("subclass"), about.get("dtype"), about.get("order")
        shape = _shape(about.get("shape"))
        if not isinstance(of_class, Reference) or of_class.name not in _CLASSES or order not in ("C", "F"):
            raise CannotBuild("an array of another class")
        if isinstance(kind, ArrayType) and kind.is_objects:
            inner = read_tree(self._stream, _BUILDERS, _persistent, self._pulse)
            self.given += inner.given
            if isinstance(inner.value, PickledArray) and inner.value.shape != shape:
                raise CannotBuild("an array that contradicts its description")
            return inner.value
        if not isinstance(kind, ArrayType) or kind.order is None or (kind.size > 1 and kind.order != "<"):
            raise CannotBuild(kind.what if isinstance(kind, Unknown) else "an array without a known type")
        made = PickledArray(kind, shape, order == "F")
        if about.get("numpy_array_alignment_bytes") is not None:
            self._stream.file.seek(int.from_bytes(self._stream.file.read(1), "little"), io.SEEK_CUR)
        place = self._stream.tell()
        if made.size >= _LARGEST or place + made.size > self._size:
            raise CannotBuild("an array that is cut off")
        self._stream.file.seek(place + made.size)
        made.data = _Stretch(self._stream.file, place)
        return made


@dataclass(eq=False, slots=True)
class _Wrapper:
    """joblib's description of an array, until its state is known."""

    reader: _JoblibReader

    def with_state(self, state: object) -> object:
        try:
            return self.reader.array(state)
        except CannotBuild as answer:  # nobody knows where the pickle goes on
            raise Broken(f"it holds {answer}") from None


def read_arrays(file: BinaryIO, pulse: Pulse) -> dict[str, PickledArray]:
    """Return the arrays of the pickle at the position of a file by their names. Nothing may follow it.

    Raises CannotRewriteError if it holds anything besides, and Broken.
    """
    begin, size = file.tell(), length(file)
    file.seek(begin)
    stream = PickleBytes(file, bounds.ARRAYS_PICKLE)
    joblib = _JoblibReader(stream, size, pulse)
    names = ("joblib.numpy_pickle NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle NumpyArrayWrapper")
    tree = read_tree(stream, _BUILDERS, _persistent, pulse, dict.fromkeys(names, joblib.wrapper))
    if file.read(1):
        raise CannotRewriteError("something follows its pickle")
    return only_arrays(Tree(tree.value, [*tree.given, *joblib.given]))


def only_arrays(tree: Tree) -> dict[str, PickledArray]:
    """Return the arrays of a value by their names: those in containers are named by keys and numbers, joined by dots.

    Raises CannotRewriteError if it holds anything besides, or if something that only running it would show may have changed it.
    """
    found: dict[str, PickledArray] = {}
    seen: set[int] = set()
    parts: set[int] = set()
    waiting: list[tuple[str, object]] = [("", tree.value)]
    while waiting:
        path, value = waiting.pop()
        parts.add(id(value))
        if isinstance(value, PickledArray):
            parts |= {id(value.data), id(value.type)}
        if isinstance(value, PickledArray) and value.type is not None and not value.type.is_objects:
            _add(found, path or _ALONE, value)
            continue
        inner = _inside(path, value)
        if inner is None:
            raise CannotRewriteError(f"{shown(path)} is {described(value, _CALLED)}, not an array")
        if id(value) in seen and not isinstance(value, tuple):
            raise CannotRewriteError("a container stands in it twice")
        seen.add(id(value))
        waiting += inner
    if not found:
        raise CannotRewriteError("it holds no arrays")
    if any(id(value) in parts for value in within(tree.given, _parts)):
        raise CannotRewriteError("something besides its arrays is given them and may change them")
    return found


def _inside(path: str, value: object) -> list[tuple[str, object]] | None:
    """Return what is in a container, with its names; None for anything else. An array of objects without dimensions is its object."""
    if isinstance(value, TreeDict):
        if value.attributes:
            raise CannotRewriteError("a dictionary in it has attributes")
        return [*named_entries(path, value)]
    if isinstance(value, (TreeList, tuple)):
        items = value.items if isinstance(value, TreeList) else value
        return [(below(path, str(number)), one) for number, one in enumerate(items)]
    if isinstance(value, PickledArray) and isinstance(value.data, TreeList):
        indexes = np.ndindex(value.shape)
        return [
            (below(path, ".".join(map(str, index))) if index else path, one) for index, one in zip(indexes, value.data.items, strict=True)
        ]
    return None


def _add(found: dict[str, PickledArray], name: str, array: PickledArray) -> None:
    if name in found:
        raise CannotRewriteError(f"the name {shown(name)} occurs twice")
    if name == "__metadata__" or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise CannotRewriteError("safetensors cannot have the name of one of its arrays")
    found[name] = array


def _parts(value: object) -> Iterable[object]:
    return (value.data, value.type) if isinstance(value, PickledArray) else ()
