"""How old the advisories, KEV and EPSS in the offline database are, for those who start a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from veritensor_ray.core.config import DependencySettings
from veritensor_ray.core.wording import counted
from veritensor_ray.engines.dependencies.advisory_database import Database, DatabaseMissing, age_of, path_of
from veritensor_ray.engines.dependencies.exploitation import FEEDS


@dataclass(frozen=True, slots=True)
class SourceAge:
    """A source in the database. `dated` is empty if its day is unknown, and None if it was not imported."""

    name: str
    dated: str | None
    days: int | None

    @property
    def words(self) -> str:
        """What one line says of it."""
        if self.dated is None:
            return f"no {self.name}"
        return f"{self.name} of {self.dated} ({counted(self.days, 'day')} old)" if self.days is not None else f"{self.name} of unknown age"


def source_ages(settings: DependencySettings, today: date | None = None) -> tuple[SourceAge, ...]:
    """Return the age of each source, the advisories first. Without a usable database there are none."""
    now = today or datetime.now(UTC).date()
    try:
        database = Database(path_of(settings.database))
    except DatabaseMissing:
        return ()
    database.close()
    about = database.about
    dated: dict[str, str | None] = {"advisories": about.newest[:10]}
    dated |= {name: about.feeds[name].dated[:10] if name in about.feeds else None for name in FEEDS}
    return tuple(SourceAge(name, day, age_of(day, now) if day else None) for name, day in dated.items())


def told(ages: Sequence[SourceAge]) -> str:
    """Return one line about all sources."""
    return ", ".join(one.words for one in ages)


def overdue(ages: Sequence[SourceAge], most: int) -> list[str]:
    """Return a sentence for each source that is older than `most` days, or whose age is unknown. One that was never imported is none of them."""
    renew = "Run `veritensor-ray advisories import` with newer files, or import a newer bundle"
    said = []
    for one in ages:
        if one.dated is not None and one.days is None:
            said.append(f"the age of {one.name} is unknown. {renew}")
        elif one.days is not None and one.days > most:
            verb = "are" if one.name == "advisories" else "is"
            said.append(f"{one.name} {verb} {one.days} days old (dependencies.max_age_days is {most}). {renew}")
    return said
