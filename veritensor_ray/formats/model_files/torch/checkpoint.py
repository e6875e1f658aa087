"""Finds the tensors of a checkpoint of PyTorch, in a zip or as torch before 1.6 wrote it, and where their values stand in the file."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import PYTORCH
from veritensor_ray.formats.archives.zip.structure import STORED, Directory, ZipEntry, contradiction, find_directory, local_header
from veritensor_ray.formats.common.file_ranges import length, pieces
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.pickle.events import Broken
from veritensor_ray.formats.model_files.pickle.pickle_tree import Tree, TreeDict, TreeList, read_tree
from veritensor_ray.formats.model_files.pickle.structure import TORCH_MAGIC
from veritensor_ray.formats.model_files.torch.tensors import BUILDERS, PERSISTENT, Storage, Tensor, only_tensors

_PICKLE = bounds.PICKLE_TREE
_PROTOCOL = 1001
_BESIDES = frozenset(("version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"))
_MAGIC = 4096  # bytes of the first pickle, at most, with what may run in it
_COUNT = 8  # bytes before each storage of an old file: the number of its values
Pulse = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a file by their names, and where their storages begin in it, by their keys."""

    tensors: Mapping[str, Tensor]
    places: Mapping[str, int]


def read_checkpoint(file: BinaryIO, media_type: str, pulse: Pulse) -> Checkpoint:
    """Read a seekable file. Raises CannotRewriteError if it is not a checkpoint that holds tensors and nothing else, and ReadError."""
    try:
        return _Zip(file, pulse).checkpoint() if media_type == PYTORCH else _old(file, pulse)
    except Broken as broken:
        raise CannotRewriteError(str(broken)) from None


def is_old_checkpoint(file: BinaryIO, pulse: Pulse) -> bool:
    """Return whether a seekable file is a checkpoint as torch before 1.6 wrote it, by the number that it begins with."""
    file.seek(0)
    try:
        return read_tree(io.BytesIO(file.read(_MAGIC)), BUILDERS, PERSISTENT, pulse).value == TORCH_MAGIC
    except Broken:
        return False
    finally:
        file.seek(0)


class _Zip:
    def __init__(self, file: BinaryIO, pulse: Pulse) -> None:
        self._file, self._pulse = file, pulse

    def checkpoint(self) -> Checkpoint:
        directory = find_directory(self._file)
        entries = self._entries(directory)
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CannotRewriteError("it does not have exactly one data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        self._check_names(entries, folder)
        data = self._data(entries[pickles[0]], _PICKLE)
        tensors = only_tensors(read_tree(io.BytesIO(data), BUILDERS, PERSISTENT, self._pulse))
        if (order := entries.get(f"{folder}byteorder")) is not None and self._data(order, 100) != b"little":
            raise CannotRewriteError("its numbers are not stored with the lowest byte first")
        places = {key: self._place(entries, folder, storage) for key, storage in _storages(tensors.values()).items()}
        return Checkpoint(tensors, places)

    def _entries(self, directory: Directory | None) -> dict[str, ZipEntry]:
        """Return the entries by their names. Programs must agree on each of them: torch ignores case."""
        if directory is None or directory.rival or directory.shift:
            raise CannotRewriteError("its central directory is damaged, or programs differ in which one they read")
        found = directory.first(directory.count)
        names = {entry.name.casefold() for entry in found}
        if len(found) != directory.count or len(names) != len(found):
            raise CannotRewriteError("its central directory is damaged or names an entry twice")
        return {entry.name: entry for entry in found}

    def _check_names(self, entries: Iterable[str], folder: str) -> None:
        for name in entries:
            inside = name.removeprefix(folder)
            known = inside in _BESIDES or inside == "data.pkl" or (inside.startswith("data/") and inside.count("/") == 1)
            if inside == name or not known:
                raise CannotRewriteError("its archive has files besides tensors and their pickle")

    def _begin(self, entry: ZipEntry) -> int:
        """Return where the bytes of an entry begin, which must stand there as they are."""
        local = local_header(self._file, entry.offset)
        if local is None or contradiction(entry, local) or entry.encrypted:
            raise CannotRewriteError("an entry of its archive is not where the directory says, contradicts it, or is encrypted")
        if entry.method != STORED or entry.size != entry.packed:
            raise CannotRewriteError("its archive is compressed, as torch never does")
        return local.data

    def _data(self, entry: ZipEntry, most: int) -> bytes:
        begin = self._begin(entry)
        if entry.size > most:
            raise CannotRewriteError(f"its {entry.name.rpartition('/')[2]} has more than {most:,} bytes")
        self._file.seek(begin)
        data = self._file.read(entry.size)
        if len(data) < entry.size or zlib.crc32(data) != entry.crc:
            raise CannotRewriteError("an entry of its archive is damaged")
        return data

    def _place(self, entries: Mapping[str, ZipEntry], folder: str, storage: Storage) -> int:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None or entry.size != storage.size:
            raise CannotRewriteError("a storage is missing from its archive or has another size there")
        begin = self._begin(entry)
        checksum = read = 0
        for piece in pieces(self._file, begin, begin + entry.size, self._pulse):
            checksum, read = zlib.crc32(piece, checksum), read + len(piece)
        if read < entry.size or checksum != entry.crc:
            raise CannotRewriteError("an entry of its archive is damaged")
        return begin


def _old(file: BinaryIO, pulse: Pulse) -> Checkpoint:
    """Read five pickles: a number, a version, how numbers are stored, the value, and the keys of the storages that follow, in order."""
    file.seek(0)
    head = io.BytesIO(file.read(_PICKLE))
    if read_tree(head, BUILDERS, PERSISTENT, pulse).value != TORCH_MAGIC:
        raise CannotRewriteError("it is not a checkpoint of torch")
    version, system, value, keys = (read_tree(head, BUILDERS, PERSISTENT, pulse) for _ in range(4))
    if version.value != _PROTOCOL:
        raise CannotRewriteError("it is a checkpoint of an unknown version of torch")
    if not isinstance(system.value, TreeDict) or ("little_endian", True) not in system.value.pairs:
        raise CannotRewriteError("its numbers are not stored with the lowest byte first")
    tensors = only_tensors(Tree(value.value, [*value.given, *keys.given]))
    if any(tensor.storage.kind is None for tensor in tensors.values()):
        raise CannotRewriteError("it has a tensor of a type that torch does not load from files of this kind")
    storages, places, at = _storages(tensors.values()), dict[str, int](), head.tell()
    size = length(file)
    for key in _keys(keys.value):
        file.seek(at)
        count = int.from_bytes(file.read(_COUNT), "little", signed=True)
        if (storage := storages.get(key)) is None:  # its size decides where the next one begins
            raise CannotRewriteError("it has storages that are not those of its tensors")
        if count != storage.count or at + _COUNT + storage.size > size:
            raise CannotRewriteError("a storage in it is cut off or has another size than its pickle says")
        places[key] = at + _COUNT
        at += _COUNT + storage.size
    if storages.keys() - places.keys():
        raise CannotRewriteError("a storage is missing from it")
    return Checkpoint(tensors, places)


def _keys(value: object) -> list[str]:
    keys = [key for key in value.items if isinstance(key, str)] if isinstance(value, TreeList) else []
    if not isinstance(value, TreeList) or len(keys) != len(value.items) or len(set(keys)) != len(keys):
        raise CannotRewriteError("it does not say in which order its storages follow")
    return keys


def _storages(tensors: Iterable[Tensor]) -> dict[str, Storage]:
    return {tensor.storage.key: tensor.storage for tensor in tensors}
