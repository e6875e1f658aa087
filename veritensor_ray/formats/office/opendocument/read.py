"""Reads OpenDocument texts, sheets, slides and drawings, as packages or flat XML, with the objects, macros and images in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import OPEN_DOCUMENT
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.office.opendocument.odf_body import OdfBody
from veritensor_ray.formats.office.opendocument.odf_styles import OdfStyles
from veritensor_ray.formats.office.shared.generic_xml import Leaves, wordy
from veritensor_ray.formats.office.shared.macros import macro_blocks
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.shared.xml_parts import Attributes, PartReading, Walker, attribute, only, read_xml, walk
from veritensor_ray.formats.residue.xml_tokens import Tokens

MANIFEST = "META-INF/manifest.xml"
FLAT = "document"  # the only part of a document that is one XML file
_CHUNK = 1 << 18
_MODULE = bounds.MACRO  # characters of a macro's source
# Documents whose styles contain placeholders, rather than headers as in texts and sheets.
_PAGES = (f"{OPEN_DOCUMENT}presentation", f"{OPEN_DOCUMENT}graphics")
SCRIPTS = ("Scripts/", "Basic/")


class _Manifest(Walker):
    """The names of the encrypted parts."""

    def __init__(self) -> None:
        super().__init__(Texts("manifest"))
        self.encrypted: set[str] = set()
        self._entry = ""
        self.starts = {"file-entry": self._file, "encryption-data": lambda attrs: self.encrypted.add(self._entry)}

    def _file(self, attrs: Attributes) -> None:
        self._entry = attribute(attrs, "full-path", "manifest") or ""


class _Module(Walker):
    """The source of a Basic module, which is the text of its root."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(texts)
        self._pieces: list[str] = []
        self._size = 0
        self.name = ""
        self.starts = {"module": self._open}

    def _open(self, attrs: Attributes) -> None:
        self.name = attribute(attrs, "name", "script") or ""
        self.listen(self._take)

    def _take(self, text: str) -> None:
        self._size += len(text)
        if self._size <= _MODULE:
            self._pieces.append(text)

    @property
    def cut(self) -> bool:
        """Whether the source was cut off at the limit."""
        return self._size > _MODULE

    @property
    def source(self) -> str:
        """The source that was read."""
        return self.join(self._pieces)


class _Settings(Leaves):
    """Settings, which are usually numbers and long codes, so that only values with words are read."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(texts)
        self.accept = wordy


def read_odf(source: Source, trace: Trace | None = None) -> Iterator[Item]:
    """Read the styles, the content, embedded objects in the same way, and then all other text and files."""
    package = Package(source, trace)
    manifest = _Manifest()
    if MANIFEST in package:
        yield from read_xml(package, MANIFEST, only(manifest))
    locked = {name for name in manifest.encrypted if name in package}
    if locked:
        reason = f"the document is encrypted: {len(locked)} parts cannot be read"
        yield Block([reason], view="metadata", notice="encrypted-document")
        yield Gap(reason, count=len(locked), code=ReasonCode.ENCRYPTED)
    done = {MANIFEST, "mimetype", *locked}
    names = [name for name in package.names if name not in done]
    for folder in sorted({posixpath.dirname(name) for name in names if posixpath.basename(name) in ("content.xml", "styles.xml")}):
        styles = OdfStyles()
        masters = "metadata" if source.kind.media_type.startswith(_PAGES) else "visible"
        for base, part, view in (("styles.xml", "page styles", masters), ("content.xml", "body", "visible")):
            name = posixpath.join(folder, base)
            if name in names:
                done.add(name)
                yield from _body(package, name, f"{folder} {part}".strip(), styles, view)
    if package.lacks("content.xml"):
        yield Gap("the document has no body: its part content.xml is missing or empty")
    yield from _macros(package, [name for name in names if name.startswith("Basic/") and name.endswith(".xml")], done)
    for name in names:
        if name not in done:
            yield from _other(package, name)
    yield from package.rest()


def _body(package: Package, name: str, part: str, styles: OdfStyles, view: str) -> Iterator[Item]:
    body = OdfBody(Texts(part), styles, view)
    yield from read_xml(package, name, only(body), kept=body.files.digits)
    yield from body.files.items()


def _macros(package: Package, names: list[str], done: set[str]) -> Iterator[Item]:
    """Read all modules together, since one may start automatically and another reach outside."""
    modules: list[tuple[str, str]] = []
    texts = Texts(None)
    for name in names:
        texts = Texts(name)
        module = _Module(texts)

        def choose(root: str, attrs: Attributes, texts: Texts = texts, module: _Module = module) -> Walker:
            return module if root == "module" else Leaves(texts)

        done.add(name)
        yield from read_xml(package, name, PartReading(texts, choose))
        if module.cut:
            yield Gap("only the beginning of a macro module was read", location=name, bound="macro_bytes")
        if module.source:
            modules.append((module.name or name, module.source))
            texts.repeat(module.source)  # what is read of it beside the source
    for block in macro_blocks(modules):
        if texts.tracer is None:
            yield block
        else:
            texts.part = block.part
            texts.add(cast("Sequence[str]", block.texts)[0], start=cast("int", block.start))


def _other(package: Package, name: str) -> Iterator[Item]:
    if name.startswith(SCRIPTS) and not name.endswith(".xml"):
        yield Block([name], view="metadata", part="scripts", notice="macro")
    if name.endswith((".xml", ".rdf")) and not name.startswith("Pictures/"):
        base = posixpath.basename(name).rpartition(".")[0]
        part = "properties" if base == "meta" else base
        walker = _Settings(Texts(part)) if base == "settings" else Leaves(Texts(part), named_by="name" if base == "meta" else None)
        yield from read_xml(package, name, only(walker))
    else:
        yield package.member(name, opaque=name.startswith(("Fonts/", "Configurations2/", "Thumbnails/", "ObjectReplacements/")))


def read_flat(source: Source, trace: Trace | None = None) -> Iterator[Item]:
    """Read a document that is one XML file."""
    body, tokens = OdfBody(Texts("body"), OdfStyles()), Tokens(set())
    tracer = trace(FLAT) if trace else None
    chunks = iter(lambda: source.file.read(_CHUNK), b"")
    try:
        for block in walk(chunks, lambda root, attrs: body, body.texts, tracer, None if tracer else tokens):
            tokens.give(block.texts)
            yield block
    except ReadError as error:
        yield Gap.of(error)
    tokens.give(body.files.digits)
    yield from tokens.residue(FLAT)
    yield from body.files.items()
