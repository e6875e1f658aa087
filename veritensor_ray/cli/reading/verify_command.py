"""`verify`: check whether the results in an output are those that a trusted key signed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, Config

if TYPE_CHECKING:
    from veritensor_ray.results.attestation import VerifiedResults

Trusted = Annotated[
    str | None, typer.Option("--trusted-keys", help="File with the list of trusted keys. Default: your own list; see `keys`.")
]


def verify(
    output: Annotated[str, typer.Argument(help="An audit's output, a sweep's state (its last sweep), or STATE/sweeps/ID.")],
    trusted_keys: Trusted = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check the signature of an audit or a sweep.

    Every file of the results is compared with the signed list of digests.

    Exit codes: 0 a trusted key signed these results; 4 they differ from what was signed, or no trusted key signed them.
    """
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import VeritensorError
    from veritensor_ray.core.signing import trust_list
    from veritensor_ray.results.attestation import check_output
    from veritensor_ray.stores.filesystems import absolute
    from veritensor_ray.stores.outputs import OutputStore

    settings = load_settings(config, {"trusted_keys": trusted_keys})
    try:
        where, verified = check_output(OutputStore(absolute(output), settings.stores), trust_list(settings.trusted_keys))
    except VeritensorError as error:
        if as_json:
            sys.stdout.write(json.dumps({"verified": False, "reason": str(error)}) + "\n")
        raise
    found = _about(where or output, verified)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _show(found)


def _about(output: str, verified: VerifiedResults) -> dict[str, Any]:
    keys = [{"id": key.id, "name": key.name} for key in verified.keys]
    return {"verified": True, "output": output, "signed_by": keys, "objects": verified.objects, **verified.predicate}


def _show(found: dict[str, Any]) -> None:
    from veritensor_ray.cli.render import console, safe, table

    out = console()
    names = ("scan_id", "previous", "finished_at", "profile", "package_version", "bundle_id", "fingerprint", "site_key_id")
    severity = found["counts"]["severity"] or {}
    rows = [(name, safe(str(found[name]))) for name in names if found.get(name)]
    rows += [("artifacts", str((found["counts"]["totals"] or {}).get("artifacts", 0)))]
    rows += [("findings", ", ".join(f"{count:,} {name}" for name, count in severity.items()) or "none")]
    rows += [("states", ", ".join(f"{count:,} {name}" for name, count in found["states"].items() if count))] if found.get("states") else []
    out.print(table(("signed", "value"), rows))
    keys = " and ".join(f"key {one['id']} ({safe(one['name'])})" for one in found["signed_by"])
    out.print(f"verified: {found['objects']} objects in {safe(found['output'])} are exactly as {keys} signed them")
