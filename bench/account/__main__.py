"""Hide a value at every place of small files of all formats, audit each file, and count the places where nobody says anything.

    python -m bench.account [--quick] [--check] [FORMAT ...]

It prints tables, and writes bench/account/account.json and docs/account.md unless formats are named. With `--check`, it writes nothing,
and exits with 1 if a format has more escapes than the file says.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from bench.account.auditing import ESCAPED, Auditor, Verdict
from bench.account.canary import Sample
from bench.account.finding import chosen, places
from bench.account.samples import real_samples, samples
from bench.account.tally import Tally, compact, page, printed, worse
from veritensor_ray.core.format_table import FORMATS

RESULTS = Path(__file__).with_name("account.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "account.md"
_GROUP, _GROUP_BYTES = 400, 16_000_000  # files that are audited together
_TITLES = {row.media_type: row.title for row in FORMATS}
_QUICK, _FULL = (1, 2), (1, 20)  # places of equal words, and places of a kind in a file


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
        stored = {title: line for title, line in results.get(scope, {}).items() if _asked(title, given.formats)}
        found = worse(tallies, stored)
        print(*found, sep="\n", file=sys.stderr)
        sys.exit(bool(found))
    if not given.formats:
        results[scope] = {title: one.stored() for title, one in tallies.items()}
        RESULTS.write_text(compact(results))
        PAGE.write_text(page(results))


def searched(quick: bool, wanted: Sequence[str], jobs: int) -> dict[str, Tally]:
    """Return what became of the places in all samples, by the title of their format."""
    files = _files(quick)
    verdicts = _auditor().verdicts([(one.name, one.data) for one in files])
    # of a file that is not fully checked as it is, the ledger says so whatever is written into it
    titles = {number: _title(one) for number, one in enumerate(verdicts) if one.result == ESCAPED}
    asked = [number for number, title in titles.items() if _asked(title, wanted)]
    tallies = defaultdict[str, Tally](Tally)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
        for done, (number, tally) in enumerate(zip(asked, pool.map(partial(_of_sample, quick), asked), strict=True), 1):
            tallies[titles[number]].merge(tally)
            print(f"{done} of {len(asked)} files", end="\r", file=sys.stderr)
    return dict(tallies)


def _asked(title: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(one.lower() in title.lower() for one in wanted)


@cache
def _files(quick: bool) -> list[Sample]:
    """Return the samples, made before processes are forked, because their functions cannot be sent."""
    return list(chain(samples(), () if quick else real_samples()))


def _title(verdict: Verdict) -> str:
    return _TITLES.get(verdict.media_type or "", verdict.media_type or "unknown")


@cache
def _auditor() -> Auditor:
    """Return the engines, loaded before processes are forked."""
    return Auditor()


def _of_sample(quick: bool, number: int) -> Tally:
    tally, sample = Tally(), _files(quick)[number]
    found = chosen(sample.places() if sample.places else places(sample.name, sample.data), *(_QUICK if quick else _FULL))
    size = max(1, min(_GROUP, _GROUP_BYTES // len(sample.data)))
    for start in range(0, len(found), size):  # in groups, so that the files are never all in memory
        group = found[start : start + size]
        for place, verdict in zip(group, _auditor().verdicts([(sample.name, place.build()) for place in group]), strict=True):
            tally.add(place, verdict.result, sample.name)
    return tally


if __name__ == "__main__":
    main()
