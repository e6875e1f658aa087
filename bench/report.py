"""Measure a report of 100,000 findings: the time to write it, its size, and when a browser has painted it and filled its table.

    python -m bench.report [--rows 100000]

The texts are invented words, which compress worse than prose. Chromium comes from the system.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.browser import browser, opened, until
from tests.exports.report.many import many
from veritensor_ray.exports.report.page import write

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="Number of findings. Default: 100,000.")
    rows = parser.parse_args(arguments).rows
    with tempfile.TemporaryDirectory() as folder:
        results, file = many(Path(folder) / "out", rows), Path(folder) / "report.html"
        began = time.monotonic()
        with file.open("wb") as to:
            written = write(results, {}, to)
        print(
            f"written in {time.monotonic() - began:.1f} s: {file.stat().st_size / 1e6:.1f} MB with {written.findings:,} of {written.total:,} findings"
        )
        with browser() as chromium:
            for _ in range(3):
                began = time.monotonic()
                with opened(chromium, file.as_uri()) as watched:
                    until(watched.page, f"({_PAINT}) > 0")
                    print(
                        f"painted after {watched.page.evaluate(_PAINT):.0f} ms, table filled after {time.monotonic() - began:.1f} s", end=""
                    )
                    began = time.monotonic()
                    watched.page.evaluate("ray.table.setFilter({text: 'bada'})")
                    print(f", searched in {(time.monotonic() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
