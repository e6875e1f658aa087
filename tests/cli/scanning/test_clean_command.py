"""The command line of `clean`, whatever the corpus is called, and what it prints at the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.in_process import InProcess, finish, write
from tests.cli.test_cli import call
from veritensor_ray.cleaning.copy_manifest import MANIFEST
from veritensor_ray.cleaning.not_copied import NotCopied, not_copied
from veritensor_ray.cli.scanning.clean_command import _show
from veritensor_ray.cli.scanning.preview_page import masked, write_page
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError
from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.core.signing import change, load_public_key, new_key, trust
from veritensor_ray.stores.outputs import OutputStore


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "cleaning needs a corpus"),
        (("--to", "copy"), "cleaning needs a corpus"),
        (("corpus",), "cleaning needs a destination"),
        (("./verify",), "cleaning needs a destination"),
        (("clean", "corpus", "verify", "--to", "corpus/copy"), "corpus/copy and the source corpus lie in each other"),
        (("corpus", "--too", "copy"), "No such option: --too"),
        (("corpus", "--to", "copy", "--policy", "clean.yaml"), "clean.yaml is a cleaning policy; name it with --cleaning-policy"),
        (("corpus", "--to", "copy", "--policy", "wrong.yaml"), "wrong.yaml: line 1: unknown key levell"),
        (("corpus", "--to", "copy", "--html", "page.html"), "--html is the preview of a dry run; add --dry-run"),
        (("corpus", "--dry-run", "--html", "none/page.html"), "none/page.html cannot be created, because there is no folder"),
        (("corpus", "--dry-run", "--html", "corpus/page.html"), "corpus/page.html lies inside the corpus"),
        (("corpus", "--dry-run", "--reveal"), "--reveal shows the values on the page of a dry run"),
        (("corpus", "--dry-run", "--html", "page.html", "--reveal", "--reason", " "), "revealing values requires a reason"),
        (("verify",), "Missing argument 'folder'"),
        (("verify", "corpus"), "corpus has no run.json"),
    ],
)
def test_which_command_runs(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"corpus/a.txt": "a", "verify/b.txt": "b", "clean.yaml": "level: high\n", "wrong.yaml": "levell: high\n"})
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "clean", *arguments) in (2, 4)
    assert says in capsys.readouterr().err


def test_what_verify_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The word Clean stands only for what a trusted key signed, and a copy without its signature is refused as soon as keys are trusted."""
    write(tmp_path, {"corpus/a.txt": "one FINDME two", "site.yaml": f"trusted_keys: {tmp_path / 'trusted.json'}\n"})
    new_key(tmp_path / "key", "ann\x1b[2J")
    copy, listed = str(tmp_path / "copy"), ("--trusted-keys", str(tmp_path / "trusted.json"))
    run = InProcess(str(tmp_path / "corpus"), copy)
    run.scan().publish()
    finish(run, f"file:{tmp_path / 'key'}", below=[{"rule": "pii.person", "severity": "low", "count": 2}])

    def verify(*options: str) -> tuple[int, str]:
        code = call(monkeypatch, "clean", "verify", copy, *options)
        said = capsys.readouterr()
        assert "\x1b" not in said.out
        return code, said.out + said.err

    code, said = verify(*listed)
    assert (code, "there is no list of trusted keys" in said) == (2, True)
    change(listed[1], lambda known: trust(known, *load_public_key(tmp_path / "key.pub")))
    code, said = verify(*listed)
    assert (code, "Clean: the audit of the copy found nothing" in said, "2 names of severity low are left" in said) == (0, True, True)
    assert json.loads(verify(*listed, "--json")[1])["verified"] is True
    (tmp_path / "copy/attestation.json").unlink()
    for options in (listed, ("--config", str(tmp_path / "site.yaml"))):
        code, said = verify(*options)
        assert (code, "the copy is not signed, or its signature was removed" in said) == (4, True)
    code, said = verify()
    assert (code, "clean:" in said.lower(), "According to run.json, the audit of the copy found nothing of severity medium" in said) == (
        0,
        False,
        True,
    )
    assert json.loads(verify("--json")[1])["verified"] is False


RUN: dict[str, Any] = {
    "results": {"cleaned": 1},
    "changes": 1,
    "actions": [],
    "rows_dropped": 0,
    "verdict": "clean",
    "level": "medium",
    "left": {},
    "below": [],
    "before": {"scan_id": "20260101T000000Z-000000"},
    "after": {"scan_id": "20260101T000001Z-000000"},
    "profile": "embedded",
}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({}, ("Copy:    out/corpus (", "Audits:  out/before and out/after", "Clean: the audit of the copy found nothing")),
        ({"after": None, "verdict": "empty"}, ("Copy:    empty (", "Audit:   out/before\n", "Empty: no file is left in the copy; see")),
        (
            {"below": [{"rule": "pii.person", "severity": "low", "count": 3156}, {"rule": "pii.medical", "severity": "info", "count": 5}]},
            (
                "of severity medium or worse. 3,156 names and 5 diagnoses of severity low and info are left in it; `--level info` removes them",
            ),
        ),
        (
            {"below": [{"rule": "secrets.generic-key", "severity": "low", "count": 1}]},
            ("or worse. 1 possible secret of severity low is left in it; `--level low` removes it",),
        ),
        (
            {
                "below": [
                    {"rule": "secrets.uuid", "severity": "low", "count": 1},
                    {"rule": "x.y", "severity": "low", "count": 9},
                    {"rule": "pii.email", "severity": "low", "count": 1},
                ]
            },
            ("1 possible secret, 1 email address and 9 other findings of severity low are left in it; `--level low` removes them",),
        ),
        ({"verdict": "findings-left", "left": {"high": 1}}, ("Not clean: the audit of the copy found 1 high finding; see out/after, and",)),
        ({"verdict": "findings-left", "left": {"high": 1, "low": 2}}, ("found 1 high and 2 low findings; see",)),
        (
            {"below": [{"rule": "pii.person", "severity": "low", "count": 49, "places": 204}]},
            ("49 names of severity low are left in it, in 204 places; `",),
        ),
        (
            {"changes": 25, "actions": [{"rule": "pii.iban", "action": "mask", "count": 25}]},
            ("Changes (25 places; a finding may have several)", "places   action"),
        ),
        (
            {"verdict": "empty", "after": None, "results": {}, "sources": ["/data/new"]},
            ("Empty: no artifact was found in /data/new; there is nothing to copy",),
        ),
        ({"rows_dropped": 2, "results": {"held": 2}}, ("; 2 rows dropped, see rows.parquet)", "Aside:   out/quarantine (2 files)")),
    ],
)
def test_the_end_of_a_run_names_what_there_is(run: dict[str, Any], says: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    _show(RUN | run, "out/")
    shown = capsys.readouterr().out
    assert [one for one in says if one not in shown] == []
    assert "//" not in shown


def test_artifacts_that_are_not_in_the_copy_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    held = NotCopied(
        "held", "files of type message/rfc822 are not rewritten", 40, ["a.eml", "\x1b[2Jb.eml", "n" * 500], CopyCode.TYPE_NOT_REWRITTEN
    )
    _show(RUN | {"results": {"held": 41}}, "out/", [held, NotCopied("held", "part of it was not checked", 1, ["c.zip"])])
    shown = capsys.readouterr().out
    assert "files of type message/rfc822 are not rewritten" in shown
    assert "a.eml, \\x1b[2Jb.eml, " in shown
    assert "c.zip" in shown
    assert "manifest.parquet names all of them" in shown
    assert "n" * 100 not in shown
    levers = shown.partition("What releases them")[2]
    assert re.search(r"40   type-not-rewritten   Convert the file to a format that is rewritten", levers)


def test_the_reasons_of_a_manifest(tmp_path: Path) -> None:
    rows = [{"artifact": f"{n}.eml", "result": "held", "reason": "mail", "reason_code": "limit"} for n in range(5)]
    rows += [
        {"artifact": "a.txt", "result": "copied"},
        {"artifact": "b.txt", "result": "cleaned"},
        {"artifact": "c.pkl", "result": "quarantined"},
    ]
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), tmp_path / "manifest.parquet")
    assert not_copied(OutputStore(str(tmp_path), {})) == [
        NotCopied("held", "mail", 5, ["0.eml", "1.eml", "2.eml"], "limit"),
        NotCopied("quarantined", "", 1, ["c.pkl"]),
    ]


def test_a_corpus_that_does_not_exist_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "clean", "nowhere", "--to", "copy") == 4
    assert list(tmp_path.iterdir()) == []


def dry_run(tmp_path: Path, reveal: bool) -> dict[str, Any]:
    """What a dry run returns, with the real samples of a small corpus."""
    write(tmp_path / "corpus", {"a.txt": "write to \u202eFINDME and FINDME\n", "<b>held</b>.txt": "FINDME REFUSE-REWRITE"})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "work"), dry_run=True, reveal=reveal)
    summary = run.scan().publish()
    about = {"sources": [str(tmp_path / "corpus")], "policy": {"file": None}, "finished_at": "2026-01-01T00:00:00+00:00"}
    return RUN | summary | about | {"verdict": "dry-run"}


def test_values_are_shown_only_where_the_access_was_recorded(tmp_path: Path) -> None:
    run, page = dry_run(tmp_path, True), tmp_path / "page.html"
    settings = Settings(sources=[str(tmp_path / "corpus")])
    write_page(str(page), run, settings, "to judge <it>")
    (entry,) = [json.loads(line) for line in (tmp_path / "access.jsonl").read_text().splitlines()]
    assert (entry["page"], entry["reason"], entry["changes"]) == ("page.html", "to judge <it>", 3)
    assert {"user", "uid", "host", "time"} <= entry.keys()
    assert (page.stat().st_mode & 0o777, (tmp_path / "access.jsonl").stat().st_mode & 0o777) == (0o600, 0o600)
    text = page.read_text()
    assert "<td>write to \\u202e<mark>FINDME</mark> and FINDME </td>" in text
    assert "to judge &lt;it&gt;" in text
    assert "FINDME" not in json.dumps(masked(run["samples"])), "which the terminal and the log of a scheduler show"


def test_without_a_log_there_is_no_page(tmp_path: Path) -> None:
    run = dry_run(tmp_path, True)
    (tmp_path / "access.jsonl").mkdir()
    with pytest.raises(StoreError, match="nothing is shown, because the access cannot be recorded"):
        write_page(str(tmp_path / "page.html"), run, Settings(sources=[str(tmp_path / "corpus")]), "a reason")
    assert not (tmp_path / "page.html").exists()


def test_a_masked_page_holds_no_value_and_needs_no_log(tmp_path: Path) -> None:
    run = dry_run(tmp_path, False)
    write_page(str(tmp_path / "page.html"), run, Settings(sources=[str(tmp_path / "corpus")]))
    assert "FINDME" not in json.dumps(run["samples"])
    text = (tmp_path / "page.html").read_text()
    assert "FINDME" not in text
    assert "<td>the text says so<br>Write a rule with another action" in text
    assert "&lt;b&gt;held&lt;/b&gt;.txt" in text
    assert not (tmp_path / "access.jsonl").exists()
