"""Compares two HDF5 files object by object: links, types, storage, attributes and every value."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.hdf5.hdf5_values import frozen, stored
from veritensor_ray.formats.model_files.hdf5.read import rows_at_once


class Hdf5Comparison:
    """What an HDF5 file and its copy have to agree on.

    `renamed` gives the new name for an old one, and `expected` the hashes of values that are different in the copy, by path and row; of an
    attribute, the row is None. Paths are those of the original.
    """

    def __init__(self, renamed: Callable[[str], str], expected: Mapping[tuple[str, int | None], int], pulse: Callable[[], None]) -> None:
        self._renamed, self._expected, self._pulse = renamed, expected, pulse
        self._rows: dict[str, set[int]] = {}
        for path, row in expected:
            if row is not None:
                self._rows.setdefault(path, set()).add(row)
        self._seen: dict[Any, Any] = {}

    def groups(self, old: Any, new: Any) -> None:
        """Compare two groups and everything in them. Raises CannotRewriteError if they differ."""
        stack = [("/", old, new)]
        while stack:
            path, one, two = stack.pop()
            here, there = h5py.h5o.get_info(one.id).addr, h5py.h5o.get_info(two.id).addr
            if here in self._seen:  # another link to the same object
                self._same(path, self._seen[here], there)
                continue
            self._seen[here] = there
            self._same(path, type(one), type(two))
            self._attributes(path, one, two)
            if isinstance(one, h5py.Dataset):
                self._dataset(path, one, two)
            elif isinstance(one, h5py.Datatype):
                self._same(path, one.id.equal(two.id), True)
            else:
                self._same(path, [self._renamed(name) for name in one], list(two))
                inner = [*self._members(path, one, two)]
                stack.extend(reversed(inner))

    def _members(self, path: str, one: Any, two: Any) -> Iterator[tuple[str, Any, Any]]:
        for name in one:
            old, new = one.get(name, getlink=True), two.get(self._renamed(name), getlink=True)
            self._same(path, (type(old), getattr(old, "path", None)), (type(new), getattr(new, "path", None)))
            if isinstance(old, h5py.HardLink):
                yield f"{path.rstrip('/')}/{name}"[-1024:], one[name], two[self._renamed(name)]

    def _attributes(self, path: str, one: Any, two: Any) -> None:
        names = list(one.attrs)
        self._same(path, [self._renamed(name) for name in names], list(two.attrs))
        for name in names:
            old, new = opened_attribute(one, name), opened_attribute(two, self._renamed(name))
            where = f"{path}@{name}"
            self._types(where, old, new)
            self._same(where, old.shape, new.shape)
            if old.shape is not None:
                hashed = self._expected.get((where, None))
                self._same(where, hash(frozen(stored(old))) if hashed is None else hashed, hash(frozen(stored(new))))

    def _types(self, path: str, old: Any, new: Any) -> None:
        one, two = old.get_type(), new.get_type()
        self._same(path, (one.equal(two), one.committed()), (True, two.committed()))

    def _dataset(self, path: str, one: Any, two: Any) -> None:
        self._pulse()
        self._types(path, one.id, two.id)
        self._same(path, (one.shape, one.maxshape, _kept(one)), (two.shape, two.maxshape, _kept(two)))
        if one.shape is None:
            return
        self._same(path, frozen(np.asarray(one.fillvalue)), frozen(np.asarray(two.fillvalue)))
        rows = self._rows.get(path, ())
        if one.shape == ():
            hashed = self._expected.get((path, 0))
            self._same(path, hash(frozen(stored(one))) if hashed is None else hashed, hash(frozen(stored(two))))
            return
        if not one.size:
            return
        step = rows_at_once(one)
        for first in range(0, one.shape[0], step):
            self._pulse()
            self._part(path, first, one[first : first + step], two[first : first + step], rows)

    def _part(self, path: str, first: int, old: Any, new: Any, rows: Container[int]) -> None:
        changed = [row for row in range(first, first + len(old)) if row in rows]
        for row in changed:
            self._same(path, self._expected[path, row], hash(frozen(new[row - first : row - first + 1])))
        if changed:
            stays = np.ones(len(old), bool)
            stays[[row - first for row in changed]] = False
            old, new = old[stays], new[stays]
        self._same(path, frozen(old), frozen(new))

    def _same(self, path: str, old: Any, new: Any) -> None:
        if old != new:
            raise CannotRewriteError(f"the file that was written differs from the original at {path} in more than what was ordered")


def opened_attribute(item: Any, name: str) -> Any:
    """Return an attribute with the type that it has in the file."""
    return h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))


def _kept(dataset: Any) -> Any:
    """Return how a dataset is stored."""
    made = dataset.id.get_create_plist()
    filters = [made.get_filter(number) for number in range(made.get_nfilters())]
    return made.get_layout(), dataset.chunks, filters, made.get_fill_time(), made.get_obj_track_times()


__all__ = ["Hdf5Comparison", "opened_attribute"]
