"""One output through every face that says how many artifacts were fully checked: all of them say the same."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import veritensor_ray as vr
from tests.findings.outputs import checked, finding, written
from veritensor_ray.cli.render import console, summary
from veritensor_ray.exports import FORMATS
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.report.compliance.compliance_document import compliance
from veritensor_ray.exports.report.compliance.rendering import RENDERERS, render
from veritensor_ray.results.run_text import FullyChecked, fully_checked, uncovered

COUNTED = {"member": None, "location": None, "engine": "test", "reason": "1 more", "reason_code": "limit", "bound": "hits_per_rule"}
UNREAD_PART = {"member": "in.mp3", "location": None, "engine": None, "reason": "no reader", "reason_code": "no-reader", "bound": None}
NO_DATABASE = {"engine": "test", "status": "db_missing", "fingerprint": None, "reason": "no database", "reason_code": "advisories-missing"}
LEDGER = [
    checked("whole.md"),
    checked("counted.md", gaps=[COUNTED], gaps_total=1),
    checked("cut.gz", "partial", reason="the gzip stream is damaged", reason_code="damaged"),
    checked("a.zip", reason="a member has no reader", reason_code="no-reader", gaps=[UNREAD_PART], gaps_total=1),
    checked("requirements.txt", coverage=[NO_DATABASE]),
    checked("gap.md", gaps=[UNREAD_PART], gaps_total=1),
    checked("b.mp3", "skipped", reason="no reader for audio/mpeg", reason_code="no-reader"),
    checked("locked", "unreadable", reason="cannot be read", reason_code="permission"),
]
EXPECTED = FullyChecked(artifacts=8, fully=2, partly=4, lacking=3, unread=2)
SHORT, FULLY = r"\b{short} of {artifacts} artifacts?\b.{{0,20}}", r"\b{fully} of {artifacts} artifacts? (were|was)? ?fully checked"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> vr.Audit:
    folder = tmp_path_factory.mktemp("checked")
    written(folder, [finding(1, "whole.md")], LEDGER, package_version="1", profile="embedded")
    return vr.open(folder)


def exported(audit: vr.Audit, kind: str, folder: Path) -> str:
    path = folder / kind
    audit.export(path, kind)
    if kind == "parquet":
        return str(pq.read_table(path).to_pylist())
    if kind != "xlsx":
        return path.read_text()
    with zipfile.ZipFile(path) as book:
        texts = book.read("xl/worksheets/sheet1.xml").decode()
    return " ".join(re.sub("<[^>]+>", " ", texts).split())


def reported(audit: vr.Audit, folder: Path) -> str:
    audit.report(folder / "report.html")
    return re.sub("<[^>]+>", " ", (folder / "report.html").read_text().replace("<b>", ""))


def drawn(audit: vr.Audit, capsys: pytest.CaptureFixture[str]) -> str:
    summary(console(), audit.run, "out", missing(audit))
    return capsys.readouterr().out


def titled(audit: vr.Audit) -> str:
    pytest.importorskip("matplotlib")
    return str(audit.plot.severity().get_title("left"))


FACES: dict[str, Callable[[vr.Audit, Path, Any], str]] = {
    "terminal": lambda audit, _, capsys: drawn(audit, capsys),
    "notebook": lambda audit, _, __: audit._repr_html_(),
    "summary": lambda audit, _, __: audit.summary(),
    "plot": lambda audit, _, __: titled(audit),
    "report": lambda audit, folder, _: reported(audit, folder),
    **{
        kind: lambda audit, folder, _, kind=kind: exported(audit, kind, folder)  # type: ignore[misc]
        for kind in ("markdown", "junit", "xlsx", "defectdojo", "ocsf")
    },
    **{
        f"compliance {suffix}": lambda audit, _, __, suffix=suffix: render(compliance(audit, "eu-ai-act"), suffix).decode()  # type: ignore[misc]
        for suffix in RENDERERS
    },
}


@pytest.mark.parametrize("face", FACES)
def test_every_face_has_the_same_numbers(face: str, audit: vr.Audit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(FACES[face](audit, tmp_path, capsys).split())
    expected = {"short": EXPECTED.short, "fully": EXPECTED.fully, "artifacts": EXPECTED.artifacts}
    assert re.search(
        f"not fully checked.{{0,20}}{SHORT.format(**expected)}|{SHORT.format(**expected)}not fully checked|{FULLY.format(**expected)}",
        words,
        re.IGNORECASE,
    )
    numbers = {int(one) for one in re.findall(r"\b(\d+) of \d+ (?:artifacts|entries|files)", words)}
    assert numbers <= {EXPECTED.short, EXPECTED.fully}
    assert not re.search("scanned completely|checked completely|not covered", words, re.IGNORECASE)


def test_numbers_for_machines(audit: vr.Audit, tmp_path: Path) -> None:
    assert audit.run["checked"] == {"artifacts": 8, "fully": 2, "partly": 4, "lacking": 3, "unread": 2}
    properties = {one["name"]: one["value"] for one in json.loads(exported(audit, "cyclonedx", tmp_path))["metadata"]["properties"]}
    assert (properties["veritensor-ray:artifacts"], properties["veritensor-ray:not-fully-checked"]) == ("8", "6")
    scans = [json.loads(line) for line in exported(audit, "ocsf", tmp_path).splitlines()]
    assert (scans[0]["num_files"], scans[0]["num_skipped_items"]) == (8, 6)


def test_an_output_of_an_earlier_version_is_counted_from_its_ledger(tmp_path: Path) -> None:
    written(tmp_path / "out", [finding(1, "whole.md")], LEDGER, checked=None)
    earlier = vr.open(tmp_path / "out")
    assert earlier.checked == EXPECTED
    assert fully_checked(earlier.run) == FullyChecked(8, 4, 2, 1, 2), "without the ledger, there are only the reasons"
    assert "6 of 8 artifacts" in exported(earlier, "markdown", tmp_path)


@pytest.mark.parametrize(
    ("ledger", "short", "says"),
    [
        ([checked("a")], 0, "nothing: every applicable engine has seen every byte"),
        ([checked("a", gaps=[COUNTED], gaps_total=1)], 0, "nothing: every applicable engine has seen every byte"),
        ([checked("a", gaps=[UNREAD_PART], gaps_total=1)], 1, "1 artifact with parts that some engine has not seen"),
        ([checked("a", coverage=[NO_DATABASE])], 1, "no advisory database for 1 artifact"),
        ([checked("a", "partial", reason="cut")], 1, "cut"),
    ],
)
def test_a_number_stands_above_each_gap_and_only_there(ledger: list[dict[str, Any]], short: int, says: str, tmp_path: Path) -> None:
    results = written(tmp_path, [], ledger)
    text = vr.open(tmp_path).summary()
    assert f"Not fully checked ({short} of 1 artifact" in text
    assert says in text
    assert bool(uncovered(results.run)) is bool(short)


def test_no_other_words_in_any_format(audit: vr.Audit, tmp_path: Path) -> None:
    for kind in FORMATS:
        assert not re.search("scanned completely|not covered", exported(audit, kind, tmp_path), re.IGNORECASE), kind
