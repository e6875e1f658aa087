"""Rewrites HDF5 files: the library copies all objects into a new file, texts and names change there, and that file is copied once more.

So nothing that was changed or deleted is left between the objects. Before the second copy counts, it is compared with the original.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from veritensor_ray.core.errors import Malformed, ReadError, told
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Orders, Unit, applied
from veritensor_ray.formats.model_files.hdf5 import structure as hdf5
from veritensor_ray.formats.model_files.hdf5.hdf5_values import TextSlot, frozen, stored, text_slots
from veritensor_ray.formats.model_files.hdf5.read import rows_at_once
from veritensor_ray.masking.redaction import name_safe

_NAMES = Unit(column="names")
_LONGEST = 256  # characters of a path that the reader names
_VERSIONS = {0: "earliest", 1: "earliest", 2: "v108", 3: "v110"}  # of the superblock, and what writes it
_ROOT = "root"  # what the copy of the root is called until its members are in their place


def rewrite_hdf5(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes. Raises CannotRewriteError, ReadError."""
    if not any(orders):
        copy_range(source.file, out, 0, None, orders.pulse)
        return
    if orders.rows:
        raise CannotRewriteError("an item of a dataset cannot be dropped, because others are found by their number; drop-cell empties it")
    source.file.seek(8)
    version = _VERSIONS.get(source.file.read(1)[0])
    if version is None:
        raise CannotRewriteError("it is of a version of HDF5 that is not written")
    try:
        with tempfile.TemporaryDirectory(prefix="veritensor-") as folder, hdf5.opened(source.file) as original:
            made = _Hdf5Rewriter(source, orders, version).written(original["/"], Path(folder))
            with made.open("rb") as file:
                copy_range(file, out, 0, length(file), orders.pulse)
    except Malformed as error:
        raise ReadError(str(error)) from None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise CannotRewriteError(f"the library for HDF5 cannot rewrite it: {told(error)}") from None


class _Hdf5Rewriter:
    def __init__(self, source: Source, orders: Orders, version: str) -> None:
        self._orders, self._version = orders, version
        self._copies = Copies(source.budget, length(source.file))
        self._new_names = self._names_to_change()
        self._expected: dict[tuple[str, int | None], int] = {}  # hashes of values that change, by path and row
        self._rows: dict[str, list[int]] = {}
        for unit in orders.units:
            if unit.column is not None and unit.column.startswith("/"):
                self._rows.setdefault(unit.column, []).append(unit.row or 0)

    def written(self, original: Any, folder: Path) -> Path:
        """Return the path of the new file. Raises CannotRewriteError."""
        from veritensor_ray.formats.model_files.hdf5.hdf5_comparing import Hdf5Comparison  # which imports h5py

        self._check(original)
        with closing(self._copied(original, folder / "changed.h5")) as changed:
            self._change(changed)
            with closing(self._copied(changed["/"], folder / "new.h5")) as new:
                Hdf5Comparison(self._renamed, self._expected, self._orders.pulse).groups(original, new["/"])
        return folder / "new.h5"

    def _check(self, original: Any) -> None:
        """Raise CannotRewriteError for what would not be the same in another file, or LimitExceeded if it would be far larger there."""
        import h5py

        for found in hdf5.objects(original):
            self._orders.pulse()
            if isinstance(found, hdf5.Damaged):
                raise CannotRewriteError(f"the object {name_safe(found.path)} cannot be read: {found.reason}")
            if isinstance(found, hdf5.Elsewhere):
                raise CannotRewriteError(f"it has {found.what} at {name_safe(found.path)}")
            if self._new_names and any(isinstance(found.item.get(name, getlink=True), h5py.SoftLink) for name in found.names):
                raise CannotRewriteError("it has symbolic links, which may lead to objects whose names would change")
            types = [one.dtype for one in _attributes(found.item)]
            if found.is_dataset:
                if hdf5.stored_elsewhere(found.item) or found.item.is_virtual:
                    raise CannotRewriteError(f"the data of {name_safe(found.path)} is in other datasets or files")
                types.append(found.item.dtype)
                self._expand(found.item)
            if any(_refers(one) for one in types):
                raise CannotRewriteError("it has references to objects or regions, which would lead to other places in a new file")

    def _expand(self, dataset: Any) -> None:
        """Count the values of variable length: many items may share one, and each would get its own."""
        if not dataset.dtype.hasobject or not dataset.shape or not dataset.size:
            return
        step = rows_at_once(dataset)
        for first in range(0, dataset.shape[0], step):
            self._orders.pulse()
            part = dataset[first : first + step]
            self._copies.add(part.nbytes + sum(len(slot.raw) for slot in text_slots(part) if slot is not None))

    def _copied(self, root: Any, path: Path) -> Any:
        """Return a new file with everything that a file has, and nothing that lies between its objects."""
        import h5py

        order = bool(root.id.get_create_plist().get_link_creation_order())
        made = h5py.File(path, "w", libver=(self._version, "latest"), locking=False, track_order=order)
        name = _ROOT
        while name in root:
            name += "_"
        h5py.h5o.copy(root.id, b".", made.id, name.encode())
        copy = made[name]
        for member in list(copy):
            made.move(f"{name}/{member}", member)
        for attribute in _attributes(copy):
            target = h5py.h5a.create(made.id, attribute.name, attribute.get_type(), attribute.get_space())
            if attribute.shape is not None:
                target.write(stored(attribute))
        del made[name]
        return made

    def _change(self, changed: Any) -> None:
        """Carry out the orders in a file."""
        found = [one for one in hdf5.objects(changed["/"]) if isinstance(one, hdf5.Hdf5Item)]
        for one in found:
            self._orders.pulse()
            self._change_attributes(one)
            if one.is_dataset and len(one.path) <= _LONGEST:
                self._change_dataset(one)
        for one in reversed(found):
            self._rename(one)

    def _change_attributes(self, found: hdf5.Hdf5Item) -> None:
        for attribute in _attributes(found.item):
            where = f"{found.path}@{_text(attribute.name)}"
            if where not in self._rows or len(where) > _LONGEST or attribute.shape is None:
                continue
            value = stored(attribute)
            slots = enumerate(text_slots(value))
            done = [self._put(slot, Unit(row=number or None, column=where), False) for number, slot in slots if slot is not None]
            if any(done):
                attribute.write(value)
                self._expected[where, None] = hash(frozen(value))

    def _change_dataset(self, found: hdf5.Hdf5Item) -> None:
        dataset = found.item
        if found.path not in self._rows or not dataset.size:
            return
        for row in sorted(set(self._rows[found.path])):
            self._orders.pulse()
            if dataset.shape and row >= dataset.shape[0]:
                continue
            value = dataset[row : row + 1] if dataset.shape else stored(dataset)
            slots = [slot for slot in text_slots(value) if slot is not None]
            unit = Unit(row=row, column=found.path)
            done = [self._put(slot, unit, len(slots) > 1) for slot in slots]
            if any(done):
                dataset[slice(row, row + 1) if dataset.shape else ()] = value
                self._expected[found.path, row] = hash(frozen(value))

    def _put(self, slot: TextSlot, unit: Unit, is_shared: bool) -> bool:
        """Change a string, and return whether it changed. If others have the same name, it is changed only if it is the one that was seen."""
        here, raw = self._orders.units.get(unit, ()), slot.raw
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return False
        seen = text.replace("\0", "\n")  # as the reader gives it
        if not here or (is_shared and not all(order.mark.straight for order in here)):
            return False
        if any(order.action is Action.DROP_CELL for order in here):
            if is_shared and not all(seen[order.mark.start : order.mark.end] == order.mark.text for order in here):
                return False
            self._orders.drops_cell(unit)
            new = b""
        else:
            new = applied(text, self._edits(unit, text, seen, slot.room)).encode()
        if slot.room is not None and len(new) > slot.room:
            raise CannotRewriteError(
                f"a string of at most {slot.room} bytes has no room for what would take the place of a finding; a mask would be shortened"
            )
        if new != raw:
            slot.put(new)
        return new != raw

    def _edits(self, unit: Unit, text: str, seen: str, room: int | None) -> list[Edit]:
        if room is None:
            return self._orders.edits(unit, seen)
        return self._orders.edits_that_fit(unit, seen, lambda edits: len(applied(text, edits).encode()) <= room)

    def _names_to_change(self) -> dict[str, str]:
        """Return the texts in names that are replaced, with what takes their place; their orders are ticked off when a name changes."""
        wanted = {order.mark.text or "" for order in self._orders.units.get(_NAMES, ()) if _is_in_name(order.mark.text)}
        new = self._orders.replaced()
        return {text: new[text] for text in sorted(wanted & {*new}, key=lambda text: (-len(text), text)) if _is_in_name(new[text])}

    def _renamed(self, name: str) -> str:
        for text, new in self._new_names.items():
            name = name.replace(text, new)
        return name

    def _rename(self, found: hdf5.Hdf5Item) -> None:
        """Change the names of the attributes of an object and those of its members."""
        import h5py

        for attribute in [*_attributes(found.item)]:
            if (new := self._renamed(name := _text(attribute.name))) != name:
                self._free(new, found.item.attrs)
                h5py.h5a.rename(found.item.id, attribute.name, new.encode("utf-8", "surrogateescape"))
                self._tick(name)
        for name in found.names:
            if (new := self._renamed(name)) != name:
                self._free(new, found.item)
                found.item.move(name, new)
                self._tick(name)

    def _free(self, name: str, names: Any) -> None:
        if name in names:
            raise CannotRewriteError("two of its names would become equal; pseudonyms differ where masks do not")

    def _tick(self, name: str) -> None:
        for order in self._orders.units.get(_NAMES, ()):
            if order.mark.text in self._new_names and order.mark.text in name:
                self._orders.tick(order)


def _is_in_name(text: str | None) -> bool:
    return bool(text) and not {"/", "\n", "\0"} & {*(text or "")}


def _attributes(item: Any) -> Iterator[Any]:
    """Yield the attributes of an object, with the types that they have in the file."""
    import h5py

    for name in list(item.attrs):
        yield h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _refers(dtype: Any) -> bool:
    """Return whether values of a type are or hold references."""
    import h5py

    inner = h5py.check_vlen_dtype(dtype)
    if h5py.check_ref_dtype(dtype) is not None or (isinstance(inner, np.dtype) and _refers(inner)):
        return True
    return any(_refers(dtype.fields[name][0].base) for name in dtype.names or ())


__all__ = ["rewrite_hdf5"]
