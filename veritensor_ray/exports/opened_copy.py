"""The cleaned copy that an audit belongs to: its folder is the one above `before` and `after`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.cleaning.copy_manifest import AFTER, BEFORE, MANIFEST, MANIFEST_NAME
from veritensor_ray.core.errors import StoreError, told
from veritensor_ray.findings.run_file import CLEAN_KIND, check
from veritensor_ray.findings.sweep_state import state_of
from veritensor_ray.results.attestation import RUN, check_listed
from veritensor_ray.results.results import Results
from veritensor_ray.stores.filesystems import Stores, absolute
from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True, slots=True)
class OpenedCopy:
    """A cleaned copy. `store` is its folder, and `run` the content of its run.json."""

    store: OutputStore
    run: Mapping[str, Any]

    def manifest(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the manifest. A column that an earlier version did not write is null. Raises StoreError if it is damaged."""
        try:
            with self.store.open(MANIFEST_NAME) as file:
                read = pq.ParquetFile(file)
                for batch in read.iter_batches(columns=[name for name in MANIFEST.names if name in read.schema_arrow.names]):
                    yield _whole(batch)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(f"{self.store.uri}/{MANIFEST_NAME} is damaged or missing ({told(error)}). Copy it again") from None


def copy_of(results: Results) -> OpenedCopy | None:
    """Return the copy whose audit these results are; None for any others, also for an earlier sweep of a copy.

    Raises StoreError if its run.json is damaged, and SignatureError if it or the manifest differs from what was signed.
    """
    above, _, name = state_of(results.store).uri.rstrip("/").rpartition("/")
    if name not in (BEFORE, AFTER) or not above:
        return None
    store = OutputStore(above, results.store.stores)
    run = _run(store)
    if run is None or (run[name] or {}).get("scan_id") != results.run["scan_id"]:
        return None
    check_listed(store, RUN, MANIFEST_NAME)
    return OpenedCopy(store, run)


def audit_in(output: str, stores: Stores) -> str:
    """Return where the audit is if an output is a cleaned copy: that of the copy, or that of the corpus if no file is left in the copy."""
    run = _run(OutputStore(absolute(output), stores))
    return output if run is None else f"{output.rstrip('/')}/{AFTER if run[AFTER] else BEFORE}"


def _run(store: OutputStore) -> dict[str, Any] | None:
    """Return the content of the run.json of a cleaned copy; None if there is none, or one of something else."""
    data = None
    with contextlib.suppress(OSError, StoreError):  # whoever may read an audit need not be able to read the folder above it
        data = store.read(RUN)
    try:
        run = json.loads(data or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(run, dict) or run.get("kind") != CLEAN_KIND:
        return None
    check(run, store.uri)
    return run


def _whole(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        batch[name].cast(field.type) if name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
        for name, field in zip(MANIFEST.names, MANIFEST, strict=True)
    ]
    made = pa.RecordBatch.from_arrays(columns, schema=MANIFEST)
    made.validate(full=True)
    return made
