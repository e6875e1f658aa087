"""The images of head and worker are built for real, without a container engine, run without a network, and carried.

A base comes from debootstrap (suite and mirror as this machine has them) with the Python that runs this, torch from where pip finds it,
models from a hub on loopback, images from buildah. They run in their own root, read-only, as user 10001, in a network namespace with
loopback only. It needs root.
"""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import image_checks
from tests.e2e.checks import Checks
from tests.e2e.image_builder import BASE, ROOT, WITH_PYTHON, Builder, bases, context
from tests.scripts import standins
from tests.scripts.hub import Hub, serving

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture
def work(option: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of images and logs. Only one that was named outlives the test."""
    if missing := missing_tools():
        pytest.fail(missing, pytrace=False)
    monkeypatch.setenv("HOME", pwd.getpwuid(os.getuid()).pw_dir)  # where pip is told its index
    monkeypatch.delenv("XDG_CONFIG_HOME")
    named: Path | None = option("work")
    folder = (named or tmp_path / "images").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    if named is None:
        for store in folder.glob("*/graph"):
            everything = ["buildah", "rmi", "--all", "--force"]
            subprocess.run(everything, env=Builder(folder, store.parent.name).environment, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def missing_tools() -> str:
    """What is missing, in a sentence; installs what apt has."""
    if os.geteuid():
        return "it takes root: for debootstrap, mounts and namespaces"
    if lacking := [tool for tool in ("buildah", "debootstrap") if not shutil.which(tool)]:
        print(f"installing {' and '.join(lacking)} with apt-get", flush=True)
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", *lacking]):
            if not shutil.which("apt-get") or subprocess.run(command, check=False, capture_output=True).returncode:
                return f"{' and '.join(lacking)} cannot be installed here. Install them by hand"
    if lacking := [tool for tool in ("unshare", "setpriv", "ip", "openssl", "git") if not shutil.which(tool)]:
        return f"there is no {lacking[0]}. Install it"
    return ""


@pytest.mark.e2e
def test_the_images_are_built_run_and_carried(work: Path, option: Callable[[str], Any]) -> None:
    builder = Builder(work, "store")
    with Checks() as check:
        builder.prepare()
        bases(builder, check, option("suite") or platform.freedesktop_os_release()["VERSION_CODENAME"], option("mirror"))
        folder = context(work)
        version = build(builder, check, folder)
        for image in ("head", "worker-cpu"):
            image_checks.labels(builder, check, image, version)
        with builder.mounted(f"veritensor-ray-head:{version}") as root:
            image_checks.contents(check, "head", root)
            image_checks.head(work, check, root, builder.image(f"veritensor-ray-head:{version}"))
        with builder.mounted(f"veritensor-ray-worker-cpu:{version}") as root:
            image_checks.contents(check, "worker-cpu", root)
            image_checks.worker(work, check, root, builder.image(f"veritensor-ray-worker-cpu:{version}"))
        carried(builder, check, folder / "deploy", version)
        wheelhouse(builder, check)


def build(builder: Builder, check: Checks, folder: Path) -> str:
    """All images, in every way that they are built; their version."""
    with serving(Hub(standins.files(), standins.archives())) as hub:
        build = Build(builder, check, folder, hub.address)
        build.bare_base()
        build.all_images()
        asked = len(hub.asked)
        build.changed_code()
        check("a changed line of code downloads no model again", len(hub.asked) == asked, hub.asked[asked:] or "")
        build.with_bundle()
    return build.version


@dataclass
class Build:
    """Head and worker out of one context, and again after a change."""

    builder: Builder
    check: Checks
    context: Path
    hub: str

    def __post_init__(self) -> None:
        found = re.search(r'^version = "(.*)"', (self.context / "pyproject.toml").read_text(), re.MULTILINE)
        assert found
        self.version = found[1]

    def options(self) -> list[str]:
        """What every build here is told."""
        told = ["--isolation", "chroot", "--network", "host", "--pull-never", "--build-arg", f"BASE_IMAGE={WITH_PYTHON}"]
        return [*told, "--secret", f"id=ca_bundle,src={CA_BUNDLE}"] if CA_BUNDLE.exists() else told

    def image(self, name: str, log: str) -> tuple[str, float]:
        """Build one; the log and the seconds."""
        options = self.options()
        if name != "head":
            options += ["--build-arg", f"HF_ENDPOINT={self.hub}", "--build-arg", f"EASYOCR_MIRROR={self.hub}/archives"]
        script = self.context / "deploy/build_images.sh"
        code, said, seconds = self.builder.script(self.builder.work / f"{log}.log", script, name, "--", *options, REVISION="e2e")
        if code:
            raise RuntimeError(f"the image {name} cannot be built:\n{said[-4000:]}")
        return said, seconds

    def all_images(self) -> None:
        """Both, and their sizes."""
        for name in ("head", "worker-cpu"):
            said, seconds = self.image(name, name)
            self.check(f"{name} is built", True)
            self.check.figure(f"{name}, built in", f"{seconds:,.0f} s")
            self.check.figure(f"{name}, size", self.size(name))
            if name != "head":
                self.check("the download tests the models", said.count("self-test ") >= 3 and "fails" not in said)
                self.check("the build runs the engines' self-test", bool(re.search(r"injection +ok +\S+ +protectai/\S+@", said)))

    def bare_base(self) -> None:
        """A base without Python gets one from its own package manager."""
        options = ["--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker", "--build-arg", f"BASE_IMAGE={BASE}"]
        options += ["--file", str(self.context / "Dockerfile.head"), "--target", "base", "--tag", "localhost/e2e-bare:latest"]
        code, said, _ = self.builder.script(self.builder.work / "bare.log", "buildah", "build", *options, self.context)
        self.check("a base without Python gets one", code == 0, said[-2000:])

    def changed_code(self) -> None:
        """A line more in the package: everything but the last layers comes from the cache."""
        with (self.context / "veritensor_ray/__init__.py").open("a") as file:
            file.write(f"\n# built again at {time.time()}\n")
        said, seconds = self.image("worker-cpu", "worker-again")
        self.check.figure("worker-cpu, built again after a change of code", f"{seconds:,.0f} s")
        for step in ("download_models.py\n", "--require-hashes"):
            after = [said[found.end() :][:400] for found in re.finditer(re.escape(step), said)]
            cached = bool(after) and all("Using cache" in one.split("STEP")[0] for one in after)
            self.check(f"then the step with {step.strip()} comes from the cache", cached, after)

    def with_bundle(self) -> None:
        """A bundle in the build context is imported when it is the one that was named, and only then."""
        work, folder = self.builder.work, self.context / "bundle"
        rules, key, trusted = work / "rules", work / "bundle-key", folder / "trusted_keys.json"
        rules.mkdir(exist_ok=True)
        (rules / "e2e.yar").write_text('rule e2e_rule { strings: $a = "e2e" condition: $a }\n')
        shutil.rmtree(key, ignore_errors=True)
        settings = {"VERITENSOR_TRUSTED_KEYS": str(trusted), "VERITENSOR_BUNDLE__FOLDER": str(work / "bundles")}
        key.mkdir()
        for command in (
            ["keys", "new", str(key / "k"), "--name", "e2e"],
            ["keys", "trust", str(key / "k.pub")],
            ["bundle", "create", str(folder / "e2e.tar"), "--rules", str(rules), "--sign-key", f"file:{key / 'k'}"],
            ["bundle", "import", str(folder / "e2e.tar")],
        ):
            subprocess.run([sys.executable, "-m", "veritensor_ray", *command], env=os.environ | settings, check=True, capture_output=True)
        bundle = (work / "bundles/current").readlink().name
        script, tag = self.context / "deploy/build_images.sh", f"veritensor-ray-head:{self.version}"
        options = ["head", "--", *self.options()]
        code, said, _ = self.builder.script(work / "bundle-wrong.log", script, *options, BUNDLE_ID="0" * 16, REVISION="e2e")
        self.check(
            "a bundle that is not the one named ends the build", code != 0 and f"the bundle is {bundle} and not" in said, said[-2000:]
        )
        code, said, _ = self.builder.script(work / "bundle.log", script, *options, BUNDLE_ID=bundle, REVISION="e2e")
        self.check("a bundle is built in", code == 0, said[-2000:])
        if code == 0:
            self.builder("tag", tag, "localhost/e2e-bundle:latest")
            about = self.builder.image("localhost/e2e-bundle:latest")["Docker"]["config"]
            self.check("its id is the label", about["Labels"]["veritensor-ray.bundle-id"] == bundle, about["Labels"])
            with self.builder.mounted("localhost/e2e-bundle:latest") as root:
                code, said = image_checks.Box.of(work, root, {"Docker": {"config": about}})("veritensor-ray bundle status --json")
                self.check("and the image trusts and uses it", code == 0 and bundle in said, said)
        for path in (folder / "e2e.tar", trusted):
            path.unlink()
        self.image("head", "head-again")  # the one without a bundle has the name again

    def size(self, name: str) -> str:
        """As buildah has it."""
        return self.builder("images", "--format", "{{.Size}}", f"veritensor-ray-{name}:{self.version}")


def carried(builder: Builder, check: Checks, scripts: Path, version: str) -> None:
    """Exported in parts, signed, loaded into another store: the same images."""
    folder, key, public = builder.work / "transfer", builder.work / "key.pem", builder.work / "key.pub"
    shutil.rmtree(folder, ignore_errors=True)
    log, images = builder.work / "transfer.log", ("head", "worker-cpu")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    code, said, seconds = builder.script(log, scripts / "export_images.sh", folder, "--split", "500M", *images)
    check("images are exported in parts", code == 0, said)
    for image in images:
        parts = list(folder.glob(f"veritensor-ray-{image}-v{version}.tar.gz.part-*"))
        check.figure(f"{image}, to carry", f"{sum(path.stat().st_size for path in parts) / 1e9:.2f} GB in {len(parts)} parts")
    check.figure("both exported in", f"{seconds:,.0f} s")
    code, said, _ = builder.script(log, scripts / "sign_transfer.sh", folder, key)
    check("the folder is signed", code == 0, said)
    elsewhere = Builder(builder.work, "elsewhere")
    elsewhere.prepare()
    code, said, seconds = elsewhere.script(log, scripts / "import_images.sh", folder, public)
    check("and imported on another host", code == 0, said)
    check.figure("both verified and loaded in", f"{seconds:,.0f} s")
    for image in images if code == 0 else ():
        name = f"veritensor-ray-{image}:{version}"
        before, after = (one.image(name)["FromImageID"] for one in (builder, elsewhere))
        check(f"{image} is the same there", before == after, (before, after))


def wheelhouse(builder: Builder, check: Checks) -> None:
    """Wheels that install where there is no network."""
    folder, log, host = builder.work / "wheelhouse", builder.work / "wheelhouse.log", builder.work / "host"
    for path in (folder, host):
        shutil.rmtree(path, ignore_errors=True)
    code, said, _ = builder.script(log, ROOT / "deploy/wheelhouse.sh", folder, PYTHON=sys.executable)
    check("a wheelhouse is made", code == 0, said[-2000:])
    if code:
        return
    check.figure("wheelhouse of the head's lock", f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:,.0f} MB")
    install = (
        said.splitlines()[-1]
        .replace("WHEELHOUSE", str(folder))
        .replace("veritensor/", f"{host}/")
        .replace("python3 -m venv veritensor", f"{sys.executable} -m venv {host}")
    )
    code, said, _ = builder.script(
        log, "bash", ROOT / "scripts/isolated", "--require", "bash", "-ec", f"{install}; {host}/bin/veritensor-ray rules"
    )
    check("the line that it prints installs it without a network", code == 0 and "injection.prompt" in said, said[-2000:])
