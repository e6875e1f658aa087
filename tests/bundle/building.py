"""A zone with keys, small sources and a bundle made of them, for the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.dependencies.building import database
from veritensor_ray.bundle.bundle_creation import Created, Sources, create
from veritensor_ray.bundle.bundle_manifest import MANIFEST, PAYLOAD_TYPE, SIGNATURE, BundledFile, BundleManifest, signature_file
from veritensor_ray.core.config import Settings
from veritensor_ray.core.signing import change, load_private_key, load_public_key, new_key, sign, trust
from veritensor_ray.models.model_store import catalog, pinned_name

RULE = 'rule acme_marker { meta: severity = "high" strings: $a = "acme-marker-7" condition: $a }'
Entries = list[tuple[tarfile.TarInfo, bytes]]


@dataclass(frozen=True)
class Zone:
    """A folder with sources, keys `old` and `new`, of which `new` is trusted, and a place for bundles."""

    folder: Path

    @property
    def flags(self) -> dict[str, Any]:
        """Configuration that leads to this zone and nowhere else."""
        return {"trusted_keys": str(self.folder / "trusted.json"), "bundle": {"folder": str(self.folder / "bundles")}}

    def settings(self, **more: Any) -> Settings:
        """These flags, and more inside `bundle` or beside it."""
        bundle = self.flags["bundle"] | more.pop("bundle", {})
        return Settings.model_validate(self.flags | {"bundle": bundle} | more)

    def key(self, name: str) -> str:
        """As --sign-key wants it."""
        return f"file:{self.folder / name}"

    def sources(self) -> Sources:
        """All kinds of parts."""
        return Sources(
            self.folder / "home",
            self.folder / "rules",
            (self.folder / "advisories.sqlite",),
            {"pypi": self.folder / "pypi.txt", "npm": self.folder / "npm.txt"},
        )

    def create(self, name: str, *keys: str, sources: Sources | None = None) -> Created:
        """A bundle in this zone, signed by `new` unless others are named."""
        return create(self.folder / name, sources or self.sources(), [load_private_key(self.key(key)) for key in keys or ("new",)])

    def trusts(self, name: str, not_after: str | None = None) -> str:
        """Its id."""
        public, title = load_public_key(self.folder / f"{name}.pub")
        change(self.flags["trusted_keys"], lambda keys: trust(keys, public, title, not_after))
        return hashlib.sha256(public).hexdigest()[:16]

    def copy(self, folder: Path) -> Zone:
        """The same elsewhere."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Zone(folder)


def zone(folder: Path) -> Zone:
    """A new one."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Zone(folder)
    for key in ("old", "new"):
        new_key(folder / key, f"{key} key")
    made.trusts("new")
    models(folder / "home")
    (folder / "rules/more").mkdir(parents=True)
    (folder / "rules/acme.yar").write_text(RULE)
    (folder / "rules/more/other.yara").write_text("rule other_marker { condition: false }")
    (folder / "rules/README").write_text("not packed")
    database(folder)
    (folder / "pypi.txt").write_text("# Names of PyPI packages, 2026-05-01\nrequests\nnumpy\n")
    (folder / "npm.txt").write_text("react\nlodash\n")
    return made


def models(home: Path, roles: Iterable[str] = ("injection", "pii")) -> None:
    """What download_models.py leaves, with a few bytes for weights."""
    lock = {}
    for role in roles:
        files = {"config.json": b"{}", "model.safetensors": f"weights of {role}".encode() * 50, "tokenizer.json": b"{}"}
        (home / "veritensor" / role).mkdir(parents=True)
        for name, data in files.items():
            (home / "veritensor" / role / name).write_bytes(data)
        about = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
        lock[role] = {"name": pinned_name(catalog()[role]["standard"]), "files": about}
    (home / "veritensor/models.lock.json").write_text(json.dumps(lock))


# ---- tars that no `bundle create` makes


def entries_of(path: Path) -> Entries:
    """Headers and contents."""
    with tarfile.open(path) as file:
        return [(member, (file.extractfile(member) or io.BytesIO()).read()) for member in file]


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int | None = None, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    """An entry of any kind and claimed size."""
    about = tarfile.TarInfo(name)
    about.type, about.size, about.linkname = kind, len(data) if size is None else size, link
    return about, data


def packed(path: Path, entries: Entries, end: bytes = bytes(1024)) -> Path:
    """A tar of these entries, whatever they are."""
    with path.open("wb") as file:
        for about, data in entries:
            file.write(about.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512))
        file.write(end)
    return path


def signed(made: Zone, manifest: bytes, *keys: str) -> Entries:
    """The first two entries, rightly signed."""
    signatures = [sign(PAYLOAD_TYPE, manifest, load_private_key(made.key(key))) for key in keys or ("new",)]
    return [entry(MANIFEST, manifest), entry(SIGNATURE, signature_file(signatures))]


def manifest_of(
    made: Zone, files: dict[str, bytes], created: str = "2026-05-01T00:00:00+00:00", keys: Iterable[str] = (), **more: Any
) -> bytes:
    """A manifest of these contents, without parts, that names the signers."""
    public = [load_public_key(made.folder / f"{key}.pub")[0] for key in keys or ("new",)]
    signers = {hashlib.sha256(one).hexdigest()[:16]: base64.b64encode(one).decode() for one in public}
    listed = {name: BundledFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for name, data in files.items()}
    about: dict[str, Any] = {
        "format": "veritensor-ray bundle 1",
        "created": created,
        "package_version": "0",
        "signers": signers,
        "parts": (),
        "files": listed,
    }
    return BundleManifest.model_construct(**about | more).to_bytes()
