"""Ed25519 keys, signatures in DSSE format, and the list of trusted keys; it does not depend on what is signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.config import resolve_secret
from veritensor_ray.core.errors import CannotRunError, SignatureError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MOST_SIGNATURES = 32
_NEW = "make one with `veritensor-ray keys new PATH`"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, as an element of `signatures` in a DSSE envelope."""

    keyid: str
    sig: str  # base64

    def as_json(self) -> dict[str, str]:
        """Returns the signature as it appears in an envelope."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """An entry of the list. `not_after` is a date (inclusive) or a moment; `revoked` is the reason, and cannot be undone."""

    id: str
    public_key: str  # base64 of 32 bytes
    name: str
    not_after: str | None = None
    revoked: str | None = None

    def objection(self, now: datetime) -> str:
        """Returns why its signatures do not count; empty if they do."""
        if self.revoked is not None:
            return f"is revoked ({self.revoked})"
        if self.not_after is not None and now > _end(self.not_after):
            return f"expired on {self.not_after}"
        return ""


@dataclass(frozen=True, slots=True)
class TrustList:
    """The trusted keys, and the file that lists them."""

    path: Path
    keys: tuple[TrustedKey, ...] = ()

    def get(self, name: str) -> TrustedKey | None:
        """Returns the entry with this id, or None."""
        return next((key for key in self.keys if key.id == name), None)


def key_id(public: bytes) -> str:
    """Returns the id of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Returns the 32 bytes of the public half."""
    return key.public_key().public_bytes_raw()


# ---- keys in files


def new_key(path: Path, name: str = "") -> str:
    """Write a private key (mode 0600) and `path`.pub in the format of openssl, and return the id. Nothing is overwritten."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    beside = path.with_name(path.name + ".pub")
    if beside.exists() or beside.is_symlink():
        raise UsageError(f"{beside} exists, and keys are never overwritten; choose another name")
    for file, data, mode in ((path, private, 0o600), (beside, _titled(name) + public, 0o644)):
        try:
            with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as out:
                out.write(data)
        except FileExistsError:
            raise UsageError(f"{file} exists, and keys are never overwritten; choose another name") from None
        except OSError as error:
            raise CannotRunError(f"the key {file} cannot be written: {error.strerror}; choose another folder") from None
    return key_id(public_bytes(key))


def _titled(name: str) -> bytes:
    """Returns a line before the PEM block, which RFC 7468 and openssl skip."""
    return f"Name: {' '.join(name.split())}\n".encode() if name.strip() else b""


def load_private_key(named: str) -> Ed25519PrivateKey:
    """Returns the key behind `env:NAME` or `file:/path`. Raises UsageError if it is not an ed25519 key in PEM format."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not named.startswith(("env:", "file:")):
        raise UsageError(f"keys are referenced as env:NAME or file:/path; write --sign-key file:{named}")
    try:
        key = load_pem_private_key((resolve_secret(named) or "").encode(), password=None)
    except TypeError:
        raise UsageError(f"the key {named} is encrypted with a password; give one without, in a file that only you can read") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{named} is not a private key in PEM format; {_NEW}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"the key {named} is not an ed25519 key; {_NEW}")
    return key


def load_public_key(path: Path) -> tuple[bytes, str]:
    """Returns the 32 bytes in a `.pub` file, and the name stated before them. Raises UsageError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        with path.open("rb") as file:
            data = file.read(1 << 16)
        key = load_pem_public_key(data)
    except OSError as error:
        raise UsageError(f"the public key {path} cannot be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        private = "; this is the private key, which must stay where it is: give its .pub" if b"PRIVATE KEY" in data else ""
        raise UsageError(f"{path} is not a public key in PEM format{private}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"the key {path} is not an ed25519 key; {_NEW}")
    title = re.match(rb"Name: ([^\n]{1,200})\n", data)
    return key.public_bytes_raw(), title[1].decode(errors="replace") if title else path.name.removesuffix(".pub")


# ---- signatures


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Returns the bytes that DSSE signs: type and payload with their lengths, so that neither can be mistaken for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key: Ed25519PrivateKey) -> Signature:
    """Sign a payload. This is deterministic: the same payload and key give the same signature."""
    signed = key.sign(pre_authentication(payload_type, payload))
    return Signature(key_id(public_bytes(key)), base64.b64encode(signed).decode())


def signatures_of(value: Any) -> tuple[Signature, ...]:
    """Returns the `signatures` of an envelope of unknown origin. Raises ValueError, which says what is wrong."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_SIGNATURES:
        raise ValueError(f"it does not hold a list of 1 to {MOST_SIGNATURES} signatures")
    found = []
    for one in value:
        if not isinstance(one, dict) or set(one) != {"keyid", "sig"} or not all(isinstance(part, str) for part in one.values()):
            raise ValueError("a signature must consist of keyid and sig")
        if not re.fullmatch(r"[0-9a-f]{16}", one["keyid"]) or len(decoded(one["sig"])) != 64:
            raise ValueError("a signature has no key id of 16 hexadecimal digits, or is not 64 bytes long")
        found.append(Signature(**one))
    return tuple(found)


def verify(what: str, payload_type: str, payload: bytes, signatures: Iterable[Signature], trusted: TrustList) -> tuple[TrustedKey, ...]:
    """Returns the trusted keys that signed it, at least one. Raises SignatureError, which names keys and the remedy.

    Signatures of keys that are not listed, revoked or expired do not count. A wrong signature of a listed key is refused whatever other
    signatures there are. `what` is the subject of the message.
    """
    now, objections, good = datetime.now(UTC), [], []
    for signature in signatures:
        key = trusted.get(signature.keyid)
        if key is None:
            objections.append(
                f"key {signature.keyid} is not in {trusted.path}: compare the id with the sender's over another channel, then run "
                "`veritensor-ray keys trust FILE.pub`"
            )
        elif not _fits(key, payload_type, payload, signature):
            raise SignatureError(f"{what} is not what key {key.id} ({key.name}) signed: it or the signature was changed. Get a new copy")
        elif objection := key.objection(now):
            objections.append(f"key {key.id} ({key.name}) {objection}: get a copy signed by a current key")
        else:
            good.append(key)
    if not good:
        raise SignatureError(f"{what} has no valid signature. {'; '.join(objections) or 'Have it signed'}")
    return tuple(good)


def _fits(key: TrustedKey, payload_type: str, payload: bytes, signature: Signature) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key))
        public.verify(base64.b64decode(signature.sig), pre_authentication(payload_type, payload))
    except InvalidSignature:
        return False
    return True


def decoded(text: str) -> bytes:
    """Decodes base64 in its one canonical form: unused bits of the last character are zero. Raises ValueError."""
    data = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(data).decode() != text:
        raise binascii.Error("not canonical")
    return data


# ---- the list of trusted keys


def trust_list_path(configured: str | None) -> Path:
    """Returns where the list is: `trusted_keys` in the configuration, or a file in the user's configuration folder."""
    if configured:
        return Path(configured).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "veritensor-ray" / "trusted_keys.json"


def trust_list(configured: str | None) -> TrustList:
    """Returns the list; the user's own list is empty if there is no file. Raises UsageError if the configured file is missing or not a list."""
    path = trust_list_path(configured)
    if configured and not path.exists():
        raise UsageError(
            f"there is no list of trusted keys {path}; correct its path, or create it with `veritensor-ray keys trust FILE.pub`"
        )
    return _listed(path)


def _listed(path: Path) -> TrustList:
    """Returns the list in a file, which is empty if there is none. Raises UsageError if the file is not such a list."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        keys = tuple(_entry(one) for one in data["keys"])
    except FileNotFoundError:
        return TrustList(path)
    except OSError as error:
        raise CannotRunError(
            f"the list of trusted keys {path} cannot be read: {error.strerror}; make it readable for this user, or set trusted_keys to another file"
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path} is not a list of trusted keys: {error}; create one with `veritensor-ray keys trust FILE.pub`") from None
    if len({key.id for key in keys}) < len(keys):
        raise UsageError(f"{path} names a key twice; remove one of its entries")
    return TrustList(path, keys)


def _entry(about: Any) -> TrustedKey:
    if not isinstance(about, dict):
        raise ValueError("an entry is not a mapping")  # noqa: TRY004  # the file is wrong, not the caller
    if unknown := about.keys() - TrustedKey.__slots__:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    key = TrustedKey(**about)
    if not all(isinstance(value, str) for value in about.values() if value is not None):
        raise ValueError(f"fields of {key.id!r} must be text")
    public = decoded(key.public_key)
    if len(public) != 32 or key_id(public) != key.id:
        raise ValueError(f"the id {key.id!r} does not belong to its public_key")
    if key.not_after is not None:
        _end(key.not_after)
    return key


def _end(not_after: str) -> datetime:
    """Returns the last moment of a date in UTC, or the moment itself. Raises ValueError."""
    try:
        day = date.fromisoformat(not_after)
    except ValueError:
        moment = datetime.fromisoformat(not_after)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, 23, 59, 59, 999999, tzinfo=UTC)


def trust(trusted: TrustList, public: bytes, name: str, not_after: str | None = None) -> TrustList:
    """Returns the list with this key; an existing entry gets the new name and date. Raises UsageError for a revoked key."""
    known = trusted.get(key_id(public))
    if known is not None and known.revoked is not None:
        raise UsageError(f"key {known.id} is revoked ({known.revoked}), which cannot be undone; have a new key made")
    if not_after is not None:
        try:
            _end(not_after)
        except ValueError:
            raise UsageError(f"{not_after!r} is not a date; write YYYY-MM-DD") from None
    key = TrustedKey(key_id(public), base64.b64encode(public).decode(), name, not_after)
    return replace(trusted, keys=(*(one for one in trusted.keys if one.id != key.id), key))


def revoke(trusted: TrustList, name: str, reason: str) -> TrustList:
    """Returns the list with this key revoked. Raises UsageError for a key that is not listed."""
    key = trusted.get(name)
    if key is None:
        known = ", ".join(one.id for one in trusted.keys) or "none"
        raise UsageError(f"no key {name!r} in {trusted.path}; it lists: {known}")
    if not reason.strip():
        raise UsageError("a revocation needs a reason: --reason TEXT")
    return replace(trusted, keys=tuple(replace(one, revoked=reason.strip()) if one == key else one for one in trusted.keys))


def change(configured: str | None, by: Callable[[TrustList], TrustList]) -> None:
    """Reads, changes and writes the list while holding its lock. Raises CannotRunError."""
    from filelock import FileLock

    path = trust_list_path(configured)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(path.with_name(f".{path.name}.lock"), mode=0o600):
            _save(by(_listed(path)))
    except OSError as error:
        raise CannotRunError(
            f"the list of trusted keys {path} cannot be written: {error.strerror}; set trusted_keys to another file"
        ) from None


def _save(trusted: TrustList) -> None:
    """Writes the list atomically. Only this user can read it, unless it was already opened to others, such as a container's user."""
    mode = 0o600 | (trusted.path.stat().st_mode & 0o044 if trusted.path.exists() else 0)
    entries = [{name: value for name, value in asdict(key).items() if value is not None} for key in trusted.keys]
    temporary = trusted.path.with_name(f".{trusted.path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            temporary.chmod(mode)
            json.dump({"keys": entries}, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(trusted.path)
    finally:
        temporary.unlink(missing_ok=True)
