"""`models list|verify|selftest`: the models on this machine, and whether they are intact and work; `calibrate` has its own module."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from veritensor_ray.cli.options import AsJson, Config, Profile
from veritensor_ray.cli.setup.calibrate_command import calibrate

if TYPE_CHECKING:
    from veritensor_ray.models.model_store import Status

app = typer.Typer(
    help="List, verify, test and calibrate the models of a profile.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def list_models(profile: Profile = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the models of a profile. Only names and sizes are checked; no file is read."""
    from veritensor_ray.cli.render import size

    rows: list[dict[str, Any]] = [
        {
            "role": one.role,
            "profile": one.profile,
            "model": one.name,
            "licence": one.licence,
            "size": one.size,
            "folder": str(one.folder),
            "state": f"fails: {one.faults[0]}" if one.faults else "ready",
        }
        for one in _statuses(profile, config, read=False)
    ]
    _show(rows, as_json, [row | {"size": size(row["size"])} for row in rows])


def verify(profile: Profile = None, config: Config = None, as_json: AsJson = False) -> None:
    """Compare every file of every model with its digest. The exit code is 4 if a file differs."""
    found = _statuses(profile, config, read=True)
    rows = [{"role": one.role, "model": one.name, "state": "fails" if one.faults else "ok", "faults": list(one.faults)} for one in found]
    _show(rows, as_json, [row | {"faults": "\n".join(one.faults)} for row, one in zip(rows, found, strict=True)])
    if any(one.faults for one in found):
        raise typer.Exit(4)


def selftest(profile: Profile = None, config: Config = None, as_json: AsJson = False) -> None:
    """Load and test every engine that has a model. Each is given inputs with known answers. The exit code is 4 if an engine fails."""
    import time

    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import not_installed
    from veritensor_ray.engines.registry import available, create, needing_models
    from veritensor_ray.models.model_store import ModelStore

    settings, _ = activate(load_settings(config, {"profile": profile}))
    store = ModelStore.of(settings)
    rows: list[dict[str, Any]] = []
    for name in needing_models(create(settings, available(settings))):
        started = time.monotonic()
        [engine] = create(settings, [name])
        try:
            engine.load(store)
            state, detail = "ok", str(getattr(engine, "model_name", ""))
        except Exception as error:  # noqa: BLE001  # engines of others raise what they like
            state, detail = "fails", not_installed(error) or str(error) or type(error).__name__
        rows.append({"engine": name, "state": state, "seconds": round(time.monotonic() - started, 1), "detail": detail})
    _show(rows, as_json, rows)
    if any(row["state"] != "ok" for row in rows):
        raise typer.Exit(4)


app.command("list")(list_models)
app.command("verify")(verify)
app.command("selftest")(selftest)
app.command("calibrate")(calibrate)


def _statuses(profile: str | None, config: str | None, read: bool) -> list[Status]:
    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.models.model_store import ModelStore, roles

    settings, _ = activate(load_settings(config, {"profile": profile}), thorough=read)
    store = ModelStore.of(settings)
    return [store.status(role, read) for role in roles()]


def _show(rows: Sequence[dict[str, Any]], as_json: bool, drawn: Sequence[dict[str, Any]]) -> None:
    from veritensor_ray.cli.render import console, table

    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif drawn:
        console().print(table(list(drawn[0]), [list(row.values()) for row in drawn], right=("size", "seconds")))
