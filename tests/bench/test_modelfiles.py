"""The held-out attacks are complete and have twins, and the figures count what they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.modelfiles import page
from bench.modelfiles.__main__ import _keep, cells, path_of
from bench.modelfiles.heldout import samples
from bench.modelfiles.heldout.parts import field, flatbuffer, gguf, safetensors, varint
from bench.modelfiles.heldout.sample import Group, Sample
from bench.modelfiles.scanners import Report, _owner

LEAST = 25  # attacks of a class


@pytest.fixture(scope="module")
def all_samples() -> list[Sample]:
    return list(samples())


def test_each_class_has_enough_attacks(all_samples: list[Sample]) -> None:
    counts = Counter(sample.group for sample in all_samples if sample.attack)
    assert len(counts) == 10 and min(counts.values()) >= LEAST


def test_each_attack_has_a_twin_that_differs(all_samples: list[Sample]) -> None:
    pairs: dict[str, list[Sample]] = {}
    for sample in all_samples:
        pairs.setdefault(path_of(sample).replace("-attack/", "/").replace("-twin/", "/"), []).append(sample)
    assert all([one.attack for one in pair] == [True, False] and pair[0].data != pair[1].data for pair in pairs.values())


def test_samples_have_places_of_their_own_and_say_what_they_do(all_samples: list[Sample]) -> None:
    assert len({path_of(sample) for sample in all_samples}) == len(all_samples)
    assert all(sample.effect and sample.data and not Path(sample.file).is_absolute() for sample in all_samples)


@pytest.mark.parametrize(
    ("made", "bytes_"),
    [
        (varint(300), b"\xac\x02"),
        (varint(-1), b"\xff" * 9 + b"\x01"),
        (field(2, "ab", 5), b"\x12\x02ab\x10\x05"),
        (safetensors("{}"), b"\x08" + bytes(7) + b"{}      "),
        (gguf({})[:8], b"GGUF\x03\0\0\0"),
        (flatbuffer({0: 7}, b"TEST"), b"\x10\0\0\0TEST\x06\0\x08\0\x04\0\0\0\x08\0\0\0\x07\0\0\0"),
    ],
)
def test_formats_are_assembled_as_they_are_specified(made: bytes, bytes_: bytes) -> None:
    assert made == bytes_


def test_onnx_and_hdf5_samples_are_read_by_their_libraries(all_samples: list[Sample]) -> None:
    import onnx

    graphs = [sample for sample in all_samples if sample.file.endswith(".onnx") and sample.group == "graphs"]
    assert graphs and all(onnx.load_model_from_string(sample.data).graph.node for sample in graphs)


def test_cells_count_attacks_and_twins() -> None:
    pair = list(Group("a class").pair("x", "f.json", {"a": 1}, {"b": 2}, "something happens"))
    report = Report("tool")
    report.found[path_of(pair[0])].append("high")
    assert cells(pair, report) == {"a class": {"attacks": 1, "found": 1, "flagged": 0}}


def test_positions_and_members_belong_to_their_file() -> None:
    files = [Path("/x/a.pkl"), Path("/x/a.pkl.gz")]
    assert _owner(files, "/x/a.pkl (pos 3)") == files[0]
    assert _owner(files, "/x/a.pkl.gz:member") == files[1]
    assert _owner(files, "/y/a.pkl") is None


RESULTS: dict[str, Any] = {
    "samples": "digest",
    "held out": {
        "ours": {"bytes": {"attacks": 40, "found": 30, "flagged": 1}, "graphs": {"attacks": 40, "found": 10, "flagged": 0}},
        "other": {"bytes": {"attacks": 40, "found": 4, "flagged": 8}, "graphs": {"attacks": 40, "found": 0, "flagged": 0}},
    },
    "verdicts": {"attacks": {"dangerous": 39, "unknown": 41}, "twins": {"inert": 79, "unknown": 1}},
    "benign": {"files": 2000, "flagged": {"ours": 2, "other": 30}, "verdicts": {"inert": 1990, "unknown": 10}},
}


def test_the_worst_class_stands_out_and_all_classes_are_added_up() -> None:
    text = "\n".join(page.section(RESULTS))
    assert "| **graphs** | 10 of 40 (25 %), 0 | 0 of 40 (0 %), 0 |" in text
    assert "| all | 40 of 80 (50 %), 1 | 4 of 80 (5 %), 8 |" in text
    assert "on the attacks were: dangerous 39, unknown 41. Those on the twins were: inert 79, unknown 1." in text
    assert "ours flags 2 (1.0 of 1,000); other flags 30 (15.0 of 1,000)" in text


def test_the_section_is_replaced_and_stands_before_the_cost(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Engine\n\n## Cost\n\nLittle.\n")
    page.write(RESULTS, path)
    once = path.read_text()
    page.write(RESULTS, path)
    assert path.read_text() == once
    assert once.index(page.TITLE) < once.index("## Cost") and once.endswith("## Cost\n\nLittle.\n")


def test_tools_that_are_left_out_keep_their_figures_only_for_the_same_samples() -> None:
    mine = {"ours": {"bytes": {"attacks": 40, "found": 39, "flagged": 0}}}
    new: dict[str, Any] = {"samples": "digest", "held out": dict(mine)}
    _keep(new, RESULTS)
    assert list(new["held out"]) == ["ours", "other"] and new["held out"]["ours"] == mine["ours"] and new["benign"] == RESULTS["benign"]
    other: dict[str, Any] = {"samples": "another", "held out": dict(mine)}
    _keep(other, RESULTS)
    assert other["held out"] == mine
