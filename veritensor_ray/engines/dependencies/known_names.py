"""Loads the dated lists of package names: popular packages, and other existing ones with similar names."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.dependencies.advisory_model import NPM, PYPI, normal
from veritensor_ray.engines.dependencies.typosquats import Lookalikes

TARGETS = {PYPI: 8_000, NPM: 8_000}  # names at the top of a list that are worth imitating; the rest are only known not to imitate
_MOST = 1_000_000  # names in a list


class Lists:
    """One index per ecosystem, built on first use. `override` maps `pypi` and `npm` to files that the user provides."""

    def __init__(self, override: Mapping[Literal["pypi", "npm"], str]) -> None:
        self._override = {str(name): path for name, path in override.items()}
        self._built: dict[str, Lookalikes] = {}

    def load(self) -> None:
        """Build the indexes of the user's lists, of which one may be unreadable. Raises UsageError.

        Those of the shipped lists wait for the first manifest, which most corpora do not have.
        """
        for ecosystem in TARGETS:
            if ecosystem.lower() in self._override:
                self.of(ecosystem)

    def of(self, ecosystem: str) -> Lookalikes:
        """Return the index of an ecosystem. Raises UsageError if a user's list cannot be read."""
        if ecosystem not in self._built:
            path = self._override.get(ecosystem.lower())
            if path is None:
                self._built[ecosystem] = _shipped(ecosystem)
            else:
                names = [normal(ecosystem, name) for name in _names(_packaged_text(path))]
                self._built[ecosystem] = Lookalikes(ecosystem, names, len(names), _names(_resource(f"{ecosystem.lower()}-existing.txt")))
        return self._built[ecosystem]

    def digest(self) -> str:
        """Return a digest of every list in use."""
        texts = [_packaged_text(path) for _, path in sorted(self._override.items())]
        shipped = [_resource(f"{name.lower()}{part}.txt") for name in TARGETS for part in ("", "-existing")]
        return hashlib.sha256("\0".join(shipped + texts).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=2)
def _shipped(ecosystem: str) -> Lookalikes:
    """Return the index of a shipped list. It takes 0.2 seconds to build, once per process."""
    popular, existing = (_names(_resource(f"{ecosystem.lower()}{part}.txt")) for part in ("", "-existing"))
    return Lookalikes(ecosystem, popular, TARGETS[ecosystem], existing)


@functools.lru_cache(maxsize=8)
def _resource(name: str) -> str:
    return files(__package__).joinpath(f"names/{name}").read_text(encoding="utf-8")


def _packaged_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the list of popular names {path} cannot be read: {error}") from None


def _names(text: str) -> list[str]:
    """Return the names, one per line. Lines that begin with # are comments."""
    return [line for line in text.splitlines()[:_MOST] if line and not line.startswith("#")]


def popular(ecosystem: str) -> list[str]:
    """Return the shipped list, most popular first."""
    return _names(_resource(f"{ecosystem.lower()}.txt"))
