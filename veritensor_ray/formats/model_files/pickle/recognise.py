"""Recognizes pickles, of all protocols, by their opcodes."""

from __future__ import annotations

import io
import re

from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.pickle.events import Broken, BrokenOff, Call
from veritensor_ray.formats.model_files.pickle.opcodes import PickleWalk
from veritensor_ray.formats.model_files.pickle.pickle_values import Name

_STARTS = frozenset(b"\x80(]})cNIFSVLGJKMUXTBCPi\x88\x89\x8a\x8c\x8f\x95")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SECOND = b"\x95}](cX\x8cKGq\x8a)NBUJ\x88\x89\x8f"  # opcodes that may follow the mark of a protocol


def is_marked_pickle(head: bytes) -> bool:
    """Whether a file begins with the mark of protocol 2 or later, and an opcode."""
    return head[:1] == b"\x80" and len(head) > 3 and head[1] in (2, 3, 4, 5) and head[2:3] in _SECOND


def is_pickle(data: bytes) -> bool:
    """Whether a whole value is a pickle that refers to a name, whatever its protocol. One that calls a name may break off behind that."""
    if is_marked_pickle(data):
        walk, names = PickleWalk(ForwardView(io.BytesIO(data))), 0
        try:
            for event in walk.events():
                if isinstance(event, Call) and isinstance(event.function, Name):
                    return True
                names += isinstance(event, Name)
        except Broken:
            return False
        return names > 0 and walk.stopped
    return data[:1] in (b"c", b"(") and is_certainly_pickle(data, whole=True)


def is_certainly_pickle(head: bytes, whole: bool) -> bool:
    """Whether a file without the mark of protocol 2 is certainly a pickle, since prose, tables and numbers may begin with opcodes too.

    It is a pickle if it calls a name, if it ends as pickles do and refers to a name, or if it does something that no text does by chance.
    """
    if not head or head[0] not in _STARTS:
        return False
    walk = PickleWalk(ForwardView(io.BytesIO(head)))
    names = calls = 0
    cut = False
    try:
        for event in walk.events():
            if walk.faults or (isinstance(event, Name) and not _is_path(event)):
                return False
            names += isinstance(event, Name)
            calls += isinstance(event, Call)
            if calls:
                return True
    except Broken as broken:
        cut = isinstance(broken, BrokenOff)
    if walk.faults:
        return False
    if walk.stopped:
        return names > 0 or (walk.memoized > 0 and walk.operations >= 6)
    return not whole and cut and walk.memoized >= 5


def _is_path(name: Name) -> bool:
    return not name.resolved or bool(_PATH.fullmatch(name.module) and _PATH.fullmatch(name.name))
