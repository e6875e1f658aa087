"""Which policy judges a run, and what is said about those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.jobs.run_policy import policy_in_force
from veritensor_ray.stores.outputs import OutputStore

OURS = "0123456789ab"
HIDE = "rules: [{path: '*', severity: off}]\n"


def _complete(out: Path, key: str = OURS) -> None:
    written(out, [finding(1)], site_key_id=key)


def _interrupted(out: Path, key: str = OURS) -> None:
    request = {"totals": {}, "started_at": "2026-01-01T00:00:00+00:00", "fingerprint_parts": {"site_key": key}}
    (out / "_work/r").mkdir(parents=True)
    (out / "_work/r/request.json").write_text(json.dumps(request))


def _sweeps(out: Path) -> None:
    written(out / "sweeps/20260101T000000Z-aaaaaa", [finding(1)], site_key_id=OURS)
    (out / "latest.json").write_text('{"sweep": "20260101T000000Z-aaaaaa"}')


def _planted(out: Path) -> None:
    """What an archive with a corpus may bring along."""
    (out / "_work").mkdir(parents=True)


def _foreign(out: Path) -> None:
    _complete(out, "ba9876543210")


KEPT = "policy {out}/policy.yaml"
NOT_KNOWN = "{out}/policy.yaml is not used, because no run with this site key has written the output; to use it, name it with --policy"
HERE = "policy.yaml in the working directory is not used; to use it, name it with --policy policy.yaml"


@pytest.mark.parametrize(
    ("output", "kept", "here", "given", "rules", "says"),
    [
        (None, False, False, {}, 0, []),
        (None, False, True, {}, 0, [HERE]),
        (None, False, True, {"no_policy": True}, 0, []),
        (None, False, True, {"policy": "policy.yaml"}, 1, []),
        (_complete, True, False, {}, 1, [KEPT]),
        (_complete, True, True, {}, 1, [KEPT]),
        (_complete, True, True, {"policy": "policy.yaml"}, 1, ["policy.yaml in the output is not used, because policy.yaml is named"]),
        (_complete, True, False, {"no_policy": True}, 0, []),
        (_complete, True, False, {"sources": ["{out}/.."]}, 0, ["{out}/policy.yaml lies in the corpus, so it may not be yours; name a policy with --policy; this run uses no policy"]),
        (_interrupted, True, False, {}, 1, [KEPT]),
        (_sweeps, True, False, {}, 1, [KEPT]),
        (_planted, True, False, {}, 0, [NOT_KNOWN]),
        (_foreign, True, False, {}, 0, [NOT_KNOWN]),
    ],
)  # fmt: skip
def test_the_policy_in_force(
    output: Any, kept: bool, here: bool, given: dict[str, Any], rules: int, says: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    if output:
        output(out)
    for folder, there in ((out, kept), (Path(), here)):
        if there:
            (folder / "policy.yaml").write_text(HIDE)
    sources = [one.format(out=out) for one in given.get("sources", ["/data"])]
    notes: list[str] = []
    settings = load_settings(flags={"output": str(out)} | given | {"sources": sources}, environ={})
    policy = policy_in_force(settings, OutputStore(str(out)), OURS, notes.append)
    assert (len(policy.rules), notes) == (rules, [one.format(out=out) for one in says])
    assert policy.in_output == (notes == [KEPT.format(out=out)])


def test_a_named_policy_has_to_exist(tmp_path: Path) -> None:
    settings = load_settings(flags={"sources": ["/data"], "output": str(tmp_path), "policy": "/no/such/policy.yaml"}, environ={})
    with pytest.raises(UsageError, match=r"/no/such/policy.yaml does not exist"):
        policy_in_force(settings, OutputStore(str(tmp_path)), OURS, lambda note: None)
