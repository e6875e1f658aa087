"""What every worker of a run that cleans must know besides the context: the policy, the key of pseudonyms, and where the copy goes."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from veritensor_ray.clean.policy import CleanPolicy
from veritensor_ray.clean.replacements import Replacements
from veritensor_ray.stores.outputs import OutputStore


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
        return Replacements(self.key)

    def describe(self) -> dict[str, Any]:
        """Return what two runs must share to write the same copy, without anything secret."""
        key = hmac.digest(self.key, b"key id", hashlib.sha256)[:6].hex()
        return {"policy": self.policy.digest(), "pseudonym_key": key}


def pseudonym_key(named: bytes | None, site_key: bytes) -> bytes:
    """Return the key of pseudonyms: the one that the policy names, or one derived from the site key."""
    return named or hmac.digest(site_key, json.dumps(["pseudonyms", 1]).encode(), hashlib.sha256)
