"""`config`: the JSON Schema of the configuration and of both kinds of policy, and the settings that a run would use."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, Config

app = typer.Typer(help="Show the settings of a run, and describe the configuration file to editors.", no_args_is_help=True)


@app.command("show")
def show(config: Config = None, as_json: AsJson = False) -> None:
    """Show every setting and where its value comes from: a default, a file, the environment or the bundle in use.

    Secrets are never shown. A mistake in the configuration is reported as `submit` would report it.
    """
    from veritensor_ray.bundle.effective_settings import effective
    from veritensor_ray.cli.render import console, table

    found = effective(config)
    if as_json:
        sys.stdout.write(json.dumps({one.key: {"value": one.value, "source": one.source} for one in found}, indent=2) + "\n")
        return
    console().print(table(("key", "value", "source"), [(one.key, _words(one.value), one.source) for one in found]))


def _words(value: Any) -> str:
    """Returns a value as it would stand in the file; text needs no quotes here."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@app.command("schema")
def schema(
    policy: Annotated[bool, typer.Option("--policy", help="Print the schema of the policy file instead.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Print the schema of the cleaning policy instead.")] = False,
) -> None:
    """Print the JSON Schema of the configuration file, for editors that complete and check YAML."""
    from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
    from veritensor_ray.core.config import Settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.policy.policy_file import Policy

    if policy and clean:
        raise UsageError("--policy and --clean name two files. Give one of them")
    if clean:
        found = CleanPolicy.json_schema("veritensor-ray cleaning policy")
    else:
        found = Policy.json_schema("veritensor-ray policy") if policy else Settings.json_schema("veritensor-ray configuration")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
