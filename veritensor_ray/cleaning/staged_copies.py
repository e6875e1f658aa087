"""What waits in `_work/RUN/` of the destination until it is published: copies of artifacts, and the tables about them.

The tables are numbered: those of the run itself are number 0, and each change to the published copy makes further ones, whose copies wait in
`again/NUMBER/`. The manifest of a number is written last and makes it valid, so whatever interrupts a change, it is made again or not at all.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq

from veritensor_ray.cleaning.copy_manifest import CORPUS, MANIFEST_NAME, QUARANTINE, ROWS_NAME
from veritensor_ray.cleaning.copy_places import object_name, paths_below, remove_empty
from veritensor_ray.core.errors import StoreError
from veritensor_ray.masking.redaction import visible
from veritensor_ray.stores.outputs import OutputStore

_SUMMARY = "summary.json"
_MOVERS = 16


class Waiting:
    """The copies and tables of a run. `work` is their folder in the destination `store`."""

    def __init__(self, store: OutputStore, work: str) -> None:
        self._store, self.work = store, work

    @property
    def number(self) -> int | None:
        """The number of the last tables; None if there are none yet."""
        names = self._store.names(f"{self.work}/tables")
        return max((int(name) for name in names if self._store.exists(f"{self.tables(int(name))}/{MANIFEST_NAME}")), default=None)

    def tables(self, number: int) -> str:
        """Return the folder of the tables with a number."""
        return f"{self.work}/tables/{number:02d}"

    def stage(self, number: int) -> str:
        """Return the folder where copies wait that belong to the tables with a number."""
        return f"{self.work}/again/{number:02d}" if number else self.work

    def read(self, name: str) -> bytes:
        """Return one of the last tables."""
        return self._store.read(f"{self.tables(self.number or 0)}/{name}") or b""

    def summary(self) -> dict[str, Any]:
        """Return the counts that belong to the last tables."""
        found: dict[str, Any] = json.loads(self.read(_SUMMARY) or b"{}")
        return found

    def complete(self, number: int, summary: Mapping[str, Any], manifest: bytes) -> None:
        """Write the counts and the manifest of a number. Everything else that belongs to it has to be there."""
        self._store.put(f"{self.tables(number)}/{_SUMMARY}", json.dumps(summary).encode())
        self._store.put(f"{self.tables(number)}/{MANIFEST_NAME}", manifest)

    def move(self) -> None:
        """Move copies to their places, and remove those of artifacts that left the source or went elsewhere. Raises StoreError.

        On a local disk, the folder of a first run becomes `corpus/` by one rename, so it appears whole. Otherwise files are moved one by one.
        """
        store = self._store
        self._gather()
        tables = {name: self.read(name) for name in (ROWS_NAME, MANIFEST_NAME)}
        paths = pq.read_table(io.BytesIO(tables[MANIFEST_NAME]), columns=["path"])["path"].drop_null().to_pylist()
        for place in (CORPUS, QUARANTINE):
            self._move_place(place, {path for path in paths if path.startswith(f"{place}/")})
        for name, data in tables.items():
            store.put(name, data)
        if store.local is not None:
            os.sync()

    def _gather(self) -> None:
        """Replace copies of the run by those of later tables."""
        for number in range(1, (self.number or 0) + 1):
            stage = self.stage(number)
            for place in (CORPUS, QUARANTINE):
                for path in list(paths_below(self._store.under(stage), place)):
                    name = object_name(self._store, path)
                    self._store.check_way(f"{self.work}/{name}")
                    self._store.move(f"{stage}/{name}", f"{self.work}/{name}")

    def _move_place(self, place: str, wanted: set[str]) -> None:
        store, stage = self._store, f"{self.work}/{place}"
        store.check_way(f"{place}/")
        staged = set(paths_below(store.under(self.work), place))
        # what a killed process left, and copies of artifacts that changed while they were read
        self._remove([f"{self.work}/{object_name(store, path)}" for path in staged - wanted], stage)
        staged &= wanted
        if staged and store.local is not None and not os.path.lexists(store.local / place):
            if staged != wanted:
                raise self._missing(wanted - staged)
            store.move(stage, place)
            return
        present = set(paths_below(store, place))
        if gone := wanted - present - staged:
            raise self._missing(gone)
        self._remove([object_name(store, path) for path in present - wanted], place)
        with ThreadPoolExecutor(_MOVERS) as movers:
            for _ in movers.map(self._move_one, staged):
                pass

    def _move_one(self, path: str) -> None:
        name = object_name(self._store, path)
        self._store.check_way(name)
        self._store.move(f"{self.work}/{name}", name)

    def _remove(self, names: list[str], place: str) -> None:
        """Remove files, and the folders that are empty then."""
        store = self._store
        for name in names:
            store.check_way(name)
        store.remove(names)
        if store.local is not None:
            for name in names:
                remove_empty(store.local, name, place)

    def _missing(self, paths: set[str]) -> StoreError:
        return StoreError(
            f"{len(paths):,} files that the manifest lists are not in {self._store.uri}, such as {visible(min(paths))}; "
            "repeat the command with --fresh"
        )
