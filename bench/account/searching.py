"""Hides a value at every place of all samples, and audits each file, in several processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import chain

from bench.account.auditing import ESCAPED, Auditor, Verdict
from bench.account.canary import Sample
from bench.account.finding import chosen, places
from bench.account.samples import real_samples, samples
from bench.account.tally import Tally
from veritensor_ray.core.format_table import FORMATS

_GROUP, _GROUP_BYTES = 400, 16_000_000  # files that are audited together
_TITLES = {row.media_type: row.title for row in FORMATS}
_QUICK, _FULL = (1, 2), (1, 20)  # places of equal words, and places of a kind in a file


def searched(quick: bool, wanted: Sequence[str], jobs: int) -> dict[str, Tally]:
    """Return what became of the places in all samples, by the title of their format."""
    files = _files(quick)
    verdicts = _auditor().verdicts([(one.name, one.data) for one in files])
    # of a file that is not fully checked as it is, the ledger says so whatever is written into it
    titles = {number: _title(one) for number, one in enumerate(verdicts) if one.result == ESCAPED}
    numbers = [number for number, title in titles.items() if is_asked(title, wanted)]
    tallies = defaultdict[str, Tally](Tally)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for done, (number, tally) in enumerate(zip(numbers, pool.map(partial(_of_sample, quick), numbers), strict=True), 1):
            tallies[titles[number]].merge(tally)
            print(f"{done} of {len(numbers)} files", end="\r", file=sys.stderr)
    return dict(tallies)


def is_asked(title: str, wanted: Sequence[str]) -> bool:
    """Return whether a format is among the wanted ones, which are parts of titles; nothing wanted means all."""
    return not wanted or any(one.lower() in title.lower() for one in wanted)


@cache
def _files(quick: bool) -> list[Sample]:
    """Return the samples. Each process makes them, because their functions cannot be sent."""
    return list(chain(samples(), () if quick else real_samples()))


def _title(verdict: Verdict) -> str:
    return _TITLES.get(verdict.media_type or "", verdict.media_type or "unknown")


@cache
def _auditor() -> Auditor:
    """Return the engines, which are loaded once a process."""
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
