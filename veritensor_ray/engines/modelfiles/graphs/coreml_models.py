"""Checks Core ML models and packages: classes and layers of an app, linked models, and weights outside of the package. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.configuration.nodes import MapNode, ScalarNode, read_document, walk
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import CUSTOM, FILES, danger, inert, operators, unknown
from veritensor_ray.engines.modelfiles.graphs.record_walk import RecordWalk
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files import wire
from veritensor_ray.formats.model_files.coreml.structure import MODEL, SCHEMA
from veritensor_ray.formats.model_files.wire_records import Record, records

_UNREAD = "a part of the model", "its fields were not read"
_IN_PACKAGE = "@model_path/"
_WHOLE = ("CustomLayer", "CustomModel", "LinkedFile", "SerializedModel", "MilOperation", "MilBlob", "Layer")


def scan_core_ml(file: BinaryIO) -> Iterator[Found]:
    """Yield what the layers and operations of a model are."""
    operations: dict[str, tuple[int, int]] = {}
    walked = RecordWalk()

    def judge(found: Record) -> Iterator[Found]:
        if found.message == "MilOperation":
            walked.note(operations, found.text("operation"), (found.start, found.end))
        return _record(found)

    yield from walked.judged(records(wire.walk(file, SCHEMA, MODEL), _WHOLE, ("Parameter",)), judge, _UNREAD)
    for name, place in operations.items():
        if name in operators("coreml"):
            yield inert("calls", name, "it only computes", place)
        elif "custom" in name:
            yield from danger(CUSTOM, "calls", name, "the operation calls a class of the app", place, "medium")
        else:
            yield unknown("calls", name, "it is not one of Core ML's operations", place)
    yield from walked.left_out("values of operations")


def _record(found: Record) -> Iterator[Found]:
    place = found.start, found.end
    if found.message in ("CustomLayer", "CustomModel"):
        yield from danger(CUSTOM, "calls", found.text("class_name") or found.message, "the app has to have such a class", place, "medium")
        for text in (one for part in found.parts for one in part.all("parameter") if leaves_folder(one)):
            yield from danger(FILES, "reads", text, "a parameter of the class leads outside of the model", place)
    elif found.message == "LinkedFile":
        paths = found.all("linked")
        outside = next(
            (path for path in paths if leaves_folder(path.replace("$BUNDLE_MAIN", "").lstrip("/") if "$" in path else path)), None
        )
        yield from danger(FILES, "reads", outside or ", ".join(paths), "the model is in another file", place, "high" if outside else "low")
    elif found.message == "MilBlob":
        yield from _blob(found.text("blob_file"), place)
    elif found.message == "SerializedModel":
        yield unknown("holds", found.text("serialized_identifier"), "a model in a format of its own", place)
    elif found.message == "Layer":
        yield inert("calls", "a layer of a neural network", "it only computes, unless it is reported as custom")


def _blob(path: str, place: tuple[int, int]) -> Iterator[Found]:
    inner = path.removeprefix(_IN_PACKAGE)
    if leaves_folder(inner):
        yield from danger(FILES, "reads", path, "weights outside of the package", place)
    else:
        yield inert("reads", path, "weights in the package", place)


def scan_manifest(file: BinaryIO) -> Iterator[Found]:
    """Yield the items of a package that lie outside of it."""
    document = read_document(file.read(bounds.CONFIG), "json")
    for node in walk(document.parsed.roots):
        if isinstance(node, MapNode) and isinstance(path := node.get("path"), ScalarNode) and isinstance(path.value, str):
            if leaves_folder(path.value):
                yield from danger(FILES, "reads", path.value, "an item of the package lies outside of it", document.span(path))
            else:
                yield inert("reads", path.value, "an item of the package", document.span(path))
