"""The place of a finding in a table has the values of the key columns of its row."""

from __future__ import annotations

import base64
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.findings.nights import Nights

MAILS = [f"person{number}@kaldor-mail.com" for number in range(4)]


def test_rows_of_findings_have_keys(tmp_path: Path) -> None:
    """Those of all columns of a row, of hidden texts too, and of every location."""
    nights = Nights(tmp_path, "pii")
    hidden = [base64.b64encode(f"write to hidden{number}@kaldor-mail.com".encode()).decode() for number in range(4)]
    same = ["ada@kaldor-mail.com"] * 4
    pq.write_table(
        pa.table({"id": range(10, 14), "name": [*"abcd"], "mail": MAILS, "text": hidden, "same": same}), nights.path("a_parquet")
    )
    nights.night(key=["id", "name"], locations="all")
    rows = nights.table("findings")
    keys = {(row["location"]["column"], row["location"]["row"]): row["location"]["key"] for row in rows}
    expected = [f"id={10 + row}, name={'abcd'[row]}" for row in range(4)]
    assert [keys["mail", row] for row in range(4)] == [keys["text", row] for row in range(4)] == expected
    [one] = [row for row in rows if row["location"]["column"] == "same"]
    assert [place["key"] for place in one["places"]] == expected[1:]
    located = {(row["column"], row["row"]): row["key"] for row in nights.table("locations")}
    assert [located["same", row] for row in range(4)] == expected


def test_keys_show_no_values_that_were_found(tmp_path: Path) -> None:
    """Neither in a key column with findings, nor in one that repeats a value from elsewhere. A sweep carries what it knows."""
    nights = Nights(tmp_path, "pii")
    card = "4111 1111 1111 1111"
    table = {"mail": MAILS[:2], "note": [f"card {card}", "-"], "copy": ["x", card.replace(" ", "")], "id": [1, 2]}
    pq.write_table(pa.table(table), nights.path("a_parquet"))
    for _ in range(2):
        nights.night(key=["mail", "copy", "id"], locations="all")
        shown = {place["key"] for row in nights.table("findings") for place in (row["location"], *row["places"])}
        shown |= {row["key"] for row in nights.table("locations")}
        assert shown == {"mail=•••, copy=•••, id=1", "mail=•••, copy=•••, id=2"}
        assert not any(value in str(nights.all() + nights.table("locations")) for value in (MAILS[0], "41111111", "4111 1111"))
    assert nights.read == []
