"""What every worker of a run that cleans must know besides the context: the policy, the key of pseudonyms, and where the copy goes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.formats.editing.actions import Action, Conversion, Ruling, Strippable
from veritensor_ray.formats.editing.marks import REFERENCE, Mark
from veritensor_ray.masking.site_key import given_key, site_key
from veritensor_ray.stores.outputs import OutputStore

if TYPE_CHECKING:
    from veritensor_ray.cleaning.replacements import Replacements

AGAIN = "again-"


@dataclass(frozen=True)
class Cleaning:
    """The constants of a cleaning. `store` is the destination, with everything that belongs to it; `key` makes pseudonyms.

    In a dry run, everything is done except writing the copies. With `again`, the corpus is the copy itself: findings that the policy's level
    does not allow in it are removed, and nothing else is done or written. With `reveal`, the samples of a dry run hold the values too.
    `renames` is known once there is a plan: names of files and folders that are others in the copy.
    """

    policy: CleanPolicy
    store: OutputStore
    key: bytes = field(repr=False)
    dry_run: bool = False
    again: bool = False
    reveal: bool = False
    renames: Renames | None = field(default=None, repr=False)

    @cached_property
    def replace(self) -> Replacements:
        """What takes the place of a value."""
        from veritensor_ray.cleaning.replacements import Replacements  # which every worker would load, and few runs need

        return Replacements(self.key, self.renames)

    def decide(self, mark: Mark, category: str, artifact: str) -> Ruling:
        """Return what to do about a finding in a rule's category."""
        if mark.rule == REFERENCE:
            return Ruling(Action.PSEUDONYM)  # what a policy says is about findings, and links follow in any case
        if self.again and not self.policy.counts(mark.severity):
            return Ruling(Action.KEEP)
        return self.policy.decide(mark, category, artifact)

    def strips(self, artifact: str) -> frozenset[Strippable]:
        """Return what to remove from an artifact whether or not anything was found there."""
        return frozenset() if self.again else self.policy.strips(artifact)

    def converts(self, to: Conversion) -> bool:
        """Return whether a file may become one of another format."""
        return to in self.policy.convert and not self.again

    @property
    def renames_files(self) -> bool:
        """Whether files and folders get other names; those of the copy itself have been replaced already."""
        return self.policy.names == "pseudonym" and not self.again

    def work(self, run: str) -> str:
        """Return the folder where the copies of a run wait."""
        return f"_work/{AGAIN if self.again else ''}{run}"

    def describe(self) -> dict[str, Any]:
        """Return what two runs must share to write the same copy, without anything secret."""
        key = hmac.digest(self.key, b"key id", hashlib.sha256)[:6].hex()
        return {"policy": self.policy.digest(), "pseudonym_key": key}


def pseudonym_key(policy: CleanPolicy, site_key_named: str | None) -> bytes:
    """Return the key of the pseudonyms: the one that the policy names, or one derived from the site key. Raises CannotRunError, UsageError."""
    if policy.pseudonym_key is not None:
        return given_key(policy.pseudonym_key, "pseudonym key")
    return hmac.digest(site_key(site_key_named), b"pseudonyms", hashlib.sha256)
