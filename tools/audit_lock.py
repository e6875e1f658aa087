"""Audit the locks with veritensor-ray itself.

    python -m tools.audit_lock all.zip [--locks requirements]

all.zip holds the advisories for PyPI as published by OSV. Exits with an error for a vulnerability of severity high or worse, or if a lock
could not be checked. It uses no network, and does not touch this user's own database or configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ("complete", "db_stale")  # how old the advisories may be is up to whoever provides them; the audit reports it


def run(*arguments: str | Path) -> int:
    """Run a command of veritensor-ray and return its exit code."""
    from veritensor_ray.cli import app
    from veritensor_ray.core.errors import VeritensorError

    try:
        return app([str(one) for one in arguments], standalone_mode=False) or 0
    except VeritensorError as error:
        print(f"audit_lock: {error}", file=sys.stderr)
        return error.exit_code


def unchecked(output: Path, names: Sequence[str]) -> list[str]:
    """Return the locks that the engine did not read completely, with the reason: a lack of findings there means nothing."""
    from veritensor_ray import api

    states = {row["artifact"]: {one["engine"]: one for one in row["coverage"]} for row in api.open(output, stores={}).ledger.to_pylist()}
    found = {name: states.get(f"requirements/{name}", {}).get("dependencies", {}) for name in names}
    return [
        f"{name}: {one.get('reason') or one.get('status', 'missing')}" for name, one in found.items() if one.get("status") not in CHECKED
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the audit. Exit code 0 means that all locks were checked and no serious vulnerability is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("advisories", type=Path, help="all.zip")
    parser.add_argument("--locks", type=Path, default=ROOT / "requirements", help="folder of .txt files")
    args = parser.parse_args(arguments)
    if not args.advisories.is_file():
        parser.error("give a file of advisories: make audit-lock ADVISORIES=all.zip")
    names = sorted(path.name for path in args.locks.glob("*.txt"))
    if not names:
        parser.error(f"{args.locks} contains no .txt file")
    for name in [one for one in os.environ if one.startswith("VERITENSOR_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="audit-lock-") as temporary:
        folder = Path(temporary)
        config = folder / "config.json"  # valid YAML too
        config.write_text(json.dumps({"dependencies": {"database": str(folder / "advisories.sqlite")}}))
        # the engine recognizes lists of requirements partly by the name of their folder
        shutil.copytree(args.locks, folder / "locks/requirements", ignore=lambda _, found: set(found) - set(names))
        if code := run("advisories", "import", args.advisories, "--config", config):
            sys.exit(code)
        output = folder / "audit"
        code = run("submit", folder / "locks", "--output", output, "--engines", "dependencies", "--fail-on", "high", "--config", config)
        if not (output / "run.json").exists():
            sys.exit(code)
        run("findings", output, "--limit", "0", "--config", config)
        if missed := unchecked(output, names):
            sys.exit("not checked: " + "; ".join(missed))
    print(f"{len(names)} locks were checked: {', '.join(names)}")
    sys.exit(code)


if __name__ == "__main__":
    main()
