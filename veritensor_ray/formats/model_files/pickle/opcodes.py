"""Walks over the opcodes of pickles and follows names through stack and memo. It never builds, imports or calls anything.

The standard library's `pickletools.genops` reads every payload into memory and does not track the stack. Here, payloads are skipped and all
stored data is bounded. A pickle that violates the format is followed as far as its opcodes make sense, because a malicious payload may
precede the place where unpickling fails.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import struct
import sys
from collections.abc import Callable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.pickle.events import (
    PIECE,
    Broken,
    BrokenOff,
    Call,
    Doubtful,
    Event,
    Filled,
    PickleAside,
    PickleText,
    Raw,
    WalkBudget,
)
from veritensor_ray.formats.model_files.pickle.memo import Memo
from veritensor_ray.formats.model_files.pickle.pickle_values import (
    DULL,
    LOST,
    Blob,
    Called,
    Many,
    Name,
    array_layout,
    called,
    is_numeric,
    module_of,
    of_class,
    texts_of,
)
from veritensor_ray.formats.model_files.pickle.stack import Stack

NO_FRAME = sys.maxsize  # beyond any position
HEAD = 1024  # bytes of a string that are kept on the stack
_LONGEST_NAME = 4096
_LINE = bounds.PICKLE_LINE
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_GETATTR = ("builtins.getattr", "__builtin__.getattr")
_ARRAYS = ("joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[^\n])")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", "'": "'", '"': '"'}
_DIGITS = 4300  # which Python converts
_FRACTION = re.compile(rb"\s*[+-]?(\d[\d_]*\.?\d*|\.\d+|inf|nan)(e[+-]?\d+)?\s*", re.IGNORECASE)
_LONGEST_NUMBER = 8  # bytes
_DEEPEST = 200  # arrays of objects within each other; joblib's own calls are nested too deeply sooner
# Numbers that are about nobody; a floating-point number of twelve digits begins with 42 30 or more.
_NUMBERS = re.compile(rb"\((?:[N\x88\x89]|K.|M..|J.{4}|G(?:[^BC].{7}|B[\x00-/].{6}))*+[eu]", re.DOTALL)


class PickleWalk:
    """Walks over one pickle, up to its STOP.

    `texts` says whether strings and bytes are events too. `budget` is the number of operations for examining arrays as if they were
    opcodes; without it, this is not done. After the walk, `faults` counts what a real unpickler would have refused, `operations` the
    opcodes that were understood, and `result` is the value that STOP returns. `aside` takes note of what is not among the events.
    `odd_frames` says that a frame ends inside an opcode or another begins inside it, so that unpicklers may disagree on what follows.
    """

    def __init__(
        self,
        window: ForwardView,
        texts: bool = False,
        budget: WalkBudget | None = None,
        memo: Memo | None = None,
        aside: PickleAside | None = None,
        depth: int = 0,
    ) -> None:
        self._depth = depth
        self._window, self._texts, self._budget = window, texts, budget
        self._stack = Stack()
        self._push, self._pop, self._since_mark = self._stack.push, self._stack.pop, self._stack.since_mark
        self._memo = memo or Memo()
        self._aside = aside or PickleAside()
        self._events: list[Event] = []
        self._rest: tuple[int, int] | None = None  # of a long string: its beginning and the number of bytes left
        self._blob = 0  # bytes of the payload that comes next
        self._raw = False  # whether the payload belongs to an array
        self._nested = False  # whether another pickle follows between two opcodes of this one
        self.frame = NO_FRAME  # where the current frame ends
        self.odd_frames = False
        self.stopped = False
        self.operations = 0
        self.result: object = DULL

    def events(self) -> Iterator[Event]:
        """Yield the events in order. Raises Broken."""
        window, events = self._window, self._events
        while not self.stopped:
            if len(window.data) - window.at < 16 and not window.ensure(16) and window.at == len(window.data):
                raise BrokenOff("it ends without STOP")
            code = window.data[window.at]
            window.at += 1
            try:
                _ACTIONS[code](self)
            except (struct.error, IndexError):
                raise BrokenOff("it ends inside an opcode") from None
            self.operations += 1
            if window.base + window.at >= self.frame:
                self._end_frame()
            if events:
                yield from events
                events.clear()
            if self._rest:
                yield from self._long_text()
            if self._blob or self._nested:
                yield from self._payload()

    def _payload(self) -> Iterator[Event]:
        if self._nested:
            self._nested = False
            if self._depth == _DEEPEST:
                raise Broken("its arrays are nested too deeply")
            yield from PickleWalk(self._window, self._texts, aside=self._aside, depth=self._depth + 1).events()
            return
        size, self._blob = self._blob, 0
        if self._raw:
            self._raw = False
            yield from self._taken_for_opcodes()
        self._skip(size)

    def _taken_for_opcodes(self) -> Iterator[Doubtful]:
        window = self._window.again() if self._budget else None
        if window is None or self._budget is None or self._budget.left <= 0:
            return
        other = PickleWalk(window, memo=self._memo.overlay(), depth=self._depth)
        try:
            for event in other.events():
                if isinstance(event, (Name, Call)):
                    yield Doubtful(event)
                if other.operations > self._budget.left:
                    break
        except Broken:
            pass
        self._budget.left -= other.operations

    @property
    def faults(self) -> int:
        """The number of times that an unpickler would have failed."""
        return self._stack.faults

    @property
    def memoized(self) -> int:
        """The number of values in the memo."""
        return self._memo.count

    # marks

    def _mark(self) -> None:
        window = self._window
        run = _NUMBERS.match(window.data, window.at - 1)
        if run:  # a run of numbers that goes into the list or dict below; big pickles consist mainly of such runs
            window.at = run.end()
            if not self._stack.top:
                self._stack.faults += 1
            return
        self._stack.mark()

    def _dull(self) -> None:
        self._push(DULL)

    def _duplicate(self) -> None:
        value = self._pop()
        self._push(value)
        self._push(value)

    # numbers and lines

    def _number(self, form: str, size: int) -> int:
        window = self._window
        value: int = struct.unpack_from(form, window.data, window.at)[0]
        window.at += size
        return value

    def _int(self, form: str, size: int) -> None:
        self._integral(self._number(form, size))

    def _float(self) -> None:
        self._personal(self._number(">d", 8))
        self._push(DULL)

    def _skip(self, size: int) -> None:
        if not self._window.skip(size):
            raise BrokenOff("it ends inside a value")

    def _long(self, form: str, size: int) -> None:
        length = self._number(form, size)
        if length < 0:
            raise Broken("a number has a negative length")
        if length > _LONGEST_NUMBER:  # other numbers are too short for text
            self._aside.unread(self._window.position, self._window.position + length)
        if length <= HEAD:
            data = self._window.take(length)
            if len(data) < length:
                raise BrokenOff("it ends inside a value")
            self._integral(int.from_bytes(data, "little", signed=True))
        else:
            self._skip(length)
            self._push(DULL)

    def _line(self, keep: int = 4096) -> bytes:
        start = self._window.position
        line, length, ended = self._window.line(keep)
        if not ended:
            raise BrokenOff("it ends inside a line")
        if length > keep:
            self._aside.unread(start + keep, self._window.position)
        return line

    def _name_line(self) -> str:
        """Return a part of a name. Python's own unpickler in Python takes the end of the file for that of a line, and drops a character."""
        start = self._window.position
        line, length, ended = self._window.line(_LONGEST_NAME)
        if length > _LONGEST_NAME:
            self._aside.unread(start + _LONGEST_NAME, self._window.position)
        return (line if ended else line[:-1]).decode("utf-8", "replace")

    def _refused(self, start: int) -> None:
        """Note a line on which an unpickler would fail."""
        self._stack.faults += 1
        self._aside.unread(start, self._window.position)

    def _decimal(self) -> None:
        self._integral(self._integer(0))

    def _long_decimal(self) -> None:
        self._integral(self._integer(0, b"L"))

    def _integral(self, value: int) -> None:
        self._personal(value)
        self._push(value)

    def _personal(self, value: float) -> None:
        """Give a number as a text if it may be about a person."""
        if self._texts and (text := number_text(value)):
            self._events.append(PickleText(text, None))

    def _integer(self, base: int, suffix: bytes = b"") -> int:
        """Return the number of a line, or 0 if it is something else. What follows a NUL does not count, as the unpickler in C has it."""
        start = self._window.position
        line = self._line(_LINE).split(b"\0")[0].strip().removesuffix(suffix)
        if not base and not suffix and line.isdigit():
            base = 8 if line[:1] == b"0" else 10  # as C reads a number
        try:
            return int(line[: _DIGITS + 1], base)  # Python refuses longer ones
        except ValueError:
            self._refused(start)
            return 0

    def _fraction(self) -> None:
        start = self._window.position
        line = self._line()
        if _FRACTION.fullmatch(line):
            with contextlib.suppress(ValueError):  # two underscores in a row
                self._personal(float(line))
        else:
            self._refused(start)
        self._push(DULL)

    # strings and bytes

    def _text(self, form: str, size: int) -> None:
        length = self._number(form, size)
        if length < 0:
            raise Broken("a string has a negative length")
        offset = self._window.position
        if not self._texts or length <= PIECE:
            self._short_text(length, offset)
            return
        self._window.ensure(HEAD)
        self._push(self._window.data[self._window.at : self._window.at + HEAD].decode("utf-8", "replace"))
        self._rest = (offset, length)

    def _short_text(self, length: int, offset: int) -> None:
        data = self._window.take(length if self._texts else min(length, HEAD))
        text = data.decode("utf-8", "replace")
        if self._texts:
            self._events.append(PickleText(text, offset))
            self._push(text[:HEAD])
        else:
            self._push(text)
            if length > HEAD:
                self._skip(length - len(data))
        if len(data) < min(length, HEAD):
            raise BrokenOff("it ends inside a string")

    def _long_text(self) -> Iterator[PickleText]:
        offset, left = self._rest or (0, 0)
        self._rest = None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        start = 0
        while left:
            data = self._window.take(min(PIECE, left))
            if not data:
                raise BrokenOff("it ends inside a string")
            left -= len(data)
            text = decoder.decode(data, left == 0)
            yield PickleText(text, offset if not start else None, start)
            start += len(text)

    def _text_line(self, literal: bool) -> None:
        """Read a string of protocol 0; with `literal`, a Python 2 string literal."""
        offset = self._window.position
        line = self._line(_LINE if self._texts else HEAD)
        if literal and not _is_quoted(line):
            self._stack.faults += 1
        text = _unquoted(line) if literal else line.decode("raw-unicode-escape", "replace")
        if self._texts:
            self._events.append(PickleText(text, None if b"\\" in line else offset + literal))
        self._push(text[:HEAD])

    def _bytes(self, form: str, size: int) -> None:
        length = self._number(form, size)
        if length < 0:
            raise Broken("a bytes value has a negative length")
        window = self._window
        window.ensure(min(length, HEAD))
        types = [value for value in self._stack.top[-2:] if isinstance(value, Called)] if self._texts else []
        numbers = any(map(is_numeric, types)) or str(self._stack.below()) in _FROM_BUFFER
        head = window.data[window.at : window.at + min(length, 64)]
        value = Blob(window.position, length, head, next(map(texts_of, types), ""), numbers)
        if window.size is not None and window.position + length > window.size:
            self._push(value)
            raise BrokenOff("it ends inside a value")
        if self._texts:
            self._events.append(value)
        self._push(value)
        self._blob = length

    # containers

    def _empty(self, kind: str) -> None:
        self._push(Many(kind))

    def _collect(self, kind: str) -> None:
        found = Many(kind)
        found.extend(self._since_mark())
        self._push(found)

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        found = Many("tuple")
        found.extend(reversed(items))
        self._push(found)

    def _add(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._into(items[::-1])

    def _add_marked(self) -> None:
        self._into(self._since_mark())

    def _into(self, items: list[object]) -> None:
        if not self._stack.top:
            self._stack.faults += 1
        elif isinstance(top := self._stack.top[-1], Many):
            top.extend(items)
        elif not isinstance(top, Called):
            given = Many("tuple")
            given.extend(items)
            self._events.append(Filled(top, given, self._window.position, "items"))

    # memo

    def _put(self, index: int) -> None:
        if self._stack.top:
            self._memo.put(index, self._stack.top[-1])
        else:
            self._stack.faults += 1

    def _memoize(self) -> None:
        self._put(self._memo.count)

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._stack.faults += 1
        self._push(self._memo.get(index))

    # names and calls

    def _name(self, module: object, name: object, offset: int) -> None:
        known = isinstance(module, str) and isinstance(name, str)
        found = Name(str(module) if known else "?", str(name) if known else "?", offset, self._window.position, known)
        self._events.append(found)
        self._push(found)

    def _global(self) -> None:
        offset = self._window.position - 1
        module, name = self._name_line(), self._name_line()
        self._name(module, name, offset)

    def _stack_global(self) -> None:
        offset = self._window.position - 1
        name, module = self._pop(), self._pop()
        self._name(module, name, offset)

    def _instance(self) -> None:
        offset = self._window.position - 1
        module, name = self._name_line(), self._name_line()
        args = Many("tuple")
        args.extend(self._since_mark())
        self._name(module, name, offset)
        self._call(self._pop(), args, new=not args.items)

    def _extension(self, form: str, size: int) -> None:
        offset = self._window.position - 1
        found = Name("copyreg extension", str(self._number(form, size)), offset, self._window.position, False)
        self._events.append(found)
        self._push(found)

    def _object(self) -> None:
        items = self._since_mark()
        if not items:
            self._stack.faults += 1
        args = Many("tuple")
        args.extend(items[1:])
        self._call(items[0] if items else DULL, args, new=not args.items)

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        self._call(function, args)

    def _new(self) -> None:
        args, function = self._pop(), self._pop()
        self._call(function, args, new=True)

    def _new_with_names(self) -> None:
        names = self._pop()
        args, function = self._pop(), self._pop()
        both = Many("tuple")
        both.extend((*(args.items if isinstance(args, Many) else (args,)), *(names.items if isinstance(names, Many) else (names,))))
        self._call(function, both, new=True)

    def _call(self, function: object, args: object, new: bool = False) -> None:
        self._events.append(Call(function, args, self._window.position, new))
        if not self._attribute(function, args):
            self._push(called(function, args))

    def _attribute(self, function: object, args: object) -> bool:
        """Push the name that `getattr` makes of another and an attribute. Return whether it is such a call."""
        if not isinstance(function, Name) or function.name != "getattr" or str(function) not in _GETATTR:
            return False
        items = args.items if isinstance(args, Many) else []
        if len(items) != 2 or not isinstance(items[0], Name) or not items[0].resolved or not isinstance(items[1], str):
            return False
        owner = items[0].name
        self._name(items[0].module, f"{owner}.{items[1]}" if len(owner) < _LONGEST_NAME else LOST, self._window.position - 1)
        return True

    def _build(self) -> None:
        state = self._pop()
        if not self._stack.top:
            self._stack.faults += 1
            return
        target = self._stack.top[-1]
        self._events.append(Filled(target, state, self._window.position, "state"))
        if not isinstance(target, Called):
            return
        maker = of_class(target)
        if maker == "numpy.dtype" or maker in _ARRAYS:
            target.state = state
        if maker in _ARRAYS:
            self._array(target)

    def _array(self, wrapper: Called) -> None:
        """Process the raw bytes or the pickle that follows a wrapper; `Pickles` walks through the pickle."""
        if self._window.position >= self.frame:  # joblib writes the bytes behind a frame
            self._end_frame()
        layout = array_layout(wrapper)
        if layout is None:
            raise Broken("an array has an unknown size")
        if layout.pickled:
            self._nested = True
            return
        if layout.padded:
            self._skip(self._number("<B", 1))
        if self._texts:
            self._events.append(Raw(self._window.position, layout.size, wrapper))
        self._blob, self._raw = layout.size, True

    def _persistent(self) -> None:
        offset, line = self._window.position, self._line()
        if self._texts:
            self._events.append(PickleText(line.decode("latin-1"), offset))
        self._aside.persistent(line)
        self._push(LOST)

    def _persistent_value(self) -> None:
        value = self._pop()
        if module := module_of(value):
            self._push(module)
            return
        self._aside.persistent(value)
        self._push(LOST)

    def _protocol(self) -> None:
        if self._number("<B", 1) > 5:
            self._stack.faults += 1

    def _stop(self) -> None:
        self.result = self._pop()
        self.stopped = True

    def _begin_frame(self) -> None:
        size = self._number("<Q", 8)
        self.odd_frames = self.odd_frames or self.frame != NO_FRAME
        self.frame = self._window.position + size

    def _end_frame(self) -> None:
        self.odd_frames = self.odd_frames or self._window.position > self.frame
        self.frame = NO_FRAME

    def _nothing(self) -> None:
        """Do nothing: the opcode changes neither the stack nor the memo."""

    def _unknown(self) -> None:
        raise Broken("a byte is not an opcode")


def _is_quoted(line: bytes) -> bool:
    line = line.strip(b"\r ")
    return len(line) > 1 and line[:1] == line[-1:] and line[:1] in (b"'", b'"')


def _unquoted(line: bytes) -> str:
    """Return the text of a Python 2 string literal. Python's codec warns about an invalid escape, or refuses the whole line."""
    line = line.strip(b"\r ")
    text = (line[1:-1] if _is_quoted(line) else line).decode("latin-1")
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped[0] == "x" and len(escaped) > 1:
        return chr(int(escaped[1:], 16))
    if escaped[0] in "01234567":
        return chr(int(escaped, 8) & 0xFF)
    return _SIMPLE.get(escaped, match[0])


# The action for each opcode, created once because walks are begun for many strings that might be pickles.
_Walk = PickleWalk
_NAMED: dict[str, Callable[[PickleWalk], None]] = {
    "N": _Walk._dull, "\x88": _Walk._dull, "\x89": _Walk._dull, "G": _Walk._float, "F": _Walk._fraction, "\x97": _Walk._dull, "\x98": _Walk._nothing,
    "J": lambda w: w._int("<i", 4), "K": lambda w: w._int("<B", 1), "M": lambda w: w._int("<H", 2), "I": _Walk._decimal, "L": _Walk._long_decimal,
    "\x8a": lambda w: w._long("<B", 1), "\x8b": lambda w: w._long("<i", 4),
    "\x8c": lambda w: w._text("<B", 1), "X": lambda w: w._text("<I", 4), "\x8d": lambda w: w._text("<Q", 8),
    "U": lambda w: w._text("<B", 1), "T": lambda w: w._text("<i", 4),
    "V": lambda w: w._text_line(False), "S": lambda w: w._text_line(True),
    "C": lambda w: w._bytes("<B", 1), "B": lambda w: w._bytes("<I", 4), "\x8e": lambda w: w._bytes("<Q", 8), "\x96": lambda w: w._bytes("<Q", 8),
    "]": lambda w: w._empty("list"), ")": lambda w: w._empty("tuple"), "}": lambda w: w._empty("dict"), "\x8f": lambda w: w._empty("set"),
    "(": lambda w: w._mark(), "l": lambda w: w._collect("list"), "t": lambda w: w._collect("tuple"), "d": lambda w: w._collect("dict"),
    "\x91": lambda w: w._collect("set"), "\x85": lambda w: w._tuple(1), "\x86": lambda w: w._tuple(2), "\x87": lambda w: w._tuple(3),
    "a": lambda w: w._add(1), "s": lambda w: w._add(2), "e": _Walk._add_marked, "u": _Walk._add_marked, "\x90": _Walk._add_marked,
    "0": lambda w: w._stack.pop_or_mark(), "1": lambda w: (w._since_mark(), None)[1], "2": _Walk._duplicate,
    "p": lambda w: w._put(w._integer(10)), "q": lambda w: w._put(w._number("<B", 1)), "r": lambda w: w._put(w._number("<I", 4)),
    "g": lambda w: w._get(w._integer(10)), "h": lambda w: w._get(w._number("<B", 1)), "j": lambda w: w._get(w._number("<I", 4)),
    "\x94": _Walk._memoize, "c": _Walk._global, "i": _Walk._instance, "\x93": _Walk._stack_global,
    "\x82": lambda w: w._extension("<B", 1), "\x83": lambda w: w._extension("<H", 2), "\x84": lambda w: w._extension("<i", 4),
    "R": _Walk._reduce, "b": _Walk._build, "o": _Walk._object, "\x81": _Walk._new, "\x92": _Walk._new_with_names,
    "P": _Walk._persistent, "Q": _Walk._persistent_value, "\x80": _Walk._protocol, ".": _Walk._stop, "\x95": lambda w: w._begin_frame(),
}  # fmt: skip
_ACTIONS = tuple(_NAMED.get(chr(code), _Walk._unknown) for code in range(256))
