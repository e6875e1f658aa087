"""What crosses the gap: signed, split, refused when anything about it differs, joined and loaded. openssl and sha256sum are real."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TOOL = """#!/usr/bin/env bash
# Images are files beside this script; what a container tool says of them is said as it says it.
set -euo pipefail
here=$(dirname "$0")
case $1 in
save) cat "$here/images/${2//[:\\/]/_}" ;;
load) cat >"$here/loaded" && read -r name <"$here/loaded" && echo "Loaded image: $name" ;;
tag) cp "$here/loaded" "$here/images/${3//[:\\/]/_}" && echo "$2 $3" >>"$here/tags" ;;
esac
"""


class Zone:
    """A folder to carry, keys, and a container tool with two images."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder = place, place / "to carry"
        self.folder.mkdir()
        for name in ("key", "other"):
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", place / name], check=True)
            subprocess.run(["openssl", "pkey", "-in", place / name, "-pubout", "-out", place / f"{name}.pub"], check=True)
        tool = place / "docker"
        tool.write_text(TOOL)
        tool.chmod(0o755)
        (place / "images").mkdir()
        for image in ("head", "worker-gpu"):
            content = f"localhost/veritensor-ray-{image}:0.1.0\n".encode() + hashlib.shake_256(image.encode()).digest(300_000)
            (place / f"images/veritensor-ray-{image}_0.1.0").write_bytes(content)

    def __call__(self, script: str, *arguments: str | Path) -> tuple[int, str]:
        environment = {"PATH": os.environ["PATH"], "CONTAINER_TOOL": str(self.place / "docker")}
        command = ["bash", str(DEPLOY / f"{script}.sh"), *map(str, arguments)]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, cwd=self.place, check=False)
        return done.returncode, done.stdout + done.stderr

    def sign(self, key: str = "key") -> None:
        code, said = self("sign_transfer", self.folder, self.place / key)
        assert code == 0, said

    def verify(self) -> tuple[int, str]:
        return self("verify_transfer", self.folder, self.place / "key.pub")

    def sign_list(self, text: str) -> None:
        """A list of the sender's own making, signed."""
        (self.folder / "SHA256SUMS").write_text(text)
        signing: list[str | Path] = [
            "openssl",
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            self.place / "key",
            "-in",
            "SHA256SUMS",
            "-out",
            "SHA256SUMS.sig",
        ]
        subprocess.run(signing, cwd=self.folder, check=True)


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    """A folder with what a transfer has: a part, a wheel in a folder, a hidden file, a name with spaces."""
    zone = Zone(tmp_path)
    for name in ("bundle.tar", "wheelhouse/a b-1.0.whl", ".hidden", "-dash", "café/ü.txt"):
        path = zone.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    return zone


def test_a_folder_that_was_signed_is_whole(zone: Zone) -> None:
    zone.sign()
    code, said = zone.verify()
    assert (code, "is complete and unchanged" in said) == (0, True), said
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=zone.folder, capture_output=True, text=True, check=True
    )
    assert checked.stdout.count(": OK") == 5
    assert (zone.folder / "SHA256SUMS.sig").stat().st_size == 64
    zone.sign("other")
    assert zone.verify()[0] == 1


def test_the_package_reads_the_signature(zone: Zone) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    zone.sign()
    public = load_pem_public_key((zone.place / "key.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify((zone.folder / "SHA256SUMS.sig").read_bytes(), (zone.folder / "SHA256SUMS").read_bytes())


def flip(name: str) -> Callable[[Path], object]:
    """One bit of a file changed, its size not."""

    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def replace_by_link(folder: Path) -> None:
    (folder.parent / "elsewhere").write_bytes((folder / "bundle.tar").read_bytes())
    (folder / "bundle.tar").unlink()
    (folder / "bundle.tar").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (flip("bundle.tar"), "bundle.tar: FAILED"),
        (flip("wheelhouse/a b-1.0.whl"), "the files named above differ from what was signed"),
        (flip("SHA256SUMS"), "the signature of SHA256SUMS does not match"),
        (flip("SHA256SUMS.sig"), "the signature of SHA256SUMS does not match"),
        (lambda folder: (folder / "SHA256SUMS.sig").unlink(), "there is no SHA256SUMS.sig"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "there is no SHA256SUMS"),
        (lambda folder: (folder / "SHA256SUMS.sig").write_bytes(b""), "the signature of SHA256SUMS does not match"),
        (lambda folder: (folder / ".hidden").unlink(), "'.hidden' is missing"),
        (lambda folder: (folder / "extra").touch(), "'extra' is not in SHA256SUMS"),
        (lambda folder: (folder / "wheelhouse/.extra").touch(), "'wheelhouse/.extra' is not in SHA256SUMS"),
        (lambda folder: (folder / "a\nb").touch(), "is not in SHA256SUMS"),
        (lambda folder: (folder / "bundle.tar").rename(folder / "other.tar"), "'other.tar' is not in SHA256SUMS"),
        (replace_by_link, "'bundle.tar' is a link"),
        (lambda folder: (folder / "more").symlink_to("wheelhouse"), "'more' is a link"),
        (lambda folder: os.mkfifo(folder / "pipe"), "'pipe' is not a regular file"),
    ],
)
def test_what_differs_is_refused(zone: Zone, change: Callable[[Path], object], says: str) -> None:
    zone.sign()
    change(zone.folder)
    code, said = zone.verify()
    assert (code, says in said) == (1, True), said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/etc/passwd", "leads out of the folder"),
        ("../key", "leads out of the folder"),
        ("wheelhouse/../../key", "leads out of the folder"),
        ("wheelhouse/..", "leads out of the folder"),
        ("./bundle.tar", "leads out of the folder"),
        ("a\\nb", "a malformed line"),
        ("a\tb", "a malformed line"),
        ("", "a malformed line"),
    ],
)
def test_a_list_that_leads_elsewhere_is_refused_though_it_is_signed(zone: Zone, name: str, says: str) -> None:
    zone.sign_list(f"{'0' * 64}  {name}\n")
    code, said = zone.verify()
    assert (code, says in said) == (1, True), said


@pytest.mark.parametrize(
    ("script", "arguments", "says"),
    [
        ("sign_transfer", ["to carry", "nowhere"], "the key nowhere cannot be read"),
        ("sign_transfer", ["to carry", "key.pub"], "is not an ed25519 private key"),
        ("sign_transfer", ["to carry", "rsa"], "is not an ed25519 private key"),
        ("sign_transfer", ["to carry", "to carry/key"], "would be carried with it"),
        ("sign_transfer", ["nowhere", "key"], "there is no folder nowhere"),
        ("sign_transfer", ["to carry"], "usage"),
        ("verify_transfer", ["to carry", "key"], "is not an ed25519 public key"),
        ("verify_transfer", ["to carry", "to carry/key.pub"], "came with the folder"),
        ("verify_transfer", ["nowhere", "key.pub"], "there is no folder nowhere"),
        ("export_images", ["out", "worker"], "unknown argument: worker"),
        ("export_images", ["out", "--split", "4X"], "--split takes a size"),
        ("import_images", ["to carry"], "usage"),
        ("wheelhouse", ["out", "tail"], "there is no lock tail"),
        ("build_images", ["tail"], "there is no image tail"),
    ],
)
def test_mistakes(zone: Zone, script: str, arguments: list[str], says: str) -> None:
    subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", zone.place / "rsa"], check=True, capture_output=True)
    for name in ("key", "key.pub"):
        shutil.copy(zone.place / name, zone.folder)
    code, said = zone(script, *arguments)
    assert (code, says in said) == (2, True), said


@pytest.mark.parametrize(("name", "says"), [("a\nb", "control character"), ("a\\b", "a backslash"), ("link", "is a link")])
def test_names_that_a_list_cannot_hold_are_not_signed(zone: Zone, name: str, says: str) -> None:
    (zone.folder / name).symlink_to("bundle.tar") if name == "link" else (zone.folder / name).touch()
    code, said = zone("sign_transfer", zone.folder, zone.place / "key")
    assert (code, says in said) == (2, True), said
    assert not (zone.folder / "SHA256SUMS").exists()


def image(zone: Zone, name: str) -> Path:
    """What the container tool has under a name."""
    return zone.place / f"images/veritensor-ray-{name}_0.1.0"


@pytest.mark.parametrize("split", [(), ("--split", "100K")])
def test_images_come_out_as_they_went_in(zone: Zone, split: tuple[str, ...]) -> None:
    before = {name: image(zone, name).read_bytes() for name in ("head", "worker-gpu")}
    code, said = zone("export_images", zone.folder, *split)
    assert code == 0, said
    files = sorted(path.name for path in zone.folder.glob("veritensor-ray-*"))
    suffixes = ["", ""] if not split else [f".part-{i:03}" for i in range(3)] * 2
    assert files == [
        f"veritensor-ray-{name}-v0.1.0.tar.gz{s}" for name, s in zip(sorted([*before] * (len(suffixes) // 2)), suffixes, strict=True)
    ]
    zone.sign()
    for name in before:
        image(zone, name).unlink()
    code, said = zone("import_images", zone.folder, zone.place / "key.pub")
    assert code == 0, said
    assert {name: image(zone, name).read_bytes() for name in before} == before
    assert "localhost/veritensor-ray-head:0.1.0 veritensor-ray-head:0.1.0" in (zone.place / "tags").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "veritensor-ray-head-v0.1.0.tar.gz.part-001").unlink(), "is missing"),
        (flip("veritensor-ray-head-v0.1.0.tar.gz.part-002"), "the files named above differ from what was signed"),
        (lambda folder: (folder / "veritensor-ray-head-v0.1.0.tar.gz.part-003").touch(), "is not in SHA256SUMS"),
    ],
)
def test_nothing_is_loaded_from_a_folder_that_differs(zone: Zone, change: Callable[[Path], object], says: str) -> None:
    assert zone("export_images", zone.folder, "--split", "100K", "head")[0] == 0
    zone.sign()
    change(zone.folder)
    code, said = zone("import_images", zone.folder, zone.place / "key.pub")
    assert (code, says in said) == (1, True), said
    assert not (zone.place / "loaded").exists()


def test_one_image_of_several(zone: Zone) -> None:
    assert zone("export_images", zone.folder, "head")[0] == 0
    code, said = zone("export_images", zone.folder, "head")
    assert (code, "already exists" in said) == (2, True), said
    zone.sign()
    assert zone("import_images", zone.folder, zone.place / "key.pub", "head")[0] == 0
    code, said = zone("import_images", zone.folder, zone.place / "key.pub", "worker-gpu")
    assert (code, "does not contain worker-gpu" in said) == (1, True), said


def test_an_export_that_fails_leaves_nothing(zone: Zone) -> None:
    image(zone, "head").unlink()
    assert zone("export_images", zone.folder, "--split", "100K", "head")[0] != 0
    assert not list(zone.folder.glob("veritensor-ray-*"))


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"CONTAINER_TOOL": "no-such-tool"}, 4, "no-such-tool is not installed. Install one, or set CONTAINER_TOOL"),
        ({"CONTAINER_TOOL": "tee"}, 0, "tee"),
        ({"CONTAINER_TOOL": ""}, 4, "none of docker, podman and buildah is installed. Install one, or set CONTAINER_TOOL"),
    ],
)
def test_which_tool(tmp_path: Path, environment: dict[str, str], code: int, says: str) -> None:
    for name in ("bash", "tee"):  # a machine that has these and no other
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(found)
    command = [tmp_path / "bash", DEPLOY / "container_tool.sh"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)} | environment, capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
