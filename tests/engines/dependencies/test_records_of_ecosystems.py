"""Records as the databases behind OSV write them, one or more for each ecosystem, from an archive to a finding."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.dependencies.building import archive
from veritensor_ray.engines.dependencies.advisory_database import Database
from veritensor_ray.engines.dependencies.advisory_model import normal
from veritensor_ray.engines.dependencies.advisory_records import Advisory
from veritensor_ray.engines.dependencies.osv_import import import_archives

GITHUB = {"cwe_ids": ["CWE-20"], "github_reviewed": True, "github_reviewed_at": "2026-01-01T00:00:00Z", "nvd_published_at": None}
V3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
V4 = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N"}


def whole(name: str, *affected: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What all records have."""
    return {
        "schema_version": "1.7.0",
        "id": name,
        "modified": "2026-01-02T03:04:05.678901Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": "A flaw.",
        "details": "### Impact\n\nA flaw of the package.\n",
        "affected": list(affected),
        "references": [{"type": "ADVISORY", "url": f"https://example.test/{name}"}, {"type": "PACKAGE", "url": "https://example.test"}],
    } | more


def about(ecosystem: str, name: str, *events: dict[str, str], kind: str = "ECOSYSTEM", **more: Any) -> dict[str, Any]:
    """A part `affected`, with one range."""
    package = {"name": name, "ecosystem": ecosystem, "purl": f"pkg:x/{name}"}
    return {"package": package, "ranges": [{"type": kind, "events": list(events)}]} | more


I, F, L = "introduced", "fixed", "last_affected"  # noqa: E741
COMMITS = {"type": "GIT", "repo": "https://example.test/x.git", "events": [{I: "0"}, {F: "0123456789abcdef"}]}
# The record, the package, and which of its versions are affected, with the severity of the record.
CASES: dict[str, tuple[dict[str, Any], str, str, dict[str, bool], str | None]] = {
    "Maven, GHSA: two branches as two parts": (
        whole(
            "GHSA-jfh8-c2jp-5v3q",
            about("Maven", "org.apache.logging.log4j:log4j-core", {I: "2.13.0"}, {F: "2.15.0"}),
            about("Maven", "org.apache.logging.log4j:log4j-core", {I: "2.4"}, {F: "2.12.2"}, database_specific={"source": "x"}),
            about("Maven", "org.ops4j.pax.logging:pax-logging-log4j2", {I: "1.8.0"}, {F: "1.9.2"}),
            aliases=["CVE-2021-44228"],
            severity=[V3 | {"score": V3["score"].replace("S:U", "S:C")}, {"type": "CVSS_V3", "score": "CVSS:3.1/E:H"}],
            database_specific=GITHUB | {"severity": "CRITICAL"},
        ),
        "Maven",
        "org.apache.logging.log4j:log4j-core",
        {"2.14.1": True, "2.15.0": False, "2.15.0-rc1": True, "2.12.2": False, "2.12.1": True, "2.4": True, "2.0-beta9": False},
        "critical",
    ),
    "Maven, versions are listed too": (
        whole("GHSA-2222-2222-2222", about("Maven", "a.b:c", {I: "0"}, {F: "1.0.0.Final"}, versions=["0.9", "1.0.0-alpha", "1.0.0.CR1"])),
        "Maven",
        "a.b:c",
        {"0.9": True, "1.0.0.CR1": True, "1.0.0.Final": False, "1.0.0": False, "1.0.0-alpha": True, "1.0.1-SNAPSHOT": False},
        None,
    ),
    "Go, the database of Go: imports, and versions without the letter": (
        whole(
            "GO-2022-0969",
            about(
                "Go",
                "golang.org/x/net",
                {I: "0"},
                {F: "0.0.0-20220906165146-f3363e06e74c"},
                kind="SEMVER",
                ecosystem_specific={"imports": [{"path": "golang.org/x/net/http2", "symbols": ["Server.ServeConn"]}]},
            ),
            about("Go", "stdlib", {I: "0"}, {F: "1.18.6"}, {I: "1.19.0-0"}, {F: "1.19.1"}, kind="SEMVER"),
            aliases=["CVE-2022-27664", "GHSA-69cg-p879-7622"],
            database_specific={"url": "https://pkg.go.dev/vuln/GO-2022-0969", "review_status": "REVIEWED"},
        ),
        "Go",
        "golang.org/x/net",
        {"0.0.0-20220722155237-a158d28d115b": True, "0.0.0-20220906165146-f3363e06e74c": False, "0.1.0": False},
        None,
    ),
    "Go, two ranges of one module": (
        whole("GO-2022-0970", about("Go", "stdlib", {I: "0"}, {F: "1.18.6"}, {I: "1.19.0-0"}, {F: "1.19.1"}, kind="SEMVER")),
        "Go",
        "stdlib",
        {"1.18.5": True, "1.18.6": False, "1.19.0": True, "1.19.0-rc.1": True, "1.19.1": False},
        None,
    ),
    "Go, a major version in the path": (
        whole(
            "GHSA-3333-3333-3333",
            about("Go", "github.com/a/b/v2", {I: "2.0.0-alpha"}, {L: "2.3.4"}),
            severity=[V4],
            database_specific=GITHUB,
        ),
        "Go",
        "github.com/a/b/v2",
        {"2.3.4": True, "2.3.5": False, "2.3.4+incompatible": True, "1.9.9": False},
        "medium",
    ),
    "crates.io, RustSec: with its own vector": (
        whole(
            "RUSTSEC-2021-0003",
            about(
                "crates.io",
                "smallvec",
                {I: "0.6.3"},
                {F: "0.6.14"},
                {I: "1.0.0"},
                {F: "1.6.1"},
                kind="SEMVER",
                ecosystem_specific={
                    "affects": {"os": [], "functions": ["smallvec::SmallVec::insert_many"], "arch": []},
                    "affected_functions": None,
                },
                database_specific={"informational": None, "categories": ["memory-corruption"], "cvss": V3["score"]},
                versions=[],
            ),
            aliases=["CVE-2021-25900", "GHSA-43w2-9j62-hq99"],
            severity=[V3],
            related=[],
            database_specific={"license": "CC0-1.0"},
        ),
        "crates.io",
        "smallvec",
        {"0.6.2": False, "0.6.3": True, "0.6.14": False, "1.0.0": True, "1.6.0": True, "1.6.1": False},
        "critical",
    ),
    "crates.io, RustSec: a crate that nobody maintains": (
        whole(
            "RUSTSEC-2021-0139",
            about(
                "crates.io",
                "ansi_term",
                {I: "0.0.0-0"},
                kind="SEMVER",
                database_specific={"informational": "unmaintained", "categories": [], "cvss": None},
            ),
        ),
        "crates.io",
        "ansi_term",
        {"0.12.1": True, "0.0.0": True},
        "info",
    ),
    "NuGet, four numbers and a prerelease": (
        whole(
            "GHSA-5crp-9r3c-p9vr",
            about("NuGet", "Newtonsoft.Json", {I: "0"}, {F: "13.0.1"}, versions=["12.0.3", "3.5.8", "13.0.1-beta2"]),
            database_specific=GITHUB | {"severity": "HIGH"},
        ),
        "NuGet",
        "newtonsoft.JSON",
        {"12.0.3": True, "13.0.1": False, "13.0.1.0": False, "13.0.1-beta2": True, "12.0.3.1": True},
        "high",
    ),
    "RubyGems, patches of several branches in one range": (
        whole(
            "GHSA-4444-4444-4444",
            about("RubyGems", "rack", {I: "0"}, {F: "2.0.9.1"}) | {"versions": ["1.0.0", "2.0.0.rc1"]},
            about("RubyGems", "rack", {I: "2.1"}, {F: "2.1.4.1"}),
            about("RubyGems", "rack", {I: "2.2"}, {F: "2.2.3.1"}),
            severity=[V3],
        ),
        "RubyGems",
        "rack",
        {
            "2.0.9": True,
            "2.0.9.1": False,
            "2.1.4": True,
            "2.1.4.1": False,
            "2.2.3": True,
            "2.2.3.1": False,
            "2.0.0.rc1": True,
            "2.1.0.rc1": False,
        },
        "critical",
    ),
    "Packagist, GHSA with letters and stages": (
        whole(
            "GHSA-5555-5555-5555",
            about("Packagist", "symfony/http-kernel", {I: "2.0.0"}, {F: "4.4.50"}, versions=["v2.0.0", "v4.4.49", "v4.4.0-RC1"]),
            database_specific=GITHUB | {"severity": "MODERATE"},
        ),
        "Packagist",
        "Symfony/http-kernel",
        {"v4.4.49": True, "4.4.50": False, "v4.4.50-RC1": True, "v4.4.0-RC1": True, "1.9.9": False, "v5.0.0": False, "4.4.49.0": True},
        "medium",
    ),
    "Packagist, Drupal: an ecosystem with an address": (
        whole(
            "DRUPAL-CONTRIB-2025-001",
            about(
                "Packagist:https://packages.drupal.org/8",
                "drupal/module",
                {I: "0"},
                {F: "1.7.0"},
                database_specific={"constraint": "<1.7.0"},
            ),
        ),
        "Packagist",
        "drupal/module",
        {"1.6.0": True, "1.7.0": False},
        None,
    ),
    "npm, malware: every version": (
        whole(
            "MAL-2024-1234",
            about("npm", "@scope/bad", {I: "0"}, kind="SEMVER", versions=["1.0.0"], database_specific={"cwes": [{"cweId": "CWE-506"}]}),
            credits=[{"name": "x", "type": "FINDER"}],
            database_specific={"malicious-packages-origins": [{"source": "ghsa-malware", "sha256": "0" * 64}]},
        ),
        "npm",
        "@scope/bad",
        {"1.0.0": True, "99.0.0": True},
        None,
    ),
    "PyPI, PYSEC: commits first": (
        whole(
            "PYSEC-2023-1",
            {
                **about("PyPI", "Pillow", {I: "0"}, {F: "10.0.1"}),
                "ranges": [COMMITS, *about("PyPI", "x", {I: "0"}, {F: "10.0.1"})["ranges"]],
            },
        ),
        "PyPI",
        "pillow",
        {"9.5.0": True, "10.0.1": False},
        None,
    ),
    "GitHub Actions, GHSA": (
        whole(
            "GHSA-mrrh-fwg8-r2c3",
            about(
                "GitHub Actions",
                "tj-actions/changed-files",
                {I: "0"},
                {F: "46.0.1"},
                database_specific={"last_known_affected_version_range": "<= 45.0.7"},
            ),
            aliases=["CVE-2025-30066"],
            database_specific=GITHUB | {"severity": "HIGH"},
        ),
        "GitHub Actions",
        "tj-actions/changed-files",
        {"45.0.7": True, "46.0.1": False},
        "high",
    ),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An archive for each ecosystem, as OSV has them: a record about two is in both."""
    folder = tmp_path_factory.mktemp("osv")
    by_ecosystem: dict[str, list[Any]] = {}
    for found, ecosystem, *_ in CASES.values():
        by_ecosystem.setdefault(ecosystem, []).append(found)
    archives = [archive(folder / f"{name.replace(' ', '%20')}.zip", records) for name, records in by_ecosystem.items()]
    report = import_archives(archives, folder / "db")
    assert (report.records, dict(report.rejected)) == (len(CASES), {})
    return Database(folder / "db")


def of(database: Database, case: str) -> Advisory:
    found, ecosystem, name, *_ = CASES[case]
    return next(one for one in database.of(ecosystem, normal(ecosystem, name)) if one.id == found["id"])


@pytest.mark.parametrize("case", CASES)
def test_a_record_affects_what_its_database_means(database: Database, case: str) -> None:
    expected, severity = CASES[case][3:]
    found = of(database, case)
    assert {version: found.affects(version) for version in expected} == expected
    assert found.severity == severity


@pytest.mark.parametrize("case", [case for case in CASES if case.partition(",")[0] not in ("npm", "PyPI")])
def test_versions_that_a_range_covers_are_not_stored(database: Database, case: str) -> None:
    assert of(database, case).versions == frozenset()


def test_fixed_versions_are_in_order(database: Database) -> None:
    assert of(database, "RubyGems, patches of several branches in one range").fixed_after("2.0.9.1") == ["2.1.4.1", "2.2.3.1"]
    assert of(database, "Maven, GHSA: two branches as two parts").fixed_after("2.4") == ["2.12.2", "2.15.0"]
