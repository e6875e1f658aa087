"""The site key, with which evidence is hashed: from the configuration, or made once for this user; never in an output."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from veritensor_ray.config import resolve_secret
from veritensor_ray.errors import CannotRunError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV
_LEAST = 16  # characters


def site_key(named: str | None) -> bytes:
    """The key behind `env:NAME` or `file:/path`, or this user's own. Raises CannotRunError when it cannot be made or read."""
    value = resolve_secret(named)
    if value is not None:
        if str(named).startswith("file:"):
            _check_private(Path(str(named).removeprefix("file:")))
        return _usable(value, str(named))
    path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "veritensor-ray" / "site.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(32))
            try:
                os.link(temporary, path)  # whole or not at all, and the first of two processes wins
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        _check_private(path)
        return _usable(path.read_text().strip(), str(path))
    except OSError as error:
        raise CannotRunError(
            f"the site key {path} cannot be made or read ({error.strerror}); set site_key to env:NAME or file:/path"
        ) from None


def _usable(value: str, place: str) -> bytes:
    """Whoever can guess the key can find the evidence behind an id by trying, as with a plain hash."""
    if len(value) < _LEAST:
        raise CannotRunError(
            f"the site key in {place} has {len(value)} characters; put at least {_LEAST} random ones there: openssl rand -hex 32"
        )
    return value.encode()


def _check_private(path: Path) -> None:
    """A group may read it, as the secrets of a pod do; everybody may not."""
    if path.stat().st_mode & 0o007:
        raise CannotRunError(f"every user of this machine can reach the site key {path}; take that away: chmod o-rwx {path}")


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing about it."""
    return hmac.digest(key, b"key id", hashlib.sha256)[:6].hex()


def seal(key: bytes, text: str) -> bytes:
    """A text that only who has the site key can read; equal texts look equal."""
    return _cipher(key).encrypt(text.encode("utf-8", "surrogatepass"), None)


def unseal(key: bytes, sealed: bytes) -> str:
    """What `seal` was given. Raises CannotRunError where it was sealed with another key, or changed."""
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(sealed, None).decode("utf-8", "surrogatepass")
    except InvalidTag:
        raise CannotRunError("what was committed does not fit the site key; use the key that the run was begun with, or --fresh") from None


def _cipher(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hmac.digest(key, b"sealed", hashlib.sha512))
