"""The manifests fit Kubernetes' and KubeRay's schemas, pods are closed in, and the network is shut but for what is listed."""

from __future__ import annotations

import copy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import KUBERNETES, OBJECTS, ROOT, of_kind, pod_specs

SCHEMA = yaml.safe_load((ROOT / "tests" / "deploy" / "kuberay.yaml").read_text())
CORE = [document for _, document in OBJECTS if "kind" in document and document["kind"] not in ("RayCluster", "RayJob", "Kustomization")]
RAY = [document for _, document in OBJECTS if document.get("kind") in ("RayCluster", "RayJob")]
PODS = dict(pod_specs())
CONTAINERS = {f"{pod} {c['name']}": c for pod, spec in PODS.items() for c in (*spec.get("initContainers", ()), *spec["containers"])}
VERSIONS = ["1.28", "1.31", kubernetes_validate.latest_version()]


def as_pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", CORE, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_core_objects(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", PODS)
def test_pods(name: str, version: str) -> None:
    kubernetes_validate.validate(as_pod(PODS[name]), version, strict=True)


@pytest.mark.parametrize("document", RAY, ids=lambda one: str(one["kind"]))
def test_ray_objects(document: dict[str, Any]) -> None:
    jsonschema.validate(document, SCHEMA)


def test_the_schemas_refuse_typing_errors() -> None:
    pod = copy.deepcopy(PODS["veritensor head"])
    pod["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(as_pod(pod), VERSIONS[-1], strict=True)
    job = copy.deepcopy(of_kind("RayJob")["audit"])
    job["spec"]["runtimeEnvYAML"] = "pip: [x]"
    with pytest.raises(jsonschema.ValidationError, match="runtimeEnvYAML"):
        jsonschema.validate(job, SCHEMA)


@pytest.mark.parametrize("name", PODS)
def test_pods_keep_the_restricted_profile(name: str) -> None:
    spec = PODS[name]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)
    assert {key for volume in spec["volumes"] for key in volume} <= {"name", "configMap", "secret", "emptyDir", "persistentVolumeClaim"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str) -> None:
    container = CONTAINERS[name]
    rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == rights
    assert container["imagePullPolicy"] == "Never"
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name.split()[-1].startswith("ray-")])
def test_nodes(name: str) -> None:
    container = CONTAINERS[name]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    expected = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "RAY_USE_TLS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    assert expected.items() <= environment.items()
    assert {"RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT", "POD_IP"} <= set(environment)
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    writable = {"/results", "/tmp", "/home/veritensor", "/dev/shm"}  # noqa: S108  # paths in a container
    assert {path for path, mount in mounts.items() if not mount.get("readOnly")} == writable


def test_the_authoritys_key_is_seen_by_no_container_that_reads_a_corpus() -> None:
    seen = {name for name, container in CONTAINERS.items() if any(mount["name"] == "ca" for mount in container["volumeMounts"])}
    assert seen == {name for name in CONTAINERS if name.endswith(" certificate")}


def test_each_pod_gets_a_certificate_for_its_own_address(tmp_path: Path) -> None:
    authority = next(line for line in (ROOT / "docs" / "kubernetes.md").read_text().splitlines() if line.startswith("openssl req"))
    subprocess.run(shlex.split(authority), cwd=tmp_path, check=True, capture_output=True)
    environment = {"CA_FOLDER": str(tmp_path), "TLS_FOLDER": str(tmp_path / "tls"), "NAMESPACE": "veritensor", "POD_IP": "10.1.2.3"}
    (tmp_path / "tls").mkdir()
    subprocess.run([sys.executable, KUBERNETES / "certificate.py"], env=environment, check=True)

    def accepted(kind: str, name: str) -> bool:
        command = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", f"-verify_{kind}", name, "tls/tls.crt"]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0

    assert accepted("ip", "10.1.2.3") and accepted("hostname", "veritensor-head-svc.veritensor.svc.cluster.local")
    assert not accepted("ip", "10.1.2.4") and not accepted("hostname", "elsewhere")
    assert (tmp_path / "tls" / "ca.crt").read_text() == (tmp_path / "ca.crt").read_text()


def test_only_the_head_signs() -> None:
    keys = {name: next(v["secret"] for v in spec["volumes"] if v["name"] == "keys") for name, spec in PODS.items() if name != "sweep"}
    assert {name: [item["key"] for item in secret.get("items", ())] for name, secret in keys.items()} == {
        "veritensor head": [],
        "veritensor cpu": ["site-key"],
        "veritensor gpu": ["site-key"],
    }


def test_groups_for_cpu_and_gpu() -> None:
    groups = {group["groupName"]: group["template"]["spec"] for group in of_kind("RayCluster")["veritensor"]["spec"]["workerGroupSpecs"]}
    gpus = {name: spec["containers"][0]["resources"]["limits"].get("nvidia.com/gpu", 0) for name, spec in groups.items()}
    assert gpus == {"cpu": 0, "gpu": 1}
    assert of_kind("RayCluster")["veritensor"]["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_network_is_shut_but_for_what_is_listed() -> None:
    policies = {name: policy["spec"] for name, policy in of_kind("NetworkPolicy").items()}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    rules = [rule for spec in policies.values() for rule in (*spec.get("ingress", ()), *spec.get("egress", ()))]
    peers = [peer for rule in rules for peer in (*rule.get("from", ()), *rule.get("to", ()))]
    assert len(rules) == sum(bool(rule.get("from") or rule.get("to")) for rule in rules)  # a rule without peers allows everybody
    assert all(peer.get("podSelector", {}).get("matchLabels") or "ipBlock" in peer for peer in peers)
    assert [peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer] == ["192.0.2.10/32"]
    assert policies["stores"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 9000}]


def test_the_namespace_enforces_the_profile() -> None:
    assert of_kind("Namespace")["veritensor"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_names_agree() -> None:
    """Services, secrets and claims that one manifest names are those that another makes, or docs/kubernetes.md says how to."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    kinds = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName"}
    named = {volume[kind][key] for spec in PODS.values() for volume in spec["volumes"] for kind, key in kinds.items() if kind in volume}
    made = set(of_kind("PersistentVolumeClaim")) | {one["name"] for one in _kustomization()["configMapGenerator"]}
    assert all(f"secret generic {name} " in page for name in named - made)
    assert of_kind("RayJob")["audit"]["spec"]["clusterSelector"] == {"ray.io/cluster": "veritensor"}
    assert "http://veritensor-head-svc:8265" in str(PODS["sweep"])


def _kustomization() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return found


def test_kustomization_names_every_file_and_image() -> None:
    kustomization = _kustomization()
    files = {file for one in kustomization["configMapGenerator"] for file in one["files"]} | {*kustomization["resources"]}
    assert files - {"trusted_keys.json"} | {"kustomization.yaml", "audit.yaml"} == {path.name for path in KUBERNETES.iterdir()}
    images = {f"{image['name']}:{image['newTag']}" for image in kustomization["images"]}
    assert images == {container["image"] for container in CONTAINERS.values()}
