"""What a build says of the folder bundle/ before it imports anything. `make e2e-images` imports for real."""

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
        (["a.tar", "trusted_keys.json"], "", 1, "there is a bundle but no BUNDLE_ID"),
        (["a.tar", "b.tar", "trusted_keys.json"], "0123456789abcdef", 1, "there are 2 bundles"),
        (["a b.tar"], "0123456789abcdef", 1, "there is no trusted_keys.json beside the bundle"),
    ],
)
def test_the_folder_and_the_id_have_to_agree(tmp_path: Path, files: list[str], wanted: str, code: int, says: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    done = subprocess.run(["sh", SCRIPTS / "image_bundle.sh", tmp_path, wanted], capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
