"""The names of copies that only the content of files has decided: too late for the search for references, which comes before it.

The audit of the copy looks for them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.compute as pc

from veritensor_ray.cleaning.clean_shard import left
from veritensor_ray.cleaning.copy_places import copy_path
from veritensor_ray.cleaning.names.copy_names import has_extension
from veritensor_ray.cleaning.names.renames import RenamedPart, Renames
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.uris import is_local


def late_names(assembler: Assembler) -> Renames | None:
    """Return the names of copies of a run to which no reference leads yet, by the names that references have."""
    return Renames.of(_late(assembler))


def _late(assembler: Assembler) -> Iterator[RenamedPart]:
    store = assembler.cleaning.store
    for table in left(store, assembler.work):
        late = table.filter(pc.and_(pc.is_valid(table["expected"]), pc.equal(table["part"], 0)))
        for row in late.select(["expected", "name", "root"]).to_pylist():
            from_store = not is_local(assembler.roots[row["root"]].uri)
            old, new = (copy_path(row[name], from_store, store.local is None).rpartition("/")[2] for name in ("expected", "name"))
            yield RenamedPart(old, new, has_extension(old))


__all__ = ["late_names"]
