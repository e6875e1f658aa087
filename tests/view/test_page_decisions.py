"""What people decide on the page: counts first, then one entry in the policy file or labels, and nothing where the page is read-only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exports.report.outputs import ATTACKS, hostile, mixed
from tests.view.serving import Served, served
from veritensor_ray import api
from veritensor_ray.policy.judge import load_policy
from veritensor_ray.results.labels import labels

pytestmark = pytest.mark.slow  # a server for each test

FILTER = {"kind": "filter", "filter": {"engine": ["pii"]}}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    mixed(tmp_path / "out")
    with served(tmp_path / "out", tmp_path / "policy.yaml") as one:
        one.enter()
        yield one


@pytest.fixture(scope="module")
def no_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where decisions about the site `undecided` would be kept."""
    return tmp_path_factory.mktemp("undecided") / "policy.yaml"


@pytest.fixture(scope="module")
def undecided(no_policy: Path) -> Iterator[Served]:
    """A site for all tests that decide nothing."""
    mixed(no_policy.with_name("out"))
    with served(no_policy.with_name("out"), no_policy) as one:
        one.enter()
        yield one


def row(site: Served, **about: Any) -> dict[str, Any]:
    found: dict[str, Any] = site.ask("query", {"filter": about})["rows"][0]
    return found


def scope(site: Served, kind: str, **about: Any) -> dict[str, Any]:
    return {"kind": kind, "finding_id": row(site, **about)["finding_id"]}


@pytest.mark.parametrize(
    ("kind", "about", "findings", "artifacts"),
    [
        ("finding", {"text": "forget"}, 1, 1),
        ("fingerprint", {"text": "forget"}, 1, 1),
        ("rule-in-artifact", {"folder": "hr"}, 251, 1),
        ("artifact", {"text": "top.txt"}, 2, 1),
        ("rule-in-folder", {"text": "forget"}, 2, 1),
    ],
)
def test_counts_come_first_and_the_entry_hides_as_many(
    site: Served, tmp_path: Path, kind: str, about: dict[str, Any], findings: int, artifacts: int
) -> None:
    target = scope(site, kind, **about)
    seen = site.ask("preview", {"scope": target})
    assert (seen["findings"], seen["artifacts"], seen["policy"]) == (findings, artifacts, str(tmp_path / "policy.yaml"))
    assert not (tmp_path / "policy.yaml").exists()
    before = site.ask("query")["findings"]
    done = site.ask("suppress", {"scope": target, "reason": "our own", "owner": "sec", "expires": "2099-01-01"})
    assert done["policy"] == str(tmp_path / "policy.yaml")
    assert site.ask("query")["findings"] == before - findings
    assert {one["suppressed_by"] for one in site.ask("query", {"filter": {"suppressed": "only"}})["rows"]} == {"S-1", done["entry"]}
    (entry,) = load_policy(str(tmp_path / "policy.yaml")).suppressions
    assert (entry.reason, entry.owner, entry.name) == ("our own", "sec", done["entry"])
    assert entry.expires == date(2099, 1, 1)


def test_all_findings_of_a_filter_become_one_entry(site: Served, tmp_path: Path) -> None:
    seen = site.ask("preview", {"scope": FILTER})
    assert (seen["findings"], seen["already"]) == (253, 0)
    assert seen["rules"] == [["pii.email", 253]]
    site.ask("suppress", {"scope": FILTER, "reason": "known"})
    (entry,) = yaml.safe_load((tmp_path / "policy.yaml").read_text())["suppressions"]
    assert len(entry["finding"]) == 4
    assert site.ask("query", {"filter": {"engine": ["pii"]}})["total"] == 0
    assert "already suppressed" in site.refused(
        "suppress", {"scope": {"kind": "filter", "filter": {"folder": "hr", "suppressed": "yes"}}, "reason": "again"}
    )


def test_a_group_is_decided_as_the_page_shows_it(site: Served) -> None:
    group = site.ask("query", {"group": "evidence", "filter": {"text": "ignore all"}})["rows"][0]
    assert group["findings"] == 2
    target = {"kind": "filter", "filter": {"group": {"group": "evidence", "key": group["key"]}}}
    assert site.ask("preview", {"scope": target})["findings"] == 2
    assert site.ask("suppress", {"scope": target, "reason": "a quotation"})["findings"] == 2


def test_entries_that_are_newer_than_the_results_hide_from_the_start(site: Served, tmp_path: Path) -> None:
    site.ask("suppress", {"scope": scope(site, "artifact", text="top.txt"), "reason": "known"})
    with served(tmp_path / "out", tmp_path / "policy.yaml") as again:
        again.enter()
        assert again.ask("query", {"filter": {"text": "top.txt"}})["total"] == 0
        assert again.ask("facets")["severity"] == site.ask("facets")["severity"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"scope": FILTER, "reason": ""}, "needs a reason"),
        ({"scope": FILTER, "reason": "  "}, "needs a reason"),
        ({"scope": FILTER, "reason": "x", "expires": "yesterday"}, "The day"),
        ({"scope": FILTER, "reason": "x", "expires": "2020-01-01"}, "is not in the future"),
        ({"scope": {"kind": "filter"}, "reason": "x"}, "a filter is missing"),
        ({"scope": {"kind": "finding"}, "reason": "x"}, "finding_id is missing"),
        ({"scope": {"kind": "finding", "finding_id": "f" * 32}, "reason": "x"}, "no finding"),
        ({"scope": {"kind": "everything"}, "reason": "x"}, "kind"),
        ({"scope": {"kind": "rule-in-folder", "rule": "pii.email", "folder": ""}, "reason": "x"}, "finding_id is missing"),
        ({"scope": {"kind": "filter", "filter": {"text": "nowhere at all"}}, "reason": "x"}, "No finding matches"),
        ({"scope": {"kind": "sha256", "finding_id": f"{0x1000001:032x}"}, "reason": "x"}, "SHA-256"),
    ],
    ids=str,
)
def test_decisions_that_are_not_possible_change_nothing(undecided: Served, no_policy: Path, body: dict[str, Any], words: str) -> None:
    said = undecided.refused("suppress", body)
    assert words in said
    assert "\n" not in said
    assert not no_policy.exists()


def test_labels_are_shown_and_removed(site: Served, tmp_path: Path) -> None:
    target = scope(site, "finding", text="forget")
    assert site.ask("label", {"scope": target, "label": "false"}) == {"findings": 1}
    assert row(site, text="forget")["label"] == "false"
    assert labels(api.open(tmp_path / "out", stores={}).store).by_finding[target["finding_id"]].label is False
    assert site.ask("label", {"scope": target, "label": "true"}) == {"findings": 1}
    assert row(site, text="forget")["label"] == "true"
    assert site.ask("label", {"scope": target, "label": None}) == {"findings": 1}
    assert row(site, text="forget")["label"] is None


def test_many_findings_get_labels_but_not_rows_that_only_count(site: Served) -> None:
    assert site.ask("label", {"scope": FILTER, "label": "true"}) == {"findings": 3}
    assert "only counts" in site.refused("label", {"scope": {"kind": "filter", "filter": {"where": "location is null"}}, "label": "true"})


@pytest.mark.parametrize(
    ("what", "body"),
    [("preview", {"scope": FILTER}), ("suppress", {"scope": FILTER, "reason": "x"}), ("label", {"scope": FILTER, "label": "true"})],
)
def test_a_read_only_page_decides_nothing(shared: Served, what: str, body: dict[str, Any]) -> None:
    assert shared.refused(what, body, 403) == "This page is read-only. Start the command without --read-only to decide here."


def test_unmasked_passages_need_the_flag(shared: Served) -> None:
    said = shared.refused("passage", {"finding_id": f"{0x1000001:032x}", "reveal": True, "reason": "why"}, 403)
    assert said == "Passages are shown masked only. Start the command with --reveal to show them unmasked."


def test_names_from_the_corpus_reach_the_policy_file_as_text(tmp_path: Path) -> None:
    hostile(tmp_path / "out")
    with served(tmp_path / "out", tmp_path / "policy.yaml") as one:
        one.enter()
        for text in ATTACKS[1:]:
            found = row(one, rule=[f"signatures.user-{text}"])
            target = {"kind": "artifact", "finding_id": found["finding_id"]}
            assert one.ask("preview", {"scope": target})["findings"] == 1
            assert one.ask("suppress", {"scope": target, "reason": text})["findings"] == 1
    assert [one.reason for one in load_policy(str(tmp_path / "policy.yaml")).suppressions] == [text.strip() for text in ATTACKS[1:]]
