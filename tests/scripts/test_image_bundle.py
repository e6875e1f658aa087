"""What a build says of the folder bundle/ before it imports anything, and of tools that are not there. `make e2e-images` imports for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize(
    ("files", "wanted", "code", "says"),
    [
        ([], "", 0, ""),
        (["README.md", "trusted_keys.json"], "", 0, ""),
        ([], "0123456789abcdef", 1, "BUNDLE_ID is 0123456789abcdef and there is no bundle"),
        (["a.tar", "trusted_keys.json"], "", 1, "there is a bundle and no BUNDLE_ID"),
        (["a.tar", "b.tar", "trusted_keys.json"], "0123456789abcdef", 1, "there are 2 bundles"),
        (["a b.tar"], "0123456789abcdef", 1, "there is no trusted_keys.json beside the bundle"),
    ],
)
def test_the_folder_and_the_id_have_to_agree(tmp_path: Path, files: list[str], wanted: str, code: int, says: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    done = subprocess.run(["sh", SCRIPTS / "image_bundle.sh", tmp_path, wanted], capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"CONTAINER_TOOL": "no-such-tool"}, 4, "no-such-tool is not here. Install one, or set CONTAINER_TOOL"),
        ({"CONTAINER_TOOL": "tee"}, 0, "tee"),
        ({"CONTAINER_TOOL": ""}, 4, "none of docker, podman and buildah is here. Install one, or set CONTAINER_TOOL"),
    ],
)
def test_which_tool(tmp_path: Path, environment: dict[str, str], code: int, says: str) -> None:
    for name in ("bash", "tee"):  # a machine that has these and no other
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(found)
    command = [tmp_path / "bash", SCRIPTS / "container_tool.sh"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)} | environment, capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
