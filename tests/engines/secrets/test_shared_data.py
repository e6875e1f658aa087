"""Recall on other people's examples; skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.engines.secrets.building import batch, engine

DATA = Path(__file__).parents[4] / "shared" / "data" / "secrets"
NO_SECRETS = ("artifactory", "ip_public", "twilio")  # filled up with x, or addresses


@pytest.mark.skipif(not DATA.exists(), reason="the shared development data is not here")
@pytest.mark.parametrize("name", ["detect_secrets_tests", "kingfisher"])
def test_four_fifths_of_the_examples_are_found(name: str) -> None:
    rows = [row for row in pq.read_table(DATA / f"{name}.parquet").to_pylist() if row["kind"] not in NO_SECRETS]
    hit = {one.row for one in engine().scan_text(batch([row["text"] for row in rows]))}
    wanted = [i for i, row in enumerate(rows) if row["label"]]
    benign = [i for i, row in enumerate(rows) if not row["label"]]
    assert sum(i in hit for i in wanted) / len(wanted) >= 0.8
    assert sum(i in hit for i in benign) / len(benign) <= 0.1
