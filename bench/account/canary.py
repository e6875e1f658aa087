"""The value that is hidden, the forms that it has among bytes, and a place for it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

EMAIL = "q7z@kanari.org"
TOKEN = "glpat-Zx9Qw3Er7Ty1Ui5Op2As"  # noqa: S105  # made up; of letters, digits and a hyphen, so it can also be a name
TEXT = f"{EMAIL} {TOKEN}"  # `pii` and `secrets` report these wherever they can read them
RAW = TEXT.encode()
NUMBER = 4539578763621486  # of a payment card, which `pii` reports too; for places where only numbers can stand
OTHER = f"r8y@lorems.com {TOKEN[:6]}{TOKEN[6:].swapcase()}"  # as long: a file that is equal with it does not contain the canary


def forms(text: str) -> dict[str, bytes]:
    """Return how a value can stand between bytes that are not text, each by the end of its name."""
    raw = text.encode()
    return {"": raw, ", UTF-16": text.encode("utf-16-le"), ", zlib": zlib.compress(raw), ", gzip": gzip.compress(raw, mtime=0)}


FORMS = forms(TEXT)


@dataclass(frozen=True, slots=True)
class Place:
    """A place for the canary.

    `kind` says what it is in the words of its format, and `where` which one; places with equal words are of equal structure. `build`
    returns the file with the canary in this place.
    """

    kind: str
    where: str
    build: Callable[[], bytes]

    def within(self, part: str, packed: Callable[[bytes], bytes]) -> Place:
        """Return the place in a file that contains this one as a part."""
        return Place(self.kind, ": ".join(filter(None, (part, self.where))), lambda: packed(self.build()))


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and where the places in it come from if they are not found in its bytes."""

    name: str
    data: bytes
    places: Callable[[], Iterable[Place]] | None = None


def spliced(data: bytes, start: int, new: bytes, end: int | None = None) -> bytes:
    """Return bytes with others in place of those from `start` to `end`, or inserted."""
    return data[:start] + new + data[start if end is None else end :]


def put(kind: str, where: str, data: bytes, start: int, new: bytes, end: int | None = None) -> Place:
    """Return a place in which `new`, which contains the canary, is spliced into the file."""
    return Place(kind, where, lambda: spliced(data, start, new, end))


def put_all(kind: str, where: str, data: bytes, start: int) -> Iterator[Place]:
    """Yield a place for each form of the canary, inserted into the file."""
    return in_all_forms(kind, where, lambda raw: spliced(data, start, raw))


def in_all_forms(kind: str, where: str, build: Callable[[bytes], bytes]) -> Iterator[Place]:
    """Yield a place for each form of the canary."""

    def of(raw: bytes) -> Callable[[], bytes]:
        return lambda: build(raw)

    return (Place(kind + form, where, of(raw)) for form, raw in FORMS.items())


def number_role(kind: str, build: Callable[[int], bytes]) -> Iterator[Place]:
    """Yield the place that a library's file has for a number, unless the library does not write it."""
    data = build(NUMBER)
    if data != build(NUMBER + 1):
        yield Place(kind, "", lambda: data)


def role(kind: str, build: Callable[[str], bytes]) -> Iterator[Place]:
    """Yield the place that a library's file has for a text, unless the library does not write it."""
    data = build(TEXT)
    if data != build(OTHER):
        yield Place(kind, "", lambda: data)
