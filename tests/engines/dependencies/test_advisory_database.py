"""Importing archives, hostile ones too, and looking up."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.clock import AtMost
from tests.engines.dependencies.building import archive, database, record
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.engines.dependencies.advisory_database import Database, DatabaseMissing
from veritensor_ray.engines.dependencies.osv_import import import_archives

OSV = Path(__file__).resolve().parents[4] / "shared" / "data" / "osv" / "PyPI-all.zip"


def test_looks_up_by_name(tmp_path: Path) -> None:
    made = Database(database(tmp_path, record("A-1", "Left_Pad"), record("B-1", "left-pad"), record("C-1", "other")))
    assert [one.id for one in made.of("PyPI", "left-pad")] == ["A-1", "B-1"]
    assert made.of("npm", "left-pad") == ()
    assert made.of("PyPI", "\ud800") == ()
    assert made.about.packages == {"PyPI": 3, "npm": 1}


def test_several_archives_are_joined_and_the_newer_record_stays(tmp_path: Path) -> None:
    old = archive(tmp_path / "a.zip", [record("A-1", events=[{"introduced": "0"}], modified="2025-01-01T00:00:00Z"), record("B-1")])
    new = archive(tmp_path / "b.zip", [record("A-1", events=[{"introduced": "5"}], modified="2025-02-01T00:00:00Z")])
    digests = set()
    for order in ([old, new], [new, old]):
        import_archives(order, tmp_path / "db")
        made = Database(tmp_path / "db")
        assert not next(one for one in made.of("PyPI", "requests") if one.id == "A-1").affects("1.0")
        digests.add(made.about.digest)
    assert len(digests) == 1, "the same records give the same digest"


def test_age_is_the_newest_records_and_a_future_date_says_nothing(tmp_path: Path) -> None:
    found = [
        record("A-1", modified="2025-06-01 10:00:00+00:00"),
        record("A-2", modified="9999-01-01T00:00:00Z"),
        record("A-3", modified="soon"),
    ]
    import_archives([archive(tmp_path / "a.zip", found)], tmp_path / "db")
    about = Database(tmp_path / "db").about
    assert about.newest.startswith("2025-06-01T10:00:00")
    assert about.age(date(2025, 6, 11)) == 10


@pytest.mark.results
def test_hostile_entries_are_counted_and_the_rest_is_taken(tmp_path: Path, at_most: AtMost) -> None:
    path = archive(
        tmp_path / "all.zip",
        [
            record("GOOD-1"),
            b"\xff\xfe nonsense",
            b"{" * 200_000,
            b"[" * 200_000,
            b'{"id": ' + b"9" * 10_000 + b"}",
            b'{"id": "HUGE-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": [' + b"1," * 100_000 + b"1]}]}",
            b" " * (20 << 20),
            b'{"a": "' + b"x" * (8 << 20) + b'"}',
            b"",
            record("../../etc/passwd"),
            record("GONE-1", withdrawn="2026-01-01T00:00:00Z"),
            record("GO-1", ecosystem="Hex"),
            record("NAME-1", package="a" * 10_000),
            record("ODD-1", events=[{"introduced": "9" * 10_000}, {"fixed": "1" * 200}], versions=["1" * 500, "\ud800"]),
        ],
    )
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("../../escape.json", json.dumps(record("ESCAPE-1")))
        file.writestr("README.md", "no record")
    with at_most(10):
        report = import_archives([path], tmp_path / "db")
    assert report.records == 4
    assert report.rejected == {
        "invalid JSON": 4,
        "larger than 16 MiB, or compressed at an implausible ratio": 2,
        "not an OSV record": 1,
        "empty entry": 1,
        "withdrawn": 1,
        "not about a package of a supported ecosystem": 2,
        "not a JSON file": 1,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "db"]
    assert [one.id for one in Database(tmp_path / "db").of("PyPI", "x")] == ["HUGE-1"]


@pytest.mark.slow
def test_damaged_archives(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.zip", [record(f"A-{number}") for number in range(50)])
    data = path.read_bytes()
    for cut in range(0, len(data), 997):
        path.write_bytes(data[:cut])
        with pytest.raises(UsageError):
            import_archives([path], tmp_path / "db")
    for at in range(0, len(data), 61):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            import_archives([path], tmp_path / "db")
        except UsageError:
            continue
    assert {path.name for path in tmp_path.iterdir()} <= {"all.zip", "db"}


def test_an_archive_that_fails_leaves_the_old_database(tmp_path: Path) -> None:
    made = database(tmp_path, record("A-1"))
    with pytest.raises(UsageError, match="no OSV record"):
        import_archives([archive(tmp_path / "empty.zip", [])], made)
    with pytest.raises(UsageError, match=r"nowhere\.zip cannot be read"):
        import_archives([tmp_path / "nowhere.zip"], made)
    assert Database(made).of("PyPI", "requests")
    (tmp_path / "file").touch()
    with pytest.raises(CannotRunError):
        import_archives([tmp_path / "all.zip"], tmp_path / "file" / "db")


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\0" + b"x" * 4096, b"nonsense"])
def test_says_what_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatabaseMissing, match=r"import"):
        Database(path)


def test_another_format_is_refused_and_damage_is_met_later(tmp_path: Path) -> None:
    path = database(tmp_path, record("A-1"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE advisories SET data = x'00'")
    with pytest.raises(DatabaseMissing, match="damaged"):
        Database(path).of("PyPI", "requests")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = 'other' WHERE key = 'format'")
    with pytest.raises(DatabaseMissing, match="a different format"):
        Database(path)


@pytest.mark.slow
@pytest.mark.skipif(not OSV.exists(), reason="the development data is not here: ../shared/data/osv/PyPI-all.zip")
def test_real_records(tmp_path: Path) -> None:
    report = import_archives([OSV], tmp_path / "db")
    assert (report.records, dict(report.rejected)) == (2651, {"withdrawn": 10})
    made = Database(tmp_path / "db")

    def names(package: str, version: str) -> set[str]:
        return {alias for one in made.of("PyPI", package) if one.affects(version) for alias in one.aliases if alias.startswith("CVE")}

    assert names("requests", "2.19.0") == {"CVE-2018-18074", "CVE-2023-32681"}
    assert names("requests", "2.32.3") == set()
    assert {"CVE-2021-33203", "CVE-2021-33571"} <= names("django", "3.2.3")
    assert "CVE-2021-33203" not in names("django", "3.2.4")


@pytest.mark.slow
@pytest.mark.skipif(not OSV.exists(), reason="the development data is not here: ../shared/data/osv/PyPI-all.zip")
def test_every_enumerated_version_of_real_records_is_affected(tmp_path: Path) -> None:
    import_archives([OSV], tmp_path / "db")
    made = Database(tmp_path / "db")
    with zipfile.ZipFile(OSV) as file:
        for name in file.namelist()[::7]:
            found: dict[str, Any] = json.loads(file.read(name))
            if "withdrawn" in found:
                continue
            for affected in found["affected"]:
                package = affected["package"]["name"].lower().replace("_", "-").replace(".", "-")
                advisory = next(one for one in made.of("PyPI", package) if one.id == found["id"])
                assert all(advisory.affects(version) for version in affected.get("versions", ()))
