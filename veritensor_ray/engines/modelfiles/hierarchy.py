"""Checks HDF5 files: Keras configuration and references to other files. Links are not followed, and data is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import LimitExceeded, Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles import configs
from veritensor_ray.engines.modelfiles.configs import ConfigFinding
from veritensor_ray.engines.modelfiles.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files.hdf5 import structure as hdf5

_SHOWN = 100


def check(file: BinaryIO, policy: NamePolicy) -> Iterator[ConfigFinding | Gap]:
    """Yield the findings, and a gap if h5py cannot read the file."""
    try:
        with hdf5.opened(file) as root:
            yield from _keras(root, policy)
            yield from _elsewhere(root)
    except Malformed as error:
        yield Gap(f"modelfiles: {error}", engine="modelfiles")


def _keras(root: object, policy: NamePolicy) -> Iterator[ConfigFinding | Gap]:
    text = hdf5.keras_config(root)
    try:
        top = configs.parse(text.encode("utf-8", "replace")) if text else None
    except (ValueError, RecursionError):
        yield Gap("modelfiles: the attribute model_config is not valid JSON", engine="modelfiles")
        return
    try:
        yield from configs.check(top, "model_config", policy)
    except LimitExceeded as error:
        yield Gap(str(error), engine="modelfiles", bound=error.bound)


def _elsewhere(root: object) -> Iterator[ConfigFinding]:
    shown = 0
    for found in hdf5.objects(root):
        if isinstance(found, hdf5.Elsewhere):
            target, what = found.target.rpartition(":")[0], found.what
        elif isinstance(found, hdf5.Hdf5Item) and found.is_dataset:
            target, what = hdf5.stored_elsewhere(found.item), "a dataset with its data in another file"
        else:
            continue
        if target and shown < _SHOWN:
            shown += 1
            severity: Severity | None = "high" if any(leaves_folder(one) for one in target.split(", ")) else None
            yield ConfigFinding(
                "modelfiles.hdf5-external-data",
                found.path,
                f"{found.path[:100]} is {what}: {target[:200]}",
                f"{found.path} {target}",
                severity,
            )
