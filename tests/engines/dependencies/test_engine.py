"""The engine: findings, what it says when it cannot know, places in bytes, notebooks, speed."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from tests.clock import AtMost
from tests.engines.dependencies.building import database, engine, record, scan
from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.dependencies import Dependencies
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.notebook.read import read_notebook
from veritensor_ray.models.model_store import ModelStore

LOG4J = "org.apache.logging.log4j:log4j-core"
RECORDS = [
    record("PYSEC-1", aliases=["CVE-1", "GHSA-1"], severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]),
    record("PYSEC-2", aliases=["CVE-1"], events=[{"introduced": "0"}, {"fixed": "2.1"}]),
    record("MAL-1", package="bad-thing", events=[{"introduced": "0"}]),
    record("MAL-2", package="enumerated-thing", events=None, versions=["1.0", "1.1"]),
    record("MAL-3", package="numpy", events=None, versions=["9.9.9"]),
    record("GHSA-1-1", package=LOG4J, ecosystem="Maven", events=[{"introduced": "2.0-beta9"}, {"fixed": "2.15.0"}]),
    record("GO-2", package="golang.org/x/text", ecosystem="Go", events=[{"introduced": "0"}, {"fixed": "0.3.3"}]),
    record("GHSA-1-2", package="Newtonsoft.Json", ecosystem="NuGet", events=[{"introduced": "0"}, {"fixed": "13.0.1"}]),
    record("MAL-4", package="rest-client", ecosystem="RubyGems", events=None, versions=["1.6.13"]),
    record("RUSTSEC-1", package="smallvec", ecosystem="crates.io", events=[{"introduced": "0.6.3"}, {"fixed": "0.6.10"}]),
    record("GHSA-1-3", package="symfony/http-kernel", ecosystem="Packagist", events=[{"introduced": "4.4.0"}, {"last_affected": "4.4.4"}]),
    record("GHSA-9", package="lodash", ecosystem="npm", events=[{"introduced": "0"}, {"fixed": "4.17.19"}]),
]


@pytest.fixture
def made(tmp_path: Path) -> Dependencies:
    return engine(database=str(database(tmp_path, *RECORDS)))


def found(made: Dependencies, name: str, content: str | bytes) -> list[tuple[str, str, str | None]]:
    return [(hit.rule.removeprefix("dependencies."), hit.evidence or "", hit.severity) for hit in scan(made, name, content)[0]]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("requirements.txt", "requests==1.0", [("known-vulnerability", "requests==1.0 CVE-1", "critical")]),
        ("requirements.txt", "requests==2.0.5", [("known-vulnerability", "requests==2.0.5 CVE-1", "medium")]),
        ("requirements.txt", "requests==2.1\nrequests>=1.0", []),
        ("requirements.txt", "Bad_Thing", [("malicious-package", "Bad_Thing MAL-1", None)]),
        ("requirements.txt", "bad.thing==77", [("malicious-package", "bad.thing==77 MAL-1", None)]),
        ("requirements.txt", "enumerated-thing>=1.1", [("malicious-package", "enumerated-thing>=1.1 MAL-2", None)]),
        ("requirements.txt", "enumerated-thing>=2", []),
        ("requirements.txt", "reqeusts==2", [("typosquat", "reqeusts", "high")]),
        ("requirements.txt", "requ\u0435sts==1.0", [("typosquat", "requ\u0435sts", "high")]),
        ("requirements-dev.txt", "p\u0430ndas[all]>=1.0 ; python_version > '3'", [("typosquat", "p\u0430ndas", "high")]),
        ("requirements.txt", "requ\u200bests", [("typosquat", "requ\u200bests", "high")]),
        ("pyproject.toml", '[project]\ndependencies = ["requ\u0435sts"]', [("typosquat", "requ\u0435sts", "high")]),
        ("pyproject.toml", '[tool.poetry.dependencies]\n"requ\u0435sts" = "1.0"', [("typosquat", "requ\u0435sts", "high")]),
        ("Dockerfile", "RUN pip install requ\u0435sts", [("typosquat", "requ\u0435sts", "high")]),
        ("requirements.txt", "\u0437\u0430\u043c\u0435\u0442\u043a\u0430 about this", []),
        ("requirements.txt", "a @ http://example.test/a.zip", [("direct-url", "http://example.test/a.zip", "medium")]),
        ("requirements.txt", "--extra-index-url https://example.test/x", [("extra-index", "https://example.test/x", None)]),
        ("package.json", '{"dependencies": {"lodash": "4.17.15"}}', [("known-vulnerability", "lodash==4.17.15 GHSA-9", "medium")]),
        ("package.json", '{"dependencies": {"lodash": "^4.17.15"}}', []),
        ("Dockerfile", "RUN pip install requests==1.0", [("known-vulnerability", "requests==1.0 CVE-1", "critical")]),
        ("notes.txt", "requests==1.0", []),
        ("yarn.lock", 'lodash@^4:\n  version "4.17.15"\n', [("known-vulnerability", "lodash==4.17.15 GHSA-9", "medium")]),
        ("pnpm-lock.yaml", "lockfileVersion: 9\npackages:\n  lodahs@1.0.0:\n", [("typosquat", "lodahs", "medium")]),
        ("gradle.lockfile", f"{LOG4J}:2.14.1=a\n", [("known-vulnerability", f"{LOG4J}==2.14.1 GHSA-1-1", "medium")]),
        ("gradle.lockfile", f"{LOG4J}:2.15.0=a\n{LOG4J}:2.0-beta8=a\n", []),
        ("go.mod", "require golang.org/x/text v0.3.0", [("known-vulnerability", "golang.org/x/text==0.3.0 GO-2", "medium")]),
        ("go.mod", "require golang.org/x/text v0.3.3", []),
        (
            "packages.lock.json",
            '{"dependencies": {"net6.0": {"NEWTONSOFT.json": {"resolved": "12.0.3"}}}}',
            [("known-vulnerability", "NEWTONSOFT.json==12.0.3 GHSA-1-2", "medium")],
        ),
        ("Gemfile.lock", "GEM\n    rest-client (1.6.13)\n", [("malicious-package", "rest-client==1.6.13 MAL-4", None)]),
        ("Gemfile.lock", "GEM\n    rest-client (1.6.14)\n", []),
        (
            "Cargo.lock",
            '[[package]]\nname = "smallvec"\nversion = "0.6.9"\nsource = "registry+x"\n',
            [("known-vulnerability", "smallvec==0.6.9 RUSTSEC-1", "medium")],
        ),
        (
            "composer.lock",
            '{"packages": [{"name": "symfony/http-kernel", "version": "v4.4.4"}]}',
            [("known-vulnerability", "symfony/http-kernel==v4.4.4 GHSA-1-3", "medium")],
        ),
    ],
)
def test_findings(made: Dependencies, name: str, content: str, expected: list[tuple[str, str, str | None]]) -> None:
    assert found(made, name, content) == expected


@pytest.mark.parametrize(
    ("name", "content", "marked"),
    [
        ("pyproject.toml", '[tool.uv]\n[[tool.uv.index]]\nurl = "https://a.example/simple"\n', "https://a.example/simple"),
        ("pyproject.toml", '[[tool.poetry.source]]\nname = "x"\nurl = "http://b.example/simple"\n', "http://b.example/simple"),
        ("Pipfile", '[[source]]\nurl = "x"\n[[source]]\nurl = "https://c.example/simple"\n', "https://c.example/simple"),
        ("pyproject.toml", '# \u00e4\n[project]\ndependencies = ["requ\u0435sts"]', "requ\u0435sts"),
    ],
)
def test_where_it_stands(made: Dependencies, name: str, content: str, marked: str) -> None:
    [hit], _ = scan(made, name, content)
    assert content.encode()[hit.start : hit.end].decode() == marked


def test_the_message_says_what_to_do(made: Dependencies) -> None:
    [hit], _ = scan(made, "requirements.txt", "requests==1.0")
    assert hit.message == "requests==1.0 has CVE-1 (GHSA-1, PYSEC-1, PYSEC-2): Flaw PYSEC-1.; fixed in 2.0, 2.1"


@pytest.mark.parametrize(
    "data",
    [
        b"requests==1.0\n",
        "# é ü\nrequests==1.0\n".encode(),
        b"\xef\xbb\xbfrequests==1.0",
        b"# \xff\xfe\xfd\nrequests==1.0",
        "\ufeff# \U0001f600\r\nrequests==1.0\r\n".encode("utf-16-le"),
        "\ufeffrequests==1.0".encode("utf-16-be"),
    ],
)
def test_places_are_bytes(made: Dependencies, data: bytes) -> None:
    [hit], gaps = scan(made, "requirements.txt", data)
    encoding = "utf-16-le" if data[:2] == b"\xff\xfe" else "utf-16-be" if data[:2] == b"\xfe\xff" else "utf-8"
    assert data[hit.start : hit.end] == "requests".encode(encoding)
    assert gaps == []


def test_without_a_database_the_names_are_checked_and_the_ledger_is_told(tmp_path: Path) -> None:
    hits, gaps = scan(engine(database=str(tmp_path / "none")), "requirements.txt", "requests==1.0\nreqeusts==1.0\n")
    assert [hit.rule for hit in hits] == ["dependencies.typosquat"]
    assert [(gap.coverage, gap.engine, gap.count) for gap in gaps] == [("db_missing", "dependencies", 1)]
    assert "advisories import" in gaps[0].reason


def test_an_old_database_is_used_and_said_to_be_old(tmp_path: Path) -> None:
    hits, gaps = scan(engine(database=str(database(tmp_path, *RECORDS)), max_age_days=1), "requirements.txt", "requests==1.0")
    assert len(hits) == 1
    assert [gap.coverage for gap in gaps] == ["db_stale"]


def test_an_ecosystem_that_the_database_lacks_is_said(tmp_path: Path) -> None:
    from tests.engines.dependencies.building import archive
    from veritensor_ray.engines.dependencies.osv_import import import_archives

    import_archives([archive(tmp_path / "all.zip", RECORDS[:5])], tmp_path / "db")
    one = engine(database=str(tmp_path / "db"))
    assert [gap.coverage for gap in scan(one, "package.json", '{"dependencies": {"a": "1.0.0"}}')[1]] == ["db_missing"]
    assert scan(one, "requirements.txt", "numpy==1.0")[1] == []


@pytest.mark.parametrize(
    ("name", "content", "coverage"),
    [
        ("requirements.txt", "this is prose", ["unparsable"]),
        ("requirements.txt", "\n".join(["this is prose"] * 500), ["unparsable"] * 21),
        ("pyproject.toml", "[", ["unparsable"]),
        ("environment.yml", "dependencies: [python=3.11]", ["db_missing"]),
        ("environment.yml", "dependencies: [numpy=1.0]", []),
        ("requirements.txt", "", []),
    ],
)
def test_what_was_not_checked(made: Dependencies, name: str, content: str, coverage: list[str]) -> None:
    _, gaps = scan(made, name, content)
    assert [gap.coverage for gap in gaps] == coverage
    assert sum(gap.count for gap in gaps) == (500 if content.count("\n") > 400 else len(coverage))


def test_bounds_make_the_artifact_partial(made: Dependencies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.engines.dependencies.MOST", 2)
    assert [(gap.bound, gap.coverage) for gap in scan(made, "requirements.txt", "a1==1\nb1==1\nc1==1")[1]] == [
        ("manifest_dependencies", None)
    ]
    monkeypatch.setattr("veritensor_ray.engines.dependencies.LARGEST", 2)
    assert [(gap.bound, gap.coverage) for gap in scan(made, "requirements.txt", "a1==1")[1]] == [("manifest_bytes", None)]


NOTEBOOK = {
    "nbformat": 4,
    "cells": [
        {"cell_type": "markdown", "source": ["Please pip install requests==1.0 first\n"]},
        {
            "cell_type": "code",
            "source": ["import os\n", "%pip install -q requests==1.0 {extra}\n", "!pip install reqeusts\n"],
            "outputs": [],
        },
        {
            "cell_type": "code",
            "source": "# !pip install bad-thing\n!npm install lodash@4.17.15",
            "outputs": [{"text": "!pip install bad-thing"}],
        },
    ],
}


def notebook_batch() -> pa.RecordBatch:
    source = Source(io.BytesIO(json.dumps(NOTEBOOK).encode()), Kind("application/x-ipynb+json", "utf-8"), Limits())
    blocks = [block for block in read_notebook(source) if isinstance(block, Block)]
    batches = [to_batch(block, Identity(0, "a.ipynb", "application/x-ipynb+json"), Limits()) for block in blocks]
    [batch] = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()
    return batch


def test_install_commands_in_cells_of_notebooks(made: Dependencies) -> None:
    batch = notebook_batch()
    texts = batch.column("text").to_pylist()
    hits = [(texts[hit.row or 0][hit.start : hit.end], hit.rule.removeprefix("dependencies.")) for hit in made.scan_text(batch)]
    assert hits == [("requests", "known-vulnerability"), ("reqeusts", "typosquat"), ("lodash", "known-vulnerability")]


def test_a_notebook_says_what_could_not_be_checked(tmp_path: Path) -> None:
    missing = engine(database=str(tmp_path / "none"))
    data = json.dumps(NOTEBOOK).encode()
    about = FileInfo("a.ipynb", len(data), "application/x-ipynb+json")
    assert [gap.coverage for gap in missing.scan_file(io.BytesIO(data), about)] == ["db_missing"]  # type: ignore[union-attr]
    assert list(missing.scan_file(io.BytesIO(b'{"cells": []}'), about)) == []


def test_own_names_are_no_typosquats(tmp_path: Path) -> None:
    made = engine(database=str(database(tmp_path)), allow=["reqeusts", "nump*"])
    assert found(made, "requirements.txt", "reqeusts==1\nnumpyx==1\npandass==1") == [("typosquat", "pandass", "high")]


def test_the_users_own_list(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("# ours\ninternal-tool\n")
    made = engine(database=str(database(tmp_path)), popular={"pypi": str(tmp_path / "names")})
    assert found(made, "requirements.txt", "internal-tol==1\nreqeusts==1") == [("typosquat", "internal-tol", "high")]


def test_fingerprint_follows_database_and_lists(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "names").write_text("internal-tool\n")
    one, two = database(tmp_path / "one", *RECORDS), database(tmp_path / "two", *RECORDS[1:])
    prints = {
        engine(database=str(path), popular=popular).fingerprint()
        for path in (one, two, tmp_path / "none")
        for popular in ({}, {"pypi": str(tmp_path / "names")})
    }
    assert len(prints) == 6
    assert Dependencies(Settings.model_validate({"dependencies": {"database": str(one)}})).fingerprint() in prints, (
        "known before it is loaded"
    )


def test_a_loaded_engine_travels(made: Dependencies) -> None:
    again = pickle.loads(pickle.dumps(made))  # noqa: S301  # our own bytes
    again.load(ModelStore("embedded"))
    assert found(again, "requirements.txt", "requests==1.0") == found(made, "requirements.txt", "requests==1.0")


def _lock(kind: str, count: int) -> tuple[str, str]:
    if kind == "requirements.txt":
        return kind, "".join(f"package-{number}==1.{number % 50}.0\n" for number in range(count))
    if kind == "poetry.lock":
        rows = (f'[[package]]\nname = "package-{n}"\nversion = "1.{n % 50}.0"\noptional = false\n\n' for n in range(count))
        return kind, "".join(rows)
    packages = {
        f"node_modules/package-{n}": {"version": f"1.{n % 50}.0", "resolved": f"https://example.test/{n}.tgz"} for n in range(count)
    }
    return "package-lock.json", json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2)


@pytest.mark.results
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["requirements.txt", "poetry.lock", "package-lock.json"])
def test_a_lock_file_of_20_000_packages_takes_seconds(made: Dependencies, kind: str, at_most: AtMost) -> None:
    name, content = _lock(kind, 20_000)
    with at_most(4):
        hits, gaps = scan(made, name, content + ("requests==1.0\n" if kind == "requirements.txt" else ""))
    assert len(hits) == (1 if kind == "requirements.txt" else 0)
    assert gaps == []
