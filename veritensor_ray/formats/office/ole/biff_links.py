"""Find what an old Excel workbook refers to: other workbooks, OLE objects, or programs (DDE). It reads single records ([MS-XLS] 2.4.271)."""

from __future__ import annotations

from dataclasses import dataclass, field

from veritensor_ray.formats.office.shared.dde import dde_notice

_OLE = 0x10  # a flag of the names below a link: they are items of an OLE object
_SELF, _ADD_IN = 0x0401, 0x3A01  # in place of a length: the workbook itself, functions of an add-in
_SEPARATOR = "\x03"  # between the folders of a path, or between a program and its topic
_OPENINGS = "\x00\x01\x02\x03\x04"  # of encoded paths, and of references to the workbook itself: no program's name begins so
_ENCODED, _VOLUME, _ADDRESS = "\x01", "\x01", "\x05"
_FOLDERS = str.maketrans({"\x01": None, "\x02": "\\", "\x03": "\\", "\x04": "..\\", "\x05": None, "\x06": None, "\x07": None, "\x08": None})


@dataclass(slots=True)
class BiffLink:
    """A link out of a workbook: the path of another one, or a program (for OLE, the class of an object) and its topic."""

    path: str
    is_path: bool
    items: list[int] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What the link leads to."""
        if self.is_path:
            return "external workbook"
        return "OLE link" if self.items and all(flags & _OLE for flags in self.items) else "DDE"

    @property
    def target(self) -> str:
        """The path in readable form, or program and topic."""
        return _readable(self.path) if self.is_path else self.path.replace(_SEPARATOR, "|")

    @property
    def notice(self) -> str:
        """The notice: only a DDE link can start a program."""
        service, _, topic = self.path.partition(_SEPARATOR)
        return dde_notice(service, topic) if self.kind == "DDE" else "external-relation"


def supporting_book(body: bytes) -> BiffLink | None:
    """Return the link of a SUPBOOK record, or None if it refers to the workbook itself or to an add-in.

    The path of another workbook is encoded, or has no folder. All others are DDE or OLE, whatever number of sheets the record claims.
    """
    size = int.from_bytes(body[2:4], "little")
    if len(body) <= 5 or size in (_SELF, _ADD_IN):
        return None
    path = body[5 : 5 + 2 * size].decode("utf-16-le", "replace") if body[4] & 1 else body[5 : 5 + size].decode("cp1252", "replace")
    return _link(path)


def external_sheet(body: bytes) -> BiffLink | None:
    """Return the link of an EXTERNSHEET record before Excel 97, or None if it names a sheet of the workbook itself."""
    return _link(body[1 : 1 + body[0]].decode("cp1252", "replace") if body else "")


def _link(path: str) -> BiffLink | None:
    if path[:1] == _ENCODED and len(path) > 1:
        return BiffLink(path, True)
    if path[:1] in _OPENINGS or not path.strip():
        return None
    return BiffLink(path, _SEPARATOR not in path)


def _readable(path: str) -> str:
    """Return an encoded path (2.5.277) as Windows writes it."""
    if path[1:2] == _VOLUME:
        path = "\\\\" + path[3:] if path[2:3] == "@" else f"{path[2:3]}:\\{path[3:]}"
    elif path[1:2] == _ADDRESS:
        path = path[3:]  # after the length
    return path.translate(_FOLDERS)
