"""Build the wheel of a commit. With --check, build it twice under different circumstances and compare the bytes.

    python -m tools.reproducible_wheel [--commit HEAD] [--output dist] [--check]

The source is the commit in git, not the working tree. setuptools and wheel are those of this interpreter, and no network is needed. Times
in the archive are the commit's (or SOURCE_DATE_EPOCH, if set); modes are 0644 and 0755.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What must not matter: the folder, permissions of new files, time zone, file times, language."""

    folder: str
    umask: int
    zone: str
    age: int
    language: str


FIRST = Circumstances("a", 0o022, "UTC", 0, "C.UTF-8")
_UMASK = 0o022  # must be fixed, because setuptools copies modules with the modes that new files get
SECOND = Circumstances("another/folder/with a longer name", 0o077, "Pacific/Kiritimati", 400_000_000, "C")


def exported(commit: str) -> bytes:
    """Return the files of a commit as a tar."""
    return subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, capture_output=True).stdout


def commit_time(commit: str) -> str:
    """Return the time of a commit in seconds since 1970."""
    return subprocess.run(["git", "log", "-1", "--format=%ct", commit], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def build(source: bytes, epoch: str, under: Circumstances, base: Path) -> Path:
    """Unpack and build below `base`; return the wheel."""
    tree, out = base / under.folder / "source", base / under.folder / "wheel"
    before = os.umask(under.umask)
    try:
        tree.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(source)) as archive:
            archive.extractall(tree, filter="data")  # made by git; the filter gives files 0644 or 0755, whatever the umask
        for path in tree.rglob("*"):
            os.utime(path, (time.time() - under.age,) * 2, follow_symlinks=False)
        environment = os.environ | {"SOURCE_DATE_EPOCH": epoch, "TZ": under.zone, "LC_ALL": under.language, "PYTHONHASHSEED": "random"}
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            "--wheel-dir",
            str(out),
            str(tree),
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, umask=_UMASK)
    finally:
        os.umask(before)
    if done.returncode:
        sys.exit(f"the wheel cannot be built:\n{done.stderr.strip()[-3000:]}")
    return next(out.glob("*.whl"))


def differences(first: Path, second: Path) -> Iterator[str]:
    """Yield the differences between two archives, one line each."""
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        if one.namelist() != other.namelist():
            same = sorted(one.namelist()) == sorted(other.namelist())
            yield "the order of files" if same else f"the files: {sorted(set(one.namelist()) ^ set(other.namelist()))}"
        for info in one.infolist():
            if info.filename not in other.namelist():
                continue
            twin = other.getinfo(info.filename)
            for name in ("date_time", "external_attr", "create_system", "compress_type", "CRC", "extra"):
                if getattr(info, name) != getattr(twin, name):
                    yield f"{name} of {info.filename}: {getattr(info, name)!r}, {getattr(twin, name)!r}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the wheel. Exit code 1: the two builds differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--output", type=Path, help="Folder for the wheel.")
    parser.add_argument("--check", action="store_true", help="Build twice and compare.")
    args = parser.parse_args(arguments)
    source, epoch = exported(args.commit), os.environ.get("SOURCE_DATE_EPOCH") or commit_time(args.commit)
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        wheel = build(source, epoch, FIRST, Path(folder))
        if args.check:
            again = build(source, epoch, SECOND, Path(folder))
            if wheel.read_bytes() != again.read_bytes():
                sys.exit("the two wheels differ in\n  " + "\n  ".join(list(differences(wheel, again))[:40]))
        tools = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("setuptools", "wheel"))
        times = "built twice, equal; " if args.check else ""
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, sha256 {hashlib.sha256(wheel.read_bytes()).hexdigest()} ({times}{tools})")
        if args.output:
            args.output.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheel, args.output)


if __name__ == "__main__":
    main()
