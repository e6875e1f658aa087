"""Bills of materials: of a lock and of a small image; valid, complete, and the same each time."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.sbom import ROOT, main

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u9
Description: GNU C Library: Shared libraries
 Status: not a field

Package: gone
Status: deinstall ok config-files
Version: 1
"""
MANIFEST = {
    "format": "veritensor-ray bundle 1",
    "parts": [
        {
            "name": "rules",
            "kind": "rules",
            "source": "own rules",
            "revision": "7",
            "licence": "MIT",
            "size": 1,
            "files": 1,
            "dated": "2026-01-01",
        }
    ],
}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The files of an image that a bill is made of, and a link that leads out of it."""
    root = tmp_path / "root"
    packages = root / "opt/venv/lib/python3.11/site-packages"
    (packages / "attrs-25.1.0.dist-info").mkdir(parents=True)
    (packages / "attrs-25.1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.4\nName: Attrs\nVersion: 25.1.0\nLicense-Expression: MIT\n"
    )
    shutil.copytree(
        ROOT / "veritensor_ray/models/embedded", packages / "veritensor_ray/models/embedded", ignore=shutil.ignore_patterns("*.safetensors")
    )
    models = root / "app/models_cache/veritensor"
    bundle = root / "app/bundles/0123456789abcdef"
    for folder in (root / "var/lib/dpkg", root / "etc", models, bundle):
        folder.mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    lock = {"injection": {"name": "owner/model@abc", "files": {"model.safetensors": {"sha256": "0" * 64, "size": 1}}}}
    (models / "models.lock.json").write_text(json.dumps(lock))
    (bundle / "MANIFEST.json").write_text(json.dumps(MANIFEST))
    (bundle.parent / "current").symlink_to(bundle.name)
    (root / "usr/local/lib/python3.11").mkdir(parents=True)
    (root / "usr/local/lib/python3.11/site-packages").symlink_to(Path(pytest.__file__).parents[1])
    return root


def bill(*arguments: object, output: Path) -> dict[str, Any]:
    main([*map(str, arguments), "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert not (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)), error
    found: dict[str, Any] = json.loads(text)
    return found


def test_what_is_in_an_image(image: Path, tmp_path: Path) -> None:
    found = bill("--root", image, "--name", "veritensor-ray-head", output=tmp_path / "sbom.json")
    parts = {one["bom-ref"]: one for one in found["components"]}
    assert found["metadata"]["component"]["type"] == "container"
    assert parts.keys() - {ref for ref in parts if "veritensor-ray-" in ref} == {
        "pkg:pypi/attrs@25.1.0",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-bookworm",
        "pkg:huggingface/owner/model@abc",
    }
    assert parts["pkg:pypi/attrs@25.1.0"]["licenses"] == [{"expression": "MIT"}]
    model = parts["pkg:huggingface/owner/model@abc"]
    assert model["licenses"] == [{"expression": "Apache-2.0"}]
    assert model["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    own = {one["name"]: one for one in parts.values() if one["name"].startswith("veritensor-ray-")}
    assert own.keys() == {"veritensor-ray-injection", "veritensor-ray-pii", "veritensor-ray-bundle"}
    digests = json.loads((ROOT / "veritensor_ray/models/embedded/pii/digests.json").read_text())
    assert {one["hashes"][0]["content"] for one in own["veritensor-ray-pii"]["components"]} == set(digests.values())
    assert own["veritensor-ray-bundle"]["version"] == hashlib.sha256(json.dumps(MANIFEST).encode()).hexdigest()[:16]
    assert own["veritensor-ray-bundle"]["components"][0]["name"] == "own rules"
    assert [set(one["dependsOn"]) for one in found["dependencies"] if "dependsOn" in one] == [set(parts)]


def test_the_wheel_and_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "# a comment\npackaging==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:00\nColor_Ama==0.4 ; sys_platform == 'win32'\n"
    )
    (tmp_path / "a.whl").write_bytes(b"wheel")
    found = bill("--lock", lock, "--wheel", tmp_path / "a.whl", output=tmp_path / "sbom.json")
    assert found["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(b"wheel").hexdigest()
    libraries = [one for one in found["components"] if one["type"] == "library"]
    assert [one["bom-ref"] for one in libraries] == ["pkg:pypi/packaging@1.0", "pkg:npm/uplot@1.6.32"]
    assert libraries[1]["licenses"] == [{"expression": "MIT"}]
    assert "licenses" not in libraries[0], "another version is installed here, and its licence may be another one"


def test_the_same_input_gives_the_same_bytes(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = bill("--root", image, output=tmp_path / "1.json")
    bill("--root", image, output=tmp_path / "2.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert "timestamp" not in first["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert bill("--root", image, output=tmp_path / "3.json")["metadata"]["timestamp"] == "1970-01-01T00:00:00+00:00"
    (image / "var/lib/dpkg/status").unlink()
    assert bill("--root", image, output=tmp_path / "4.json")["serialNumber"] != first["serialNumber"]


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Give the root of a container image"):
        main(["--root", str(tmp_path), "--output", str(tmp_path / "x.json")])
