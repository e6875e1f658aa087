"""Makes pickles for the comparison: sequences of opcodes that are mostly valid, and then damaged. The same seed gives the same bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

MODULES = ("os", "m", "n.k", "builtins", "compute", "__main__", "copy_reg", "\u00e9")
NAMES = ("system", "f", "g.h", "Klass", "text", "a<b", "")
TEXTS = (*MODULES, *NAMES, "x y", "\\", "'", '"', "\ud800", "\n", "\r", "\0", "u0041", "\\u0041", "0x10")
NUMBERS = (
    "0",
    "1",
    "2",
    "7",
    "00",
    "01",
    "010",
    "0x2",
    "0b1",
    "+1",
    "-1",
    " 1",
    "1 ",
    "1_0",
    "\t1",
    "1\0x",
    "1\r",
    "1L",
    "",
    "x",
    "9" * 30,
    " " * 5000 + "1",
)
FRACTIONS = ("0", "1.5", "1e5", "nan", "-inf", "1_0.5", "x", "1\0", " 1 ", "")
EXTENSIONS = {7: ("m", "seven"), 300: ("n.k", "three"), 70_000: ("os", "system")}
_SIZES = (0, 1, 2, 3, 5, 16)
_WRONG = (0, 1, 255, 256, 65_536, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 62, 1 << 63, (1 << 64) - 1)


class Mixture:
    """One pickle under construction: its bytes, a rough picture of the stack (a letter for each value), and the memo."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._wild = chance.choice((0, 0, 0, 0.01, 0.05, 0.1))  # how often something is wrong on purpose
        self.data = bytearray()
        self._stack: list[str] = []
        self._memo: dict[int, str] = {}

    def made(self) -> bytes:
        """Return the pickle, usually ended by a STOP that has something to return."""
        chance = self._chance
        if chance.random() < 0.7:
            self.data += b"\x80" + bytes([chance.choice((6, 200) if self._odd() else (0, 1, 2, 3, 4, 4, 4, 5))])
        for _ in range(chance.choice((3, 8, 20, 40))):
            self._step()
        if not self._stack or self._stack[-1] == "(":
            self.data += b"N"
        if chance.random() < 0.95:
            self.data += b"."
        return bytes(self.data)

    def _step(self) -> None:
        chance = self._chance
        kind = chance.random()
        if self._odd():
            self.data += bytes([chance.choice(b"0123()]}eusabRioctldQPg\x81\x85\x86\x87\x8f\x90\x91\x92\x93\x94\x98")])
        elif kind < 0.45 or not self._stack:
            chance.choice(_PUSHING)(self)
        else:
            chance.choice(_USING)(self)

    def _odd(self) -> bool:
        return self._chance.random() < self._wild

    def _text_of(self) -> str:
        chance = self._chance
        return chance.choice(TEXTS) if chance.random() < 0.5 else chance.choice(MODULES + NAMES)

    def _length(self, form: str, true: int) -> bytes:
        wrong = self._odd()
        bits = 8 * struct.calcsize(form)
        return ((self._chance.choice(_WRONG) if wrong else true) & ((1 << bits) - 1)).to_bytes(bits // 8, "little")

    def push(self, data: bytes, kind: str) -> None:
        """Add opcodes that push a value."""
        self.data += data
        self._stack.append(kind)

    # values

    def constant(self) -> None:
        """Push None, a truth value or an empty container."""
        code, kind = self._chance.choice(
            ((b"N", "n"), (b"\x88", "n"), (b"\x89", "n"), (b"]", "l"), (b"}", "d"), (b")", "t"), (b"\x8f", "e"), (b"\x97", "n"))
        )
        self.push(code, kind)

    def number(self) -> None:
        """Push a number in one of its forms."""
        chance = self._chance
        line = chance.choice(NUMBERS if self._wild else NUMBERS[:5]).encode()
        long = chance.randbytes(chance.choice((0, 1, 9)))
        self.push(
            chance.choice((
                b"K" + chance.randbytes(1), b"M" + chance.randbytes(2), b"J" + chance.randbytes(4), b"G" + chance.randbytes(8), b"I" + line + b"\n", b"L" + line + b"\n",
                b"F" + chance.choice(FRACTIONS if self._wild else FRACTIONS[:5]).encode() + b"\n", b"\x8a" + self._length("B", len(long)) + long, b"\x8b" + self._length("i", len(long)) + long,
            )),
            "n",
        )  # fmt: skip

    def text(self) -> None:
        """Push a text in one of its forms."""
        chance, text = self._chance, self._text_of()
        data = text.encode("utf-8", "surrogatepass")
        raw = text.encode("raw-unicode-escape", "surrogatepass" if "\ud800" in text else "strict") if text != "\ud800" else b"\\ud800"
        quote = chance.choice((b"'", b'"', b"''", b"' ", b"")) if self._odd() else b"'"
        literal = chance.choice((repr(text)[1:-1].encode("latin-1", "replace"), raw, b"\\x6f\\163", b"\\q", b"\\400", b"o\\x7", b"\\"))
        self.push(
            chance.choice((
                b"\x8c" + self._length("B", len(data)) + data, b"\x8c" + self._length("B", len(data)) + data, b"X" + self._length("I", len(data)) + data,
                b"\x8d" + self._length("Q", len(data)) + data, b"U" + self._length("B", len(data)) + data, b"T" + self._length("i", len(data)) + data,
                b"V" + raw + chance.choice((b"", b"\r", b"\\u006f", b"\\\\u006f", b"\\U0000006f", b"\\u00")) + b"\n", b"S" + quote + literal + quote + b"\n",
            )),
            "s",
        )  # fmt: skip

    def blob(self) -> None:
        """Push bytes."""
        chance = self._chance
        data = chance.choice((b"N.", b"cos\nsystem\n.", chance.randbytes(chance.choice(_SIZES))))
        form, code = chance.choice((("B", b"C"), ("I", b"B"), ("Q", b"\x8e"), ("Q", b"\x96")))
        self.push(code + self._length(form, len(data)) + data, "b")

    def name(self) -> None:
        """Push a name in one of its forms."""
        chance = self._chance
        module, name = chance.choice(MODULES), chance.choice(NAMES)
        end = chance.choice((b"\n", b"\n", b"\n", b"\n", b"\r\n"))
        if chance.random() < 0.5:
            self.push(b"c" + module.encode() + end + name.encode() + end, "c")
        elif chance.random() < 0.8:
            texts = (b"\x8c" + bytes([len(part.encode())]) + part.encode() for part in (module, name))
            self.push(chance.choice((b"", b"", b"N0")).join(texts) + b"\x93", "c")
        else:
            code = chance.choice((9, 0) if self._odd() else tuple(EXTENSIONS))
            self.push(
                b"\x82" + bytes([code])
                if code < 256
                else b"\x83" + struct.pack("<H", code)
                if code < 65_536
                else b"\x84" + struct.pack("<i", code),
                "c",
            )

    def mark(self) -> None:
        """Push a mark."""
        self.push(b"(", "(")

    def frame(self) -> None:
        """Begin a frame of a size that seldom fits."""
        size = self._chance.choice((0, 1, 4, 4, 10, 30)) if not self._odd() else self._chance.choice(_WRONG)
        self.data += b"\x95" + struct.pack("<Q", size)

    def fetch(self) -> None:
        """Push a memoized value."""
        chance = self._chance
        if not self._memo and not self._odd():
            self.name()
            return
        index = chance.choice(list(self._memo)) if self._memo and not self._odd() else chance.choice((0, 3, 255, 256))
        forms = [
            b"g" + chance.choice(("%d", "+%d", " %d", "%d ", "0%d", "%d\0x" if self._wild else "%d")).encode() % index + b"\n",
            b"j" + struct.pack("<I", index),
        ]
        self.push(chance.choice([*forms, b"h" + bytes([index])] if index < 256 else forms), self._memo.get(index, "?"))

    # what uses values

    def store(self) -> None:
        """Memoize the value on top."""
        chance = self._chance
        index = chance.choice((len(self._memo), len(self._memo), 0, 1, 7, 300, 5000))
        form = chance.random()
        if form < 0.5:
            self.data += b"\x94"
            index = len(self._memo)
        elif form < 0.65 and index < 256:
            self.data += b"q" + bytes([index])
        elif form < 0.8:
            self.data += b"r" + struct.pack("<I", index)
        else:
            self.data += (
                b"p"
                + chance.choice(("%d", "%d", "+%d", " %d", "%d\0x", "0%d", "-%d") if self._wild else ("%d", "+%d")).encode() % index
                + b"\n"
            )
        self._memo[index] = self._stack[-1]

    def call(self) -> None:
        """Call something with arguments."""
        chance = self._chance
        if self._stack[-1] not in "co" or chance.random() < 0.3:
            self.name()
        form = chance.randrange(6)
        if form < 2:
            self._arguments()
            self.data += chance.choice((b"R", b"R", b"\x81"))
            del self._stack[-2:]
        elif form == 2:
            self._arguments()
            self.push(b"}", "d")
            self.data += b"\x92"
            del self._stack[-3:]
        elif form == 3:
            function = self._stack.pop()
            self.data += b"0("
            self.push(chance.choice((b"h\x00", b"cm\nf\n")) if function == "?" else b"cm\nf\n", "c")
            self.constant()
            self.data += b"o"
            del self._stack[-2:]
        elif form == 4:
            self.data += (
                b"("
                + chance.choice((b"", b"N", b"K\x01"))
                + b"i"
                + chance.choice(MODULES[:-1]).encode()
                + b"\n"
                + chance.choice(NAMES).encode()
                + b"\n"
            )
        else:
            self.constant()
            self.data += b"b"
            self._stack.pop()
            self._stack.pop()
        self._stack.append("o")

    def _arguments(self) -> None:
        self.push(
            self._chance.choice((b")", b"N\x85", b"\x8c\x02os\x85", b"(K\x01K\x02t", b"\x8c\x01a\x8c\x01b\x86", b"NNN\x87", b"]")), "t"
        )

    def collect(self) -> None:
        """Make a container of what stands above the last mark."""
        if "(" in self._stack:
            at = len(self._stack) - 1 - self._stack[::-1].index("(")
            code, kind = self._chance.choice(
                ((b"t", "t"), (b"l", "l"), (b"d", "d"), (b"\x91", "e"), (b"1", ""), (b"e", "-"), (b"u", "-"), (b"\x90", "-"), (b"o", "o"))
            )
            del self._stack[at:]
            self.data += code
            if kind not in ("", "-"):
                self._stack.append(kind)
        else:
            count = self._chance.randrange(1, 4)
            if len(self._stack) >= count:
                del self._stack[-count:]
                self.push(bytes([0x84 + count]), "t")

    def add(self) -> None:
        """Add to what lies below, which is usually a container."""
        chance = self._chance
        code = chance.choice((b"a", b"s", b"e", b"u", b"\x90"))
        marked = b"(" if code in (b"e", b"u", b"\x90") else b""
        self.data += marked + chance.choice((b"N", b"K\x01K\x02", b"\x8c\x01kN", b"cm\nf\nN", b"(K\x01e", b"")) + code

    def shuffle(self) -> None:
        """Duplicate or drop the value on top."""
        if self._chance.random() < 0.5:
            self.data += b"2"
            self._stack.append(self._stack[-1])
        else:
            self.data += b"0"
            self._stack.pop()

    def persistent(self) -> None:
        """Refer to something outside the pickle."""
        if self._chance.random() < 0.5:
            self.push(b"P" + self._text_of().encode("utf-8", "replace").replace(b"\n", b"") + b"\n", "o")
        else:
            self.data += b"Q"
            self._stack[-1] = "o"

    def computed(self) -> None:
        """Refer to a name whose parts are the results of calls."""
        module = b"ccompute\ntext\n)R" if self._chance.random() < 0.5 else b"\x8c\x02os"
        self.push(module + b"ccompute\ntext\n)R\x93", "c")


_PUSHING: tuple[Callable[[Mixture], None], ...] = (
    Mixture.constant, Mixture.number, Mixture.text, Mixture.text, Mixture.blob, Mixture.name, Mixture.name, Mixture.mark, Mixture.frame, Mixture.fetch, Mixture.fetch,
    Mixture.computed,
)  # fmt: skip
_USING: tuple[Callable[[Mixture], None], ...] = (
    Mixture.store, Mixture.store, Mixture.call, Mixture.call, Mixture.call, Mixture.collect, Mixture.collect, Mixture.add, Mixture.shuffle, Mixture.persistent,
)  # fmt: skip


def mixture(seed: int) -> bytes:
    """Return one pickle, or two in a row, that may be damaged."""
    chance = random.Random(seed)
    data = Mixture(chance).made()
    if chance.random() < 0.1:
        data += Mixture(chance).made()
    if chance.random() < 0.25:
        data = _damaged(data, chance)
    return data


def _damaged(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(found)) if found else 0
        form = chance.randrange(6)
        if form == 0 and found:
            found[at] ^= 1 << chance.randrange(8)
        elif form == 1 and found:
            found[at] = chance.choice(b"()0123.\n\r\0'\\Rcbos\x93\x94\x95")
        elif form == 2:
            found[at:at] = chance.choice((b"(", b"0", b"2", b"\n", b"N", b"\x95" + bytes([9]) + bytes(7), b"cm\nf\n", b")R", b"."))
        elif form == 3:
            del found[at : at + chance.choice((1, 2, 8))]
        elif form == 4:
            found[at:at] = found[chance.randrange(at + 1) : at]
        else:
            del found[at:]
    return bytes(found)
