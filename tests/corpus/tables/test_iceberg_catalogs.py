"""Tables that catalogs name: a real SQL catalog in an SQLite file, and a stub of a REST catalog on loopback that knows what the SQL catalog knows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pytest

from tests.corpus.tables import iceberg_tables as ice
from veritensor_ray.core.config import Settings, Store
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.corpus.listing import Root, roots
from veritensor_ray.corpus.planning import plan_rows
from veritensor_ray.corpus.tables.iceberg_catalogs import check, metadata_file
from veritensor_ray.corpus.tables.table_kinds import Noting, opened

pytest.importorskip("pyiceberg")

TOKEN = "open sesame"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with two snapshots, and a metadata file of a commit that failed. Its catalog does not know that."""
    base = tmp_path_factory.mktemp("warehouse")
    table = ice.create(base / "people", {"id": [1]})
    table.append(pa.table({"id": [2]}))
    (base / "people" / "metadata" / "00009-failed.metadata.json").write_text("{}")
    made = ice.catalog(base)
    made.create_namespace("all.deep")
    made.create_table("all.deep.empty", pa.schema([("id", pa.int64())]), location=f"file://{base}/empty")
    return base


def latest(warehouse: Path, name: str = "people") -> str:
    return str(ice.catalog(warehouse).load_table(f"all.{name}").metadata_location).removeprefix("file://")


def of_sql(warehouse: Path) -> dict[str, Store]:
    return {"catalog://lake": Store(endpoint=f"sqlite:///{warehouse}/catalog.db")}


@dataclass
class RestStub:
    """What a stub of a REST catalog answers by path: a status, and JSON or bytes."""

    answers: dict[str, tuple[int, Any]]
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, token: str | None) -> tuple[int, bytes]:
        self.asked.append(path)
        if token != f"Bearer {TOKEN}":
            return 401, b"{}"
        status, said = self.answers.get(unquote(urlsplit(path).path), (404, {}))
        return status, said if isinstance(said, bytes) else json.dumps(said).encode()


@pytest.fixture
def stub(warehouse: Path) -> Iterator[RestStub]:
    paths = {
        "/in/v1/pre/fix/namespaces/all/tables/people": (200, {"metadata-location": "file://" + latest(warehouse)}),
        "/in/v1/pre/fix/namespaces/all\x1fdeep/tables/empty": (200, {"metadata-location": "file:" + latest(warehouse, "deep.empty")}),
        "/in/v1/config": (200, {"defaults": {"prefix": "no"}, "overrides": {"prefix": "pre/fix", "uri": "http://192.0.2.1"}}),
    }
    made = RestStub(paths)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = made.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", "http://192.0.2.1/")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asks may stop listening
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()  # each end waits for it
    yield made
    server.shutdown()
    server.server_close()


def of_rest(stub: RestStub, **options: str) -> dict[str, Store]:
    return {"catalog://lake": Store(**{"endpoint": f"{stub.url}?warehouse=a b", "token": "env:CATALOG_TOKEN", **options})}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TOKEN", TOKEN)
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")


@pytest.mark.parametrize("kind", ["sql", "rest"])
def test_the_metadata_file_that_counts(warehouse: Path, stub: RestStub, kind: str) -> None:
    stores = of_sql(warehouse) if kind == "sql" else of_rest(stub)
    for name in ("people", "deep.empty"):
        assert metadata_file(f"catalog://lake/all.{name}", stores) == latest(warehouse, name)
    head = latest(warehouse).rpartition("/")[2]
    assert roots(["iceberg+catalog://lake/all.people"], stores) == [Root(f"{warehouse}/people", "", table="iceberg", head=head)]
    check("catalog://lake", stores)


def test_doctor_asks_catalogs(warehouse: Path, stub: RestStub) -> None:
    from veritensor_ray.jobs.doctor import _stores

    gone = Store(endpoint=f"sqlite:///{warehouse}/nowhere.db")
    stores = of_sql(warehouse) | {"catalog://rest": of_rest(stub)["catalog://lake"], "catalog://gone": gone}
    told = {one.name: (one.state, one.detail) for one in _stores(Settings(stores=stores))}
    assert told == {
        "store catalog://lake": ("ok", "answers"),
        "store catalog://rest": ("ok", "answers"),
        "store catalog://gone": ("fails", f"the catalog gone does not exist: there is no file {warehouse}/nowhere.db"),
    }


def test_a_plan_has_the_snapshot_that_the_catalog_names(warehouse: Path) -> None:
    settings = Settings(sources=["iceberg+catalog://lake/all.people"], stores=of_sql(warehouse))
    opener = Noting(opened)
    rows = list(plan_rows(settings, ["pii"], lambda *_: [], opener=opener))
    assert len([row for row in rows if row.view is not None]) == 2
    assert [one["version"] for one in opener.tables] == [
        str(ice.catalog(warehouse).load_table("all.people").current_snapshot().snapshot_id)
    ]
    loose = Settings(sources=[f"{warehouse}/people"])
    [row] = [row for row in plan_rows(loose, ["pii"], lambda *_: []) if row.artifact == "."]
    assert "00009-failed.metadata.json is damaged" in (row.reason or ""), "only the catalog knows that it does not count"


def test_what_a_rest_catalog_is_asked(stub: RestStub) -> None:
    metadata_file("catalog://lake/all.deep.empty", of_rest(stub))
    assert stub.asked == [
        "/in/v1/config?warehouse=a+b",
        "/in/v1/pre/fix/namespaces/all%1Fdeep/tables/empty?snapshots=refs",
    ]


def test_a_database_is_only_read(warehouse: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in warehouse.iterdir())
    metadata_file("catalog://lake/all.people", of_sql(warehouse))
    with pytest.raises(StoreError, match=r"the catalog lake does not exist: there is no file .*/nowhere\.db"):
        metadata_file("catalog://lake/all.people", {"catalog://lake": Store(endpoint=f"sqlite:///{warehouse}/nowhere.db")})
    assert sorted((path.name, path.stat().st_mtime_ns) for path in warehouse.iterdir()) == before


def test_what_is_said_of_databases(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("no database at all, but a text that is long enough " * 20)
    told = {
        "catalog://lake/all.nobody": (f"sqlite:///{warehouse}/catalog.db", "the catalog lake has no table all.nobody"),
        "catalog://other/all.people": (f"sqlite:///{warehouse}/catalog.db", "the catalog other has no table all.people"),
        "catalog://lake/all.people": (f"sqlite:///{tmp_path}/no.db", "the catalog lake cannot be read: file is not a database"),
        "catalog://lake/all.person": ("nosuchdb://host/x", "the catalog lake cannot be read: "),
        "catalog://lake/all.driver": (
            "postgresql+psycopg2://host/x",
            "the catalog lake needs the library psycopg2, which is not installed",
        ),
    }
    for uri, (endpoint, sentence) in told.items():
        with pytest.raises(StoreError, match=sentence):
            metadata_file(uri, {uri.rpartition("/")[0]: Store(endpoint=endpoint)})


ELSEWHERE = "http://192.0.2.1/t/metadata"
REFUSED: dict[str, list[tuple[int, Any, str]]] = {
    "/in/v1/config": [
        (500, {}, "the catalog lake answers 500"),
        (302, {}, "the catalog lake answers 302, and redirects are not followed"),
        (404, {}, "the catalog lake answers 404 at http://.*/in/v1/config: `endpoint` is not the address of a REST catalog"),
        (200, b"<html>", "the catalog lake answers with something other than a JSON object"),
        (200, [], "the catalog lake answers with something other than a JSON object"),
        (200, b"[" * 100_000, "the catalog lake answers with something other than a JSON object"),
        (200, bytes(70 << 20), "the catalog lake answers with more than 67,108,864 bytes"),
    ],
    "/in/v1/pre/fix/namespaces/all/tables/people": [
        (404, {}, "the catalog lake has no table all.people"),
        (200, {}, "the catalog lake names no metadata file of all.people"),
        (
            200,
            {"metadata-location": "/etc/passwd"},
            "the catalog lake names /etc/passwd, which is not a metadata file in a folder metadata of",
        ),
        (200, {"metadata-location": "/t/metadata/x.json"}, "the catalog lake names .*, which is not a metadata file"),
        (200, {"metadata-location": "/t/other/v1.metadata.json"}, "the catalog lake names .*, which is not a metadata file"),
        (200, {"metadata-location": "/x" * 5000}, "the catalog lake names (/x){150}, which is not a metadata file"),
        (200, {"metadata-location": f"{ELSEWHERE}/v1.metadata.json"}, f"names {ELSEWHERE}/v1.metadata.json, which no prefix under"),
        (200, {"metadata-location": "s3a://b/metadata/v1.metadata.json"}, "names s3://b/metadata/v1.metadata.json, which no prefix under"),
        (200, {"metadata-location": f"{ELSEWHERE}/v{1:09999}.metadata.json"}, f"names {ELSEWHERE}/v0{{1,300}}, which no prefix under"),
        (200, {"metadata-location": "file:/t/metadata/v1.metadata.json"}, "^/t/metadata/v1.metadata.json does not exist"),
    ],
}


@pytest.mark.parametrize(("path", "status", "said", "sentence"), [(path, *one) for path, some in REFUSED.items() for one in some])
def test_what_is_said_of_rest_catalogs(stub: RestStub, path: str, status: int, said: Any, sentence: str) -> None:
    stub.answers[path] = (status, said)
    with pytest.raises(StoreError, match=sentence):
        roots(["iceberg+catalog://lake/all.people"], of_rest(stub))


def test_a_table_in_a_store_that_is_configured(stub: RestStub) -> None:
    location = "s3://warehouse/t/metadata/v1.metadata.json"
    stub.answers["/in/v1/pre/fix/namespaces/all/tables/people"] = (200, {"metadata-location": location})
    assert metadata_file("catalog://lake/all.people", of_rest(stub) | {"s3://warehouse": Store()}) == location


def test_a_catalog_that_is_not_there_or_refuses(stub: RestStub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="the catalog lake does not answer: ConnectError"):
        metadata_file("catalog://lake/all.people", {"catalog://lake": Store(endpoint="http://127.0.0.1:9")})
    monkeypatch.setenv("CATALOG_TOKEN", "wrong")
    with pytest.raises(StoreError, match=r"the catalog lake denies access \(401\): check its `token` under `stores:`"):
        metadata_file("catalog://lake/all.people", of_rest(stub))


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (
            "catalog://lake/all.people",
            "the catalog lake is not configured. Add catalog://lake under `stores:`, with its address as `endpoint`",
        ),
        ("catalog://lake", "catalog://lake names no table. Write it as catalog://CATALOG/NAMESPACE.TABLE"),
        ("catalog://lake/people", "catalog://lake/people names no namespace. Write it as catalog://CATALOG/NAMESPACE.TABLE"),
    ],
)
def test_what_is_said_of_other_mistakes(uri: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        roots([f"iceberg+{uri}"], {})
