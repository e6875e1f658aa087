"""The order of versions, equal spellings, and CVSS."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import each
from veritensor_ray.engines.dependencies.advisory_model import ECOSYSTEMS
from veritensor_ray.engines.dependencies.cvss_severity import base_score, rating, severity_of
from veritensor_ray.engines.dependencies.versions import canonical, order


@each(
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
        ("crates.io", ["0.6.9", "0.6.10-rc.1", "0.6.10", "1.0.0"]),
        ("Go", ["0.0.0-20200101000000-abcdef", "0.0.1", "1.2.3-pre", "v1.2.3", "2.0.0+incompatible", "2.0.1"]),
        # the examples of Maven's own reference, and what its users publish
        ("Maven", ["1-alpha2", "1-beta-1", "1-M1", "1-rc", "1-SNAPSHOT", "1", "1-sp", "1-foo2", "1-foo10", "1-1", "1.0.1", "1.1"]),
        ("Maven", ["4.1.0.Beta1", "4.1.0.CR2", "4.1.0.Final", "4.1.0.Final-redhat-1", "4.1.1.Beta1", "4.1.1.Final", "31.1-jre"]),
        ("RubyGems", ["1.0.a9", "1.0.a10", "1.0.b", "1.0.0.rc1", "1", "1.0.1", "1.10"]),
        ("NuGet", ["1.0.0-Beta.2", "1.0.0-beta.10", "1.0", "1.0.0.1", "1.0.0.10", "1.0.1"]),
        ("Packagist", ["1.0-dev", "1.0.0-alpha2", "1.0.0-alpha10", "1.0b1", "1.0.0-RC1", "v1.0.0", "1.0.0-p1", "1.0.0.1", "1.1"]),
        ("PyPI", ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.1", "1.10", "1!0.1"]),
    ],
)
def test_order(ecosystem: str, ascending: list[str]) -> None:
    for lower, higher in itertools.pairwise(ascending):
        assert order(ecosystem, lower) < order(ecosystem, higher)


@each("text", ["", "latest", "1.2.3.4.5.x!", "1" * 300, "9" * 5000, "^1.0", "*", "\ud800", "1.0 || 2.0"])
@each("ecosystem", ECOSYSTEMS)
def test_what_is_no_version_has_no_order(ecosystem: str, text: str) -> None:
    assert order(ecosystem, text) is None


@each(
    ("ecosystem", "a", "b"),
    [
        ("PyPI", "1.0", "1.0.0"),
        ("PyPI", "1.0RC1", "1.0-rc.1"),
        ("PyPI", "2.0.1+cu118", "2.0.1"),
        ("npm", "v1.2.3", "1.2.3+build.5"),
        ("Go", "v3.2.0+incompatible", "3.2.0"),
        ("Maven", "1.0.0", "1"),
        ("Maven", "1.0.RELEASE", "1-ga"),
        ("Maven", "1.0-rc1", "1.0.CR1"),
        ("Maven", "1-1.foo-bar1baz-.1", "1-1.foo-bar-1-baz-0.1"),
        ("RubyGems", "1.0.0", "1"),
        ("RubyGems", "1.0-1", "1.0.pre.1"),
        ("NuGet", "1.0.0.0", "1.0"),
        ("NuGet", "1.0.0-BETA", "1.0-beta"),
        ("Packagist", "v1.2", "1.2.0.0"),
        ("Packagist", "1.0b1", "1.0.0-beta1"),
    ],
)
def test_equal_versions_are_spelled_alike(ecosystem: str, a: str, b: str) -> None:
    assert canonical(ecosystem, a) == canonical(ecosystem, b)
    assert order(ecosystem, a) == order(ecosystem, b)


@pytest.mark.slow
@given(st.lists(st.from_regex(r"[0-3]\.[0-3](\.[0-3])?((a|b|rc)[0-2])?", fullmatch=True), min_size=2, max_size=2))
def test_spelling_and_order_agree(pair: list[str]) -> None:
    a, b = pair
    assert (canonical("PyPI", a) == canonical("PyPI", b)) == (order("PyPI", a) == order("PyPI", b))


@each(
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
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 5.1),
        ("CVSS:4.0/AV:N/AC:H/AT:P/PR:L/UI:P/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", 2.1),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", 8.1),
        # By hand: its group of vectors, 102201, has 5.3. Of the groups one step below, only that of AV, PR and UI (202201, with 2.4) is farther away
        # than nothing: AV:L and PR:L are 2 of 4 steps from AV:A and PR:N. The mean over the three groups that exist is (5.3 - 2.4) * 2/4 / 3 = 0.483.
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.8),
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


V2 = [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}]
V4 = [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"}]
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}]


@each(
    ("record", "affected", "word"),
    [
        ({"severity": HIGH}, {}, "high"),
        ({}, {"severity": HIGH}, "high"),
        ({"severity": HIGH, "database_specific": {"severity": "MODERATE"}}, {}, "medium"),
        ({"database_specific": {"severity": "CRITICAL"}}, {}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, {}, None),
        ({"severity": [3, {"score": 5}], "database_specific": {"severity": 7}}, {}, None),
        ({"severity": V4}, {}, "medium"),
        ({"severity": HIGH + V4}, {}, "medium"),
        ({"severity": V4 + HIGH + V2}, {}, "medium"),
        ({"severity": V2 + HIGH}, {}, "high"),
        ({"severity": V2}, {}, "high"),
        ({"severity": HIGH}, {"severity": V4}, "medium"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}, *HIGH]}, {}, "high"),
        ({"severity": [{"type": "Ubuntu", "score": "negligible"}]}, {}, None),
        ({"severity": {"score": HIGH}}, {}, None),
        ({}, {"database_specific": {"informational": "unmaintained", "cvss": None}}, "info"),
        ({}, {"database_specific": {"informational": "unsound"}}, None),
        ({"severity": HIGH}, {"database_specific": {"informational": "unmaintained"}}, "high"),
        ({}, {}, None),
    ],
)
def test_severity_of_a_record(record: dict[str, object], affected: dict[str, object], word: str | None) -> None:
    assert severity_of(record, affected) == word
