"""The README's figures quote the worst case beside the best one, and only figures that were measured."""

from __future__ import annotations

from typing import Any

import pytest

from bench import readme
from tests.bench.test_injection import RESULTS as INJECTION
from tests.bench.test_pii import RESULTS as PII

STRANGERS = [{"source": "orders by strangers", "cells": {"medium": [6, 40, 0, 0]}}]
MODELS: dict[str, Any] = {"injection": INJECTION, "strangers": {"sources": STRANGERS}, "pii": PII}
SPEED: dict[str, Any] = {
    "seconds": {"200.0 MB, all engines without a model": {"now": 50.9}},
    "mb_per_cpu_second": {"small documents, all engines without a model": {"now": 4.8, "veritensor": 0.6}},
}
ONE = {
    "web": {"bytes": 2_000_000, "cpu_seconds": {"before": 9.0, "now": 4.0}},
    "csv": {"bytes": 1_000_000, "cpu_seconds": {"before": 9.0, "now": 8.0}},
}
MODEL_PATH: dict[str, Any] = {"kinds": dict.fromkeys(("all engines", "`pii` alone", "`injection` alone"), ONE)}
TABLE = "# Title\n\n| what | measured |\n| --- | --- |\n| [old](docs/models.md#x) | 1 |\n| [older](docs/speed.md) | |\n\nend\n"


def test_the_worst_stands_beside_the_best() -> None:
    injection, pii, speed = readme.figures(MODELS, SPEED, MODEL_PATH)
    assert "finds 15% to 95% of the attacks" in injection
    assert "`novels` documents fared worst (4 of 100)" in injection
    assert "F1 is 0.86" in pii and "reaches 0.50" in pii and "0.60 (two) to 0.70 (one)" in pii
    assert "all engines together read 0.25 MB in a CPU second, from 0.12 (`csv`) to 0.50 (`web`)" in speed
    assert "200 MB of small documents takes 51 s" in speed and "8 times as much as veritensor" in speed


def test_what_was_not_measured_is_not_said() -> None:
    alone = SPEED | {"mb_per_cpu_second": {"small documents, all engines without a model": {"now": 4.8}}}
    assert "veritensor" not in readme.figures(MODELS, alone, MODEL_PATH)[2]


def test_the_table_is_replaced_and_again_after_another_run() -> None:
    once = readme.page(TABLE, MODELS, SPEED, MODEL_PATH)
    assert once == TABLE.replace(
        "| [old](docs/models.md#x) | 1 |\n| [older](docs/speed.md) | |\n",
        "".join(f"{row}\n" for row in readme.figures(MODELS, SPEED, MODEL_PATH)),
    )
    assert readme.page(once, MODELS, SPEED, MODEL_PATH) == once
    with pytest.raises(ValueError, match="no table of figures"):
        readme.page("# Title\n", MODELS, SPEED, MODEL_PATH)
