"""Decides which look a file of unknown type gets: graphs whose first bytes only this engine knows, and otherwise a possible pickle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.engine_files import begins_engine, scan_engine
from veritensor_ray.engines.modelfiles.graphs.tensorflow_graphs import scan_tensorflow
from veritensor_ray.engines.modelfiles.graphs.tflite_graphs import MAGIC, scan_tflite
from veritensor_ray.engines.modelfiles.graphs.torch7_objects import begins_torch7, scan_torch7
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.model_files.tensorflow.structure import any_root_of

_ENGINES = (".engine", ".plan", ".trt")
_GRAPHS = (".pb", ".meta")


def scan_unmarked(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found] | None:
    """Return the look at a file that is a graph, or None if it begins like none."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head[4:8] == MAGIC or about.extension == ".tflite":
        return scan_tflite(file)
    if begins_torch7(head):
        return scan_torch7(file)
    if begins_engine(head) or about.extension in _ENGINES:
        return scan_engine(file)
    root = any_root_of(head) if about.extension in _GRAPHS else None
    return scan_tensorflow(file, root, policy) if root else None
