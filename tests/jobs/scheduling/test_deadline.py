"""When a run stops beginning shards."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from veritensor_ray.core.errors import UsageError
from veritensor_ray.jobs.scheduling.deadline import deadline_at

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 25, 22, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("06:00", datetime(2026, 11, 26, 6, 0, tzinfo=ZONE)),
        ("6:00", datetime(2026, 11, 26, 6, 0, tzinfo=ZONE)),
        ("23:15", datetime(2026, 11, 25, 23, 15, tzinfo=ZONE)),
        ("22:30", datetime(2026, 11, 26, 22, 30, tzinfo=ZONE)),  # now is over
        ("90m", NOW + timedelta(minutes=90)),
        ("1.5h", NOW + timedelta(minutes=90)),
        ("2w", NOW + timedelta(days=14)),
        ("20s", NOW + timedelta(seconds=20)),
        ("2026-11-27T05:00", datetime(2026, 11, 27, 5, 0, tzinfo=ZONE)),
        ("2026-11-27T05:00+00:00", datetime(2026, 11, 27, 7, 0, tzinfo=ZONE)),
    ],
)
def test_moments(text: str, at: datetime) -> None:
    assert deadline_at(text, NOW) == at


@pytest.mark.parametrize("text", ["25:00", "06:61", "soon", "", "90", "-5m", "2026-13-01"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="a time of day such as 06:00"):
        deadline_at(text, NOW)
