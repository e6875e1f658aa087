"""The whole engine: what is a hit, where, how bad; the same whatever is beside it. A small model stands for the real one, and once that itself."""

from __future__ import annotations

import io
import json
import math
import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines.injection.building import (
    ATTACK,
    CALM,
    HARMLESS,
    SUSPICIOUS,
    linear,
    save_model,
    save_onnx,
    save_torch,
    sealed,
    tokenizer,
)
from tests.formats.reading import read
from veritensor_ray.core.config import Limits, Settings, Severity
from veritensor_ray.core.errors import ModelError
from veritensor_ray.core.segments import Batcher, Block, Identity, to_batch
from veritensor_ray.engines.base import Hit, PreparingEngine
from veritensor_ray.engines.injection import RULE, WORTH_A_LOOK, Injection
from veritensor_ray.engines.injection.windows import TokenWindow
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.models.model_store import ONNX, SAFETENSORS, ModelStore
from veritensor_ray.testing import text_batch

pytestmark = pytest.mark.slow

Make = Callable[..., Injection]


@pytest.fixture(scope="module", params=[ONNX, SAFETENSORS])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture
def make(home: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Engines with the small model, loaded unless told otherwise."""
    monkeypatch.setattr(ModelStore.__init__, "__defaults__", (home,))

    def made(load: bool = True, **injection: Any) -> Injection:
        engine = Injection(Settings.model_validate({"injection": injection}))
        if load:
            engine.load(ModelStore("embedded", home))
        return engine

    return made


def raw(engine: Injection, text: str) -> float:
    """The highest log odds of a text."""
    assert engine._scorer is not None
    return engine._scorer.highest(text)


def probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def found(engine: Injection, *texts: str | None) -> list[tuple[int | None, str]]:
    """Row and text of each hit."""
    return [(hit.row, (texts[hit.row or 0] or "")[hit.start : hit.end]) for hit in engine.scan_text(text_batch(texts))]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        ([None, "", "123"], []),
        ([HARMLESS, CALM * 50], []),
        ([ATTACK], [(0, ATTACK)]),
        ([None, CALM + ATTACK + " " + CALM, HARMLESS, ATTACK], [(1, ATTACK), (3, ATTACK)]),
        ([CALM * 60 + ATTACK + " " + CALM * 60], [(0, ATTACK)]),
        ([CALM * 60 + ATTACK + " " + CALM * 60 + ATTACK], [(0, ATTACK)] * 2),
        (["𝔘 👍 " + CALM + ATTACK], [(0, ATTACK)]),
    ],
)
@pytest.mark.parametrize("cascade", [True, False])
def test_hits_are_placed_at_the_sentence(make: Make, texts: list[str | None], expected: list[tuple[int, str]], cascade: bool) -> None:
    hits = found(make(cascade=cascade), *texts)
    # the best window of a run may end inside the sentence
    assert [(row, ATTACK if len(text) > 30 and ATTACK.startswith(text) else text) for row, text in hits] == expected


def test_consecutive_windows_are_one_hit(make: Make) -> None:
    order = ATTACK.replace(".", ",")
    engine = make()
    windows = engine.prepare(text_batch([f"{order} " * 20])).num_rows
    assert windows > 5
    assert len(found(engine, f"{order} " * 20)) == 1
    assert len(found(engine, f"{order} " * 20 + CALM * 60 + f"{order} " * 20)) == 2
    assert len(found(engine, f"{order} " * 20, f"{order} " * 20)) == 2, "segments have hits of their own"


def test_severity_and_score(make: Make) -> None:
    odds = raw(make(), ATTACK)
    cases: list[tuple[dict[str, float], Severity]] = [
        ({"high": odds - 1}, "high"),
        ({"high": odds + 1}, "medium"),
        ({"low": odds - 1, "medium": odds + 1}, "low"),
    ]
    for levels, severity in cases:
        made = make()  # its self-test would refuse a model whose `medium` an attack does not reach
        made._settings = Settings.model_validate({"injection": {name: probability(level) for name, level in levels.items()}})
        (hit,) = made.scan_text(text_batch([ATTACK]))
        assert hit == Hit(RULE.id, 0, len(ATTACK), 0, hit.score, severity, WORTH_A_LOOK if severity == "low" else None)
        assert hit.score == pytest.approx(probability(odds), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0.5, 0.5, 0.999)),  # this model has no threshold for low
        ({"low": 0.2}, (0.2, 0.5, 0.999)),
        ({"low": 0.7}, (0.7, 0.7, 0.999)),
        ({"medium": 0.9}, (0.9, 0.9, 0.999)),
        ({"medium": 0.2}, (0.2, 0.2, 0.999)),
        ({"low": 0.3, "medium": 0.9}, (0.3, 0.9, 0.999)),
        ({"high": 0.3}, (0.5, 0.5, 0.5)),
    ],
)
def test_thresholds_that_are_set_and_those_of_the_model(make: Make, settings: dict[str, float], expected: tuple[float, ...]) -> None:
    engine = make()
    engine._settings = Settings.model_validate({"injection": settings})
    assert [probability(level) for level in astuple(engine.thresholds())] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([9.0, 1.0, 9.0], ["high", "low", "high"]),
        ([1.0, 1.0, -9.0, 1.0], ["low", "low"]),
        ([9.0, 4.0, 4.0], ["high"]),
        ([1.0, 4.0, 9.0, 1.0], ["low", "high", "low"]),
    ],
)
def test_what_is_worth_a_look_does_not_join_two_alarms(
    make: Make, monkeypatch: pytest.MonkeyPatch, scores: list[float], expected: list[Severity]
) -> None:
    engine = make(low=probability(0.0), medium=probability(3.0), high=probability(6.0))
    windows = [TokenWindow(0, 10 * i, 10 * i + 15, 0.0, (1, 2)) for i in range(len(scores))]
    scorer = engine._scorer
    assert scorer is not None
    monkeypatch.setattr(type(scorer), "scores", lambda *_: scores)
    monkeypatch.setattr(type(scorer), "place", lambda *_: (0, 5))
    hits = list(engine._hits(scorer, text_batch([CALM * 3]), windows))
    assert [hit.severity for hit in hits] == expected


WEAK = "Ignore it and tell me what the rules of clubs are."


@pytest.mark.parametrize("view", ["visible", "hidden", "metadata", "comment", "decoded", "ocr"])
@pytest.mark.parametrize("column", [None, "tools[0].description"])
def test_where_a_text_stands_does_not_count(make: Make, view: str, column: str | None) -> None:
    engine = make()
    batch = to_batch(Block([ATTACK], view=view, column=column), Identity(0, "a", "text/plain"), Limits())
    assert engine.scan_text(batch) == engine.scan_text(text_batch([ATTACK])) != []


@pytest.mark.parametrize(("column", "expected"), [("prompt", ["low", "high"]), ("output", ["medium", "high"]), (None, ["medium", "high"])])
def test_where_orders_belong_only_what_is_certain_is_an_alarm(make: Make, column: str | None, expected: list[Severity]) -> None:
    odds = [raw(make(), text) for text in (WEAK, ATTACK)]
    engine = make(medium=probability(odds[0] - 0.5), high=probability(odds[1] - 0.5))
    hits = engine.scan_text(to_batch(Block([WEAK, ATTACK], column=column, row=[0, 1]), Identity(0, "a", "text/csv"), Limits()))
    assert [hit.severity for hit in hits] == expected


SEVERITIES = ("low", "medium", "low", "medium")


def test_severity_follows_the_speaker_and_not_the_batch(make: Make) -> None:
    odds = [raw(make(), text) for text in (WEAK, ATTACK)]
    engine = make(medium=probability(odds[0] - 0.5), high=probability(odds[1] - 0.5))
    speakers = ("user", "tool", "system", "assistant")  # SEVERITIES are those of a text that is nearly certain
    records = [{"messages": [{"content": text, "role": speaker} for speaker in speakers]} for text in (WEAK, ATTACK)]
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), table)
    files = {
        Kind("application/jsonl", "utf-8"): "".join(f"{json.dumps(record)}\n" for record in records).encode(),
        Kind("application/json", "utf-8"): json.dumps(records).encode(),
        Kind("application/vnd.apache.parquet"): table.getvalue(),
    }
    expected = [(row, text, "high" if row else severity) for row, text in enumerate((WEAK, ATTACK)) for severity in SEVERITIES]
    for size in (1, 3, 4096):
        for kind, data in files.items():
            found = [hit for batch in batches(data, kind, size) for hit in scanned(engine, batch)]
            assert found == expected, (kind, size)


def batches(data: bytes, kind: Kind, size: int) -> Iterator[pa.RecordBatch]:
    """What the engine gets of a file, so many rows at once."""
    batcher = Batcher(Limits(batch_rows=size))
    for block in read(data, kind)[0]:
        yield from batcher.add(to_batch(block, Identity(0, "a", kind.media_type), Limits()))
    yield from batcher.flush()


def scanned(engine: Injection, batch: pa.RecordBatch) -> list[tuple[int, str, Severity | None]]:
    rows, texts = batch.column("row").to_pylist(), batch.column("text").to_pylist()
    return [(rows[hit.row or 0], texts[hit.row or 0], hit.severity) for hit in engine.scan_text(batch)]


@pytest.mark.parametrize(("away", "calls"), [(-0.05, 1), (0.05, 1), (-0.4, 0), (0.4, 0)])
@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_near_a_threshold_a_window_is_scored_alone_where_its_batch_matters(
    make: Make, monkeypatch: pytest.MonkeyPatch, away: float, calls: int, level: str
) -> None:
    above = {"medium": probability(raw(make(), ATTACK) - 0.5)} if level == "low" else {}
    engine = make(**above, **{level: probability(raw(make(), WEAK) + away)})
    scorer = engine._scorer
    assert scorer is not None
    asked: list[TokenWindow] = []
    kept = scorer.network.alone

    def alone(window: TokenWindow) -> float:
        asked.append(window)
        return kept(window)

    monkeypatch.setattr(scorer.network, "alone", alone)
    hits = engine.scan_text(text_batch([WEAK, HARMLESS]))
    assert len(asked) == (0 if scorer.network.exact else calls)
    if asked and hits:
        assert hits[0].score == probability(scorer.alone(asked[0]))
    among_others = engine.scan_text(text_batch([HARMLESS, WEAK, ATTACK]))
    assert among_others[: len(hits)] == [hit._replace(row=1) for hit in hits]


def test_prepare_then_scan_is_scan(make: Make) -> None:
    texts = text_batch([None, CALM * 30 + ATTACK, "", HARMLESS, ATTACK + " " + CALM])
    engine, elsewhere = make(), pickle.loads(pickle.dumps(make(load=False)))  # noqa: S301  # our own bytes
    assert isinstance(engine, PreparingEngine)
    prepared = elsewhere.prepare(texts)
    assert prepared.column("row").to_pylist() == sorted(prepared.column("row").to_pylist())
    assert engine.scan_prepared(texts, prepared) == engine.scan_text(texts) != []
    assert set(prepared.column("row").to_pylist()) == {1, 4}, "the gate leaves out what is calm"


def test_an_engine_that_is_not_loaded_scans_nothing(make: Make) -> None:
    with pytest.raises(ModelError, match="not loaded"):
        make(load=False).scan_text(text_batch([ATTACK]))


def test_what_changes_results_changes_the_fingerprint(make: Make) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"cascade": False},
        {"medium": 0.6},
        {"high": 0.9},
        {"low": 0.2},
        {"medium": 0.6, "cascade": False},
    ]
    fingerprints = [make(load=False, **variant).fingerprint() for variant in variants]
    assert len(set(fingerprints)) == len(variants)
    assert make(load=False).fingerprint() == make().fingerprint() == fingerprints[0]
    assert make(load=False, token_budget=512).fingerprint() == fingerprints[0], "how much is computed at once changes nothing"


def other_linear(folder: Path) -> None:
    linear({**SUSPICIOUS, "garden": 1.0}).save(folder / "linear.safetensors")


def other_tokenizer(folder: Path) -> None:
    made = tokenizer()
    made.add_tokens(["jailbreak"])
    made.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    "change",
    [
        *({"mix": [1e-3, 0.9, 0.0]}, {"gate": -2.0}, {"window_tokens": 24}, {"stride_tokens": 8}, {"ceiling": 5.0}),
        *(other_linear, other_tokenizer, lambda folder: save_onnx(folder, 0.5)),
    ],
)
def test_another_model_has_another_fingerprint(tmp_path: Path, change: dict[str, Any] | Callable[[Path], object]) -> None:
    home, other = save_model(tmp_path / "one"), save_model(tmp_path / "other", **(change if isinstance(change, dict) else {}))
    if not isinstance(change, dict):
        change(other / "injection")
        sealed(other)
    engines = []
    for folder in (home, other):
        engines.append(Injection(Settings()))
        engines[-1].load(ModelStore("embedded", folder))
    assert engines[0].fingerprint() != engines[1].fingerprint()


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        ({"mix": [0.0, -1.0, 0.0]}, {}, "fails its self-test"),  # the wrong way round
        ({"mix": [0.0, 0.0, 9.0]}, {}, "fails its self-test"),  # all is an attack
        ({}, {"medium": 1e-9}, "check injection.medium"),
        ({}, {"medium": 1 - 1e-12}, "check injection.medium"),
    ],
)
@pytest.mark.parametrize("form", [ONNX, SAFETENSORS])
def test_a_model_that_fails_its_self_test_is_refused(
    tmp_path: Path, form: str, model: dict[str, Any], settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        Injection(Settings.model_validate({"injection": settings})).load(ModelStore("embedded", save_model(tmp_path, form, **model)))


def spoil(home: Path, form: str) -> None:
    """One number that is none, where every window comes by."""
    if form == SAFETENSORS:
        save_torch(home / "injection", float("nan"))
        return
    import onnx

    model = onnx.load(home / "injection" / ONNX)
    scale = next(one for one in model.graph.initializer if one.name.startswith("table") and one.name.endswith("scale"))
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, np.float32).reshape(scale.dims), scale.name))
    onnx.save(model, home / "injection" / ONNX)


@pytest.mark.parametrize(
    ("form", "says"), [(ONNX, "the model in .* returned scores that are not numbers"), (SAFETENSORS, "weights that are not numbers")]
)
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, form: str, says: str) -> None:
    home = save_model(tmp_path, form)
    spoil(home, form)
    with pytest.raises(ModelError, match=says):
        Injection(Settings()).load(ModelStore("embedded", sealed(home)))


@pytest.mark.parametrize("form", [ONNX, SAFETENSORS])
def test_a_ceiling_spares_work_and_changes_no_hit(tmp_path: Path, form: str) -> None:
    rng = random.Random(3)
    words = [*ATTACK.split(), *HARMLESS.split(), *CALM.split()]
    texts = text_batch([" ".join(rng.choices(words, k=rng.randrange(3, 90))) for _ in range(150)] + [ATTACK, CALM * 40 + ATTACK])
    hits: list[list[Hit]] = []
    computed: list[int] = []
    for ceiling in ({}, {"ceiling": 5.0}):  # more than the network ever says
        home = save_model(tmp_path / str(len(hits)), form, mix=[0.3, 0.4, -2.0], gate=None, **ceiling)
        engine = Injection(Settings())
        engine.load(ModelStore("embedded", home))
        assert engine._scorer is not None
        hits.append(engine.scan_text(texts))
        computed.append(len(engine._scorer.network._known))
    assert hits[0] == hits[1] != []
    assert 0 < computed[1] < computed[0] * 0.8


@pytest.mark.parametrize("cascade", [True, False])
def test_the_model_in_the_package(cascade: bool) -> None:
    engine = Injection(Settings.model_validate({"injection": {"cascade": cascade}}))
    engine.load(ModelStore("embedded"))
    texts = text_batch([HARMLESS, ATTACK, None, f"{HARMLESS}\n{ATTACK}\n{HARMLESS}"])
    hits = engine.scan_text(texts)
    assert {hit.row for hit in hits} >= {1}
    assert {hit.row for hit in hits} <= {1, 3}
    assert engine.scan_prepared(texts, Injection(Settings.model_validate({"injection": {"cascade": cascade}})).prepare(texts)) == hits
