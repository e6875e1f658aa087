"""Judges the lists of members of archives that are models. Each member is a file of its own for the engine; here only its place counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.graphs.found import FILES, danger
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.archives.zip.structure import find_directory

# What torch.save, torch.jit.save and their loaders write and read below the folder of the archive (torch/serialization.py, caffe2/serialize).
_PYTORCH = re.compile(
    r"[^/]+/(?:data\.pkl|constants\.pkl|bytecode\.pkl|traced_inputs\.pkl|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|attributes\.pkl|mobile_debug_handles\.pkl|(?:data|constants|tensors|code/tensors)/\d+|code/\S+\.py(?:\.debug_pkl)?)"
)
_NPZ = re.compile(r"[^/].*\.npy")
_KERAS = re.compile(r"config\.json|metadata\.json|model\.weights\.h5|model\.weights\.npz")
_STRANGE = "no loader of the format has a place for it, or it is code"


def scan_pytorch(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield whether a PyTorch archive has only the members of its format."""
    return _judged(file, _PYTORCH, "PyTorch")


def scan_npz(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield whether a NumPy archive has only arrays."""
    return _judged(file, _NPZ, "NumPy")


def scan_keras_archive(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield whether a Keras archive has only the members of its format. Assets are not among them: layers read them as they like."""
    return _judged(file, _KERAS, "Keras")


def scan_package(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    """Yield that a package of files whose loader may use any of them was not proven inert."""
    return [Effect("holds", f"a package {about.extension}", "unknown", "its loader decides which of its files it uses, and how")]


def _judged(file: BinaryIO, known: re.Pattern[str], title: str) -> Iterator[Found]:
    directory = find_directory(file)
    if directory is None:
        yield Effect("holds", f"a {title} archive", "unknown", "it has no list of its members")
        return
    entries = directory.first(bounds.SNIFFED_ENTRIES + 1)
    names = Counter(entry.name for entry in entries[: bounds.SNIFFED_ENTRIES] if not entry.name.endswith("/"))
    if len(entries) > bounds.SNIFFED_ENTRIES:
        yield Effect("holds", "more members", "unknown", f"only the first {bounds.SNIFFED_ENTRIES:,} were judged")
    for name, count in names.items():
        if leaves_folder(name):
            yield from danger(
                FILES, "writes", name, f"a member of the {title} archive climbs out of the folder into which it is unpacked", (0, 4)
            )
        elif not known.fullmatch(name):
            yield Effect("holds", name, "unknown", _STRANGE)
        elif count > 1:
            yield Effect("holds", name, "unknown", "loaders may take either of the members with this name", times=count)
    if names:
        yield Effect("holds", f"members of a {title} archive", "inert", "each has its place in the format, and a verdict of its own")
