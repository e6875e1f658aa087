"""What makes two runs comparable: versions, limits, thresholds, rules, models, and the corpus. It does not depend on Ray."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.findings.schema import SCHEMA_VERSION
from veritensor_ray.formats.format_registry import use
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.stores.filesystems import absolute

# The settings that change results. All others (where, how fast, how it is shown) do not.
_RESULTS = (
    "profile",
    "limits",
    "injection",
    "pii",
    "ocr",
    "dependencies",
    "modelfiles",
    "max_size",
    "since",
    "sample",
    "include",
    "exclude",
    "follow_links",
    "as_of",
    "locations",
    "key",
)


def describe(settings: Settings, engines: Mapping[str, str | None], key_name: str, bundle: str | None = None) -> dict[str, Any]:
    """Return the readable parts of a run's fingerprint. Two runs with equal parts may share an output.

    `engines` maps names to fingerprints, None for a missing engine. `settings` are the user's, before a bundle fills in its paths.
    """
    brought = use(settings)  # formats of plug-ins; the version of this package covers the others
    return ({"formats": brought} if brought else {}) | {
        "version": version("veritensor-ray"),
        "schema": SCHEMA_VERSION,
        "sources": [without_credentials(absolute(source)) for source in settings.sources],
        "settings": settings.model_dump(mode="json", include=set(_RESULTS)),
        "engines": {name: fingerprint or "missing" for name, fingerprint in engines.items()},
        "site_key": key_name,
        "bundle": bundle,
    }


def digest(parts: Mapping[str, Any]) -> str:
    """Return a short SHA-256 of the parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the names of the parts that differ, down to single settings and engines."""
    found = []
    for name in sorted(set(mine) | set(theirs)):
        a, b = mine.get(name), theirs.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{name}.{inner}" for inner in differences(a, b)]
        elif a != b:
            found.append(name)
    return found
