"""Each embedded Ray has a folder that nobody else may enter, and leaves none behind."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.cluster import ray_folder

# Makes a folder with a file in it, says where, and ends as the argument says: an ended process cannot have cleaned up.
OWNER = """
import os, sys
from veritensor_ray.jobs.cluster import ray_folder
folder = ray_folder.make()
(folder.path / "raylet.out").write_text("x")
print(folder.path, flush=True)
sys.stdin.read()
os._exit(1)
"""
# A whole run of Ray: what it made, and what is left in the place for such folders.
RUN = """
import json, os, stat
from pathlib import Path
from veritensor_ray.core.config import Settings
from veritensor_ray.jobs.cluster import connection as cluster, embedded
place = Path(os.environ["RAY_TMPDIR"])
started = cluster.start(Settings())
folder = embedded.folder()
made = [path.name for path in place.iterdir()]
modes = {oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("session_*/*") if path.is_dir()}
mode = oct(stat.S_IMODE(folder.stat().st_mode))
cluster.stop(Settings(), started)
print(json.dumps([made == [folder.name], mode, "0o777" in modes, [path.name for path in place.iterdir()]]))
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where folders are made: a short path, because the sockets in it have little room for one."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def owner() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def ended(process: subprocess.Popen[str]) -> None:
    process.communicate()


def test_a_folder_is_private_and_goes(place: Path) -> None:
    folder = ray_folder.make()
    about = folder.path.lstat()
    assert (folder.path.parent, stat.S_IMODE(about.st_mode), about.st_uid) == (place, 0o700, os.geteuid())
    folder.remove()
    assert not list(place.iterdir())


def test_only_what_an_ended_run_left_is_removed(place: Path) -> None:
    (place / "vr-elses").mkdir()  # not as we make them
    (place / "vr-elses" / "owner").touch()
    (place / "vr-unowned").mkdir(0o700)
    living, lives = owner()
    dead, left = owner()
    ended(dead)
    (place / "vr-link").symlink_to(left)
    ray_folder.make().remove()
    assert {path.name for path in place.iterdir()} == {"vr-elses", "vr-unowned", "vr-link", lives.name}
    assert (lives / "raylet.out").exists()
    ended(living)


@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o755, None), (0o1777, None), (0o777, "others may write to {}, and replace what is in it"), (0o775, "others may write to {}")],
)
def test_a_place_where_others_may_replace_folders(mode: int, says: str | None, place: Path) -> None:
    place.chmod(mode)
    found = ray_folder.exposed(place)
    assert found is None if says is None else str(found).startswith(says.format(place))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_place_of_another_user(place: Path) -> None:
    os.chown(place, 12345, 12345)
    assert f"{place} belongs to another user" in str(ray_folder.exposed(place))
    assert f"{place} belongs to another user" in str(ray_folder.exposed(place / "below" / ".."))


def test_an_unsafe_place_that_nobody_named_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.chmod(0o777)
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setenv("TMPDIR", str(place))
    assert ray_folder.base() != place
    place.chmod(0o700)
    assert ray_folder.base() == place


@pytest.mark.parametrize(("name", "says"), [("x" * 40, "is too long for Ray's sockets"), ("file", "is not a folder")])
def test_a_place_that_cannot_be_used(name: str, says: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(place / name))
    with pytest.raises(CannotRunError, match=f"^RAY_TMPDIR: .*{says}"):
        ray_folder.make()


def test_a_link_is_followed_once_before_it_is_checked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "to").symlink_to(place / "real")
    (place / "real").mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(place / "to"))
    folder = ray_folder.make()
    assert folder.path.parent == place / "real"
    folder.remove()


@pytest.mark.ray
@pytest.mark.slow
def test_everything_of_ray_is_in_its_folder_and_goes_with_it(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[true, "0o700", true, []]'
