"""What the table of formats says about the beginnings of files, prepared for looking it up."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from veritensor_ray.core import media_types
from veritensor_ray.core.format_table import FORMATS
from veritensor_ray.core.media_types import PLAIN, Format

_Magic = tuple[int, bytes, str]  # an offset, the bytes there, and the media type
UNLIKE_TEXT = re.compile(rb"[^\x00-\x08]{0,31}[\x00-\x08]")  # matches where one of the first 32 bytes is none of a text
_UNSPECIFIC = (PLAIN, media_types.XML, media_types.SVG)  # these names say little, so text that declares its own type takes precedence


class FirstBytes:
    """The beginnings that the rows of a table name."""

    def __init__(self, rows: Sequence[Format]) -> None:
        self.learn(rows)

    def learn(self, rows: Sequence[Format]) -> None:
        """Forget everything else, and know these rows."""
        magics = tuple((place, magic, one.media_type) for one in rows for place, magic in one.magics)
        self._deeper = tuple(known for known in magics if known[0])
        # Indexed by the first byte of a file: the formats to try, in order.
        self._of_byte = {
            magic[:1]: tuple(known for known in magics if known[0] or known[1][:1] == magic[:1]) for place, magic, _ in magics if not place
        }
        self._magics = magics
        self._openings = tuple((re.compile(one.opening, re.IGNORECASE), one.media_type) for one in rows if one.opening)
        self._openings_of: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {}
        self._begins, self._begun = _any_of(rows)
        self._readable, _ = _any_of([one for one in rows if one.is_read])
        self._beginnings = (
            *(magic for place, magic, _ in magics if not place),
            *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)),
            *(b"x\x9c", b"x\xda"),
        )
        self.in_text = _in_text(magics)

    def magics_of(self, head: bytes) -> tuple[_Magic, ...]:
        """The magics that a file with these first bytes may have, in order."""
        return self._of_byte.get(head[:1], self._deeper)

    def beginning(self, head: bytes) -> str | None:
        """The media type of a file that is not a text and has no strong magic."""
        if found := self._begins.match(head):
            return self._begun[(found.lastindex or 1) - 1]
        return next((media_type for place, magic, media_type in self._magics if head.startswith(magic, place)), None)

    def may_begin(self, head: bytes) -> bool:
        """Whether a file that is read may begin like this."""
        return head.startswith(self._beginnings) or self._readable.match(head) is not None

    def opening(self, start: str, named: str) -> str | None:
        """The media type that a text declares, if that says more than a name that promises the type `named`."""
        known = self._openings_of.get(named)
        if known is None:
            known = tuple(one for one in self._openings if named in (*_UNSPECIFIC, one[1]))
            self._openings_of[named] = known
        for pattern, media_type in known:
            if pattern.match(start):
                return media_type
        return None


def _in_text(magics: Sequence[_Magic]) -> dict[int, npt.NDArray[np.bool_]]:
    """Where a file in UTF-8 without bytes below 9 can be recognized: an offset, and for each pair of bytes whether it may stand there."""
    pairs = {0: {b"WA", b"x^", b"x\xda"}}
    for place, magic, _ in magics:
        pairs.setdefault(place, set()).add(magic[:2])
    pairs.setdefault(154, set()).update(bytes([a, b]) for a in b" 01234567" for b in b" 01234567")  # the end of a tar header's checksum
    return {place: np.isin(np.arange(1 << 16), [int.from_bytes(two, "big") for two in some]) for place, some in pairs.items()}


def _any_of(formats: Sequence[Format]) -> tuple[re.Pattern[bytes], tuple[str, ...]]:
    """One pattern that matches the beginning of any of the formats, with a group for each, and their media types in the order of the
    groups.
    """
    known = [(one.begins, one.media_type) for one in formats if one.begins]
    return re.compile(b"|".join(b"(%s)" % begins for begins, _ in known), re.DOTALL), tuple(media_type for _, media_type in known)


KNOWN = FirstBytes(FORMATS)
