"""MANIFEST.json and its signature: what a bundle holds, where that came from and how old it is; it opens no file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from veritensor_ray.config import Bundle as BundleSettings
from veritensor_ray.errors import BundleError, SignatureError
from veritensor_ray.signing import Signature, TrustedKey, TrustList, decoded, key_id, signatures_of, verify

FORMAT: Literal["veritensor-ray bundle 1"] = "veritensor-ray bundle 1"
PAYLOAD_TYPE = "application/vnd.veritensor-ray.bundle+json"
MANIFEST, SIGNATURE = "MANIFEST.json", "MANIFEST.json.sig"
MANIFEST_BYTES, SIGNATURE_BYTES = 16 << 20, 64 << 10  # read before anything is known of who made them
FOLDERS = ("advisories", "models", "names", "rules")
ADVISORIES = "advisories/advisories.sqlite"
NAME_BYTES = 200


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BundlePart(_Model):
    """One of the things that were packed. `dated`: the day that its content is known to be current at."""

    name: str
    kind: Literal["model", "rules", "advisories", "names"]
    source: str
    revision: str
    licence: str | None
    size: int
    files: int
    dated: str

    @field_validator("dated")
    @classmethod
    def _is_date(cls, value: str) -> str:
        date.fromisoformat(value)
        return value

    def age(self, today: date) -> int:
        """Days."""
        return (today - date.fromisoformat(self.dated)).days


class BundledFile(_Model):
    """What a file has to be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class BundleManifest(_Model):
    """A bundle in words. `created` is a moment in UTC; `signers` are the public keys, in base64, of all who sign it, by id."""

    format: Literal["veritensor-ray bundle 1"]
    created: str
    package_version: str
    signers: dict[str, str]
    parts: tuple[BundlePart, ...]
    files: dict[str, BundledFile]

    @field_validator("signers")
    @classmethod
    def _are_keys(cls, signers: dict[str, str]) -> dict[str, str]:
        for name, public in signers.items():
            if len(decoded(public)) != 32 or key_id(decoded(public)) != name:
                raise ValueError(f"{name!r} is not the id of its key")
        return signers

    @field_validator("files")
    @classmethod
    def _are_safe(cls, files: dict[str, BundledFile]) -> dict[str, BundledFile]:
        for path in files:
            if wrong := objection(path):
                raise ValueError(wrong)
            if any(parent in files for parent in _parents(path)):
                raise ValueError(f"{path!r} lies in a file")
        return files

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def bundle_id(manifest: bytes) -> str:
    """The name of a bundle: the manifest names the digest of everything else."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def objection(path: str) -> str:
    """Why a path cannot be in a bundle; empty where it can."""
    shown, parts = repr(path[:80]), path.split("/")
    if path.startswith("/"):
        return f"{shown} is an absolute name"
    if not {"", ".", ".."}.isdisjoint(parts):
        return f"{shown} leads elsewhere"
    if not path.isprintable() or "\\" in path:
        return f"{shown} has characters that are not for names of files"
    if len(path.encode()) > NAME_BYTES:
        return f"{shown} … is longer than {NAME_BYTES} bytes"
    if parts[0] not in FOLDERS or len(parts) < 2:
        return f"{shown} lies in none of the folders {', '.join(FOLDERS)}"
    return ""


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def signature_file(signatures: Sequence[Signature]) -> bytes:
    """MANIFEST.json.sig: a DSSE envelope whose payload lies beside it, in its one form."""
    return json.dumps({"payloadType": PAYLOAD_TYPE, "signatures": [one.as_json() for one in signatures]}, indent=1).encode() + b"\n"


def opened(what: str, manifest: bytes, signature: bytes, trusted: TrustList) -> tuple[BundleManifest, tuple[TrustedKey, ...]]:
    """The manifest and who signed it; nothing in it is looked at before a trusted signature fits. Raises SignatureError, BundleError."""
    try:
        envelope = json.loads(signature)
        signatures = signatures_of(envelope["signatures"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignatureError(f"{what}: {SIGNATURE} is no signature ({error}). Get the bundle again") from None
    if signature_file(signatures) != signature:  # one form only: a changed byte is a changed signature
        raise SignatureError(f"{what}: {SIGNATURE} was changed since `bundle create` wrote it. Get the bundle again")
    keys = verify(what, PAYLOAD_TYPE, manifest, signatures, trusted)
    found = _parsed(what, manifest)
    if {one.keyid for one in signatures} != found.signers.keys():
        raise SignatureError(f"{what}: {SIGNATURE} was changed: it is not by those whom the manifest names. Get the bundle again")
    # a trusted key vouches for the manifest, which vouches for the keys of the others: so no signature can be damaged unseen
    named = tuple(TrustedKey(name, public, "as the manifest has it") for name, public in found.signers.items())
    verify(what, PAYLOAD_TYPE, manifest, signatures, TrustList(trusted.path, named))
    return found, keys


def _parsed(what: str, manifest: bytes) -> BundleManifest:
    try:
        return BundleManifest.model_validate_json(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"{what}: {MANIFEST} is of another format than this version reads ({place}: {first['msg']}). Update one of them"
        ) from None


def ages(what: str, manifest: BundleManifest, settings: BundleSettings) -> list[str]:
    """A sentence for each part that is old. Raises BundleError for one that is too old."""
    today, said = datetime.now(UTC).date(), []
    for part in sorted(manifest.parts, key=lambda part: part.dated):
        age, renew = part.age(today), "Import a newer bundle"
        if settings.max_days is not None and age > settings.max_days:
            raise BundleError(f"{what}: part {part.name} is {age} days old, more than bundle.max_days ({settings.max_days}). {renew}")
        if age > settings.warn_days:
            said.append(f"{what}: part {part.name} is {age} days old (bundle.warn_days is {settings.warn_days}). {renew}")
        elif today + timedelta(days=1) < date.fromisoformat(part.dated):
            said.append(f"{what}: part {part.name} is dated {part.dated}, in the future. Set the clock of this machine")
    return said
