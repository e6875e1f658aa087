"""Ids of rules stand in suppressions, baselines and other people's queries, so none of them disappears unnoticed."""

from __future__ import annotations

from pathlib import Path

import veritensor_ray
from veritensor_ray.core.config import Settings
from veritensor_ray.engines.registry import create, selected

LIST = Path(veritensor_ray.__file__).with_name("engines") / "rule_ids.txt"  # in the package, since shells complete from it


def test_all_ids_are_listed_and_all_that_are_listed_exist() -> None:
    settings = Settings()
    now = sorted(rule.id for engine in create(settings, selected(settings)) for rule in engine.rules())
    listed = LIST.read_text().split()
    assert sorted(set(listed) - set(now)) == [], (
        "these ids are gone. Suppressions of users name them: bring the rule back, or name the id under 'Removed' in CHANGELOG.md and take it "
        f"out of {LIST.name}"
    )
    assert sorted(set(now) - set(listed)) == [], f"these ids are new: add them to {LIST.name}"
    assert listed == sorted(set(listed))
