"""Measure every export format on its own: CPU seconds, peak memory and size of the file, each with the start of the command.

    python -m bench.exports [--rows 100000]

The findings are invented; ten of them share a file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.exports.report.many import many
from veritensor_ray.exports import FORMATS


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of a Markdown table for each format."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="Number of findings. Default: 100,000.")
    rows = parser.parse_args(arguments).rows
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        many(output, rows)
        print(f"{rows:,} findings\n\n| format | CPU seconds | peak memory | file |\n| --- | --- | --- | --- |")
        for name, format in FORMATS.items():
            file = Path(folder) / f"export{format.suffix}"
            command = [sys.executable, "-m", "veritensor_ray", "findings", str(output), "--format", name, "--to", str(file)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
                _, status, used = os.wait4(running.pid, 0)
                running.returncode = os.waitstatus_to_exitcode(status)
            if running.returncode:
                sys.exit(f"{' '.join(command)} ended with {running.returncode}")
            seconds, memory, size = used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, file.stat().st_size / 1e6
            print(f"| `{name}` | {seconds:.1f} | {memory:.0f} MB | {size:.{0 if size >= 1 else 3}f} MB |", flush=True)


if __name__ == "__main__":
    main()
