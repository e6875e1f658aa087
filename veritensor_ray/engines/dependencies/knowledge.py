"""Looks up advisories: from the OSV service if it is enabled, otherwise from the offline database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from veritensor_ray.core.config import DependencySettings as Configuration
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.dependencies.advisory_database import Database, DatabaseMissing, path_of
from veritensor_ray.engines.dependencies.advisory_model import PYPI, Dependency, normal
from veritensor_ray.engines.dependencies.advisory_records import Advisory
from veritensor_ray.engines.dependencies.exploitation import Exploitation, joined

if TYPE_CHECKING:
    from veritensor_ray.engines.dependencies.osv import OsvClient

Key = tuple[str, str, str | None]
_ENGINE = "dependencies"


@dataclass(slots=True)
class Answers:
    """The advisories that affect each dependency, by its key (unaffected ones are absent), and the gaps for unanswered questions.

    `exploited` holds what KEV and EPSS say of the CVEs among the names of these advisories.
    """

    found: dict[Key, tuple[Advisory, ...]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    exploited: dict[str, Exploitation] = field(default_factory=dict)

    def exploitation(self, names: Iterable[str]) -> Exploitation:
        """Return what is known of a flaw with these names."""
        return joined(self.exploited[name] for name in names if name in self.exploited)


class Knowledge:
    """The sources of advisories, opened once per process. A missing source does not raise but becomes a gap of every manifest."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._path = path_of(configuration.database)
        self._database: Database | None = None
        self._missing = ""
        self._service: OsvClient | None = None

    def open(self) -> None:
        """Open the database, and create the client of the service if it is enabled."""
        try:
            self._database = Database(self._path)
        except DatabaseMissing as error:
            self._database, self._missing = None, str(error)
        if self._configuration.online and self._service is None:
            from veritensor_ray.engines.dependencies.osv import OsvClient

            self._service = OsvClient(self._configuration.osv)

    def digest(self) -> str:
        """Return a digest of the records in use. A service's future answers are unknown, so its address represents them."""
        try:
            database = self._database or Database(self._path)
            offline = database.about.digest
        except DatabaseMissing:
            offline = "none"
        return f"{self._configuration.osv.url} {offline}" if self._configuration.online else offline

    @property
    def stale(self) -> bool:
        """Whether there is a database and it is too old."""
        try:
            database = self._database or Database(self._path)
        except DatabaseMissing:
            return False
        return bool(self._too_old(database))

    def ask(self, dependencies: Iterable[Dependency]) -> Answers:
        """Return the advisories for some dependencies, and the gaps."""
        answers = Answers()
        wanted = {dependency.key: dependency for dependency in dependencies}
        left = self._online(wanted, answers) if self._service is not None else wanted
        if left:
            self._offline(left, answers)
        if self._database is not None and answers.found:
            self._exploited(self._database, answers)
        return answers

    @staticmethod
    def _exploited(database: Database, answers: Answers) -> None:
        found = (one for advisories in answers.found.values() for one in advisories)
        names = {name for one in found for name in (one.id, *one.aliases) if name.startswith("CVE-")}
        try:
            answers.exploited = database.exploitation(names)
        except DatabaseMissing as error:
            answers.gaps.insert(0, _missing(str(error)))

    def _online(self, wanted: dict[Key, Dependency], answers: Answers) -> dict[Key, Dependency]:
        """Ask the service, and return the dependencies for which it gave no answer."""
        assert self._service is not None  # noqa: S101  # the caller has checked
        reply = self._service.ask(list(wanted))
        for key, advisories in reply.found.items():
            chosen = advisories if key[2] else tuple(_threats(advisories, wanted[key]))
            if chosen:
                answers.found[key] = chosen
        if reply.unanswered and self._database is None:
            answers.gaps.append(_missing(f"{reply.reason}; {self._missing}"))
            return {}
        return {key: wanted[key] for key in wanted if key in reply.unanswered}

    def _offline(self, wanted: dict[Key, Dependency], answers: Answers) -> None:
        if self._database is None:
            answers.gaps.append(_missing(self._missing))
            return
        covered = self._database.about.packages
        absent = sorted({key[0] for key in wanted} - set(covered))
        if absent:
            without = f"the advisory database has no records for {' and '.join(absent)}"
            answers.gaps.append(_missing(f"{without}: import OSV's archives of all ecosystems that you use"))
        elif stale := self._too_old(self._database):
            answers.gaps.append(_stale(stale))
        try:
            for key, dependency in wanted.items():
                affecting = tuple(self._affecting(self._database, key, dependency))
                if affecting:
                    answers.found[key] = affecting
        except DatabaseMissing as error:
            answers.gaps.insert(0, _missing(str(error)))

    @staticmethod
    def _affecting(database: Database, key: Key, dependency: Dependency) -> Iterator[Advisory]:
        ecosystem, name, version = key
        known = database.of(ecosystem, normal(ecosystem, name))
        if not known:
            return
        if version is None:
            yield from _threats(known, dependency)
        else:
            yield from (advisory for advisory in known if advisory.affects(version))

    def _too_old(self, database: Database) -> str:
        """Return why the database is too old, or an empty text if it is not."""
        age = database.about.age(datetime.now(UTC).date())
        most = self._configuration.max_age_days
        if age is None:
            return "the age of the advisories is unknown"
        return f"the newest advisory is {age} days old, more than max_age_days ({most})" if age > most else ""


def _missing(reason: str) -> Gap:
    return Gap(reason[:300], engine=_ENGINE, coverage="db_missing", code=ReasonCode.ADVISORIES_MISSING)


def _stale(reason: str) -> Gap:
    return Gap(reason[:300], engine=_ENGINE, coverage="db_stale", code=ReasonCode.ADVISORIES_OLD)


def _threats(advisories: Iterable[Advisory], dependency: Dependency) -> Iterator[Advisory]:
    """Yield the malware records of an unpinned package that cover every version, or one that its range admits."""
    for advisory in advisories:
        if advisory.malicious and (advisory.affects_all or _admits(dependency, advisory)):
            yield advisory


def _admits(dependency: Dependency, advisory: Advisory) -> bool:
    """Return whether an installer may choose one of the listed versions. Ranges of other ecosystems are not evaluated."""
    if dependency.ecosystem != PYPI or advisory.ranges:
        return False
    try:
        specifier = SpecifierSet(dependency.specifier)
    except InvalidSpecifier:
        return False
    return any(specifier.contains(version, prereleases=True) for version in advisory.versions if version[:1].isdigit())
