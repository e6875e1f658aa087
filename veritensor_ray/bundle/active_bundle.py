"""Find the current bundle, verify it, and apply it to the settings. It imports nothing and changes no folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritensor_ray.bundle import bundle_verification, carrier
from veritensor_ray.bundle.bundle_manifest import ADVISORIES, BundleManifest, BundlePart, ages
from veritensor_ray.core.config import Bundle, Settings
from veritensor_ray.core.errors import BundleError
from veritensor_ray.core.signing import TrustedKey, TrustList, trust_list

CURRENT, PREVIOUS = "current", "previous"


@dataclass(frozen=True, slots=True)
class Active:
    """The bundle in use.

    `folder` is the bundle's own folder, not the link to it, so a bundle imported during a run changes nothing.
    """

    id: str
    folder: Path
    parts: tuple[BundlePart, ...]
    created: str
    keys: tuple[TrustedKey, ...]
    warnings: tuple[str, ...]


def bundles_folder(settings: Bundle) -> Path:
    """Return the folder for imported bundles, whether it exists or not."""
    if settings.folder:
        return Path(settings.folder).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").absolute() / "veritensor-ray" / "bundles"


def is_id(name: str) -> bool:
    """Return whether a name has the form of a bundle ID."""
    return re.fullmatch(r"[0-9a-f]{16}", name) is not None


def linked(folder: Path, name: str = CURRENT) -> Path | None:
    """Return the bundle that a link of the folder points to, or None if there is no link.

    Raises BundleError for a link that points anywhere else.
    """
    link = folder / name
    try:
        target = str(link.readlink())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{link} is not a link to a bundle: {error.strerror}. Remove it and import the bundle again") from None
    if not is_id(target):
        raise BundleError(f"{link} points to {target!r}, which is not a bundle. Remove it and import the bundle again")
    return folder / target


def verified(
    folder: Path, trusted: TrustList, thorough: bool = True, progress: Callable[[int], None] = lambda done: None
) -> bundle_verification.VerifiedBundle:
    """Verify an imported bundle against its manifest. Without `thorough`, file contents are not read.

    Raises SignatureError or BundleError.
    """
    found = bundle_verification.listed(carrier.folder(folder), trusted)
    if found.id != folder.name:
        raise BundleError(f"{folder} contains bundle {found.id}, which does not match its name. Import the bundle again")
    if thorough:
        bundle_verification.contents(found, progress)
    return found


def activate(settings: Settings, *, thorough: bool = True) -> tuple[Settings, Active | None]:
    """Fill in settings from the current bundle where the user set none. Returns the settings and the bundle, or None.

    The signature and every digest are checked. Without `thorough`, for commands that only list, only signature, names and sizes are. Raises
    BundleError or SignatureError if the bundle is incomplete, untrusted or too old, or if `bundle.required` is set and there is no bundle.
    """
    folder = linked(bundles_folder(settings.bundle))
    if folder is None:
        if settings.bundle.required:
            place = bundles_folder(settings.bundle)
            raise BundleError(
                f"bundle.required is set, but there is no bundle in {place}. Import one: `veritensor-ray bundle import FILE.tar`"
            )
        return settings, None
    found = verified(folder, trust_list(settings.trusted_keys), thorough)
    what = f"bundle {found.id}"
    warnings = ages(what, found.manifest, settings.bundle)
    update, kept = _settings(settings, folder, found.manifest)
    warnings += [f"{name} is set, so that part of {what} is not used" for name in kept]
    return settings.model_copy(update=update), Active(
        found.id, folder, found.manifest.parts, found.manifest.created, found.keys, tuple(warnings)
    )


def _settings(settings: Settings, folder: Path, manifest: BundleManifest) -> tuple[dict[str, Any], list[str]]:
    """Return what the bundle provides, and the keys that the user has set to something else."""
    kinds = {part.kind for part in manifest.parts}
    dependencies = settings.dependencies
    names = {name: str(folder / f"names/{name}.txt") for name in ("pypi", "npm") if f"names/{name}.txt" in manifest.files}
    offers: dict[str, tuple[Any, Any]] = {}  # what the user has set, and what the bundle provides
    if "model" in kinds:
        offers["models"] = (settings.models, str(folder / "models"))
    if "advisories" in kinds:
        offers["database"] = (dependencies.database, str(folder / ADVISORIES))
    if names:
        offers["popular"] = (dependencies.popular, names)
    taken = {name: new for name, (old, new) in offers.items() if not old}
    inner: dict[str, Any] = {name: taken.pop(name) for name in ("database", "popular") if name in taken}
    if "rules" in kinds:  # in addition to the user's own
        ours = str(folder / "rules")
        taken["rules"] = [ours, *(own for own in settings.rules if own != ours)]
    update = taken | ({"dependencies": dependencies.model_copy(update=inner)} if inner else {})
    kept = [name for name, (old, new) in offers.items() if old and old != new]
    return update, [f"dependencies.{name}" if name in ("database", "popular") else name for name in kept]
