"""The site key, with which evidence is hashed.

It comes from the configuration, or is created once per user. It is never stored in an output.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from veritensor_ray.core.config import resolve_secret
from veritensor_ray.core.errors import CannotRunError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV
_LEAST = 16  # characters


def site_key(named: str | None) -> bytes:
    """Return the key named by `env:NAME` or `file:/path`, or this user's own key. Raises CannotRunError on failure."""
    if named is not None:
        return given_key(named)
    path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "veritensor-ray" / "site.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(32))
            try:
                os.link(temporary, path)  # atomic, and the first of two processes wins
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        _check_private(path)
        return _usable(path.read_text().strip(), str(path))
    except OSError as error:
        raise CannotRunError(
            f"the site key {path} cannot be created or read ({error.strerror}). Set site_key to env:NAME or file:/path"
        ) from None


def given_key(named: str, what: str = "site key") -> bytes:
    """Return the key named by `env:NAME` or `file:/path`; `what` it is appears in messages. Raises UsageError and CannotRunError."""
    value = resolve_secret(named) or ""
    if named.startswith("file:"):
        _check_private(Path(named.removeprefix("file:")), what)
    return _usable(value, named, what)


def _usable(value: str, place: str, what: str = "site key") -> bytes:
    """Reject short keys: whoever can guess the key can find the evidence behind an ID by trying, as with a plain hash."""
    if len(value) < _LEAST:
        raise CannotRunError(
            f"the {what} in {place} has {len(value)} characters. Use at least {_LEAST} random characters: openssl rand -hex 32"
        )
    return value.encode()


def _check_private(path: Path, what: str = "site key") -> None:
    """Refuse a key file that everybody can read. A group may read it, as with the secrets of a pod."""
    if path.stat().st_mode & 0o007:
        raise CannotRunError(f"every user of this machine can read or write the {what} {path}. Restrict it: chmod o-rwx {path}")


def key_id(key: bytes) -> str:
    """Return a name for a key that reveals nothing about it."""
    return hmac.digest(key, b"key id", hashlib.sha256)[:6].hex()


def seal(key: bytes, text: str) -> bytes:
    """Encrypt a text with the site key. Equal texts give equal results."""
    return _cipher(key).encrypt(text.encode("utf-8", "surrogatepass"), None)


def unseal(key: bytes, sealed: bytes) -> str:
    """Decrypt what `seal` returned. Raises CannotRunError if it was changed or sealed with a different key."""
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(sealed, None).decode("utf-8", "surrogatepass")
    except InvalidTag:
        raise CannotRunError("the commits were made with a different site key. Use the key of the run, or --fresh") from None


def _cipher(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hmac.digest(key, b"sealed", hashlib.sha512))
