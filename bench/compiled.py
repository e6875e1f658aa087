"""Measure how much faster the static path is with some of its modules compiled by mypyc.

python -m bench.compiled FOLDER [--rounds N]

FOLDER has a folder of documents for each kind, such as `web` and `mail`. A copy of the package is compiled in a temporary folder, the
results of both are compared row by row, and then they take turns over each folder. It writes bench/compiled.json, which docs/speed.md
shows. It needs a C compiler. Nothing here is part of the package or of its wheel.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import speed
from bench.compiled_page import section
from bench.machines import machine
from bench.static_path import compared, processes

# The HTML reader and what its time is spent on. Of the modules that the profile names, these are the ones that gain.
MODULES = (
    *(f"markup/{name}" for name in ("html", "html_tokens", "html_document", "attributes", "elements", "odd_names", "reading")),
    *("markup/character_references", "markup/css/cascade", "common/joined_text", "common/block_writer", "csv/read"),
)
# Types of other packages do not matter here, and reading them would take minutes.
CONFIGURATION = """\
[mypy]
follow_imports = skip
ignore_missing_imports = True

[mypy-numpy.*,veritensor_ray.*]
follow_imports = silent
"""


def build(folder: Path) -> tuple[speed.Tree, float]:
    """Copy the package into a folder and compile the modules. Return the copy and the CPU seconds that this took."""
    shutil.copytree(speed.ROOT / "veritensor_ray", folder / "veritensor_ray", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mypy.ini").write_text(CONFIGURATION)
    files = ["veritensor_ray/core/origins.py", *(f"veritensor_ray/formats/{name}.py" for name in MODULES)]
    command = [sys.executable, "-m", "mypyc", "--config-file=mypy.ini", *files]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=os.environ | {"MYPYC_DEBUG_LEVEL": "0"})
    if done.returncode:
        sys.exit(f"the modules cannot be compiled:\n{(done.stdout + done.stderr)[-3000:]}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return speed.Tree("compiled", folder), used.ru_utime + used.ru_stime


def measured(corpus: Path, rounds: int) -> dict[str, Any]:
    """Return all figures. Results that differ end the measurement."""
    kinds = sorted(one for one in corpus.iterdir() if one.is_dir())
    with tempfile.TemporaryDirectory(prefix="veritensor-compiled-") as name:
        base = Path(name)
        home = base / "home"
        home.mkdir()
        tree, seconds = build(base / "tree")
        with processes([tree, speed.Tree("pure", speed.ROOT)], kinds, home) as (compiled, pure):
            for folder in kinds:
                if compiled.ask(f"rows {folder}")["rows"] != pure.ask(f"rows {folder}")["rows"]:
                    sys.exit(f"{folder}: the compiled modules give other results")
            return {
                "machine": machine(),
                "modules": len(MODULES) + 1,
                "build_cpu_seconds": round(seconds),
                "rounds": rounds,
                "kinds": {folder.name: compared(compiled, pure, folder, rounds) for folder in kinds},
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="A folder with a folder of documents for each kind.")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    results = measured(arguments.corpus.resolve(), arguments.rounds)
    (speed.ROOT / "bench" / "compiled.json").write_text(json.dumps(results, indent=2) + "\n")
    speed.write_page()
    print("\n".join(section(results)))


if __name__ == "__main__":
    main()
