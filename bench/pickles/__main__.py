"""Compare what pickles resolve and call in Python's unpicklers with what the walk of this package says of them.

    python -m bench.pickles [--runs N] [--seed S] [--processes P]

Every difference is printed with its seed, and the exit status is 1 if there is one. Nothing real is ever resolved or called.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time

from bench.pickles.comparing import compared, limit

_GROUP = 2000


def main() -> None:
    """Compare, and print what was found."""
    arguments = argparse.ArgumentParser(prog="python -m bench.pickles", description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--runs", type=int, default=10_000, help="number of pickles")
    arguments.add_argument("--seed", type=int, default=0, help="seed of the first pickle; the others follow")
    arguments.add_argument("--processes", type=int, default=1)
    given = arguments.parse_args()
    began, done, names, differences = time.monotonic(), 0, 0, []
    groups = [range(start, min(start + _GROUP, given.seed + given.runs)) for start in range(given.seed, given.seed + given.runs, _GROUP)]
    with multiprocessing.get_context("spawn").Pool(given.processes, limit) as pool:
        for resolved, found in pool.imap_unordered(compared, groups):
            names, done = names + resolved, done + _GROUP
            for difference in found:
                print(difference, flush=True)
            differences += found
            if done % 200_000 < _GROUP:
                print(f"{done} pickles, {len(differences)} differences, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps({"pickles": given.runs, "seed": given.seed, "names": names, "differences": len(differences)}))
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
