"""Samples of a scan with all engines are divided among the parts of the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.in_process import fresh
from bench.model_path import PARTS, REST, halves, kinds
from bench.samples import part_of


@pytest.mark.parametrize(
    ("modules", "part"),
    [
        ("models/onnx_graph.py|engines/pii/free_text/gliner_onnx.py|engines/pii/__init__.py", "pii: large model"),
        ("models/onnx_graph.py|engines/injection/onnx_classifier.py|engines/injection/__init__.py", "injection: transformer"),
        ("engines/word_forms.py|engines/pii/free_text/word_features.py", "pii: word tagger"),
        ("engines/word_forms.py|engines/injection/first_stage.py", "injection: first stage and the rest"),
        ("engines/automaton.py|engines/secrets/prefilter.py|pipeline/scan.py", "engines without a model"),
        ("core/text_positions.py|masking/redaction.py|findings/recorder.py", "findings"),
        ("core/segments.py|pipeline/gather.py", "reading, batches and the walk over files"),
    ],
)
def test_a_sample_belongs_to_the_innermost_part(modules: str, part: str) -> None:
    assert part_of(modules, PARTS, REST) == part


def test_each_kind_has_the_median_of_its_rounds() -> None:
    def one(seconds: float) -> list[dict[str, Any]]:
        return [{"files": 2, "bytes": 10, "cpu_seconds": seconds}]

    before, now = [one(4.0), one(9.0), one(6.0)], [one(2.0), one(3.0), one(6.0)]
    assert kinds([before, now], ["web"]) == {"web": {"files": 2, "bytes": 10, "cpu_seconds": {"before": 6.0, "now": 3.0}, "ratio": 2.0}}


def test_half_of_each_kind_loads_what_engines_need(tmp_path: Path) -> None:
    for name in ("web/a", "web/b", "web/deep/c", "csv/a", "csv/b"):
        (tmp_path / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / name).write_bytes(b"Words.\n")
    warm, folders = halves(tmp_path / "corpus", tmp_path)
    assert [sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()) for folder in (warm, *folders)] == [
        ["csv/a", "web/a", "web/deep/c"],
        ["b"],
        ["b"],
    ]


def test_a_fresh_process_reads_each_folder_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("warm", "a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_bytes(b"Words.\n")
    fresh([str(tmp_path / name) for name in ("warm", "a", "b")], ("structure",))
    assert [line.partition('"cpu')[0] for line in capsys.readouterr().out.splitlines()] == ['{"files": 1, "bytes": 7, '] * 2
