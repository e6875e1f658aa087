"""Reads OLE files: Word, Excel and PowerPoint up to 2003, VBA projects, and packages of embedded files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import BinaryIO

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.office.ole import doc, ppt, vba, xls
from veritensor_ray.formats.office.ole.compound import Compound, shown
from veritensor_ray.formats.office.ole.default_password import unlocked
from veritensor_ray.formats.office.ole.old_pictures import without_pictures
from veritensor_ray.formats.office.ole.ole_packages import native
from veritensor_ray.formats.office.ole.ole_properties import SUMMARIES, property_texts
from veritensor_ray.formats.office.ole.unsaid_strings import GivenWords, odd_names
from veritensor_ray.formats.office.shared.link_targets import is_remote
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.recognition import by_magic

# Streams that hold no content.
_SERVICE = frozenset(
    {"\x01compobj", "\x01ole", "\x03objinfo", "\x03linkinfo", "\x05summaryinformation", "\x05documentsummaryinformation", "current user"}
)
_LOCKABLE = frozenset({"encryptedpackage", "workbook", "book"})
_OWN = frozenset({"worddocument", "0table", "1table", "data", "workbook", "book", "powerpoint document", "pictures"})
_WITH_PICTURES = frozenset({"data", "pictures"})
_Read = Callable[[dict[str, str], Callable[[str], bytes], str], Iterator[Item]]
_BODIES = frozenset(
    {"worddocument", "workbook", "book", "\x01ole10native", "package"}
)  # at the root: a file that has none of them is something else
_FOREIGN = {  # by a stream or storage that no other type has
    "visiodocument": "Visio drawings",
    "quill": "Publisher documents",
    "matost": "Works documents",
    "bodytext": "Hangul documents",
    "tbkd": "Project plans",
    "onenote": "OneNote sections",
}
_PROJECT = "vbaproject.bin"
_FORM = ("f", "o")  # of a form in a macro project: the names and captions of its controls
_SAID = re.compile(rb"[\x09\x20-\x7e]{6,4096}")


def _unlocked(compound: Compound, root: dict[str, str]) -> BinaryIO | None:
    """The decrypted document, if Office would open it without asking for a password."""
    info = compound.open(root["encryptioninfo"]) if "encryptioninfo" in root else b""
    return unlocked(compound.file, info)


def _properties(compound: Compound) -> Iterator[Block | Gap]:
    """Yield the document's properties. Its template may be elsewhere on the network."""
    texts = Texts("properties")
    for path in compound.paths:
        if path in SUMMARIES:
            try:
                data = compound.open(path)
                for name, text in property_texts(data, path == SUMMARIES[0], Copies(compound.budget, len(data))):
                    remote = name == "template" and is_remote(text)
                    texts.add(text, "metadata", column=name, notice="remote-template" if remote else None)
                    if texts.full:
                        yield from texts.take()
            except ReadError as error:
                yield Gap.of(error, shown(path))
    yield from texts.take()


def read_ole(source: Source) -> Iterator[Item]:
    """Read every storage according to its streams, and then the strings in them that nobody gave. An embedded document is a nested storage."""
    words = GivenWords()
    opened: list[Compound] = []
    for item in _read(source, opened):
        if isinstance(item, Block):
            words.add(item.texts)
        yield item
    for compound in opened:
        paths = (path for path in compound.paths if _name(path) in _SERVICE | _OWN)  # which no reader gives as files
        yield from words.unsaid(paths, partial(_without_pictures, compound), shown, compound.budget)
        yield from odd_names(compound.paths, shown)


def _name(path: str) -> str:
    return path.rpartition("/")[2].lower()


def _without_pictures(compound: Compound, path: str) -> bytes:
    """Return a stream without the pictures that are files of their own."""
    data = compound.open(path)
    return without_pictures(data) if _name(path) in _WITH_PICTURES else data


def _read(source: Source, opened: list[Compound]) -> Iterator[Item]:
    """Yield what the document says. The file is appended to `opened` unless it is encrypted."""
    try:
        compound = Compound(source)
    except ReadError as error:
        if source.name.lower() != _PROJECT or isinstance(error, LimitExceeded):
            raise
        yield Block([source.name], view="metadata", notice="macro")  # a project that does not open here may open elsewhere
        raise ReadError("the macro project is damaged") from None
    yield from _properties(compound)
    storages: dict[str, dict[str, str]] = {}
    for path in compound.paths:
        storage, _, name = path.rpartition("/")
        storages.setdefault(storage, {})[name.lower()] = path
    root = storages.get("", {})
    if not root.keys().isdisjoint(_LOCKABLE) and (decrypted := _unlocked(compound, root)) is not None:
        yield Block(["encrypted with the default password, which Office tries automatically"], view="metadata", notice="default-password")
        yield Member("decrypted", decrypted)
        return
    if "encryptedpackage" in root:
        reason = "the document is encrypted: its text cannot be read"
        yield Block([reason], view="metadata", notice="encrypted-document")
        yield Gap(reason, code=ReasonCode.ENCRYPTED)
        return
    opened.append(compound)
    projects = {storage.rpartition("/")[0] for storage in storages if storage.lower().rpartition("/")[2] == "vba"}
    unknown = 0
    for storage, streams in storages.items():
        unknown += yield from _storage(compound, storage, streams, _is_macro(storage, projects))
    own = not root.keys().isdisjoint(_BODIES) or "" in projects
    if unknown or (not own and storages.keys() == {""} and root.keys() <= _SERVICE):
        what = next(
            (kind for name, kind in _FOREIGN.items() if any(name in path.lower().split("/") for path in compound.paths)),
            "this kind of OLE file",
        )
        yield Gap(f"no reader for {what}: {unknown} streams", coverage="no-reader", count=max(1, unknown), body=not own)


def _is_macro(storage: str, projects: set[str]) -> bool:
    """Whether a storage belongs to a macro project. In a file that contains only a project, the project is at the root."""
    return any(storage == project or storage.startswith(f"{project}/" if project else "") for project in projects)


def _storage(compound: Compound, storage: str, streams: dict[str, str], macro: bool) -> Generator[Item, None, int]:
    """Yield everything in one storage. Returns the number of streams that no reader understands."""
    part, known = shown(storage), False
    sheets = partial(xls.read_xls, budget=compound.budget)
    readers: dict[str, _Read] = {
        "worddocument": doc.read_doc,
        "workbook": sheets,
        "book": sheets,
        "powerpoint document": partial(ppt.read_ppt, budget=compound.budget),
    }
    for name, reader in readers.items():
        if name in streams and not (name == "book" and "workbook" in streams):
            known = True
            yield from _guarded(reader(streams, compound.open, part), part)
    if storage.lower().rpartition("/")[2] == "vba" or "_vba_project" in streams:
        yield from _guarded(vba.read_project(streams, compound.open, compound.budget), part)
    unknown = 0
    for name, path in streams.items():
        if name in _SERVICE or (known and name in _OWN):
            continue
        if name == "\x01ole10native":
            yield from _guarded(native(compound, path), part)
        elif macro and name in _FORM:
            yield from _guarded(_form(compound, path), part)
        else:
            beside = known or macro or name.startswith(("\x02olepres", "\x03"))
            unread = yield from _file(compound, path, beside)
            unknown += unread and name != "package"
    return unknown


def _guarded(items: Iterator[Item], part: str) -> Iterator[Item]:
    """Yield the items and turn an error into a gap, so that one damaged storage does not affect the others."""
    try:
        yield from items
    except ReadError as error:
        yield Gap.of(error, part or None)


def _file(compound: Compound, path: str, opaque: bool) -> Generator[Item, None, bool]:
    """Yield a stream as a file. Returns whether it is missing a reader."""
    try:
        data = compound.open(path)
    except ReadError as error:
        yield Gap.of(error, shown(path))
        return not opaque
    kind = by_magic(data[:512])
    if kind in EXECUTABLES:
        yield Block([shown(path)], view="metadata", notice="embedded-program")
    if data:
        yield Member(shown(path), io.BytesIO(data), opaque)
    return not opaque and kind is None


def _form(compound: Compound, path: str) -> Iterator[Block]:
    """Yield the captions of a form, in which macros hide text that should not appear in their source."""
    texts = Texts(shown(path))
    for found in _SAID.finditer(compound.open(path)):
        texts.add(found[0].decode("ascii"), "hidden", column="form")
        if texts.full:
            yield from texts.take()
    yield from texts.take()
