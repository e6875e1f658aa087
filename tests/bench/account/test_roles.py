"""Files that libraries write: each place contains the value, and where it stands as a value of its own, it is reported."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.account.archives import archive_samples
from bench.account.arrays import array_samples
from bench.account.auditing import ESCAPED, REPORTED, Auditor
from bench.account.canary import NUMBER, RAW, TEXT, Sample, number_role, role
from bench.account.columns import column_samples
from bench.account.databases import database_samples
from bench.account.duckdb_databases import duckdb_samples
from bench.account.hdf5s import hdf5_samples

# Places where any reader of the format finds a value.
PLAIN = {
    "cell",
    "cell, UTF-8",
    "cell, UTF-16le",
    "cell, v1.0.0",
    "cell, v2.0.0",
    "text",
    "text, earliest",
    "text, latest",
    "metadata",
    "value",
    "text of fixed length, latest",
}


@pytest.fixture(scope="module")
def auditor() -> Auditor:
    """Engines loaded once."""
    return Auditor()


def built(sample: Sample) -> dict[str, bytes]:
    assert sample.places
    return {one.kind: one.build() for one in sample.places()}


@pytest.mark.slow
@pytest.mark.parametrize("samples", [column_samples, database_samples, duckdb_samples, hdf5_samples, array_samples])
def test_values_are_reported_and_files_without_them_are_not(samples: Callable[[], Iterator[Sample]], auditor: Auditor) -> None:
    for sample in samples():
        there = built(sample)
        assert len(there) >= 12
        files = {kind: data for kind, data in there.items() if kind in PLAIN}
        verdicts = auditor.verdicts([(sample.name, sample.data), *((sample.name, data) for data in files.values())])
        assert [one.result for one in verdicts] == [ESCAPED, *(REPORTED for _ in files)]


def test_what_a_library_does_not_write_is_no_place() -> None:
    assert [one.build() for one in role("a", lambda text: text.encode())] == [RAW]
    assert list(role("a", lambda text: b"the same")) == []
    assert [one.build() for one in number_role("a", lambda number: b"%d" % number)] == [b"%d" % NUMBER]
    assert list(number_role("a", lambda number: b"%d" % (number // 10))) == []


def test_a_value_of_a_dictionary_that_no_row_has() -> None:
    [parquet, *_] = column_samples()
    table = pq.read_table(io.BytesIO(built(parquet)["value of a dictionary that no row has"]))
    assert table.column("a").to_pylist() == ["a"]
    assert "bytes of a null" not in built(parquet)  # Parquet does not write them


def test_a_deleted_row_is_there_and_no_row() -> None:
    data = built(next(iter(database_samples())))["deleted row, UTF-8"]
    opened = sqlite3.connect(":memory:")
    opened.deserialize(data)
    assert opened.execute("SELECT count(*) FROM t WHERE a LIKE '%kanari%'").fetchone() == (0,)
    assert RAW in data


def test_the_padding_of_a_header_of_an_array() -> None:
    [arrays, *_] = array_samples()
    there = built(arrays)
    assert np.load(io.BytesIO(there["text"])).tolist() == [TEXT, "a"]
    assert np.load(io.BytesIO(there["comment in the header"])).tolist() == list(range(9))
    assert RAW in there["comment in the header"]


def test_places_of_archives() -> None:
    sevenzip, *others = ({one.kind: one for one in sample.places()} for sample in archive_samples() if sample.places)
    assert {"7z: before the header", "7z: name of a member", "text"} <= set(sevenzip)
    for there in others:
        assert RAW in there["ar: table of symbols"].build()
