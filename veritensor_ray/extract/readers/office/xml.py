"""XML parts as a stream of events, hardened: no DTD, no entities, bounded depth, names and tokens; it knows no vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from veritensor_ray import bounds
from veritensor_ray.errors import LimitExceeded, ReadError
from veritensor_ray.extract.readers.office.package import Package
from veritensor_ray.extract.readers.office.texts import Texts
from veritensor_ray.segments import Block, Gap

_DEPTH = bounds.XML_DEPTH
_NAMES = bounds.XML_NAMES
_TOKEN = bounds.XML_TOKEN
_OVERFLOW = 4 << 20  # bytes after which a text that has not ended may be given off in pieces

Attributes = dict[str, str]
Start = Callable[[Attributes], None]
End = Callable[[], None]
Choose = Callable[[str, Attributes], "Walker"]


def attribute(attrs: Attributes, name: str, prefix: str = "w") -> str | None:
    """The attribute of a local name, whatever its prefix; that of the usual prefix first."""
    found = attrs.get(f"{prefix}:{name}")
    if found is None:
        found = attrs.get(name)
    if found is None and attrs:
        ending = f":{name}"
        for key, value in attrs.items():
            if key.endswith(ending):
                return value
    return found


def relation(attrs: Attributes) -> str | None:
    """The id of a relation: the attribute `id` that has a prefix."""
    return next((value for key, value in attrs.items() if key.endswith((":id", ":embed", ":link"))), None)


class Walker:
    """What to do at the elements of one part, by local name: namespaces decide nothing, so a strange prefix hides nothing."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.starts: dict[str, Start] = {}
        self.ends: dict[str, End] = {}
        self.every_start: Callable[[str, Attributes], None] | None = None  # for elements without an entry of their own
        self.every_end: Callable[[str], None] | None = None
        self._parser: Any = None

    def attach(self, parser: Any) -> None:
        """The parser whose characters `listen` asks for."""
        self._parser = parser

    def listen(self, take: Callable[[str], object] | None) -> None:
        """Where characters go from here on; None: nowhere."""
        self._parser.CharacterDataHandler = take

    def overflow(self) -> None:
        """Called now and then: give off what has grown too long to keep."""

    def done(self) -> None:
        """Called at the end of the part, and where it breaks off."""


class _Handlers(dict[str, Any]):
    """Handlers by name as written, found by local name once."""

    def __init__(self, by_name: dict[str, Any], every: Callable[..., None] | None) -> None:
        super().__init__()
        self._by_name, self._every = by_name, every

    def __missing__(self, tag: str) -> Any:
        local = tag.rpartition(":")[2]
        found = self._by_name.get(local)
        if found is None and (every := self._every) is not None:

            def found(*args: Attributes) -> None:
                every(local, *args)

        self[tag] = found
        return found


class _Parse:
    """One part being parsed. The root element chooses the walker."""

    def __init__(self, choose: Choose, texts: Texts) -> None:
        self._choose = choose
        self._texts = texts
        self.walker = Walker(texts)
        self.depth = 0
        self._entities = 0
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._root
        parser.StartDoctypeDeclHandler = self._doctype
        parser.CommentHandler = self._comment
        self.walker.attach(parser)

    def _root(self, tag: str, attrs: Attributes) -> None:
        local = tag.rpartition(":")[2]
        walker = self.walker = self._choose(local, attrs)
        walker.attach(self.parser)
        starts, ends = _Handlers(walker.starts, walker.every_start), _Handlers(walker.ends, walker.every_end)

        def start(tag: str, attrs: Attributes) -> None:
            self.depth += 1
            if handler := starts[tag]:
                handler(attrs)

        def end(tag: str) -> None:
            self.depth -= 1
            if handler := ends[tag]:
                handler()

        self.parser.StartElementHandler, self.parser.EndElementHandler = start, end
        start(tag, attrs)

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        if not internal:
            return  # old OpenDocument parts name a DTD; nothing is loaded
        self._texts.add(f"DOCTYPE {name} with declarations of its own", "metadata", notice="xml-dtd")
        self.parser.EntityDeclHandler = self._entity
        self.parser.DefaultHandler = lambda data: None  # with it, references to entities are not expanded

    def _entity(self, name: str, parameter: bool, value: str | None, *where: str | None) -> None:
        self._entities += 1
        if self._entities > 1000:
            raise ReadError("declares more than 1000 entities")
        self._texts.add(value or " ".join(filter(None, where)), "hidden", column=f"entity {name[:80]}")

    def _comment(self, data: str) -> None:
        if data.strip():
            self._texts.add(data, "hidden", column="XML comment")

    def feed(self, data: bytes, fed: int, last: bool) -> None:
        """Raises ReadError or LimitExceeded."""
        parser = self.parser
        try:
            parser.Parse(data, last)
        except expat.ExpatError as error:
            raise ReadError(f"XML breaks off: {error}") from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not know either
            raise ReadError(f"XML cannot be decoded: {error}") from None
        if fed - parser.CurrentByteIndex > _TOKEN:
            raise LimitExceeded("xml_token", f"one tag of the XML is longer than {_TOKEN} bytes")
        if self.depth > _DEPTH:
            raise LimitExceeded("xml_depth", f"XML is nested deeper than {_DEPTH}")
        if len(parser.intern) > _NAMES:
            raise LimitExceeded("xml_names", f"XML has more than {_NAMES} different names")


def walk(chunks: Iterable[bytes], choose: Choose, texts: Texts) -> Iterator[Block]:
    """Blocks of one part. What was read before an error is given off before it is raised."""
    parse = _Parse(choose, texts)
    fed, overflow = 0, _OVERFLOW
    try:
        for data in chunks:
            fed += len(data)
            parse.feed(data, fed, False)
            if fed >= overflow:
                parse.walker.overflow()
                overflow = fed + _OVERFLOW
            if texts.full:
                yield from texts.take()
        if fed:  # programs leave empty parts behind
            parse.feed(b"", fed, True)
    except ReadError:
        parse.walker.done()
        yield from texts.take()
        raise
    parse.walker.done()
    yield from texts.take()


@dataclass(frozen=True, slots=True)
class PartReading:
    """The texts that a part's walker collects, and the walker by the part's root element."""

    texts: Texts
    choose: Choose


def only(walker: Walker) -> PartReading:
    """The same walker whatever the root is."""
    return PartReading(walker.texts, lambda root, attrs: walker)


def read_xml(package: Package, name: str, reading: PartReading) -> Iterator[Block | Gap]:
    """Blocks of one part; what is wrong with it is a gap, and the other parts are read all the same."""
    try:
        for block in walk(package.chunks(name), reading.choose, reading.texts):
            package.spend(sum(map(len, block.texts)))
            yield block
    except LimitExceeded as error:
        if error.bound == "document_bytes":
            raise
        yield Gap.of(error, name)
    except ReadError as error:
        yield Gap(f"{error}"[:300], location=name, code=error.reason_code)
