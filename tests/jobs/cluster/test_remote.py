"""What a client sends to a cluster. `make e2e-cluster` does it for real."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.jobs.cluster.remote import JobsClient, Submission, entrypoint, submission_id

BASE: dict[str, Any] = {"sources": ["s3://corpus"], "output": "s3://audits/a", "address": "http://head:8265"}


def sent(**changes: Any) -> dict[str, Any]:
    *command, settings = shlex.split(entrypoint(load_settings(flags=BASE | changes, environ={})))
    assert command == ["veritensor-ray", "submit", "--address", "auto", "--settings"]
    found: dict[str, Any] = json.loads(settings)
    return found


def test_only_what_was_set_travels() -> None:
    assert sent() == {"sources": ["s3://corpus"], "output": "s3://audits/a"}


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"profile": "standard"}, "profile", "standard"),
        ({"limits": {"shard_artifacts": 7}}, "limits", {"shard_artifacts": 7}),
        ({"max_size": "2GB"}, "max_size", 2_000_000_000),
        ({"stores": {"s3://": {"key": "env:KEY"}}}, "stores", {"s3://": {"key": "env:KEY"}}),
        ({"cluster": {"wait_resources": "30m", "wait": True, "token": "env:TOKEN"}}, "cluster", {"wait_resources": 1800.0}),
        ({"log_format": "json", "verbose": True}, "log_format", None),
        ({"verbose": True}, "verbose", True),
        ({"trusted_keys": "/here/keys.json"}, "trusted_keys", None),
        ({"bundle": {"folder": "/here/bundles", "max_days": 7}}, "bundle", {"max_days": 7}),
        ({"sources": ["/data/it's here/$(id)"]}, "sources", ["/data/it's here/$(id)"]),
    ],
)
def test_settings(changes: dict[str, Any], key: str, value: Any) -> None:
    travelled = sent(**changes)
    assert travelled.get(key) == value
    assert load_settings(flags=travelled, environ={}).sources == travelled["sources"]


def test_a_time_of_day_is_the_clients() -> None:
    assert sent(deadline="06:00")["deadline"].count("T06:00:00") == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources": ["corpus"]}, "corpus is looked up on the cluster's nodes"),
        ({"output": "results"}, "results is looked up on the cluster's nodes"),
        ({"rules": ["rules"]}, "rules is looked up on the cluster's nodes"),
        ({"site_key": "file:secrets/site-key"}, "secrets/site-key is looked up on the cluster's nodes"),
        ({"output": None}, "at least one source and --output"),
        ({"sources": ["s3://key:secret@bucket"]}, "must not contain credentials"),
    ],
)
def test_what_means_nothing_there(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sent(**changes)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("s3://a/b", "s3://a/b/", True), ("/data/out", "file:///data/out", True), ("s3://a/b", "s3://a/c", False)],
)
def test_one_output_has_one_name(one: str, other: str, same: bool) -> None:
    assert (submission_id(one) == submission_id(other)) is same
    assert submission_id(one).startswith("veritensor-")


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "token")
    with pytest.raises(CannotRunError, match=r"nothing answers at 127\.0\.0\.1:9 \(Connection refused\)"):
        JobsClient(load_settings(flags={"address": "http://127.0.0.1:9", "cluster": {"token": "env:TOKEN"}}, environ={}))


@pytest.mark.parametrize(
    ("code", "says"), [(127, "the head has no command veritensor-ray: install the package there"), (0, None), (4, None), (None, None)]
)
def test_a_head_without_the_package_is_told(code: int | None, says: str | None) -> None:
    remedy = Submission("veritensor-1", "FAILED", "", "", "", None, None, code).remedy
    assert (remedy or "").startswith(says or "") and (remedy is None) is (says is None)


HEAVY = ("torch", "torchvision", "transformers", "gliner", "easyocr", "cv2", "easyocr_en_models")


@pytest.mark.parametrize(
    "code",
    [
        "import veritensor_ray.cli, veritensor_ray.jobs.cluster.remote, ray.job_submission",  # a client
        """
from veritensor_ray.core.config import Settings
from veritensor_ray.engines.registry import create, needing_models, selected
from veritensor_ray.jobs import audit_run
from veritensor_ray.jobs.scheduling import on_ray, scheduler
from veritensor_ray.jobs.cluster import preflight
settings = Settings(profile="standard")
engines = create(settings, selected(settings))
assert len(needing_models(engines)) == 3
assert all(rule.id.startswith(engine.name) for engine in engines for rule in engine.rules())
""",  # the driver, on a head
    ],
)
def test_neither_client_nor_driver_needs_torch(code: str) -> None:
    without = "import sys\n" + "\n".join(f"sys.modules[{name!r}] = None" for name in HEAVY)
    done = subprocess.run([sys.executable, "-c", f"{without}\n{code}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
