"""`keys new|trust|revoke|list`: keys that sign bundles and results, and the list of keys trusted on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from veritensor_ray.cli.options import AsJson, Config

app = typer.Typer(
    help="Manage signing keys and the list of trusted keys. A signing key signs bundles and results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Name = Annotated[str | None, typer.Option(help="A name for the key, for people to read.")]


def new(
    path: Annotated[Path, typer.Argument(help="Where to write the private key. The public key goes beside it, to PATH.pub.")],
    name: Name = None,
) -> None:
    """Create an ed25519 key pair. Existing files are never overwritten."""
    from veritensor_ray.cli.render import safe
    from veritensor_ray.core.signing import new_key

    made = new_key(path, name or "")
    sys.stdout.write(
        f"key {made}\nprivate: {safe(path)} (keep it here; only you can read it)\npublic:  {safe(path)}.pub (give it to anyone who verifies)\n"
    )


def trust(
    pub: Annotated[Path, typer.Argument(help="A public key in PEM format.")],
    name: Name = None,
    not_after: Annotated[str | None, typer.Option(help="The last day on which its signatures count, as YYYY-MM-DD.")] = None,
    config: Config = None,
) -> None:
    """Trust a key: its signatures count on this machine from now on."""
    from veritensor_ray.cli.render import safe
    from veritensor_ray.core.signing import change, key_id, load_public_key
    from veritensor_ray.core.signing import trust as trusting

    public, title = load_public_key(pub)
    change(_configured(config), lambda keys: trusting(keys, public, name or title, not_after))
    sys.stdout.write(
        f"key {key_id(public)} ({safe(name or title)}) is trusted\n"
        "Compare this id with the one that its owner reads to you over another channel. If they differ, revoke it: "
        f"veritensor-ray keys revoke {key_id(public)} --reason 'wrong key'\n"
    )


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as shown by `keys list`.")],
    reason: Annotated[str, typer.Option(help="Why the key is revoked. Every refusal shows this reason.")],
    config: Config = None,
) -> None:
    """Revoke a key. Its signatures no longer count, not even earlier ones. This cannot be undone."""
    from veritensor_ray.core.signing import change
    from veritensor_ray.core.signing import revoke as revoking

    change(_configured(config), lambda keys: revoking(keys, key, reason))
    sys.stdout.write(f"key {key} is revoked: anything signed by this key alone is refused from now on\n")


def list_keys(config: Config = None, as_json: AsJson = False) -> None:
    """List the trusted keys, and whether their signatures count."""
    from datetime import UTC, datetime

    from veritensor_ray.cli.render import console, safe, table
    from veritensor_ray.core.signing import trust_list

    trusted, now = trust_list(_configured(config)), datetime.now(UTC)
    rows = [
        {"id": key.id, "name": key.name, "not_after": key.not_after, "revoked": key.revoked, "state": key.objection(now) or "counts"}
        for key in trusted.keys
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif not rows:
        sys.stdout.write(f"no key is trusted: {safe(trusted.path)} is empty or missing. Add a key: veritensor-ray keys trust FILE.pub\n")
    else:
        columns = ("id", "name", "state", "not_after")
        console().print(table(columns, [[row[column] for column in columns] for row in rows]))


app.command("new")(new)
app.command("trust")(trust)
app.command("revoke")(revoke)
app.command("list")(list_keys)


def _configured(config: str | None) -> str | None:
    from veritensor_ray.core.config import load_settings

    return load_settings(config).trusted_keys
