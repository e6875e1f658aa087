"""Make a sweep the last complete one, and remove old ones.

`latest.json` is written last, with one PUT, and decides. On a local disk, `findings`, `ledger` and the other tables also lead to the last sweep
through the single link `current`, for anyone who reads Parquet with other tools. It reads no table.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from veritensor_ray.findings.schema import ALL_TABLES
from veritensor_ray.findings.sweep_state import LATEST, SWEEPS, folder_of, latest
from veritensor_ray.stores.outputs import OutputStore

CURRENT = "current"


def publish(state: OutputStore, run: Mapping[str, Any]) -> str | None:
    """Make a sweep the last complete one, visible to every command and reader. Returns what `link` returns."""
    sweep = str(run["scan_id"])
    about = {"sweep": sweep, "started_at": run["started_at"], "finished_at": run["finished_at"], "site_key_id": run["site_key_id"]}
    state.put(LATEST, json.dumps(about, indent=2).encode())
    return link(state, sweep)


def link(state: OutputStore, sweep: str) -> str | None:
    """On a local disk, point the links to the last complete sweep. An earlier run may have died after publishing.

    Returns why that is not possible, or None. Some file systems have no links, and no command of this package needs them.
    """
    folder = state.local
    if folder is None:
        return None
    try:
        for name in ALL_TABLES:
            if (folder / SWEEPS / sweep / name).is_dir() and not (folder / name).is_symlink():
                (folder / name).symlink_to(f"{CURRENT}/{name}")
        temporary = folder / f".{CURRENT}.{secrets.token_hex(4)}"
        temporary.symlink_to(f"{SWEEPS}/{sweep}")
        os.replace(temporary, folder / CURRENT)  # noqa: PTH105  # the only call that is atomic and keeps links
    except OSError as error:
        return f"{folder / CURRENT} does not point to the last sweep ({error.strerror}). Its tables are in {folder / SWEEPS / sweep}"
    return None


def prune(state: OutputStore, doomed: Sequence[str]) -> None:
    """Remove sweeps, but never the last complete one."""
    last = latest(state)
    for sweep in doomed:
        if sweep != last:
            folder_of(state, sweep).delete("run.json")  # first, so that a half-removed sweep does not count as complete
            state.delete(f"{SWEEPS}/{sweep}")
