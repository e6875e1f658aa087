"""cluster.yaml passes Ray's own validation and lets Ray download nothing."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.manifests import ROOT

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    done: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(done)
    return done


def test_ray_accepts_it() -> None:
    done = prepared(CONFIG)
    assert done["available_node_types"]["local.cluster.node"]["min_workers"] == len(CONFIG["provider"]["worker_ips"])


def test_the_validation_refuses_a_typing_error() -> None:
    with pytest.raises(jsonschema.ValidationError, match="pull_before_runs"):
        prepared(CONFIG | {"docker": CONFIG["docker"] | {"pull_before_runs": False}})


def test_nothing_is_pulled_or_set_up() -> None:
    done = prepared(CONFIG)
    assert done["docker"]["pull_before_run"] is False and "--pull=never" in done["docker"]["run_options"]
    assert not any(done[key] for key in ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"))


@pytest.mark.parametrize(
    "option", ["--read-only", "--user=10001:10001", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--env=RAY_AUTH_MODE=token"]
)
def test_containers_are_closed_in(option: str) -> None:
    assert option in CONFIG["docker"]["run_options"]


def test_ray_is_private_and_tells_nobody() -> None:
    options = CONFIG["docker"]["run_options"]
    given = dict(option.removeprefix("--env=").split("=", 1) for option in options if option.startswith("--env="))
    assert any(option.startswith(f"--tmpfs={given['RAY_TMPDIR']}:mode=0700,uid=10001") for option in options)
    assert (given["RAY_USAGE_STATS_ENABLED"], given["RAY_USAGE_STATS_REPORT_URL"]) == ("0", "http://127.0.0.1:9/")
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in CONFIG["head_start_ray_commands"][-1]  # `ray up` puts it there


def test_the_head_knows_its_address_and_runs_no_engine() -> None:
    start = CONFIG["head_start_ray_commands"][-1]
    assert f"--node-ip-address={CONFIG['provider']['head_ip']} " in start
    assert f"--dashboard-host={CONFIG['provider']['head_ip']} " in start
    assert "--num-cpus=0 --num-gpus=0" in start


def test_secrets_are_files_and_the_signing_key_stays_on_the_head() -> None:
    assert "sign-key" in CONFIG["rsync_exclude"]
    assert not any("sign-key" in option for option in CONFIG["docker"]["run_options"])
    token = next(option for option in CONFIG["docker"]["run_options"] if "RAY_AUTH_TOKEN_PATH" in option)
    assert token.split("=")[-1].startswith(next(iter(CONFIG["file_mounts"])))
