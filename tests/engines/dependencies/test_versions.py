"""The order of versions, equal spellings, and CVSS."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines.dependencies.cvss_severity import base_score, rating, severity_of
from veritensor_ray.engines.dependencies.versions import canonical, order


@pytest.mark.parametrize(
    ("ecosystem", "ascending"),
    [
        (
            "npm",
            [
                "0.0.1",
                "1.0.0-alpha",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1.0.0",
            ],
        ),
        ("npm", ["v1.2.3", "=1.2.4", "1.10.0", "2"]),
        ("PyPI", ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.1", "1.10", "1!0.1"]),
    ],
)
def test_order(ecosystem: str, ascending: list[str]) -> None:
    for lower, higher in itertools.pairwise(ascending):
        assert order(ecosystem, lower) < order(ecosystem, higher)


@pytest.mark.parametrize("text", ["", "latest", "1.2.3.4.5.x!", "1" * 300, "9" * 5000, "^1.0", "*", "\ud800", "1.0 || 2.0"])
@pytest.mark.parametrize("ecosystem", ["PyPI", "npm"])
def test_what_is_no_version_has_no_order(ecosystem: str, text: str) -> None:
    assert order(ecosystem, text) is None


@pytest.mark.parametrize(
    ("ecosystem", "a", "b"),
    [("PyPI", "1.0", "1.0.0"), ("PyPI", "1.0RC1", "1.0-rc.1"), ("PyPI", "2.0.1+cu118", "2.0.1"), ("npm", "v1.2.3", "1.2.3+build.5")],
)
def test_equal_versions_are_spelled_alike(ecosystem: str, a: str, b: str) -> None:
    assert canonical(ecosystem, a) == canonical(ecosystem, b)
    assert order(ecosystem, a) == order(ecosystem, b)


@pytest.mark.slow
@given(st.lists(st.from_regex(r"[0-3]\.[0-3](\.[0-3])?((a|b|rc)[0-2])?", fullmatch=True), min_size=2, max_size=2))
def test_spelling_and_order_agree(pair: list[str]) -> None:
    a, b = pair
    assert (canonical("PyPI", a) == canonical("PyPI", b)) == (order("PyPI", a) == order("PyPI", b))


@pytest.mark.parametrize(
    ("vector", "score"),
    [  # the examples of the specification's own documents
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:R/S:U/C:L/I:N/A:N", 2.8),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:A/AC:H/PR:N/UI:R/S:C/C:H/I:H/A:H/E:P/RL:O", 7.9),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
        ("CVSS:4.0/AV:N", None),
        ("CVSS:4.0/" + "AV:N/" * 10_000, None),
        ("CVSS:5.0/AV:N", None),
        ("CVSS:3.1/AV:N", None),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 7.5),
        ("", None),
    ],
)
def test_base_score(vector: str, score: float | None) -> None:
    assert base_score(vector) == score


@pytest.mark.parametrize(
    ("score", "word"), [(0.0, "info"), (0.1, "low"), (3.9, "low"), (4.0, "medium"), (6.9, "medium"), (7.0, "high"), (9.0, "critical")]
)
def test_rating(score: float, word: str) -> None:
    assert rating(score) == word


HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}]


@pytest.mark.parametrize(
    ("record", "affected", "word"),
    [
        ({"severity": HIGH}, {}, "high"),
        ({}, {"severity": HIGH}, "high"),
        ({"severity": HIGH, "database_specific": {"severity": "MODERATE"}}, {}, "medium"),
        ({"database_specific": {"severity": "CRITICAL"}}, {}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, {}, None),
        ({"severity": [3, {"score": 5}], "database_specific": {"severity": 7}}, {}, None),
        ({}, {}, None),
    ],
)
def test_severity_of_a_record(record: dict[str, object], affected: dict[str, object], word: str | None) -> None:
    assert severity_of(record, affected) == word
