"""Assembles models byte by byte, because the libraries that write them are large, and refuse to write what attackers do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo, Hit
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Judged
from veritensor_ray.engines.modelfiles import ModelFiles
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.recognition import sniff

Scanned = tuple[str, set[str]]  # a verdict, and rules with severities


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a message: a number, a text or another message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(number: int, values: Sequence[int | str | bytes]) -> bytes:
    return b"".join(field(number, value) for value in values)


def node(name: str, op: str, inputs: Sequence[str] = (), attrs: Mapping[str, bytes] | None = None) -> bytes:
    """A node of a TensorFlow graph. Attributes are encoded values."""
    pairs = (field(1, key) + field(2, value) for key, value in (attrs or {}).items())
    return field(1, name) + field(2, op) + fields(3, inputs) + fields(5, list(pairs))


def text_value(text: str) -> bytes:
    return field(2, text)


def text_list(*texts: str) -> bytes:
    return field(1, fields(2, texts))


def constant(name: str, *texts: str) -> bytes:
    tensor = field(1, 7) + fields(8, texts)
    return node(name, "Const", attrs={"dtype": field(6, 7), "value": field(8, tensor)})


def function(name: str, *nodes: bytes) -> bytes:
    return field(1, field(1, name)) + fields(3, nodes)


def graph(*nodes: bytes, functions: Sequence[bytes] = ()) -> bytes:
    library = field(2, fields(1, functions)) if functions else b""
    return fields(1, nodes) + library + field(4, field(1, 1882))


def meta_graph(graph: bytes, assets: Sequence[tuple[str, str]] = ()) -> bytes:
    info = field(4, "serve") + field(5, "2.21.0")
    return field(1, info) + field(2, graph) + fields(6, [field(1, field(1, tensor)) + field(2, name) for tensor, name in assets])


def saved_model(graph: bytes, assets: Sequence[tuple[str, str]] = ()) -> bytes:
    return field(1, 1) + field(2, meta_graph(graph, assets))


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def everything(data: bytes, name: str, member: str | None = None) -> list[Hit | Gap | Judged]:
    """What the engine says of a file, by its content and name, without the finding that repeats the verdict."""
    kind = sniff(data[:HEAD_BYTES], PurePath(member or name).suffix, whole=len(data) <= HEAD_BYTES)
    about = FileInfo(name, len(data), kind.media_type, member=member)
    engine = ModelFiles(Settings())
    found = engine.scan_file(io.BytesIO(data), about) if engine.applies(about) else []
    return [one for one in found if not isinstance(one, Hit) or one.rule != "modelfiles.not-inert"]


def scanned(data: bytes, name: str, member: str | None = None) -> Scanned:
    """The verdict on a file, and what was found in it: `graph-code high`."""
    found = everything(data, name, member)
    severities = {rule.id: rule.severity for rule in ModelFiles(Settings()).rules()}
    rules = [one for one in found if isinstance(one, Hit) and one.rule != "modelfiles.not-inert"]
    hits = {f"{one.rule.removeprefix('modelfiles.')} {one.severity or severities[one.rule]}" for one in rules}
    return next((one.verdict for one in found if isinstance(one, Judged)), ""), hits


def alarms(data: bytes, name: str, member: str | None = None) -> set[str]:
    """The rules with a severity of medium or above."""
    return {hit.split()[0] for hit in scanned(data, name, member)[1] if hit.split()[1] in ("medium", "high", "critical")}


class Flat:
    """Writes FlatBuffers: tables before what they refer to, so that every offset is positive."""

    def __init__(self, magic: bytes = b"TFL3") -> None:
        self.data = bytearray(b"\0\0\0\0" + magic)

    def root(self, values: Mapping[int, object]) -> bytes:
        """The file with this table as its root: numbers with their width, texts, tables and lists of tables."""
        self.data[:4] = self.table(values).to_bytes(4, "little")
        return bytes(self.data)

    def table(self, values: Mapping[int, object]) -> int:
        count = max(values, default=-1) + 1
        start = len(self.data)
        self.data += (4 + 2 * count).to_bytes(2, "little") + (4 + 8 * count).to_bytes(2, "little")
        self.data += b"".join((4 + 8 * i if i in values else 0).to_bytes(2, "little") for i in range(count))
        at = len(self.data)
        self.data += (at - start).to_bytes(4, "little", signed=True) + bytes(8 * count)
        for index, value in values.items():
            slot = at + 4 + 8 * index
            if isinstance(value, int):
                self.data[slot : slot + 8] = value.to_bytes(8, "little", signed=value < 0)
            else:
                self.data[slot : slot + 4] = (self._child(value) - slot).to_bytes(4, "little")
        return at

    def _child(self, value: object) -> int:
        if isinstance(value, Mapping):
            return self.table(value)
        start = len(self.data)
        if isinstance(value, str | bytes):
            data = value.encode() if isinstance(value, str) else value
            self.data += len(data).to_bytes(4, "little") + data + b"\0"
            return start
        assert isinstance(value, Sequence)
        self.data += len(value).to_bytes(4, "little") + bytes(4 * len(value))
        for number, one in enumerate(value):
            slot = start + 4 + 4 * number
            self.data[slot : slot + 4] = (self._child(one) - slot).to_bytes(4, "little")
        return start


def tflite(*codes: tuple[int, str], buffers: Sequence[Mapping[int, object]] = ({},), metadata: Sequence[str] = ()) -> bytes:
    """A model of TensorFlow Lite with these operator codes."""
    made = [{0: min(built_in, 127), 3: built_in, **({1: name} if name else {})} for built_in, name in codes]
    return Flat().root({0: 3, 1: made, 2: [{0: [], 3: []}], 4: list(buffers), 6: [{0: name} for name in metadata]})


def paddle_op(name: str, attrs: Mapping[str, str] | None = None) -> bytes:
    """An operator of a Paddle program."""
    return field(3, name) + fields(4, [field(1, key) + field(2, 2) + field(5, value) for key, value in (attrs or {}).items()])


def paddle(*ops: bytes) -> bytes:
    """A program of Paddle with one block."""
    variable = field(3, field(1, "x") + field(2, field(1, 7)))
    return field(1, field(1, 0) + field(2, -1) + variable + fields(4, ops)) + field(4, field(1, 0))


def core_ml(kind: int, content: bytes) -> bytes:
    """A Core ML model of that kind."""
    feature = field(1, "x") + field(3, field(5, field(1, b"\x01\x03")))
    return field(1, 7) + field(2, field(1, feature) + field(10, feature) + field(100, field(3, "author"))) + field(kind, content)
