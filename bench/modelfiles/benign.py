"""Write model files with the libraries that own their formats, each fitted or initialized on tiny data. It does not depend on the package.

    python -m bench.modelfiles.benign FOLDER [--only SECTION]

Run it with an interpreter that has as many machine learning libraries as install there. A library that is missing, or an object that it
cannot save, is left out and counted on standard error. Each section runs in a process of its own, because some libraries do not share one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

Write = tuple[str, Callable[..., object]]  # a file or folder to write, relative to the section, and what writes it
Section = Callable[[], Iterator[Write]]
SECTIONS = {
    "sklearn": "bench.modelfiles.benign_tables", "boosting": "bench.modelfiles.benign_tables", "frames": "bench.modelfiles.benign_tables",
    "statistics": "bench.modelfiles.benign_tables", "words": "bench.modelfiles.benign_tables", "torch": "bench.modelfiles.benign_torch",
    "transformers": "bench.modelfiles.benign_torch", "lightning": "bench.modelfiles.benign_torch", "diffusers": "bench.modelfiles.benign_torch",
    "keras": "bench.modelfiles.benign_graphs", "tensorflow": "bench.modelfiles.benign_graphs", "graphs": "bench.modelfiles.benign_graphs",
    "paddle": "bench.modelfiles.benign_graphs", "configuration": "bench.modelfiles.benign_graphs",
}  # fmt: skip
_SECONDS = 1500  # a section that takes longer is stopped; what it has written stays


def written(section: Section, folder: Path) -> tuple[int, list[str]]:
    """Write everything that the section offers, and return how many objects were written and why the others were not."""
    done, failed = 0, list[str]()
    writes = section()
    while True:
        try:
            name, write = next(writes)
        except StopIteration:
            return done, failed
        except Exception as error:  # noqa: BLE001  # the boundary of a library: whatever it raises, the files of the others are wanted
            return done, [*failed, f"section ended: {type(error).__name__}: {str(error)[:200]}"]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(path)
            done += 1
        except Exception as error:  # noqa: BLE001  # the same for one object
            failed.append(f"{name}: {type(error).__name__}: {str(error)[:120]}")


def main() -> None:
    """Write one section, or start a process for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=list(SECTIONS))
    args = parser.parse_args()
    if args.only:
        section = getattr(import_module(SECTIONS[args.only]), args.only)
        done, failed = written(section, args.folder / args.only)
        sys.stderr.write("".join(f"  {line}\n" for line in failed) + f"{args.only}: {done} written, {len(failed)} left out\n")
        return
    quiet = {
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    for name in SECTIONS:
        command = [sys.executable, "-W", "ignore", "-m", "bench.modelfiles.benign", str(args.folder), "--only", name]
        try:
            subprocess.run(command, env=os.environ | quiet, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{name}: stopped after {_SECONDS} seconds\n")


if __name__ == "__main__":
    main()
