"""Derives, for each string of a rule, a pattern of words that occur in all its matches and of the bytes that follow them.

An automaton searches for this pattern, and the rule itself runs only where it matches. The pattern may match more than the string, but
never less.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.engines.regex_syntax import operations as sre
from veritensor_ray.engines.regex_syntax import parse

MOST = 48  # most words that combining alternative parts may produce
_WIDEST = 80  # most characters in the class of a gap: larger classes make up nearly all text
_ENDS = frozenset(b"\n>")  # a gap that excludes one of these ends soon
_CHAIN = 4
_MANY = 1 << 16
_FEW = 8  # most characters in a gap whose length is counted exactly
LEAST = 4  # bytes of a word
_RARE = 17.0
_ENOUGH = 11.5  # bits: one match in many megabytes, so that shorter words would only cost time
_ALL = frozenset(range(256))
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_CATEGORIES = {
    sre.CATEGORY_DIGIT: frozenset(b"0123456789"),
    sre.CATEGORY_WORD: _WORD,
    sre.CATEGORY_SPACE: frozenset(b" \t\n\r\f\v"),
    sre.CATEGORY_NOT_DIGIT: _ALL - frozenset(b"0123456789"),
    sre.CATEGORY_NOT_WORD: _ALL - _WORD,
    sre.CATEGORY_NOT_SPACE: _ALL - frozenset(b" \t\n\r\f\v"),
}
_STRING = re.compile(r"^\s*\$\w*\s*=\s*(?:/(?P<regex>.*)/(?P<flags>[is]*)|\"(?P<words>.*)\")(?P<more>(?:[ ]\w+)*)\s*$")


_COMMON = frozenset(
    b"the and for not from you this that with have had has are was will can may must should would shall let else return turn import class self def true"
    b" false none name file path text data type value list dict string object output input state assert mode code key user use used set get add run call"
    b" called calling new all any only other than then when where which while without within about after before between into over under more most each"
    b" every some such also just now how what who your our their its http: https: http:/ https:/ html request function method module python system"
    b" context content contents message error test example version default required following follow line number note see time first last one two print"
    b" start end open read write copy create make host help needs support security license public private application service model image page link"
    b" document documents section action field index token config options update install include response reply server client".split()
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A byte pattern in the syntax that Hyperscan, Python and YARA share. `bits` is the logarithm (base 2) of its rarity."""

    pattern: bytes
    caseless: bool
    bits: float


@dataclass(frozen=True, slots=True)
class _Words:
    """One of these words occurs here."""

    words: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Characters of a class occur here: any number, or at least `one`, and at most `most`."""

    among: frozenset[int]
    one: bool = False
    most: int = _MANY


@dataclass(frozen=True, slots=True)
class _Within:
    """Something that contains this part, which begins with one of the words, occurs here."""

    bits: float
    pattern: bytes
    among: frozenset[int] = _ALL
    starts: tuple[_Within | None, ...] = ()  # parts to search first, by the number of bytes in a row: `LEAST`, one fewer, two fewer


class _Edge:
    """A word begins or ends here."""


_Piece = _Words | _Gap | _Within | _Edge


def of_string(line: str) -> Fragment | None:
    """Return the fragment of a line `$name = …` of a rule's strings, or None if no part is certain to occur."""
    found = _STRING.match(line)
    if found is None:
        return None
    more = set(found["more"].split())
    if found["regex"] is not None:
        return None if more else _of_regex(found["regex"], "i" in found["flags"])
    words = found["words"].replace('\\"', '"').replace("\\\\", "\\").encode()
    if "\\" in found["words"].replace('\\"', "").replace("\\\\", "") or more - {"nocase", "base64", "ascii"}:
        return None
    if "base64" in more:
        return _fragment([_Words(frozenset(_encoded(words)))], False)
    return _fragment([_Words(frozenset([words.lower() if "nocase" in more else words]))], "nocase" in more)


def _encoded(words: bytes) -> Iterator[bytes]:
    """Yield, for each of the three alignments, the base64 characters that do not depend on the surrounding bytes."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + words).rstrip(b"=")
        yield whole[(0, 2, 3)[before] : len(whole) - ((before + len(words)) % 3 > 0)]


def _of_regex(source: str, caseless: bool) -> Fragment | None:
    try:
        return _fragment(_pieces(parse(source.encode()), caseless), caseless)
    except (re.error, _UnknownPart):
        return None


class _UnknownPart(Exception):
    """Raised for a pattern that YARA lacks or that this module does not handle."""


def _fragment(pieces: Sequence[_Piece], caseless: bool) -> Fragment | None:
    """Return the best fragment. A longer first word is found faster, so a short one is used only if all others are too common."""
    best: _Within | None = None
    for least in (LEAST, LEAST - 1, 2):
        found = _best(pieces, caseless, least)
        if found and (best is None or found.bits > best.bits + 3):
            best = found
        if best and best.bits > _ENOUGH:
            break
    return Fragment(best.pattern, caseless, best.bits) if best else None


def _pieces(parsed: Any, caseless: bool, before: _Piece | None = None) -> list[_Piece]:
    """Return a parsed pattern as a sequence of pieces. `before` is the piece that precedes it."""
    pieces: list[_Piece] = [before] if before else []
    for operation, argument in parsed:
        if operation is sre.BRANCH and pieces and isinstance(pieces[-1], _Words):
            first: _Piece | None = pieces.pop()  # the parser moves the common prefix of branches in front of them
        else:
            first = pieces[-1] if pieces else None
        for piece in _of(operation, argument, caseless, first):
            last = pieces[-1] if pieces else None
            if isinstance(piece, _Words) and isinstance(last, _Words) and len(piece.words) * len(last.words) <= MOST:
                pieces[-1] = _Words(frozenset(a + b for a in last.words for b in piece.words))
            else:
                pieces.append(piece)
    return pieces[1:] if before and pieces[0] is before else pieces


def _of(operation: Any, argument: Any, caseless: bool, first: _Piece | None) -> Sequence[_Piece]:
    if operation is sre.LITERAL:
        return [_Words(frozenset([bytes([argument]).lower() if caseless else bytes([argument])]))]
    if operation is sre.NOT_LITERAL:
        return [_Gap(_ALL - {argument}, True, 1)]
    if operation is sre.ANY:
        return [_Gap(_ALL, True, 1)]
    if operation is sre.IN:
        return _of_class(_class(argument), caseless)
    if operation is sre.AT:
        return [_Edge()] if argument is sre.AT_BOUNDARY else []
    if operation is sre.SUBPATTERN:
        return _pieces(argument[3], caseless, first if isinstance(first, _Edge | _Gap) else None)
    if operation is sre.BRANCH:
        return _of_branches(argument[1], caseless, first)
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return _repeated(argument[0], argument[1], _pieces(argument[2], caseless))
    raise _UnknownPart(str(operation))


def _class(items: Any) -> frozenset[int]:
    among: set[int] = set()
    for operation, argument in items:
        if operation is sre.LITERAL:
            among.add(argument)
        elif operation is sre.RANGE:
            among.update(range(argument[0], argument[1] + 1))
        elif operation is sre.CATEGORY:
            among |= _CATEGORIES[argument]
        elif operation is not sre.NEGATE:
            raise _UnknownPart(str(operation))
    return _ALL - among if items and items[0][0] is sre.NEGATE else frozenset(among)


def _of_class(among: frozenset[int], caseless: bool) -> Sequence[_Piece]:
    if len(among) > 3:
        return [_Gap(among, True, 1)]
    return [_Words(frozenset(bytes([c]).lower() if caseless else bytes([c]) for c in among))]


def _repeated(least: int, most: int, inner: list[_Piece]) -> Sequence[_Piece]:
    words = inner[0].words if len(inner) == 1 and isinstance(inner[0], _Words) else frozenset()
    if words and (least, most) == (0, 1) and len(words) < MOST:
        return [_Words(words | {b""})]
    if least == most and len(words) == 1:
        return [_Words(frozenset(word * least for word in words))]
    if len(inner) == 1 and isinstance(inner[0], _Gap):
        return [_Gap(inner[0].among, inner[0].one and least > 0, min(_MANY, inner[0].most * most))]
    if least == 0:
        return [_Gap(_characters(inner))]
    again = [_Gap(_characters(inner)), *(piece for piece in inner[-1:] if isinstance(piece, _Gap))]
    return [*inner, *again] if most > 1 else inner


def _of_branches(alternatives: Any, caseless: bool, first: _Piece | None) -> Sequence[_Piece]:
    """Return the pieces of a branch. `first` precedes each alternative: words become part of them, other pieces are only context."""
    head: list[_Piece] = [first] if isinstance(first, _Words) else []
    branches = [_joined(head, _pieces(one, caseless, first if isinstance(first, _Edge | _Gap) else None)) for one in alternatives]
    plain = [[piece for piece in branch if not isinstance(piece, _Edge)] for branch in branches]
    if all((len(branch) == 1 and isinstance(branch[0], _Words)) or not branch for branch in plain):
        words = frozenset(itertools.chain.from_iterable(one.words for branch in plain for one in branch if isinstance(one, _Words)))
        words |= {b""} if not all(plain) else frozenset()
        return [_Words(words)]
    around = _Gap(frozenset().union(*map(_characters, branches)))
    seen = [[first, *branch] if isinstance(first, _Edge) or (isinstance(first, _Gap) and first.one) else branch for branch in branches]
    link = _any_of([_best(branch, caseless, 1) for branch in seen])
    if link is None:
        return [around]
    starts = tuple(_any_of([_best(branch, caseless, least) for branch in seen]) for least in (LEAST, LEAST - 1, LEAST - 2))
    return [around, _Within(link.bits, link.pattern, around.among, starts), around]


def _joined(head: list[_Piece], branch: list[_Piece]) -> list[_Piece]:
    """Prepend the words that belong to a branch."""
    if head and branch and isinstance(head[0], _Words) and isinstance(branch[0], _Words):
        return [_Words(frozenset(a + b for a in head[0].words for b in branch[0].words)), *branch[1:]]
    return [*head, *branch]


def _any_of(parts: Sequence[_Within | None]) -> _Within | None:
    sure = [part for part in parts if part is not None]
    if len(sure) < len(parts):
        return None
    return _Within(_sum([part.bits for part in sure]), b"(?:" + b"|".join(part.pattern for part in sure) + b")")


def _characters(pieces: Sequence[_Piece]) -> frozenset[int]:
    """Return all characters that may occur in some pieces."""
    found: set[int] = set()
    for piece in pieces:
        if isinstance(piece, _Words):
            found.update(itertools.chain.from_iterable(piece.words))
        elif not isinstance(piece, _Edge):
            found |= piece.among
    return frozenset(found)


# --- choosing the rarest part


def _best(pieces: Sequence[_Piece], caseless: bool, least: int) -> _Within | None:
    """Return the cheapest part that is rare enough, or else the rarest one."""
    found = [one for first in range(len(pieces)) for one in _chains(pieces, first, caseless, least)]
    rare = [one for one in found if one.bits >= _RARE]
    return min(rare, key=_cost) if rare else max(found, key=lambda one: one.bits, default=None)


def _cost(part: _Within) -> int:
    return len(part.pattern) + 400 * (part.pattern.count(b"]*") + part.pattern.count(b"]{"))


def _chains(pieces: Sequence[_Piece], first: int, caseless: bool, least: int) -> Iterator[_Within]:
    """Yield the parts that begin at piece `first`: words, and whatever follows them."""
    link = _link(pieces[first], least)
    if link is None:
        return
    pattern, bits = _beside(pieces[first - 1] if first else None, caseless)
    gap, links = _Gap(frozenset()), 0
    for at, piece in enumerate(pieces[first:], first):
        link = link or _link(piece, 1)
        if link is not None:
            links += 1
            pattern += _written_gap(gap, caseless) + link.pattern
            bits += link.bits - (0 if len(gap.among) < 10 else 2 if len(gap.among) <= _WIDEST else 5)
            gap, link = _Gap(frozenset()), None
            behind, more = _beside(pieces[at + 1] if at + 1 < len(pieces) else None, caseless)
            yield _Within(bits + more, pattern + behind)
        elif isinstance(piece, _Gap) and len(piece.among) > _WIDEST and piece.most <= _FEW:
            pattern += _written_gap(gap, caseless) + _written_gap(piece, caseless)
            gap = _Gap(frozenset())
        else:
            gap = _Gap(gap.among | _characters([piece]))
        if links == _CHAIN or (len(gap.among) > _WIDEST and gap.among >= _ENDS):
            return


def _written_gap(gap: _Gap, caseless: bool) -> bytes:
    if not gap.among:
        return b""
    return _written(gap.among, caseless) + (b"*" if gap.most > _FEW else b"{%d,%d}" % (gap.one, gap.most))


def _link(piece: _Piece, least: int) -> _Within | None:
    """Return the part that must occur in a piece with at least `least` bytes in a row, or None."""
    if isinstance(piece, _Words) and min(map(_length, piece.words)) >= least:
        bits = _sum([_bits(word) for word in piece.words])
        return _Within(bits, b"(?:" + b"|".join(map(_quoted, sorted(piece.words))) + b")")
    if isinstance(piece, _Within):
        return piece.starts[LEAST - least] if least > 1 and piece.starts else piece
    return None


def _beside(piece: _Piece | None, caseless: bool) -> tuple[bytes, float]:
    """Return the pattern that must occur next to words, and its rarity in bits."""
    if isinstance(piece, _Edge):
        return rb"\b", 1.5
    if isinstance(piece, _Gap) and piece.one and 0 < len(piece.among) < 200:
        return _written(piece.among, caseless), math.log2(256 / len(piece.among)) * 0.6
    return b"", 0.0


def _bits(word: bytes) -> float:
    """Estimate the rarity of a word: in real texts about four bits plus one per letter, and more for punctuation than for letters."""
    if word.lower() in _COMMON:
        return 7.5
    letters, high = sum(c in _WORD for c in word), sum(c >= 0x80 for c in word)
    return (4 + 1.1 * letters if letters > 2 else 3.0 * letters) + 2.5 * (len(word) - letters) + high


def _length(word: bytes) -> int:
    """Return the length in bytes, counting non-ASCII bytes twice because they are so rare in most texts."""
    return len(word) + sum(c >= 0x80 for c in word)


def _sum(bits: Sequence[float]) -> float:
    """Return the rarity of a choice between alternatives with these rarities."""
    return -math.log2(sum(2.0**-one for one in bits))


def _quoted(word: bytes) -> bytes:
    return b"".join(b"\\x%02x" % c for c in word)


def _written(among: frozenset[int], caseless: bool) -> bytes:
    if caseless:
        among = frozenset(other for c in among for other in (*bytes([c]).lower(), *bytes([c]).upper()))
    most = len(among) > 128
    named = sorted(_ALL - among if most else among)
    if not named:
        return b"[\\x00-\\xff]"
    return b"[" + b"^" * most + _quoted(bytes(named)) + b"]"
