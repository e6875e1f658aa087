"""Checks files of inference engines: TensorRT's, which are code, and OpenVINO's graphs in XML. Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

from veritensor_ray.core import bounds
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import CODE, COMPILED, CUSTOM, FILES, MALFORMED, danger, foreign, inert, unknown
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

_ENGINE = re.compile(rb"ptrt|ftrt|.{4}\{.{1,4000}\}(?:ptrt|ftrt)", re.DOTALL)
_SCANNED = bounds.HELD
_SUSPICIOUS = re.compile(
    rb"(?:/|\.\./|[A-Za-z]:\\)[\w./\\ -]{2,200}\.(?:so(?:\.\d+)*|dll|dylib)\b|[\w-]{1,100}\.(?:dll|dylib)\b|lib[\w-]{1,100}\.so(?:\.\d+)*\b"
    rb"|/bin/(?:ba|da|z)?sh\b|/dev/tcp/|\bos\.system\b|\bsubprocess\b|\bexec[lv]p?e?\b|\bdlopen\b|\bpopen\b|\bcurl\s+-|\bwget\s+http|powershell|__import__|\beval\("
)
_PLUGIN = re.compile(rb"[A-Z]\w{2,60}(?:_TRT|Plugin\w{0,40}|_Plugin|PluginDynamic)\b")
_OWN_PLUGIN = re.compile(
    r"(?:Batched|Efficient)NMS\w*|BatchTilePlugin_TRT|BatchedNMS\w*|Clip_TRT|CoordConvAC|CropAndResize\w*|DecodeBbox3DPlugin|DetectionLayer_TRT"
    r"|(?:Proposal|Grid|Flatten|Generate|Instance|LReLU|Multi[lL]evel|Multiscale|NMS|Normalize|Pillar|PriorBox|Pyramid|ROIAlign|Region|Reorg|Resize|RPROI"
    r"|Scatter|Special|Split|Voxel|ModulatedDeform|DisentangledAttention|Dec[od]+e)\w*|Custom(?:QKV|FC|Emb|Skip|Gelu|SkipLayer)\w*|PluginV\w*|IPlugin\w*"
)
_NUMBER = re.compile(r"\s*(-?[0-9]{1,40})[0-9]*\s*")
_LAYERS = re.compile(r"opset\d+|experimental|ie_internal_opset|gpu_opset|snippets|ipu_opset|util")


def begins_engine(head: bytes) -> bool:
    """Return whether a file begins like an engine of TensorRT, with or without the metadata that some programs put before it."""
    return _ENGINE.match(head) is not None


def scan_engine(file: BinaryIO) -> Iterator[Found]:
    """Yield that the file is code, and the names in it that are more than that."""
    data = file.read(_SCANNED)
    yield Hit(COMPILED, 0, 4, message="an engine of TensorRT is compiled code for one device", evidence="TensorRT engine")
    yield unknown("runs", "a TensorRT engine", "an engine file is code, which was not read")
    for found in {match[0]: match for match in _SUSPICIOUS.finditer(data)}.values():
        yield from danger(CODE, "runs", found[0].decode("latin-1"), "a library or command that an engine has no need to name", found.span())
    plugins = {match[0].decode("ascii"): match for match in _PLUGIN.finditer(data)}
    for name, found in sorted(plugins.items()):
        if not _OWN_PLUGIN.fullmatch(name):
            yield from foreign(name, "TensorRT's plugins", found.span())


class _Layers:
    """What the parser of an OpenVINO graph sees. It expands no entities of other files."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser, self.found, self.graph = parser, list[Found](), False
        parser.StartElementHandler = self._start

    def taken(self) -> list[Found]:
        """Return what was found since the last call, so that a long graph is not held."""
        found, self.found = self.found, []
        return found

    def _place(self) -> tuple[int, int]:
        return self._parser.CurrentByteIndex, self._parser.CurrentByteIndex + 1

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.graph = self.graph or (name == "net" and "version" in attributes)
        if not self.graph:
            return
        kind, version = attributes.get("type", ""), attributes.get("version", "")
        if name == "layer" and version and not _LAYERS.fullmatch(version):
            self.found += danger(
                CUSTOM, "calls", f"{version}.{kind}", "the layer comes from an extension, which is a library", self._place(), "medium"
            )
        elif name == "layer":
            self.found.append(inert("calls", kind, "a layer of OpenVINO's own", self._place()))
        for key, value in attributes.items():
            self._attribute(key, value)

    def _attribute(self, key: str, value: str) -> None:
        number = _NUMBER.fullmatch(value) if key in ("offset", "size") else None
        if number and not 0 <= int(number[1]) < 1 << 44:
            self.found += danger(MALFORMED, "reads", f"{key} {value}", "no file with weights has such a place", self._place(), "medium")
        elif re.search(r"librar|plugin|extension|path|file|script|command", key, re.IGNORECASE) and leaves_folder(value):
            self.found += danger(FILES, "reads", value, f"the attribute {key} leads outside of the model's folder", self._place())
        elif re.search(r"\.(?:so(?:\.\d+)*|dll|dylib)$", value):
            self.found += danger(CODE, "runs", value, f"the attribute {key} names a native library", self._place())


def scan_openvino(file: BinaryIO) -> Iterator[Found]:
    """Yield what the layers of a graph are, if the XML is one of OpenVINO."""
    parser = expat.ParserCreate()
    layers = _Layers(parser)
    try:
        while data := file.read(1 << 16):
            parser.Parse(data, False)
            yield from layers.taken()
            if not layers.graph and parser.CurrentByteIndex > 1 << 16:
                return
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if layers.graph:
            message = f"OpenVINO: the XML breaks in line {error.lineno}"
            layers.found.append(Hit(MALFORMED, 0, 8, message=message, evidence=f"line {error.lineno}"))
    yield from layers.taken()
