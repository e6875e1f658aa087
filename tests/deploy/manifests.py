"""Reads the deployment's files for the tests of this folder. It knows neither Compose nor Kubernetes beyond their YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OBJECTS = [(path.name, document) for path in sorted(KUBERNETES.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind by name."""
    return {document["metadata"]["name"]: document for _, document in OBJECTS if document.get("kind") == kind}


def pod_specs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the manifests make, with a name for the test's output."""
    for name, cluster in of_kind("RayCluster").items():
        yield f"{name} head", cluster["spec"]["headGroupSpec"]["template"]["spec"]
        for group in cluster["spec"]["workerGroupSpecs"]:
            yield f"{name} {group['groupName']}", group["template"]["spec"]
    for name, schedule in of_kind("CronJob").items():
        yield name, schedule["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def compose(**variables: str) -> str:
    """compose.yaml with its variables filled in as Compose does, from compose.env and what is given."""
    values = dict(line.split("=", 1) for line in (DEPLOY / "compose.env").read_text().splitlines() if re.match(r"\w+=", line))
    values |= variables

    def filled(match: re.Match[str]) -> str:
        name, kind, rest = match["name"], match["kind"], match["rest"]
        if values.get(name):
            return values[name]
        assert kind == ":-", f"{name} has no value: {rest}"
        return rest or ""

    text = (DEPLOY / "compose.yaml").read_text()
    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}", filled, re.sub(r"(?m)^\s*#.*$", "", text))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and element below a value, with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from walk(below, f"{path}.{key}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from walk(below, f"{path}[{index}]")
