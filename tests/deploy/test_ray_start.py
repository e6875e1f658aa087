"""Every `ray start` of the deployment is one that this Ray understands."""

from __future__ import annotations

import shlex
from typing import Any

import click
import pytest
import yaml

from tests.deploy.manifests import ROOT, compose, of_kind

CLUSTER = of_kind("RayCluster")["veritensor"]["spec"]
UP = yaml.safe_load((ROOT / "cluster.yaml").read_text())
COMMANDS = {
    **{f"compose {name}": one["command"] for name, one in yaml.safe_load(compose())["services"].items() if name != "store"},
    "ray up head": UP["head_start_ray_commands"][-1],
    "ray up worker": UP["worker_start_ray_commands"][-1],
}
PARAMETERS = {"head": CLUSTER["headGroupSpec"], **{group["groupName"]: group for group in CLUSTER["workerGroupSpecs"]}}


def parsed(arguments: list[str]) -> dict[str, Any]:
    from ray.scripts.scripts import start

    found: dict[str, Any] = start.make_parser(click.Context(start)).parse_args(arguments)[0]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name: str) -> None:
    words = shlex.split(COMMANDS[name])
    options = parsed(words[words.index("start") + 1 :])
    assert (options["min_worker_port"], options["max_worker_port"]) == ("10002", "19999")


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_kuberay(name: str) -> None:
    options = parsed([f"--{key}={value}" for key, value in PARAMETERS[name]["rayStartParams"].items()])
    assert options["node_ip_address"] == "$POD_IP"


def test_an_unknown_flag_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed(["--node-ip-adress=10.0.0.1"])
