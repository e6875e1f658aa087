"""buildah with a store of its own, and bases made with debootstrap. It knows no image of ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.checks import Checks

ROOT = Path(__file__).resolve().parents[2]
BASE, WITH_PYTHON = "localhost/e2e-base:latest", "localhost/e2e-base-python:latest"


@dataclass(frozen=True)
class Builder:
    """buildah with a store of its own, so that nothing is left in the machine's."""

    work: Path
    store: str

    @property
    def environment(self) -> dict[str, str]:
        """For buildah, and for our scripts that call it."""
        return os.environ | {
            "CONTAINER_TOOL": "buildah",
            "CONTAINERS_CONF": str(self.work / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.work / f"{self.store}.conf"),
        }

    def prepare(self) -> None:
        """Configuration files."""
        # without these limits buildah asks for more than a sandbox may give
        (self.work / "containers.conf").write_text('[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=96365:96365"]\n')
        place = self.work / self.store
        lines = ["[storage]", 'driver = "overlay"', f'graphroot = "{place}/graph"', f'runroot = "{place}/run"']
        (self.work / f"{self.store}.conf").write_text("\n".join(lines) + "\n")

    def __call__(self, *arguments: str | Path) -> str:
        command = ["buildah", *map(str, arguments)]
        return subprocess.run(command, env=self.environment, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    def commit(self, folder: Path, name: str) -> None:
        """A folder as an image."""
        container = self("from", "scratch")
        self("add", "--quiet", container, folder, "/")
        self("commit", "--quiet", container, name)
        self("rm", container)

    def script(self, log: Path, *command: str | Path, **environment: str) -> tuple[int, str, float]:
        """One of our scripts; exit code, output, seconds."""
        started = time.monotonic()
        with log.open("w") as file:
            code = subprocess.run(
                [str(part) for part in command], env=self.environment | environment, stdout=file, stderr=subprocess.STDOUT, check=False
            ).returncode
        return code, log.read_text(errors="replace"), time.monotonic() - started

    def image(self, name: str) -> dict[str, Any]:
        """What an image says of itself."""
        about: dict[str, Any] = json.loads(self("inspect", "--type", "image", name))
        return about

    @contextlib.contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """The root of an image."""
        container = self("from", "--pull-never", name)
        try:
            yield Path(self("mount", container))
        finally:
            self("rm", container)


def bases(builder: Builder, check: Checks, suite: str, mirror: str) -> None:
    """Two images: Debian's minimum, and the same with the Python that runs this, in /usr/local: pip here has wheels of torch for that one."""
    if WITH_PYTHON.rpartition(":")[0] in builder("images", "--format", "{{.Name}}"):
        return
    started, folder = time.monotonic(), builder.work / "base"
    mirror, log = mirror or _mirror(), builder.work / "debootstrap.log"
    include = ",".join(sorted({"ca-certificates", *_libraries()}))
    code, said, _ = builder.script(log, "debootstrap", "--variant=minbase", f"--include={include}", suite, folder, mirror)
    if code:
        raise RuntimeError(f"debootstrap of {suite} from {mirror} failed:\n{said[-2000:]}")
    for path in [*folder.glob("var/cache/apt/archives/*.deb"), *folder.glob("var/lib/apt/lists/*_dists_*")]:
        path.unlink()
    builder.commit(folder, BASE)
    _copy_python(folder)
    builder.commit(folder, WITH_PYTHON)
    shutil.rmtree(folder)
    check.figure(f"bases of {suite}, made in", f"{time.monotonic() - started:,.0f} s")


def _libraries() -> set[str]:
    """Packages of the libraries that this Python's modules are linked with."""
    modules = [path for path in (Path(os.__file__).parent / "lib-dynload").glob("*.so") if not path.name.startswith("_tkinter")]
    linked = subprocess.run(["ldd", sys.executable, *modules], check=True, capture_output=True, text=True).stdout
    files = {Path(path).name for path in re.findall(r"=> (/lib\S+|/usr/lib\S+)", linked)}
    owners = subprocess.run(["dpkg", "--search", *(f"*/{name}" for name in files)], check=False, capture_output=True, text=True).stdout
    return {line.partition(":")[0] for line in owners.splitlines() if not line.startswith("diversion")}


def _copy_python(folder: Path) -> None:
    version, prefix = f"python{sys.version_info[0]}.{sys.version_info[1]}", Path(sys.base_prefix)
    left_out = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "config-*", "idlelib", "tkinter")
    shutil.copytree(prefix / "lib" / version, folder / "usr/local/lib" / version, symlinks=True, ignore=left_out)
    for path in prefix.glob("lib/libpython*.so*"):
        shutil.copy2(path, folder / "usr/local/lib", follow_symlinks=False)
    shutil.copy2(prefix / "bin" / version, folder / "usr/local/bin")
    (folder / "usr/local/bin/python3").symlink_to(version)
    subprocess.run(["chroot", folder, "ldconfig"], check=True)
    subprocess.run(["chroot", folder, "python3", "-c", "import ssl, sqlite3, ctypes, lzma, bz2, readline, ensurepip"], check=True)


def _mirror() -> str:
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], check=True, capture_output=True, text=True
    ).stdout.split()
    if found := next((line for line in lines if line.startswith("http") and "security" not in line), None):
        return found
    raise RuntimeError("apt is configured for no mirror. Name one: --mirror ADDRESS")


def context(work: Path) -> Path:
    """What a clone has, and the wheels of torch that pip finds here: a build is not to see a working tree that changes meanwhile."""
    folder = work / "context"
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    lock = (ROOT / "requirements/worker-cpu.txt").read_text()
    pins = re.findall(r"^(?:torch|torchvision)==\S+", lock, re.MULTILINE)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder / "wheels", *pins], check=True)
    return folder
