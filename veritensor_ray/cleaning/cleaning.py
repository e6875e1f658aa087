"""What every worker of a run that cleans must know besides the context: the policy, the key of pseudonyms, and where the copy goes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from veritensor_ray.cleaning.policy import CleanPolicy
from veritensor_ray.findings.keys import given_key, site_key
from veritensor_ray.stores.outputs import OutputStore

if TYPE_CHECKING:
    from veritensor_ray.cleaning.replacements import Replacements


@dataclass(frozen=True)
class Cleaning:
    """The constants of a cleaning. `store` is the destination, with everything that belongs to it; `key` makes pseudonyms.

    In a dry run, everything is done except writing the copies.
    """

    policy: CleanPolicy
    store: OutputStore
    key: bytes = field(repr=False)
    dry_run: bool = False

    @cached_property
    def replace(self) -> Replacements:
        """What takes the place of a value."""
        from veritensor_ray.cleaning.replacements import Replacements  # which every worker would load, and few runs need

        return Replacements(self.key)

    def describe(self) -> dict[str, Any]:
        """Return what two runs must share to write the same copy, without anything secret."""
        key = hmac.digest(self.key, b"key id", hashlib.sha256)[:6].hex()
        return {"policy": self.policy.digest(), "pseudonym_key": key}


def pseudonym_key(policy: CleanPolicy, site_key_named: str | None) -> bytes:
    """Return the key of the pseudonyms: the one that the policy names, or one derived from the site key. Raises CannotRunError, UsageError."""
    if policy.pseudonym_key is not None:
        return given_key(policy.pseudonym_key, "pseudonym key")
    return hmac.digest(site_key(site_key_named), b"pseudonyms", hashlib.sha256)
