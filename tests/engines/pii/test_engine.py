"""The engine as a whole: contract, columns of tables, free text with a model that is none, fingerprint."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from tests.engines.pii.helpers import engine
from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.base import Engine
from veritensor_ray.engines.pii import Pii
from veritensor_ray.engines.pii.free_text.gliner_torch import batches
from veritensor_ray.engines.pii.free_text.passages_read import labels_of, thresholds_of, window_words_of
from veritensor_ray.engines.pii.free_text.prepared import PREPARED
from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import EngineContract, text_batch


class TestPii(EngineContract):
    positives = ("anna.becker@posteo.de", "card 4532 0151 1283 0366", "ä IBAN DE89370400440532013000", "anna (at) posteo (dot) de")

    def make_engine(self) -> Engine:
        return engine()


class Names:
    """A model that knows two names and one street."""

    def __init__(self) -> None:
        self.read_texts: list[str] = []

    def read(self, texts: Sequence[str]) -> list[list[PiiSpan]]:
        self.read_texts += texts
        return [
            [
                PiiSpan("address" if m.group()[0].isdigit() else "person", m.start(), m.end(), 0.9)
                for m in re.finditer("Maria Schneider|anna|8 Mill Road|4 Oak Gardens", text)
            ]
            for text in texts
        ]


def reading(**pii: object) -> tuple[Pii, Names]:
    made, names = engine(free_text=True, **pii), Names()
    made._reader = names
    return made, names


def test_free_text_is_placed_in_its_segment() -> None:
    made, _ = reading()
    texts = ["", None, "ä. We met Maria Schneider at 8 Mill Road.", "Hello. " * 30 + "Ask Maria Schneider."]
    hits = made.scan_text(text_batch(texts))
    assert [(hit.row, (texts[hit.row or 0] or "")[hit.start : hit.end], hit.rule) for hit in hits] == [
        (2, "Maria Schneider", "pii.person"),
        (2, "8 Mill Road", "pii.address"),
        (3, "Maria Schneider", "pii.person"),
    ]


def test_the_model_reads_only_sentences_of_the_residue() -> None:
    made, names = reading(gate=False)
    texts = ["Maria Schneider", "glMariaSchneider\nMaria Schneider\nanna@posteo.de", "we met Maria Schneider in the old town last year"]
    seen, residue = (to_batch(Block(texts, view=view), Identity(0, "a", "x/y"), Limits()) for view in ("visible", "residue"))
    assert [(hit.row, hit.rule) for hit in made.scan_text(residue)] == [(1, "pii.email"), (2, "pii.person")]
    assert names.read_texts == texts[2:]
    assert len(made.scan_text(seen)) == 4


def test_an_address_of_mail_beats_the_name_in_it() -> None:
    made, _ = reading(gate=False)
    assert [hit.rule for hit in made.scan_text(text_batch(["write to anna@posteo.de"]))] == ["pii.email"]


@pytest.mark.parametrize(
    ("gated", "read"),
    [
        (True, ["She lives in 4 Oak Gardens, near Leeds."]),
        (False, ["nothing here to see", "x = y + 1", "She lives in 4 Oak Gardens, near Leeds."]),
    ],
)
def test_the_tagger_spares_the_model(gated: bool, read: list[str]) -> None:
    made, names = reading(gate=gated)
    made.scan_text(text_batch(["nothing here to see", "x = y + 1", "She lives in 4 Oak Gardens, near Leeds."]))
    assert names.read_texts == read


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("ssn", "536228726", "us-ssn"),
        ("customer.phoneNumber", "2071234567", "phone"),
        ("date_of_birth", "1984-04-03", "date-of-birth"),
        ("passport", "C01X00T47", "passport"),
        ("pesel", "44051401458", "national-id"),
        ("cardNumber", "4532015112830366", "payment-card"),
        ("quantity", "536228726", None),
        (None, "44051401458", None),
    ],
)
def test_the_name_of_a_column_is_context(column: str | None, text: str, rule: str | None) -> None:
    batch = to_batch(Block([text, text], column=column), Identity(0, "t.csv", "text/csv"), Limits())
    assert [hit.rule for hit in engine().scan_text(batch)] == ([f"pii.{rule}"] * 2 if rule else [])


def test_what_the_model_reads_is_chosen_where_the_bytes_are() -> None:
    made, names = reading()
    texts = text_batch(["nothing here to see", None, "Write to jo@posteo.de or 4 Oak Gardens, near Leeds.", "We met Maria Schneider."])
    prepared = engine(free_text=True).prepare(texts)
    assert prepared.schema == PREPARED
    assert prepared.column("row").to_pylist() == [2, 2, 2, 3]
    assert prepared.column("rule").to_pylist() == ["email", None, "", "person"]  # found, a passage to read with a doubt in it, settled
    hits = made.scan_prepared(texts, prepared)
    assert [(hit.row, hit.rule) for hit in hits] == [(2, "pii.email"), (2, "pii.address"), (3, "pii.person")]
    assert names.read_texts == ["Write to jo@posteo.de or 4 Oak Gardens, near Leeds."]
    assert hits == reading()[0].scan_text(texts)


def test_without_free_text_nothing_waits_for_a_model() -> None:
    prepared = engine().prepare(text_batch(["Write to jo@posteo.de or Maria Schneider."]))
    assert prepared.column("rule").to_pylist() == ["email"]


def test_what_a_model_has_to_read_is_not_dropped_where_none_is_loaded() -> None:
    with pytest.raises(ModelError, match="not loaded"):
        engine(free_text=True).scan_text(text_batch(["She lives in 4 Oak Gardens, near Leeds."]))


def test_context_does_not_cross_segments() -> None:
    assert engine().scan_text(text_batch(["SSN", "536228726", "call me on", "9472 7916"])) == []


def test_patterns_need_no_model(tmp_path: Path) -> None:
    made = engine()
    made.load(ModelStore("embedded", tmp_path))
    assert made.model_name is None
    assert pickle.loads(pickle.dumps(made)).fingerprint() == made.fingerprint()  # noqa: S301  # our own bytes


def test_severity_and_kind_go_through_to_the_hit() -> None:
    made, names = reading(gate=False)
    names.read = lambda texts: [[PiiSpan("person", 0, 4, 0.9, "why", "info")] for _ in texts]  # type: ignore[method-assign]
    (hit,) = made.scan_text(text_batch(["Anna"]))
    assert (hit.severity, hit.message) == ("info", "why")


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pii"):
        Pii(Settings()).load(ModelStore("embedded", tmp_path))


def test_fingerprint_covers_the_settings() -> None:
    variants: tuple[dict[str, object], ...] = (
        {},
        {"min_confidence": 0.6},
        {"private_addresses": True},
        {"custom": [{"name": "x", "pattern": "y"}]},
        {"gate": False},
    )
    assert len({engine(**variant).fingerprint() for variant in variants}) == len(variants)


def test_every_null_is_fine() -> None:
    assert engine().scan_text(text_batch([None, None]).slice(0, 2)) == []
    assert isinstance(text_batch([None]), pa.RecordBatch)


@pytest.mark.parametrize(
    ("settings", "labels", "thresholds", "words"),
    [
        ({"labels": {"person": "person", "address": "street address"}, "thresholds": {"person": 0.7}, "window_words": 60},
         {"person": "person", "street address": "address"}, {"address": 0.5, "person": 0.7}, 60),
        ({"labels": {"medication": "medical", "medical condition": "medical"}, "thresholds": {"medium": 0.6}, "max_words": 384},
         {"medication": "medical", "medical condition": "medical"}, {"medical": 0.6}, 100),
        ({"labels": {"person": "name"}, "thresholds": {"default": 0.4}}, {"name": "person"}, {"person": 0.4}, 100),
    ],
)  # fmt: skip
def test_calibration(settings: dict[str, object], labels: dict[str, str], thresholds: dict[str, float], words: int) -> None:
    assert labels_of(settings) == labels
    assert thresholds_of(settings, {}) == thresholds
    assert window_words_of(settings) == words


@pytest.mark.parametrize("labels", [{}, None, {"colour": "shade"}])
def test_calibration_without_labels_is_an_error(labels: object) -> None:
    with pytest.raises(ModelError, match="label"):
        labels_of({"labels": labels})


def test_batches_hold_like_lengths_within_the_budget() -> None:
    texts = ["x" * n for n in (3000, 10, 20, 1500, 12, 6000)]
    cut = list(batches(texts, 1200))
    assert sorted(i for batch in cut for i in batch) == list(range(6))
    assert cut[0] == [1, 4, 2]
    assert all(len(batch) == 1 or len(batch) * (max(len(texts[i]) for i in batch) // 3 + 1) <= 1200 for batch in cut)


def test_names_in_the_header_of_a_mail_belong_to_its_addresses() -> None:
    fields = {
        "from": "Maria Schneider <maria@posteo.de>",
        "received": "from Maria Schneider by mx",
        "subject": "News of Peter Miller",
        "body": "We met Maria Schneider.",
    }
    batch = to_batch(Block(list(fields.values()), column=list(fields)), Identity(0, "a.eml", "message/rfc822"), Limits())
    made, _ = reading()
    found = [(list(fields)[hit.row or 0], hit.rule, hit.message) for hit in made.scan_text(batch)]
    assert found == [
        ("from", "pii.mail-header", "name next to an address"),
        ("from", "pii.mail-header", None),
        ("subject", "pii.person", None),
        ("body", "pii.person", None),
    ]
