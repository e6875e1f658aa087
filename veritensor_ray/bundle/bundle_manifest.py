"""MANIFEST.json and its signature: what a bundle contains, where it came from and how old it is. It opens no file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from veritensor_ray.core.config import Bundle as BundleSettings
from veritensor_ray.core.errors import BundleError, SignatureError
from veritensor_ray.core.signing import Signature, TrustedKey, TrustList, decoded, key_id, signatures_of, verify

FORMAT: Literal["veritensor-ray bundle 1"] = "veritensor-ray bundle 1"
PAYLOAD_TYPE = "application/vnd.veritensor-ray.bundle+json"
MANIFEST, SIGNATURE = "MANIFEST.json", "MANIFEST.json.sig"
MANIFEST_BYTES, SIGNATURE_BYTES = 16 << 20, 64 << 10  # read before the signer is known
FOLDERS = ("advisories", "models", "names", "rules")
ADVISORIES = "advisories/advisories.sqlite"
NAME_BYTES = 200


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BundlePart(_Model):
    """One of the parts that were packed. `dated` is the day on which its content is known to be current."""

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
        """Return the age in days."""
        return (today - date.fromisoformat(self.dated)).days


class BundledFile(_Model):
    """What a file must match."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class BundleManifest(_Model):
    """The content of a manifest. `created` is a time in UTC; `signers` maps key IDs to the public keys, in base64."""

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
                raise ValueError(f"{name!r} is not the ID of its key")
        return signers

    @field_validator("files")
    @classmethod
    def _are_safe(cls, files: dict[str, BundledFile]) -> dict[str, BundledFile]:
        for path in files:
            if wrong := objection(path):
                raise ValueError(wrong)
            if any(parent in files for parent in _parents(path)):
                raise ValueError(f"{path!r} is inside a file")
        return files

    @property
    def size(self) -> int:
        """Total size of the files, in bytes."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        """Return the bytes that are signed."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def bundle_id(manifest: bytes) -> str:
    """Return the ID of a bundle. The digest of the manifest is enough, since it lists the digests of everything else."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def objection(path: str) -> str:
    """Return why a path cannot be in a bundle, or an empty string if it can."""
    shown, parts = repr(path[:80]), path.split("/")
    if path.startswith("/"):
        return f"{shown} is an absolute path"
    if not {"", ".", ".."}.isdisjoint(parts):
        return f"{shown} is not a plain relative path"
    if not path.isprintable() or "\\" in path:
        return f"{shown} contains characters that are not allowed in file names"
    if len(path.encode()) > NAME_BYTES:
        return f"{shown} … is longer than {NAME_BYTES} bytes"
    if parts[0] not in FOLDERS or len(parts) < 2:
        return f"{shown} is in none of the folders {', '.join(FOLDERS)}"
    return ""


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def signature_file(signatures: Sequence[Signature]) -> bytes:
    """Return MANIFEST.json.sig: a DSSE envelope without its payload (the manifest), in canonical form."""
    return json.dumps({"payloadType": PAYLOAD_TYPE, "signatures": [one.as_json() for one in signatures]}, indent=1).encode() + b"\n"


def opened(what: str, manifest: bytes, signature: bytes, trusted: TrustList) -> tuple[BundleManifest, tuple[TrustedKey, ...]]:
    """Parse the manifest and return it with the trusted keys that signed it.

    Nothing is parsed before a trusted signature matches. Raises SignatureError or BundleError.
    """
    try:
        envelope = json.loads(signature)
        signatures = signatures_of(envelope["signatures"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignatureError(f"{what}: {SIGNATURE} is not a signature ({error}). Copy the bundle again") from None
    if signature_file(signatures) != signature:  # only one form is valid, so any changed byte is detected
        raise SignatureError(f"{what}: {SIGNATURE} has changed since `bundle create` wrote it. Copy the bundle again")
    keys = verify(what, PAYLOAD_TYPE, manifest, signatures, trusted)
    found = _parsed(what, manifest)
    if {one.keyid for one in signatures} != found.signers.keys():
        raise SignatureError(f"{what}: {SIGNATURE} has changed: its signers differ from those in the manifest. Copy the bundle again")
    # a trusted key vouches for the manifest, which lists the other keys, so damage to any signature is detected
    named = tuple(TrustedKey(name, public, "as the manifest records it") for name, public in found.signers.items())
    verify(what, PAYLOAD_TYPE, manifest, signatures, TrustList(trusted.path, named))
    return found, keys


def _parsed(what: str, manifest: bytes) -> BundleManifest:
    try:
        return BundleManifest.model_validate_json(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"{what}: {MANIFEST} has a format that this version cannot read ({place}: {first['msg']}). Update the package or the bundle"
        ) from None


def ages(what: str, manifest: BundleManifest, settings: BundleSettings) -> list[str]:
    """Return a sentence for each old part. Raises BundleError for a part that is too old."""
    today, said = datetime.now(UTC).date(), []
    for part in sorted(manifest.parts, key=lambda part: part.dated):
        age, renew = part.age(today), "Import a newer bundle"
        if settings.max_days is not None and age > settings.max_days:
            raise BundleError(f"{what}: part {part.name} is {age} days old, more than bundle.max_days ({settings.max_days}). {renew}")
        if age > settings.warn_days:
            said.append(f"{what}: part {part.name} is {age} days old (bundle.warn_days is {settings.warn_days}). {renew}")
        elif today + timedelta(days=1) < date.fromisoformat(part.dated):
            said.append(f"{what}: part {part.name} is dated {part.dated}, which is in the future. Check the clock of this machine")
    return said
