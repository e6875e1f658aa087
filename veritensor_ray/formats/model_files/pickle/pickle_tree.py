"""Follows a pickle strictly and returns the value that it would build. It never imports or calls anything.

`opcodes.PickleWalk` looks for what may be dangerous, even in what is damaged, and forgets what cannot matter for that. This walk is for files
whose value is wanted: it keeps all of it, and refuses whatever a pickle of data does not need.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO, Any, BinaryIO, NamedTuple, Protocol, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.pickle.events import Broken

_STEPS = bounds.PICKLE_TREE_STEPS
_LATEST = 5  # protocol
_FRAME = 9  # bytes of its opcode
_MARKED: Any = object()
_KINDS = {"NoneType": "nothing", "TreeList": "a list", "TreeBuffer": "a bytearray"}
SHOWN = 80  # characters of a name in a message


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that a pickle refers to: its module, a space, and its name there."""

    name: str


@dataclass(eq=False, slots=True)
class TreeDict:
    """A dictionary. `attributes` are those that an OrderedDict was given."""

    pairs: list[tuple[object, object]] = field(default_factory=list)
    attributes: list[object] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class TreeList:
    """A list."""

    items: list[object] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Unknown:
    """A value that only running the pickle would show, or that nobody could build; `what` describes it."""

    what: str


@dataclass(eq=False, slots=True)
class TreeBuffer:
    """Bytes that can be changed."""

    data: bytes


class Stateful(Protocol):
    """A value that a builder made and that is only complete once a pickle sets its state."""

    def with_state(self, state: object) -> object:
        """Return what stands on the stack afterwards. Raises CannotBuild."""


class CannotBuild(VeritensorError):
    """A builder cannot make a value of these arguments. The message describes what it would be."""


def named_entries(path: str, value: TreeDict) -> Iterator[tuple[str, object]]:
    """Yield the values of a dictionary, each with its name below `path`. Raises CannotRewriteError unless all names are texts and differ."""
    names = set[str]()
    for key, inner in value.pairs:
        if not isinstance(key, str):
            raise CannotRewriteError("a name in it is not a text")
        if key in names:
            raise CannotRewriteError(f"the name {shown(key)} occurs twice")
        names.add(key)
        yield below(path, key), inner


def below(path: str, name: str) -> str:
    """Return the path of what has that name in a value."""
    return f"{path}.{name}" if path else name


def shown(name: str) -> str:
    """Return a name as a message quotes it."""
    return repr(name if len(name) <= SHOWN else f"{name[:SHOWN]}…") if name else "its value"


def described(value: object, kinds: Mapping[str, str]) -> str:
    """Return what a message calls a value; `kinds` has what a builder's own classes are."""
    if isinstance(value, Unknown):
        return value.what
    if isinstance(value, Reference):
        return f"the name {value.name[:SHOWN].replace(' ', '.')}"
    kind = type(value).__name__
    return (_KINDS | dict(kinds)).get(kind, f"a value of type {kind}")


class Tree(NamedTuple):
    """The value of a pickle, and the values that something unknown was given and may have changed."""

    value: object
    given: list[object]


class PickleBytes:
    """A seekable file as `pickletools` reads it: up to `most` bytes, of which none count that are skipped."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self._left, self._most = file, most, most

    def read(self, size: int) -> bytes:
        """Read bytes of a pickle. Raises Broken if there are too many."""
        self._left -= size
        if self._left < 0:
            raise Broken(f"its pickle has more than {self._most:,} bytes")
        return self.file.read(size)

    def readline(self) -> bytes:
        """Read a line of a pickle. Raises Broken if there are too many bytes."""
        line = self.file.readline(self._left + 1)
        self._left -= len(line)
        return line if self._left >= 0 else self.read(0)

    def tell(self) -> int:
        """Return where in the file the next byte stands."""
        return self.file.tell()


Builder = Callable[[tuple[object, ...]], object]  # raises CannotBuild, or ValueError if there are too many or too few arguments
_PLAIN = frozenset((
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
))  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_OLD_TEXTS = frozenset(("STRING", "BINSTRING", "SHORT_BINSTRING"))
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_tree(
    file: io.BytesIO | PickleBytes,
    builders: Mapping[str, Builder],
    persistent: Builder,
    pulse: Callable[[], None],
    classes: Mapping[str, Builder] = MappingProxyType({}),
) -> Tree:
    """Read the pickle at the position of a file, and leave it behind the pickle.

    `builders` make values of calls of the names that are known, and `classes` objects; `persistent` makes one of a persistent id. Raises
    Broken.
    """
    walk = _TreeWalk(file, builders, persistent, classes)
    try:
        for number, (opcode, argument, at) in enumerate(pickletools.genops(cast("IO[bytes]", file))):
            if number >= _STEPS:
                raise Broken(f"its pickle has more than {_STEPS:,} operations")
            if not number % 10_000:
                pulse()
            walk.frame(opcode.name, argument, at or 0)
            walk.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError):
        raise Broken("its pickle is damaged") from None
    if walk.stack[-1] is _MARKED:
        raise Broken("its pickle is damaged")
    return Tree(walk.stack[-1], walk.given)


class _TreeWalk:
    def __init__(
        self, file: io.BytesIO | PickleBytes, builders: Mapping[str, Builder], persistent: Builder, classes: Mapping[str, Builder]
    ) -> None:
        self._file, self._builders, self._persistent, self._classes = file, builders, persistent, classes
        self.stack: list[object] = []
        self.given: list[object] = []
        self._memo: dict[int, object] = {}
        self._frame = 0  # where the current frame ends

    def frame(self, name: str, argument: Any, at: int) -> None:
        """Refuse frames that do not end between opcodes, because unpicklers disagree on what follows."""
        if at > self._frame > 0 or (name == "FRAME" and at < self._frame):
            raise Broken("its frames do not end between opcodes")
        if at == self._frame:
            self._frame = 0
        if name == "FRAME":
            self._frame = at + _FRAME + argument
        elif name == "STOP" and self._frame > at + 1:
            raise Broken("its frames do not end between opcodes")

    def step(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        stack = self.stack
        if name in _PLAIN:
            stack.append(_CONSTANTS.get(name, argument))
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self._memo[int(argument)])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else int(argument)] = self._top()
        elif name == "MARK":
            stack.append(_MARKED)
        elif name in _TUPLES:
            stack.append(tuple(self._popped(_TUPLES[name])))
        elif name == "GLOBAL":
            stack.append(Reference(argument))
        elif name == "REDUCE":
            arguments, function = self._pop(), self._pop()
            stack.append(self._called(function, arguments))
        elif (act := _ACTIONS.get(name)) is not None:
            act(self, argument)
        elif name in _OLD_TEXTS and argument.isascii():
            stack.append(argument)
        elif name not in ("FRAME", "STOP"):
            raise Broken(f"its pickle has the opcode {name}, which state dicts do not need")

    def _top(self) -> object:
        if self.stack[-1] is _MARKED:
            raise Broken("its pickle is damaged")
        return self.stack[-1]

    def _pop(self) -> object:
        value = self._top()
        self.stack.pop()
        return value

    def _popped(self, count: int) -> list[object]:
        values = [self._pop() for _ in range(count)]
        return values[::-1]

    def _since_mark(self) -> list[object]:
        values: list[object] = []
        while (value := self.stack.pop()) is not _MARKED:
            values.append(value)
        return values[::-1]

    def _called(self, function: object, arguments: object) -> object:
        if isinstance(function, Reference) and isinstance(arguments, tuple) and (builder := self._builders.get(function.name)):
            return self._built(builder, arguments)
        return self._made_by(function, arguments)

    def _built(self, builder: Builder, arguments: tuple[object, ...]) -> object:
        try:
            return builder(arguments)
        except CannotBuild as answer:
            what = str(answer)
        except ValueError:
            what = "a value with the wrong number of arguments"
        self.given.append(arguments)
        return Unknown(what)

    def _made_by(self, function: object, *arguments: object) -> Unknown:
        self.given += (function, *arguments)
        name = function.name.replace(" ", ".") if isinstance(function, Reference) else "something unknown"
        return Unknown(f"a result of {name}")

    def protocol(self, version: Any) -> None:
        if version > _LATEST:
            raise Broken(f"its pickle is of protocol {version}")

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._since_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self._top())

    def make_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def empty_list(self, _: Any) -> None:
        self.stack.append(TreeList())

    def make_list(self, _: Any) -> None:
        self.stack.append(TreeList(self._since_mark()))

    def append(self, _: Any) -> None:
        self._append([self._pop()])

    def appends(self, _: Any) -> None:
        self._append(self._since_mark())

    def _append(self, values: Iterable[object]) -> None:
        target = self._top()
        if isinstance(target, TreeList):
            target.items += values
        else:
            self.given += (target, *values)

    def empty_dict(self, _: Any) -> None:
        self.stack.append(TreeDict())

    def make_dict(self, _: Any) -> None:
        self.stack.append(TreeDict(_pairs(self._since_mark())))

    def set_item(self, _: Any) -> None:
        self._set(self._popped(2))

    def set_items(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, values: list[object]) -> None:
        target = self._top()
        if isinstance(target, TreeDict):
            target.pairs += _pairs(values)
        else:
            self.given += (target, *values)

    def build(self, _: Any) -> None:
        state, target = self._pop(), self._top()
        if callable(complete := getattr(target, "with_state", None)):
            before = self._file.tell()
            self.stack[-1] = self._built(lambda given: complete(given[1]), (target, state))
            self._passed(before)
        elif isinstance(target, TreeDict):
            target.attributes.append(state)
        else:
            self.given += (target, state)

    def _passed(self, before: int) -> None:
        """Take note of bytes that a value took for itself: they stand between frames."""
        if self._file.tell() == before:
            return
        if self._frame not in (0, before):
            raise Broken("its frames do not end between opcodes")
        self._frame = 0

    def stack_global(self, _: Any) -> None:
        module, name = self._popped(2)
        known = isinstance(module, str) and isinstance(name, str) and " " not in module + name
        self.stack.append(Reference(f"{module} {name}") if known else Unknown("a name that the pickle computes"))

    def extension(self, _: Any) -> None:
        self.stack.append(Unknown("a name from the extension registry"))

    def new_object(self, _: Any) -> None:
        arguments, of_class = self._pop(), self._pop()
        if isinstance(of_class, Reference) and isinstance(arguments, tuple) and (builder := self._classes.get(of_class.name)):
            self.stack.append(self._built(builder, arguments))
        else:
            self.stack.append(self._made_by(of_class, arguments))

    def new_object_named(self, _: Any) -> None:
        named, arguments, of_class = self._pop(), self._pop(), self._pop()
        self.stack.append(self._made_by(of_class, arguments, named))

    def instance(self, name: Any) -> None:
        self.stack.append(self._made_by(Reference(name), *self._since_mark()))

    def make_object(self, _: Any) -> None:
        of_class, *arguments = self._since_mark()
        self.stack.append(self._made_by(of_class, *arguments))

    def empty_set(self, _: Any) -> None:
        self.stack.append(Unknown("a set"))

    def frozen_set(self, _: Any) -> None:
        self.stack.append(self._made_by(Reference("builtins frozenset"), *self._since_mark()))

    def add_items(self, _: Any) -> None:
        values = self._since_mark()
        self.given += (self._top(), *values)

    def byte_array(self, data: Any) -> None:
        self.stack.append(TreeBuffer(bytes(data)))

    def persistent_id(self, _: Any) -> None:
        self.stack.append(self._built(self._persistent, (self._pop(),)))


def _pairs(values: list[object]) -> list[tuple[object, object]]:
    if len(values) % 2:
        raise Broken("its pickle is damaged")
    return [*zip(values[::2], values[1::2], strict=True)]


_ACTIONS: dict[str, Callable[[_TreeWalk, Any], None]] = {
    "PROTO": _TreeWalk.protocol,
    "POP": _TreeWalk.pop,
    "POP_MARK": _TreeWalk.pop_mark,
    "DUP": _TreeWalk.duplicate,
    "TUPLE": _TreeWalk.make_tuple,
    "EMPTY_LIST": _TreeWalk.empty_list,
    "LIST": _TreeWalk.make_list,
    "APPEND": _TreeWalk.append,
    "APPENDS": _TreeWalk.appends,
    "EMPTY_DICT": _TreeWalk.empty_dict,
    "DICT": _TreeWalk.make_dict,
    "SETITEM": _TreeWalk.set_item,
    "SETITEMS": _TreeWalk.set_items,
    "BUILD": _TreeWalk.build,
    "STACK_GLOBAL": _TreeWalk.stack_global,
    "EXT1": _TreeWalk.extension,
    "EXT2": _TreeWalk.extension,
    "EXT4": _TreeWalk.extension,
    "NEWOBJ": _TreeWalk.new_object,
    "NEWOBJ_EX": _TreeWalk.new_object_named,
    "INST": _TreeWalk.instance,
    "OBJ": _TreeWalk.make_object,
    "EMPTY_SET": _TreeWalk.empty_set,
    "FROZENSET": _TreeWalk.frozen_set,
    "ADDITEMS": _TreeWalk.add_items,
    "BYTEARRAY8": _TreeWalk.byte_array,
    "BINPERSID": _TreeWalk.persistent_id,
}


def within(values: Iterable[object], parts: Callable[[object], Iterable[object]] = lambda _: ()) -> Iterator[object]:
    """Yield values and everything inside them, each once. `parts` names what is inside values that the caller made."""
    seen: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, tuple):
            waiting += value
        elif isinstance(value, TreeList):
            waiting += value.items
        elif isinstance(value, TreeDict):
            waiting += value.attributes
            for pair in value.pairs:
                waiting += pair
        else:
            waiting += parts(value)
