"""What became of the files of a cleaned copy: the table agrees with the manifest, and finds its copy only where it belongs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.browser import opened, until
from tests.exports.report.outputs import ATTACKS
from tests.findings.outputs import finding, written
from tests.view.serving import served
from veritensor_ray import api
from veritensor_ray.cleaning.copy_manifest import MANIFEST
from veritensor_ray.cleaning.levers import LEVERS
from veritensor_ray.core.errors import StoreError
from veritensor_ray.exports.opened_copy import audit_in, copy_of
from veritensor_ray.exports.report.copy_section import copy_section
from veritensor_ray.findings.run_file import CLEAN_KIND
from veritensor_ray.view.copied_files import file_facets, files_page
from veritensor_ray.view.http_requests import FileQuery
from veritensor_ray.view.table_copy import Copy, copied

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MASKED = [{"rule": "pii.email", "action": "mask", "count": 3}]
ROWS: list[dict[str, Any]] = [
    {"artifact": "a.md", "result": "copied", "path": "corpus/a.md"},
    {"artifact": "b.md", "result": "cleaned", "path": "corpus/b.md", "actions": MASKED, "changes": 3},
    {"artifact": "c.pdf", "result": "held", "path": "quarantine/c.pdf", "reason": "it is encrypted", "reason_code": "encrypted"},
    {"artifact": "d.doc", "result": "held", "reason": "files of type x are not rewritten", "reason_code": "type-not-rewritten"},
    {"artifact": "e.pkl", "result": "quarantined", "reason": "findings of x", "reason_code": "finding", "actions": [{"rule": "x", "action": "quarantine", "count": 1}]},
    {"artifact": "f.txt", "result": "left-out", "reason": "max_size", "reason_code": "of-a-later-version"},
]  # fmt: skip


def cleaned(folder: Path, rows: list[dict[str, Any]], **about: Any) -> Path:
    """A cleaned copy: both audits, its manifest and its run.json."""
    audits = {
        name: written(folder / name, [finding(1, "b.md", {"line": 1})], sources=[str(folder.parent)]).run for name in ("before", "after")
    }
    run = {"kind": CLEAN_KIND, "verdict": "clean", "level": "medium", "left": {}, "below": [], "not_checked": {}, "not_copied": {}}
    run |= {name: {"scan_id": audit["scan_id"], "sha256": "0"} for name, audit in audits.items()}
    (folder / "run.json").write_text(json.dumps(run | about))
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = cleaned(tmp_path_factory.mktemp("cleaned") / "copy", ROWS)
    with copied(api.open(folder / "before", stores={})) as made:
        yield made


def names(copy: Copy, **asked: Any) -> list[str]:
    with copy.connection() as cursor:
        return [row["artifact"] for row in files_page(cursor, FileQuery.model_validate(asked))["rows"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["c.pdf", "d.doc", "e.pkl", "f.txt", "b.md", "a.md"]),
        ({"limit": 2, "offset": 4}, ["b.md", "a.md"]),
        ({"filter": {"result": "held"}}, ["c.pdf", "d.doc"]),
        ({"filter": {"code": "encrypted"}}, ["c.pdf"]),
        ({"filter": {"rule": "pii.email"}}, ["b.md"]),
        ({"filter": {"action": "quarantine", "result": "held"}}, []),
        ({"filter": {"text": " QUARANTINE/"}}, ["c.pdf"]),
        ({"filter": {"text": "' OR 1=1 --"}}, []),
    ],
)
def test_filters_and_pages(copy: Copy, asked: dict[str, Any], found: list[str]) -> None:
    assert names(copy, **asked) == found


def test_numbers_and_levers(copy: Copy) -> None:
    with copy.connection() as cursor:
        facets, page = file_facets(cursor), files_page(cursor, FileQuery())
    assert facets["result"] == {"held": 2, "cleaned": 1, "copied": 1, "left-out": 1, "quarantined": 1}
    assert (facets["rule"], facets["action"]) == ({"pii.email": 1, "x": 1}, {"mask": 1, "quarantine": 1})
    assert (page["total"], page["changes"]) == (6, 3)
    assert {row["artifact"]: row["lever"] for row in page["rows"] if row["reason_code"]} == {
        "c.pdf": LEVERS["encrypted"], "d.doc": LEVERS["type-not-rewritten"], "e.pkl": LEVERS["finding"], "f.txt": None,
    }  # fmt: skip


def test_the_report_says_the_same_in_short(copy: Copy) -> None:
    section = copy_section(copy)
    assert section is not None
    assert section.verdict.startswith("Clean: the audit of the copy found nothing of severity medium")
    assert [(name, count) for name, count, _ in section.results] == [
        ("copied", 1), ("cleaned", 1), ("quarantined", 1), ("held", 2), ("left-out", 1),
    ]  # fmt: skip
    assert {one["code"]: one["lever"] for one in section.reasons} == {
        name: LEVERS.get(name) for name in ("encrypted", "type-not-rewritten", "finding", "of-a-later-version")
    }


def test_a_copy_is_opened_by_its_folder_and_by_its_audits(tmp_path: Path) -> None:
    folder = cleaned(tmp_path / "copy", ROWS)
    assert audit_in(str(folder), {}) == f"{folder}/after"
    assert audit_in(f"{folder}/before", {}) == f"{folder}/before"
    assert audit_in(str(cleaned(tmp_path / "empty", [], after=None, verdict="empty")), {}) == f"{tmp_path}/empty/before"
    for name in ("before", "after"):
        found = copy_of(api.open(folder / name, stores={}))
        assert found is not None
        assert found.store.uri == str(folder)
    alone = written(tmp_path / "after", [], sources=["/data"])
    other = written(folder / "other", [], sources=["/data"])
    assert [copy_of(alone), copy_of(other), copy_section(alone)] == [None, None, None]
    cleaned(folder, ROWS, before={"scan_id": "another", "sha256": "0"})
    assert copy_of(api.open(folder / "before", stores={})) is None, "an audit that is not the one of the copy"


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("manifest.parquet", b"PAR1", "manifest.parquet is damaged or missing"),
        ("run.json", json.dumps({"kind": CLEAN_KIND, "verdict": 7}).encode(), "run.json of .* is damaged"),
        ("attestation.json", b"{}", "attestation.json is damaged"),
    ],
)
def test_a_damaged_copy_gives_one_sentence(tmp_path: Path, file: str, data: bytes, says: str) -> None:
    folder = cleaned(tmp_path / "copy", ROWS)
    (folder / file).write_bytes(data)
    with pytest.raises(StoreError if file != "attestation.json" else Exception, match=says):
        copy_section(api.open(folder / "after", stores={}))


def test_a_manifest_of_an_earlier_version_has_no_codes(tmp_path: Path) -> None:
    folder = cleaned(tmp_path / "copy", [])
    old = pa.Table.from_pylist(ROWS, MANIFEST).drop_columns(["reason_code"])
    pq.write_table(old, folder / "manifest.parquet")
    with copied(api.open(folder / "after", stores={})) as copy:
        assert names(copy, filter={"result": "held"}) == ["c.pdf", "d.doc"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
def test_no_text_of_a_manifest_does_anything(chromium: Browser, tmp_path: Path, width: int) -> None:
    actions = [{"rule": attack, "action": attack, "count": 1} for attack in ATTACKS[:3]]
    rows = [
        dict.fromkeys(("artifact", "path", "reason", "reason_code", "media_type", "result"), attack) | {"actions": actions}
        for attack in ATTACKS
    ]
    folder = cleaned(tmp_path / "copy", [row for row in rows if "\ud800" not in row["artifact"]] + ROWS)
    with served(folder / "after") as site, opened(chromium, site.link, width=width) as watched:
        page = watched.page
        page.wait_for_selector("#copy-table tbody tr")
        assert page.locator("#copy-table tbody tr").count() > len(ROWS)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert all(url.startswith(f"http://{site.host}/") for url in watched.requests)
        page.get_by_label("Result", exact=True).select_option("held")
        until(page, "document.querySelectorAll('#copy-table tbody tr').length === 2")
        assert LEVERS["encrypted"] in page.locator("#copy-table tbody").inner_text()
        assert page.locator("#copy .summary").inner_text() == "2 files, 0 changes"
        page.get_by_label("Search the files of the copy").fill("nowhere")
        until(page, "document.querySelector('#copy-table .empty')?.textContent === 'No file matches.'")
