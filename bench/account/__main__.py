"""Hide a value at every place of small files of all formats, audit each file, and count the places where nobody says anything.

    python -m bench.account [--quick] [--check] [FORMAT ...]

It prints tables, and writes bench/account/account.json and docs/account.md unless formats are named. With `--check`, it writes nothing,
and exits with 1 if a format has more escapes than the file says.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.account.searching import is_asked, searched
from bench.account.tally import compact, page, printed, worse

RESULTS = Path(__file__).with_name("account.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "account.md"


def main() -> None:
    """Search and print; write or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="Parts of the titles of formats. Default: all.")
    parser.add_argument("--quick", action="store_true", help="Try one or two places of each kind, and no real files.")
    parser.add_argument("--check", action="store_true", help="Compare with the stored numbers, and write nothing.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="Processes. Default: one for each CPU.")
    given = parser.parse_args()
    began = time.monotonic()
    tallies = searched(given.quick, given.formats, given.jobs)
    print(printed(tallies, time.monotonic() - began))
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    scope = "quick" if given.quick else "full"
    if given.check:
        stored = {title: line for title, line in results.get(scope, {}).items() if is_asked(title, given.formats)}
        found = worse(tallies, stored)
        print(*found, sep="\n", file=sys.stderr)
        sys.exit(bool(found))
    if not given.formats:
        results[scope] = {title: one.stored() for title, one in tallies.items()}
        RESULTS.write_text(compact(results))
        PAGE.write_text(page(results))


if __name__ == "__main__":
    main()
