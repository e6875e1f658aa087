"""`bundle create|verify|import|rollback|status`: models, rules and advisories in one signed file, and the bundle that runs use."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, Config

if TYPE_CHECKING:
    from veritensor_ray.bundle.bundle_import import Imported
    from veritensor_ray.bundle.bundle_manifest import BundleManifest

app = typer.Typer(
    help="Carry models, rules and advisories across the air gap. They travel in one signed file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Pairs = list[str] | None
_USABLE = "signature, names and sizes are correct"


def create(
    output: Annotated[Path, typer.Argument(metavar="OUT.tar", help="The file to write. It must not exist yet.")],
    models: Annotated[Path | None, typer.Option(help="The HF_HOME folder that scripts/download_models.py filled.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Folder with YARA rules.")] = None,
    advisories: Annotated[
        list[Path] | None,
        typer.Option(
            help="A database made by `advisories import`, or an ecosystem's all.zip from OSV. May be repeated for several archives, KEV and EPSS."
        ),
    ] = None,
    names: Annotated[
        Pairs, typer.Option(metavar="ECOSYSTEM=FILE", help="A list of popular package names: pypi=FILE or npm=FILE. May be repeated.")
    ] = None,
    sign_key: Annotated[
        Pairs,
        typer.Option(help="Private key to sign with: env:NAME or file:PATH. May be repeated. Default: `sign_key` in the configuration."),
    ] = None,
    source: Annotated[
        Pairs, typer.Option(metavar="PART=TEXT", help="Where a part comes from, such as rules=TEXT. May be repeated.")
    ] = None,
    licence: Annotated[
        Pairs, typer.Option(metavar="PART=TEXT", help="The licence of a part, such as rules=Apache-2.0. May be repeated.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check models, rules and advisories, and pack a bundle. Its manifest is signed."""
    from veritensor_ray.bundle.bundle_creation import Sources
    from veritensor_ray.bundle.bundle_creation import create as make
    from veritensor_ray.cli.render import safe, size
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.signing import load_private_key

    settings = load_settings(config)
    named = sign_key or ([settings.sign_key] if settings.sign_key else [])
    paths = {name: Path(path) for name, path in _pairs("--names", names).items()}
    sources = Sources(models, rules, tuple(advisories or ()), paths, _pairs("--source", source), _pairs("--licence", licence))
    made = make(output, sources, [load_private_key(one) for one in named], _progress("packed"))
    if as_json:
        _json(_about(made.id, made.manifest) | {"file": str(output), "signed_by": list(made.keys), "warnings": list(made.warnings)})
        return
    _warn(made.warnings)
    _parts(made.manifest)
    sys.stdout.write(f"\nbundle {made.id} · {size(made.path.stat().st_size)} · signed by {', '.join(made.keys)} · {safe(output)}\n")


def verify(
    tar: Annotated[Path | None, typer.Argument(metavar="[TAR]", help="A bundle file. Default: the bundle in use.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check the signature and every digest of a bundle. The exit code is 4 if anything differs from what was signed."""
    from veritensor_ray.bundle import carrier
    from veritensor_ray.bundle.active_bundle import bundles_folder, linked, verified
    from veritensor_ray.bundle.bundle_manifest import ages
    from veritensor_ray.bundle.bundle_verification import contents, listed
    from veritensor_ray.cli.render import size
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import BundleError
    from veritensor_ray.core.signing import trust_list
    from veritensor_ray.core.wording import counted

    settings = load_settings(config)
    trusted, progress, began = trust_list(settings.trusted_keys), _progress("verified"), time.monotonic()
    if tar is not None:
        found = listed(carrier.tar(tar), trusted)
        contents(found, progress)
    else:
        place = bundles_folder(settings.bundle)
        folder = linked(place)
        if folder is None:
            raise BundleError(f"there is no bundle in {place}. Import one: `veritensor-ray bundle import FILE.tar`")
        found = verified(folder, trusted, progress=progress)
    seconds = max(time.monotonic() - began, 0.001)
    warnings = ages(f"bundle {found.id}", found.manifest, settings.bundle)
    if as_json:
        signed = [{"id": key.id, "name": key.name} for key in found.keys]
        _json(_about(found.id, found.manifest) | {"signed_by": signed, "seconds": round(seconds, 2), "warnings": warnings})
        return
    total = found.manifest.size
    _warn(warnings)
    sys.stdout.write(
        f"bundle {found.id} is intact: {counted(len(found.manifest.files), 'file')}, {size(total)} at {size(total / seconds)}/s\n"
        f"signed by {_signers((key.id, key.name) for key in found.keys)}\n"
    )


def import_bundle(tar: Annotated[Path, typer.Argument(help="The bundle file.")], config: Config = None, as_json: AsJson = False) -> None:
    """Verify a bundle file, store a copy, and make runs use it. The previous bundle is kept for `rollback`."""
    from veritensor_ray.bundle.bundle_import import import_bundle as bring
    from veritensor_ray.core.config import load_settings

    done = bring(load_settings(config), tar, _progress("copied"))
    _changed(done, "is imported and in use" if done.copied else "was already imported and is now in use", as_json)


def rollback(config: Config = None, as_json: AsJson = False) -> None:
    """Make runs use the previous bundle again. A second rollback undoes the first."""
    from veritensor_ray.bundle.bundle_import import rollback as back
    from veritensor_ray.core.config import load_settings

    _changed(back(load_settings(config), _progress("verified")), "is in use again", as_json)


def status(config: Config = None, as_json: AsJson = False) -> None:
    """Show the bundle in use and the previous one. Signature, names and sizes are checked. The exit code is 4 if runs would refuse the bundle in use."""
    from veritensor_ray.bundle.active_bundle import CURRENT, PREVIOUS, bundles_folder, linked, verified
    from veritensor_ray.bundle.bundle_manifest import ages
    from veritensor_ray.cli.render import console, safe
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import VeritensorError
    from veritensor_ray.core.signing import trust_list

    settings = load_settings(config)
    place, trusted = bundles_folder(settings.bundle), trust_list(settings.trusted_keys)
    found: dict[str, Any] = {"folder": str(place), CURRENT: None, PREVIOUS: None}
    manifests: dict[str, BundleManifest] = {}
    for which in (CURRENT, PREVIOUS):
        folder: Path | None = None
        try:
            folder = linked(place, which)
            if folder is None:
                continue
            seen = verified(folder, trusted, thorough=False)
            manifests[which] = seen.manifest
            warnings = ages(f"bundle {seen.id}", seen.manifest, settings.bundle)
            signed = [{"id": key.id, "name": key.name} for key in seen.keys]
            found[which] = _about(seen.id, seen.manifest) | {"state": _USABLE, "signed_by": signed, "warnings": warnings}
        except VeritensorError as error:
            found[which] = {"bundle": folder.name if folder else None, "state": f"refused: {error}", "warnings": []}
    if as_json:
        _json(found)
    elif found[CURRENT] is None:
        sys.stdout.write(
            f"no bundle in {safe(place)}: runs use the models, rules and advisories from the package, the configuration and HF_HOME\n"
        )
    for which in (CURRENT, PREVIOUS):
        if found[which] is not None and not as_json:
            console().print(f"{which}: {safe(found[which]['bundle'])} · {safe(found[which]['state'])}", style="bold", soft_wrap=True)
            if which in manifests:
                _parts(manifests[which])
                sys.stdout.write(f"created {safe(manifests[which].created)}")
                if "signed_by" in found[which]:
                    sys.stdout.write(f", signed by {_signers((key['id'], key['name']) for key in found[which]['signed_by'])}")
                sys.stdout.write("\n\n" if which == CURRENT else "\n")
            _warn(found[which]["warnings"])
    if (found[CURRENT] or {}).get("state", _USABLE) != _USABLE:
        raise typer.Exit(4)


app.command("create")(create)
app.command("verify")(verify)
app.command("import")(import_bundle)
app.command("rollback")(rollback)
app.command("status")(status)


def _pairs(flag: str, given: Iterable[str] | None) -> dict[str, str]:
    from veritensor_ray.core.errors import UsageError

    found = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{flag} {one} is not understood; write NAME=VALUE")
        found[name] = value
    return found


def _progress(verb: str) -> Callable[[int], None]:
    """Returns a callback that counts bytes and, on a terminal, redraws one line a few times a second."""
    from veritensor_ray.cli.render import size

    if not sys.stderr.isatty():
        return lambda done: None
    seen, shown = [0], [0.0]  # written by two threads; a count that is briefly wrong does no harm

    def count(done: int) -> None:
        seen[0] += done
        if time.monotonic() - shown[0] > 0.2:
            shown[0] = time.monotonic()
            sys.stderr.write(f"\r{size(seen[0])} {verb} \r")
            sys.stderr.flush()

    return count


def _about(name: str, manifest: BundleManifest) -> dict[str, Any]:
    from datetime import UTC, datetime

    today = datetime.now(UTC).date()
    parts = [part.model_dump() | {"age_days": part.age(today)} for part in manifest.parts]
    files = len(manifest.files)
    return {
        "bundle": name,
        "created": manifest.created,
        "package_version": manifest.package_version,
        "files": files,
        "size": manifest.size,
    } | {"parts": parts}


def _parts(manifest: BundleManifest) -> None:
    from datetime import UTC, datetime

    from veritensor_ray.cli.render import console, size, table

    today = datetime.now(UTC).date()
    rows = [
        (part.name, part.source, part.revision[:12], part.licence or "not stated", size(part.size), f"{part.age(today)} d")
        for part in manifest.parts
    ]
    console().print(table(("part", "source", "revision", "licence", "size", "age"), rows, right=("size", "age")))


def _signers(keys: Iterable[tuple[str, str]]) -> str:
    from veritensor_ray.cli.render import safe

    return ", ".join(f"{key} ({safe(name)})" for key, name in keys)


def _changed(done: Imported, what: str, as_json: bool) -> None:
    if as_json:
        _json(
            _about(done.id, done.manifest)
            | {"folder": str(done.folder), "previous": done.previous, "copied": done.copied, "warnings": list(done.warnings)}
        )
        return
    _warn(done.warnings)
    kept = f"; {done.previous} is kept for `veritensor-ray bundle rollback`" if done.previous else ""
    sys.stdout.write(f"bundle {done.id} {what}{kept}\n")


def _warn(warnings: Iterable[str]) -> None:
    from veritensor_ray.cli.render import safe

    for line in warnings:
        sys.stderr.write(f"warning: {safe(line)}\n")


def _json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
