"""Create a bundle in a connected zone.

Each part is checked as a run would check it. Packing is reproducible.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from veritensor_ray.bundle.bundle_manifest import (
    ADVISORIES,
    FORMAT,
    MANIFEST,
    MANIFEST_BYTES,
    PAYLOAD_TYPE,
    SIGNATURE,
    BundledFile,
    BundleManifest,
    BundlePart,
    bundle_id,
    objection,
    signature_file,
)
from veritensor_ray.bundle.bundle_verification import Progress, digest, each, write
from veritensor_ray.bundle.carrier import BLOCK, CarriedFile
from veritensor_ray.core.errors import BundleError, ModelError, UsageError
from veritensor_ray.core.signing import key_id, public_bytes, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Sources:
    """What to pack, and what the manifest says about parts whose origin no file records, by name of part."""

    models: Path | None = None
    rules: Path | None = None
    advisories: tuple[Path, ...] = ()
    names: Mapping[str, Path] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    licence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A bundle that was written."""

    id: str
    path: Path
    manifest: BundleManifest
    keys: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Packing:
    """Collects parts and files."""

    sources: Sources
    day: str
    parts: list[BundlePart] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Any, files: Mapping[str, Path], **about: str | None) -> None:
        """Add a part. Its source and licence are those given by the user, or else those found."""
        size = sum(path.stat().st_size for path in files.values())
        told = {
            key: value for key, said in (("source", self.sources.source), ("licence", self.sources.licence)) if (value := said.get(name))
        }
        fields: dict[str, Any] = {"licence": None, "dated": self.day} | about | told
        self.parts.append(BundlePart(name=name, kind=kind, size=size, files=len(files), **fields))
        self.files.update(files)


def create(output: Path, sources: Sources, keys: Sequence[Ed25519PrivateKey], progress: Progress = lambda done: None) -> Created:
    """Check, pack and sign. Raises UsageError, ModelError or BundleError for what a run would refuse, or if the output exists.

    The same files at the same time (SOURCE_DATE_EPOCH, or now) give the same bytes.
    """
    if not keys:
        raise UsageError("a bundle without a signature would be refused everywhere. Name a key with --sign-key file:PATH")
    if output.exists():
        raise UsageError(f"{output} already exists. Choose a different name")
    for path in (*sources.advisories, *sources.names.values()):
        if not path.is_file():
            raise UsageError(f"{path} is not a file. Name an existing file")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.absolute().parent) as scratch:
            moment = _moment()
            packing = _Packing(sources, moment[:10])
            for gather in (_models, _rules, _names):
                gather(packing)
            _advisories(packing, Path(scratch))
            return _pack(output, packing, moment, keys, progress)
    except OSError as error:
        raise BundleError(f"{error.filename or output}: {error.strerror}. Check the disk, or choose a different location") from None


def _moment() -> str:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"SOURCE_DATE_EPOCH is {given!r}. Set it to seconds since 1970") from None
    return moment.isoformat(timespec="seconds")


# ---- parts


def _models(packing: _Packing) -> None:
    from veritensor_ray.models.model_store import ModelStore, catalog
    from veritensor_ray.models.standard import LOCK, read_lock

    if packing.sources.models is None:
        return
    below = packing.sources.models / "veritensor"
    home = (below if below.is_dir() else packing.sources.models).resolve()
    try:
        locked = read_lock(home / LOCK)
    except (OSError, ValueError) as error:
        raise ModelError(f"{home / LOCK} is not a model lock: {error}. Run scripts/download_models.py with HF_HOME={home.parent}") from None
    store = ModelStore("standard", standard_home=str(home))
    for role, lock in sorted(locked.items()):
        status = store.status(role)
        if status.faults:
            raise ModelError(status.faults[0])
        entry = catalog()[role]["standard"]
        licences = dict.fromkeys([entry["licence"], entry.get("backbone", {}).get("licence", entry["licence"])])
        source, _, revision = status.name.partition("@")
        files = {f"models/{role}/{file}": home / role / file for file in lock.files}
        about = {"source": source, "revision": entry.get("revision", revision), "licence": " AND ".join(licences)}
        packing.add(f"models/{role}", "model", files, **about)
    packing.files[f"models/{LOCK}"] = home / LOCK
    if lacking := [role for role in catalog() if role not in locked]:
        packing.warnings.append(f"{home / LOCK} has no {' and no '.join(lacking)}, so profile standard is incomplete with this bundle")


def _rules(packing: _Packing) -> None:
    from veritensor_ray.engines.signatures.ruleset import from_folders

    folder = packing.sources.rules
    if folder is None:
        return
    compiled = from_folders([str(folder)])
    found = [path for path in sorted(folder.rglob("*")) if path.suffix in (".yar", ".yara")]
    files = {f"rules/{path.relative_to(folder).as_posix()}": path for path in found}
    packing.add("rules", "rules", files, source=folder.resolve().name, revision=compiled.digest[:16])


def _names(packing: _Packing) -> None:
    import hashlib

    from veritensor_ray.engines.dependencies.known_names import TARGETS, Lists

    by_key = {ecosystem.lower(): ecosystem for ecosystem in TARGETS}
    for name, path in sorted(packing.sources.names.items()):
        if name not in by_key:
            raise UsageError(f"--names {name}=…: use {' or '.join(by_key)}")
        Lists({name: str(path)}).of(by_key[name])  # type: ignore[dict-item]  # one of the two, as checked above
        data = path.read_bytes()
        lines = data.decode().splitlines()
        if not any(line and not line.startswith("#") for line in lines):
            raise UsageError(f"{path} contains no names. Write one per line")
        dated = _DATE.search(lines[0]) if lines[0].startswith("#") else None
        about = {"source": path.name, "revision": hashlib.sha256(data).hexdigest()[:16], "dated": dated[0] if dated else packing.day}
        packing.add(f"names/{name}", "names", {f"names/{name}.txt": path}, **about)


def _advisories(packing: _Packing, scratch: Path) -> None:
    import zipfile

    from veritensor_ray.engines.dependencies.advisory_database import Database, DatabaseMissing
    from veritensor_ray.engines.dependencies.osv_import import import_archives

    given = packing.sources.advisories
    if not given:
        return
    database = given[0]
    if len(given) > 1 or zipfile.is_zipfile(database):
        database = scratch / "advisories.sqlite"
        import_archives(given, database, imported=datetime.fromtimestamp(max(int(path.stat().st_mtime) for path in given), UTC))
    try:
        opened = Database(database)
        opened.close()
    except DatabaseMissing as error:
        raise UsageError(str(error)) from None
    about = {"source": ", ".join(path.name for path in given), "revision": opened.about.digest[:16]}
    packing.add("advisories", "advisories", {ADVISORIES: database}, dated=(opened.about.newest or opened.about.imported)[:10], **about)


# ---- packing


def _pack(output: Path, packing: _Packing, moment: str, keys: Sequence[Ed25519PrivateKey], progress: Progress) -> Created:
    if not packing.files:
        raise UsageError("a bundle needs at least one of --models, --rules, --advisories and --names")
    entries = [_entry(name, path) for name, path in sorted(packing.files.items())]
    digests: dict[str, str] = {}
    each(entries, lambda entry, stop: digests.update({entry.name: digest(entry, progress, stop)}))
    files = {entry.name: BundledFile(sha256=digests[entry.name], size=entry.size) for entry in entries}
    parts = tuple(sorted(packing.parts, key=lambda part: part.name))
    signers = {key_id(public): base64.b64encode(public).decode() for public in sorted(map(public_bytes, keys))}
    manifest = BundleManifest(
        format=FORMAT, created=moment, package_version=version("veritensor-ray"), signers=signers, parts=parts, files=files
    )
    data = manifest.to_bytes()
    if len(data) > MANIFEST_BYTES:
        raise UsageError(f"{len(files):,} files are too many for one bundle. Merge some of the rules")
    signatures = [sign(PAYLOAD_TYPE, data, key) for key in keys]
    with _written(output) as descriptor:
        for name, content in ((MANIFEST, data), (SIGNATURE, signature_file(signatures))):
            _add(descriptor, name, content)
        for entry in entries:
            write(descriptor, _header(entry.name, entry.size))
            if digest(entry, progress, Event(), descriptor) != digests[entry.name]:
                raise BundleError(f"{entry.file} changed while it was being packed. Create the bundle again when nothing else writes there")
            write(descriptor, _padding(entry.size))
        write(descriptor, bytes(2 * BLOCK))
    return Created(bundle_id(data), output, manifest, tuple(one.keyid for one in signatures), tuple(packing.warnings))


def _entry(name: str, path: Path) -> CarriedFile:
    if wrong := objection(name):
        raise UsageError(f"{path} cannot be packed: {wrong}. Rename it")
    real = path.resolve()
    about = real.stat()
    if not stat.S_ISREG(about.st_mode):
        raise UsageError(f"{path} is not a plain file and cannot be packed. Remove it")
    return CarriedFile(name, about.st_size, real)


@contextmanager
def _written(output: Path) -> Iterator[int]:
    """Open a descriptor for a file that appears, complete, only if nothing was raised."""
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        yield descriptor
        os.fsync(descriptor)
        temporary.rename(output)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _add(descriptor: int, name: str, data: bytes) -> None:
    for piece in (_header(name, len(data)), data, _padding(len(data))):
        write(descriptor, piece)


def _header(name: str, size: int) -> bytes:
    """Return a tar header. Owner, time and mode are the defaults of TarInfo for all files: root, 1970 and 0644."""
    about = tarfile.TarInfo(name)
    about.size = size
    try:
        return about.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError as error:
        raise UsageError(f"{name} cannot be packed: {error}. Give it a shorter name, or split it below 8 GiB") from None


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)
