"""Checks HDF5 files: Keras configuration and references to other files. Links are not followed, and data is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import read_document
from veritensor_ray.engines.modelfiles.effects import Found, clean
from veritensor_ray.engines.modelfiles.graphs.found import EXHAUSTION, danger, inert, unknown
from veritensor_ray.engines.modelfiles.keras.keras_nodes import check_keras
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files.hdf5 import structure as hdf5

_SHOWN = 100
_CONFIGURATIONS = ("model_config", "training_config")
_PLACE = (0, 8)  # where an attribute is in the file, h5py does not tell


def scan_hdf5(file: BinaryIO, policy: NamePolicy) -> Iterator[Found]:
    """Yield what loading the file would do, and a gap if h5py cannot read the file."""
    try:
        with hdf5.opened(file) as root:
            for name in _CONFIGURATIONS:
                yield from _keras(root, name, policy)
            yield from _elsewhere(root)
    except Malformed as error:
        yield Gap(f"modelfiles: {error}", engine="modelfiles")


def _keras(root: object, name: str, policy: NamePolicy) -> Iterator[Found]:
    text = hdf5.keras_config(root, name)
    for found in check_keras(read_document(text.encode("utf-8", "surrogatepass"), "json"), policy) if text else ():
        yield found if isinstance(found, Gap) else found._replace(start=_PLACE[0], end=_PLACE[1])


def _elsewhere(root: object) -> Iterator[Found]:
    shown, count, damaged = 0, 0, False
    for found in hdf5.objects(root):
        count += 1
        if isinstance(found, hdf5.Elsewhere):
            target, what = found.target.rpartition(":")[0], found.what
        elif isinstance(found, hdf5.Hdf5Item) and found.is_dataset:
            target, what = hdf5.stored_elsewhere(found.item), "a dataset with its data in another file"
            if size := hdf5.claimed(found.item):
                why = "loading it allocates memory for numbers that the file does not have"
                yield from danger(EXHAUSTION, "holds", f"{found.path[:100]} of {size} bytes", why, _PLACE, "medium")
        else:
            damaged = damaged or isinstance(found, hdf5.Damaged)
            continue
        outside = any(leaves_folder(one) for one in target.split(", "))
        if target and (outside or shown < _SHOWN):
            shown += 1
            severity: Severity | None = "high" if outside else None
            message = f"{found.path[:100]} is {what}: {target[:200]}"
            evidence = clean(f"{found.path} {target}", 1000)
            yield Hit("modelfiles.hdf5-external-data", *_PLACE, severity=severity, message=message, evidence=evidence)
    if damaged:
        yield unknown("holds", "a damaged object", "it cannot be read")
    elif not shown:
        yield inert("holds", f"{count} groups and datasets", "numbers and texts in this file")
