"""Where a policy is kept: in a file that the user named, or as policy.yaml in an output.

Nothing is looked up in the working directory, where whoever made a corpus may have left a file. It does not depend on a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from veritensor_ray.core.errors import CannotRunError, UsageError, VeritensorError
from veritensor_ray.core.uris import real_bases
from veritensor_ray.findings.sweep_state import state_of
from veritensor_ray.policy.policy_edit import add_to_file, added
from veritensor_ray.policy.policy_file import FILE, Policy, Suppression, load_policy, parse
from veritensor_ray.results.results import Results
from veritensor_ray.stores.conditional_writes import NoConditions, conditional, plain
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore

NAME = "policy.yaml"
_ATTEMPTS = 10  # of several people who decide at once, one is first in each


class PolicyPlace(Protocol):
    """A policy that can be read, and to which suppressions are added. Its text is what messages call it."""

    def load(self) -> Policy:
        """Return the policy, which is empty if there is none yet. Raises UsageError."""

    def add(self, entry: Suppression) -> None:
        """Add a suppression, completely or not at all. Raises UsageError if the layout does not allow it, or CannotRunError."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file on this machine. A link that the user named stays a link."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def load(self) -> Policy:
        """Return the policy, which is empty if there is no such file yet."""
        return load_policy(str(self.path)) if os.path.lexists(self.path) else Policy()  # a dangling link is a mistake

    def add(self, entry: Suppression) -> None:
        """Add a suppression; a new file gets mode 0600."""
        add_to_file(self.path, entry)


@dataclass(frozen=True, slots=True)
class StorePlace:
    """The object policy.yaml in an output that is not on this machine."""

    store: OutputStore

    def __str__(self) -> str:
        return f"{self.store.uri}/{NAME}"

    def load(self) -> Policy:
        """Return the policy, which is empty if there is no such object yet."""
        data = self.store.read(NAME)
        return Policy() if data is None else parse(FILE.text(data, str(self)), str(self))

    def add(self, entry: Suppression) -> None:
        """Add a suppression. If somebody else has added one meanwhile, it is added to theirs."""
        try:
            written = any(self._added(entry) for _ in range(_ATTEMPTS))
        except VeritensorError:
            raise
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; each means that nothing was written
            raise CannotRunError(denied(str(self), "write", error)) from None
        if not written:
            raise CannotRunError(f"{self} keeps changing, so nothing was added to it. Repeat the command")

    def _added(self, entry: Suppression) -> bool:
        place = conditional(self.store.uri, self.store.stores, NAME)
        seen = place.read()
        data = added(FILE.text(seen.data, str(self)) if seen else "", entry, str(self)).encode()
        FILE.check_size(data, str(self))
        version = seen.version if seen else None
        try:
            return place.write(data, version) is not None
        except NoConditions:
            return plain(self.store.uri, self.store.stores, NAME).write(data, version) is not None


@dataclass(frozen=True, slots=True)
class NoPlace:
    """No policy, and the reason why suppressions cannot be kept."""

    why: str

    def __str__(self) -> str:
        return "no policy file"

    def load(self) -> Policy:
        """Return an empty policy."""
        return Policy()

    def add(self, entry: Suppression) -> None:
        """Raise the reason as a UsageError."""
        raise UsageError(self.why)


def in_output(store: OutputStore, sources: Sequence[str]) -> PolicyPlace:
    """Return the place of the policy in an output, or the state of sweeps.

    Raises UsageError if it lies where others may write it: in a source, or behind a link.
    """
    folder = store.local
    if folder is None:
        return StorePlace(store)
    path = folder / NAME
    real = Path(os.path.realpath(folder))
    if any(base in (real, *real.parents) for base in real_bases(sources)):
        raise UsageError(f"{path} lies in the corpus, so it may not be yours; name a policy with --policy")
    if path.is_symlink():
        raise UsageError(f"{path} is a link to another file; name a policy with --policy")
    return FilePlace(path)


def place_for(results: Results | None, named: str | None) -> PolicyPlace:
    """Return where decisions about results are kept: the named file, else policy.yaml in their output.

    Raises UsageError if that would be another policy than the one that judged these results, since the next run may not read it.
    """
    if named:
        return FilePlace(Path(named))
    if results is None:
        raise UsageError("name the output that contains the finding, or a policy file with --policy")
    used: Mapping[str, Any] = results.run.get("policy") or {}
    if used.get("file") and not used.get("in_output"):
        raise UsageError(f"these results were judged by the policy {used['file']}; name it, or another one, with --policy")
    return in_output(state_of(results.store), results.run.get("sources", ()))


__all__ = ["NAME", "FilePlace", "NoPlace", "PolicyPlace", "StorePlace", "in_output", "place_for"]
