"""The files of a sweep that have names in the copy which they did not have there before.

Files that did not change since the last sweep are not read again, so links in these still lead to the old names.
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.clean_shard import left
from veritensor_ray.cleaning.copy_manifest import CORPUS, MANIFEST_NAME, Result
from veritensor_ray.cleaning.copy_places import copy_path
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.uris import is_local

_IN_COPY = pa.array([Result.COPIED.value, Result.CLEANED.value])


def new_names(assembler: Assembler) -> int:
    """Return how many of the files that a run is about to publish get another name than in the source, and had not got that before.

    It is 0 without an earlier copy.
    """
    store = assembler.cleaning.store
    manifest = store.read(MANIFEST_NAME)
    if manifest is None:
        return 0
    earlier = pq.read_table(io.BytesIO(manifest), columns=["artifact", "path"])
    count = 0
    for table in left(store, assembler.work):
        named = pc.and_(pc.is_valid(table["name"]), pc.and_(pc.equal(table["part"], 0), pc.is_in(table["result"], _IN_COPY)))
        rows = table.filter(named).select(["artifact", "name", "root"]).to_pylist()
        before = earlier.filter(pc.is_in(earlier["artifact"], table["artifact"].combine_chunks())).to_pylist() if rows else []
        paths = {one["artifact"]: one["path"] for one in before}
        for row in rows:
            from_store = not is_local(assembler.roots[row["root"]].uri)
            count += paths.get(row["artifact"]) != f"{CORPUS}/{copy_path(row['name'], from_store, store.local is None)}"
    return count


__all__ = ["new_names"]
