"""Precision and recall of structured identifiers on other people's labelled texts; skipped where they are absent."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.engines.pii.helpers import engine
from veritensor_ray.testing import text_batch

DATA = Path(__file__).parents[4] / "shared" / "data" / "pii"
LABELS = {
    "CREDIT_CARD": "payment-card", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "US_SSN": "us-ssn", "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip-address", "CRYPTO": "crypto-address", "US_DRIVER_LICENSE": "national-id",
}  # fmt: skip


@pytest.mark.skipif(not DATA.exists(), reason="the shared development data is not here")
@pytest.mark.parametrize("name", ["presidio_generated_large", "presidio_synth_v2"])
def test_structured_types_reach_nine_tenths(name: str) -> None:
    rows = pq.read_table(DATA / f"{name}.parquet").to_pylist()
    expected = {
        (i, start, end, LABELS[label]) for i, row in enumerate(rows) for start, end, label in json.loads(row["spans"]) if label in LABELS
    }
    hits = engine(private_addresses=True).scan_text(text_batch([row["text"] for row in rows]))
    found = {(hit.row or 0, hit.start, hit.end, hit.rule.removeprefix("pii.")) for hit in hits}
    good, wanted, given = Counter[str](), Counter(rule for *_, rule in expected), Counter(rule for *_, rule in found)
    by_row: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for row, start, end, rule in found:
        by_row.setdefault((row, rule), []).append((start, end))
    for row, start, end, rule in expected:
        good[rule] += any(a < end and start < b for a, b in by_row.get((row, rule), []))
    scores = {rule: 2 * good[rule] / (wanted[rule] + given[rule]) for rule in wanted if wanted[rule] >= 10}
    assert scores
    assert min(scores.values()) >= 0.9, scores
