"""Gives each embedded Ray a folder of its own, and removes the folders of runs that have ended.

Ray makes its default folder, /tmp/ray, and everything in it writable for every user of the machine. They can put links where Ray is about
to write, and read its logs. A folder that only its owner may enter closes all of it off, whatever Ray makes inside. It does not depend on Ray.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.cluster.ray_internals import LONGEST_PATH

_PREFIX = "vr-"
_OWNER = "owner"  # a file in each folder, which the process that made the folder keeps locked
_SOCKET = 107  # bytes in the path of a Unix socket: the kernel's limit, without the zero at its end
_ROOM = _SOCKET - len(f"/{_PREFIX}12345678/r/{LONGEST_PATH}")


@dataclass(frozen=True, slots=True)
class RayFolder:
    """A folder that only this user may enter, held by this process through an open file."""

    path: Path
    owner: int

    @property
    def rays(self) -> Path:
        """The folder to name to Ray, which opens it to everyone."""
        return self.path / "r"

    def remove(self) -> None:
        """Delete the folder, and let go of it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.owner)


def make() -> RayFolder:
    """Make a folder, after removing those of runs that have ended. Raises CannotRunError if no place for it is safe."""
    place = base()
    _remove_abandoned(place)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # mode 0700, and never something that was there before
    if not _private(path):
        raise CannotRunError(
            f"{path} does not stay as it was made, with mode 0700 and owned by this user; set RAY_TMPDIR to a folder on a local disk"
        )
    owner = os.open(path / "new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (path / "new").rename(path / _OWNER)  # locked before it has this name, so nobody takes a new folder for an abandoned one
    return RayFolder(path, owner)


def base() -> Path:
    """Returns the folder in which those of Ray are made: RAY_TMPDIR, or the first usual one that is safe. Raises CannotRunError."""
    if named := os.environ.get("RAY_TMPDIR"):
        with contextlib.suppress(OSError):
            Path(named).mkdir(mode=0o700, parents=True, exist_ok=True)
        if problem := _unusable(Path(named)):
            raise CannotRunError(f"RAY_TMPDIR: {problem}")
        return Path(named).resolve()
    problems = []
    for usual in dict.fromkeys((os.environ.get("TMPDIR") or "/tmp", "/tmp", "/var/tmp")):  # noqa: S108  # a private folder is made in it
        problem = _unusable(Path(usual)) or exposed(Path(usual))
        if not problem:
            return Path(usual).resolve()
        problems.append(problem)
    raise CannotRunError(
        f"there is no safe place for Ray's files: {'; '.join(problems)}. Set RAY_TMPDIR to a folder that only you can write to"
    )


def exposed(folder: Path) -> str | None:
    """Says how another user could replace what is in a folder; None if nobody can."""
    real = folder.resolve()
    for part in (real, *real.parents):
        about = part.stat()
        if about.st_uid not in _trusted():
            return f"{part} belongs to another user, who can replace what is in it"
        if about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX:
            return f"others may write to {part}, and replace what is in it; `chmod +t {part}` keeps them from it"
    return None


def _unusable(folder: Path) -> str | None:
    real = folder.resolve()
    if not real.is_dir():
        return f"{folder} is not a folder"
    if not os.access(real, os.W_OK | os.X_OK):
        return f"{folder} is not writable"
    if len(os.fsencode(real)) > _ROOM:
        return f"{real} is too long for Ray's sockets; name a folder whose path has at most {_ROOM} bytes"
    return None


def _trusted() -> set[int]:
    """Returns whose folders are safe: root's and this user's. In a user namespace, users from outside it all appear as one."""
    with contextlib.suppress(OSError, ValueError):
        if Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]:
            return {0, os.geteuid(), int(Path("/proc/sys/kernel/overflowuid").read_text())}
    return {0, os.geteuid()}


def _private(path: Path) -> bool:
    about = path.lstat()  # not of what a link points to
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) == 0o700


def _remove_abandoned(place: Path) -> None:
    """Delete the folders of this user whose owner has ended, however it ended."""
    for path in _mine(place):
        with contextlib.suppress(OSError):  # its owner lives, or another run removes it
            owner = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(owner)


def _mine(place: Path) -> Iterator[Path]:
    for path in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _private(path):
                yield path
