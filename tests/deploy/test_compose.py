"""compose.yaml is valid, and every container in it is closed in."""

from __future__ import annotations

from typing import Any

import compose_spec
import pytest
import yaml

from tests.deploy.manifests import DEPLOY, compose

FILE: dict[str, Any] = yaml.safe_load(compose())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
NODES = ("head", "worker", "worker-cpu")


def test_is_a_compose_file() -> None:
    assert {"head", "worker", "worker-cpu", "store"} == set(compose_spec.PyCompose.from_yaml(yaml.safe_dump(FILE)).services or {})


@pytest.mark.parametrize("name", SERVICES)
def test_containers_have_no_more_rights_than_they_need(name: str) -> None:
    service = SERVICES[name]
    assert service["pull_policy"] == "never"
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "build"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_a_way_out(name: str) -> None:
    assert set(SERVICES[name]["networks"]) == {"cluster"}
    assert FILE["networks"]["cluster"]["internal"] is True
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", NODES)
def test_nodes(name: str) -> None:
    service = SERVICES[name]
    volumes = [tuple(volume.split(":")[1:]) for volume in service["volumes"]]
    assert volumes == [("/data", "ro"), ("/results",), ("/app/bundles", "ro"), ("/etc/veritensor", "ro")]
    assert {mount.split(":")[0] for mount in service["tmpfs"]} == {"/tmp", "/ray", "/home/veritensor"}  # noqa: S108  # paths in a container
    assert service["shm_size"]
    assert service["healthcheck"]["test"][0] == "CMD"
    address = service["networks"]["cluster"]["ipv4_address"]
    assert f"--node-ip-address={address}" in service["command"]
    expected = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    assert expected.items() <= service["environment"].items()
    [private] = [mount for mount in service["tmpfs"] if mount.startswith(f"{service['environment']['RAY_TMPDIR']}:")]
    assert "mode=0700,uid=10001" in private
    assert service["environment"]["RAY_USAGE_STATS_REPORT_URL"].startswith("http://127.0.0.1")
    token = service["environment"]["RAY_AUTH_TOKEN_PATH"].removeprefix("/run/secrets/")
    assert token in service["secrets"] and token in FILE["secrets"]


def test_only_the_head_signs() -> None:
    assert [name for name in NODES if "sign-key" in SERVICES[name]["secrets"]] == ["head"]


def test_the_head_offers_no_resources_and_workers_wait_for_it() -> None:
    assert "--num-cpus=0 --num-gpus=0" in SERVICES["head"]["command"]
    assert all(SERVICES[name]["depends_on"] == {"head": {"condition": "service_healthy"}} for name in ("worker", "worker-cpu"))


def test_gpus_are_asked_for_by_the_profile_gpu_alone() -> None:
    devices = {name: service["deploy"]["resources"]["reservations"]["devices"] for name, service in SERVICES.items() if "deploy" in service}
    assert devices == {"worker": [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]}
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "head": None,
        "worker": ["gpu"],
        "worker-cpu": ["cpu"],
        "store": ["s3"],
    }


def test_images_come_from_where_the_variable_says() -> None:
    named = yaml.safe_load(compose(VR_REGISTRY="registry.internal/", VR_STORE_IMAGE="registry.internal/store:1"))["services"]
    assert {name: service["image"] for name, service in named.items()} == {
        "head": "registry.internal/veritensor-ray-head:0.1.0",
        "worker": "registry.internal/veritensor-ray-worker-gpu:0.1.0",
        "worker-cpu": "registry.internal/veritensor-ray-worker-cpu:0.1.0",
        "store": "registry.internal/store:1",
    }


def test_what_has_no_default_is_in_the_sample() -> None:
    with pytest.raises(AssertionError, match="VR_DATA"):
        compose(VR_DATA="")
    assert (DEPLOY / "site" / "site.yaml").exists()


def test_the_schema_refuses_a_typing_error() -> None:
    with pytest.raises(ValueError, match="read_onyl"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump({"services": {"head": {"image": "head", "read_onyl": True}}}))
