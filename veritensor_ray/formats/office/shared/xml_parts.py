"""Parses XML parts as a stream of events, hardened: no DTD, no entities, bounded depth, names and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, told
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import Join, Tracer, joined, plainly
from veritensor_ray.formats.residue.strings import VIEW
from veritensor_ray.formats.residue.xml_tokens import Tokens, may_matter

_DEPTH = bounds.XML_DEPTH
_NAMES = bounds.XML_NAMES
_TOKEN = bounds.XML_TOKEN
_OVERFLOW = 4 << 20  # bytes after which an unfinished text may be emitted in pieces

Attributes = dict[str, str]
Start = Callable[[Attributes], None]
End = Callable[[], None]
Choose = Callable[[str, Attributes], "Walker"]
_Open = Callable[[str, Attributes], None]
_Close = Callable[[str], None]


def attribute(attrs: Attributes, name: str, prefix: str = "w") -> str | None:
    """The attribute with a local name, whatever its prefix; the usual prefix takes precedence."""
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
    """The id of a relationship: the prefixed attribute `id`."""
    return next((value for key, value in attrs.items() if key.endswith((":id", ":embed", ":link"))), None)


class Walker:
    """The actions for the elements of one part, by local name. Namespaces are ignored, so an unusual prefix hides nothing."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.starts: dict[str, Start] = {}
        self.ends: dict[str, End] = {}
        self.every_start: Callable[[str, Attributes], None] | None = None  # for elements without a specific handler
        self.every_end: Callable[[str], None] | None = None
        self.join: Join = plainly
        self._parser: Any = None
        self._tracer: Tracer | None = None

    def attach(self, parser: Any, tracer: Tracer | None = None) -> None:
        """Attach the parser that delivers characters to `listen`."""
        self._parser, self._tracer = parser, tracer
        self.join = plainly if tracer is None else joined

    def listen(self, take: Callable[[str], object] | None) -> None:
        """Set the receiver of the following characters; None discards them."""
        tracer = self._tracer
        if tracer is None or take is None:
            self._parser.CharacterDataHandler = take
        else:
            self._parser.CharacterDataHandler = tracer.taking(take, self._parser)

    def overflow(self) -> None:
        """Emit anything that has grown too long to keep. Called from time to time."""

    def done(self) -> None:
        """Emit the rest. Called at the end of the part, even if it breaks off."""


class _Handlers(dict[str, Any]):
    """Handlers by qualified name, each looked up by local name once."""

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
    """The parsing of one part. The root element selects the walker."""

    def __init__(self, choose: Choose, texts: Texts, tracer: Tracer | None) -> None:
        self._choose = choose
        self._texts = texts
        self._tracer = tracer
        self.walker = Walker(texts)
        self.depth = 0
        self._entities = 0
        self.parser = parser = expat.ParserCreate()
        if tracer is None:  # otherwise every piece of text comes alone, because only then its position is known
            parser.buffer_text = True
            parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._root
        parser.StartDoctypeDeclHandler = self._doctype
        parser.CommentHandler = self._comment
        if tracer is not None:
            texts.tracer = tracer
            parser.StartCdataSectionHandler = lambda: tracer.cdata(True)
            parser.EndCdataSectionHandler = lambda: tracer.cdata(False)
        self.walker.attach(parser, tracer)

    def _root(self, tag: str, attrs: Attributes) -> None:
        local = tag.rpartition(":")[2]
        walker = self.walker = self._choose(local, attrs)
        walker.attach(self.parser, self._tracer)
        starts, ends = _Handlers(walker.starts, walker.every_start), _Handlers(walker.ends, walker.every_end)

        def start(tag: str, attrs: Attributes) -> None:
            self.depth += 1
            if handler := starts[tag]:
                handler(attrs)

        def end(tag: str) -> None:
            self.depth -= 1
            if handler := ends[tag]:
                handler()

        opened, closed = (start, end) if self._tracer is None else self._traced(self._tracer, starts, ends)
        self.parser.StartElementHandler, self.parser.EndElementHandler = opened, closed
        opened(tag, attrs)

    def _traced(self, tracer: Tracer, starts: _Handlers, ends: _Handlers) -> tuple[_Open, _Close]:
        """Handlers that also report to the tracer: tags with attributes, and the elements that it follows."""
        parser, wants = self.parser, tracer.wants

        def start(tag: str, attrs: Attributes) -> None:
            self.depth += 1
            if attrs or wants[tag]:
                attrs = tracer.start(tag, attrs, parser.CurrentByteIndex)
            if handler := starts[tag]:
                handler(attrs)

        def end(tag: str) -> None:
            self.depth -= 1
            wanted = wants[tag]
            if wanted:
                tracer.end(tag, parser.CurrentByteIndex)
            if handler := ends[tag]:
                handler()
            if wanted:
                tracer.ended(tag)

        return start, end

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        if not internal:
            return  # old OpenDocument parts refer to a DTD; nothing is loaded
        self._texts.add(f"DOCTYPE {name} with its own declarations", "metadata", notice="xml-dtd")
        self.parser.EntityDeclHandler = self._entity
        self.parser.AttlistDeclHandler = self._attribute
        self.parser.DefaultHandler = lambda data: None  # this handler prevents the expansion of entity references

    def _entity(self, name: str, parameter: bool, value: str | None, *where: str | None) -> None:
        self._entities += 1
        if self._entities > 1000:
            raise ReadError("the XML declares more than 1000 entities")
        self._texts.add(value or " ".join(filter(None, where)), "hidden", column=f"entity {name[:80]}")

    def _attribute(self, element: str, name: str, kind: str, default: str | None, required: bool) -> None:
        if default and may_matter(default):
            self._texts.add(default, VIEW, column=f"default of {element[:80]}@{name[:80]}")

    def _comment(self, data: str) -> None:
        if data.strip():
            text = data if self._tracer is None else self._tracer.comment(data, self.parser.CurrentByteIndex)
            self._texts.add(text, "hidden", column="XML comment")

    def feed(self, data: bytes, fed: int, last: bool) -> None:
        """Parse a chunk. Raises ReadError or LimitExceeded."""
        parser = self.parser
        try:
            parser.Parse(data, last)
        except expat.ExpatError as error:
            raise ReadError(f"the XML breaks off: {told(error)}") from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not support either
            raise ReadError(f"the XML cannot be decoded: {told(error)}") from None
        if fed - parser.CurrentByteIndex > _TOKEN:
            raise LimitExceeded("xml_token", f"a tag of the XML is longer than {_TOKEN} bytes")
        if self.depth > _DEPTH:
            raise LimitExceeded("xml_depth", f"the XML is nested deeper than {_DEPTH} levels")
        if len(parser.intern) > _NAMES:
            raise LimitExceeded("xml_names", f"the XML has more than {_NAMES} different names")


def walk(
    chunks: Iterable[bytes], choose: Choose, texts: Texts, tracer: Tracer | None = None, tokens: Tokens | None = None
) -> Iterator[Block]:
    """Yield the blocks of one part. Texts read before an error are yielded before it is raised. `tokens` collects what the part says."""
    parse = _Parse(choose, texts, tracer)
    fed, overflow = 0, _OVERFLOW
    try:
        for data in chunks if tokens is None else tokens.watched(chunks):
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
    finally:
        if tokens is not None:
            tokens.names(parse.parser.intern)
    parse.walker.done()
    yield from texts.take()


@dataclass(frozen=True, slots=True)
class PartReading:
    """The texts that a part's walker collects, and a function that selects the walker by the root element."""

    texts: Texts
    choose: Choose


def only(walker: Walker) -> PartReading:
    """A reading with the same walker for every root element."""
    return PartReading(walker.texts, lambda root, attrs: walker)


def read_xml(package: Package, name: str, reading: PartReading, ahead: bool = False, kept: Sequence[str] = ()) -> Iterator[Block | Gap]:
    """Yield the blocks of one part, and then what it says that no walker gave. An error becomes a gap, so that the other parts are still read.

    A part that is read `ahead` comes again. `kept` are texts that its walker collects, and that other parts give.
    """
    tokens, plain = Tokens(package.known), package.trace is None and not ahead  # what is left over has no place that could be changed
    try:
        tracer = package.trace(name) if package.trace else None
        for block in walk(package.chunks(name), reading.choose, reading.texts, tracer, tokens if plain else None):
            package.spend(sum(map(len, block.texts)))
            tokens.give(block.texts)
            yield block
    except ReadError as error:
        if isinstance(error, LimitExceeded) and error.bound == "document_bytes":
            raise
        yield Gap.of(error, name)
    tokens.give(kept)
    yield from tokens.residue(name)
