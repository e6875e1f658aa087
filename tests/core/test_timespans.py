"""The one grammar of spans and moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.timespans import moment, span

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 25, 22, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("36h", 129_600), ("7d", 604_800), ("2w", 1_209_600), ("1.5h", 5400), ("0s", 0), ("0.25d", 21_600)],
)
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "d", "7", "7 d", "-7d", "+7d", "7D", "7days", "1h30m", ".5h", "5.h", "٧d", "7d\n", "1e3s", "inf", "9999999999d", "9" * 400 + "w"],
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="is not understood; give a span of time such as 90s, 30m, 12h, 7d or 2w"):
        span(text)


@pytest.mark.parametrize(
    ("text", "direction", "at"),
    [
        ("2w", -1, datetime(2026, 11, 11, 22, 30, tzinfo=ZONE)),
        ("2w", 1, datetime(2026, 12, 9, 22, 30, tzinfo=ZONE)),
        ("2026-01-31", -1, datetime(2026, 1, 31, tzinfo=ZONE)),
        ("2026-01-31T05:00", 1, datetime(2026, 1, 31, 5, tzinfo=ZONE)),
        ("2026-01-31T05:00Z", 1, datetime(2026, 1, 31, 5, tzinfo=UTC)),
    ],
)
def test_moments(text: str, direction: int, at: datetime) -> None:
    found = moment(text, NOW, direction)
    assert found == at
    assert found.tzinfo is not None


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "7 days", "-1d", "999999d", "9999999999d"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"give an ISO date or time .*, or a span of time such as 90s"):
        moment(text, NOW, -1)


@pytest.mark.parametrize(("value", "seconds"), [("2w", 1_209_600), ("1.5h", 5400), (90, 90)])
def test_keys_take_spans_and_seconds(value: object, seconds: float) -> None:
    assert Settings.model_validate({"sources": ["a"], "sweep": {"every": value}}).sweep.every == seconds


@pytest.mark.parametrize("value", ["soon", "7 d", [1]])
def test_a_key_names_the_forms(value: object) -> None:
    with pytest.raises(ValueError, match="give a span of time such as"):
        Settings.model_validate({"sources": ["a"], "cluster": {"wait_resources": value}})
