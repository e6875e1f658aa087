"""Logs, tables and code: nearly nothing in them is personal, and nearly nothing may be reported."""

from __future__ import annotations

from tests.engines.pii.helpers import ENGINE, found
from tests.engines.pii.noise import PERSONAL, lines
from veritensor_ray.testing import text_batch


def test_lines_one_by_one() -> None:
    corpus = lines()
    assert len(corpus) >= 200
    alarms = {line: [rule for rule, _ in found(line)] for line in corpus}
    false = {line: rules for line, rules in alarms.items() if line not in PERSONAL and rules}
    missed = {line: rules for line, rules in PERSONAL.items() if alarms[line] != rules}
    assert not missed
    assert not false


def test_all_lines_as_one_text() -> None:
    text = "\n".join(lines())
    hits = ENGINE.scan_text(text_batch([text]))
    wrong = [
        text[hit.start : hit.end]
        for hit in hits
        if text[: hit.end].splitlines()[-1] not in PERSONAL and not any(text[hit.start : hit.end] in line for line in PERSONAL)
    ]
    assert wrong == []
    assert len(hits) >= len(PERSONAL)
