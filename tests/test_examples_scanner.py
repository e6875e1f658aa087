"""The examples that clean data in memory run, and do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(example: str, folder: Path) -> str:
    """What an example prints."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(EXAMPLES.parent), "RAY_DISABLE_IMPORT_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example)], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "bob.meyer" not in done.stdout
    assert "previous instructions" not in done.stdout
    return done.stdout


def test_a_data_frame(tmp_path: Path) -> None:
    shown = run("clean_frame.py", tmp_path)
    assert "[pii.email]" in shown
    assert "The invoice was paid on Monday." in shown
    assert "2 of 3 texts can be used" in shown


def test_a_hugging_face_dataset(tmp_path: Path) -> None:
    shown = run("clean_dataset.py", tmp_path)
    assert "It was paid by the customer." in shown
    assert "What is the password?" not in shown, "its row was dropped"
    assert "True" in shown


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data(tmp_path: Path) -> None:
    left = Path(os.environ["RAY_TMPDIR"]) / "ray" / "ray_current_cluster"  # of a Ray that has ended: where Ray looks for one to join
    left.parent.mkdir(exist_ok=True)
    left.write_text("127.0.0.1:1")
    assert "999 of 1000 rows are left; the first: Message 0 from [" in run("clean_ray.py", tmp_path)
