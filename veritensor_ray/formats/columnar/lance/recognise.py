"""Recognizes Lance files by their last bytes. Their first bytes are those of the first column.

Files of the first Lance format, which was written until 2024, are not recognized: they end like manifests.
"""

from __future__ import annotations

import struct

_FOOTER = struct.Struct("<QQQIIHH4s")  # where metadata begin and are listed, numbers of buffers and columns, version, mark
LANCE_MARK = b"LANC"
_MAJOR, _MINOR = 2, 15  # the latest version of the format that may exist


def is_lance(end: bytes) -> bool:
    """Return whether a file ends like a Lance file."""
    if len(end) < _FOOTER.size or not end.endswith(LANCE_MARK):
        return False
    *places, _, _, major, minor, _ = _FOOTER.unpack(end[-_FOOTER.size :])
    return ((major == _MAJOR and minor <= _MINOR) or (major, minor) == (0, 3)) and places == sorted(places)


__all__ = ["LANCE_MARK", "is_lance"]
