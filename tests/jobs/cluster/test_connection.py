"""`--address auto` stands for a Ray that this user started here: for no other one, and for nothing that an ended one has left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.cluster.connection import _heads, _here

ADDRESS = "127.0.0.1:7"


@pytest.mark.parametrize(
    ("folder", "user", "found"),
    [
        ("/srv/ray", None, True),
        ("/srv/vr-a1b2c3d4/r", None, False),  # of a run
        pytest.param("/srv/ray", 12345, False, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")),
    ],
)
def test_whose_ray_it_is(folder: str, user: int | None, found: bool) -> None:
    name = f"/opt/ray/raylet --temp-dir={folder} --gcs-address={ADDRESS} "
    with subprocess.Popen(["bash", "-c", 'echo; exec -a "$0" sleep 600', name], user=user, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while "raylet" not in Path(f"/proc/{process.pid}/cmdline").read_text().split(" ")[0]:
            pass  # until bash has become what it calls itself
        assert (ADDRESS in set(_heads())) is found
        process.kill()


def test_a_ray_that_has_ended_is_not_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(ADDRESS)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    try:
        assert _here() != ADDRESS  # a neighbour's test may have started a Ray
    except CannotRunError as error:
        assert "with --address HOST:6379" in str(error)


def test_in_a_job_it_is_the_ray_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.77.0.1:6379")
    assert _here() == "10.77.0.1:6379"


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(CannotRunError, match="RAY_ADDRESS=nonsense names no Ray to join"):
        _here()
