"""Measure what a sentence costs in `vr.Scanner` and in `vr.inspect`, on real sentences of the installed packages' documentation.

    python -m bench.scanner [--sentences 100000] [--models 300]

Times are CPU time of this process, after the engines were loaded, and wall-clock time for `inspect`, which works in another process.
`--models` is the number of sentences for all engines with their models.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import veritensor_ray as vr
from bench.__main__ import real_texts

WITHOUT_MODELS: dict[str, Any] = {"engines": ["signatures", "structure", "secrets", "pii"], "pii": {"free_text": False}}
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def sentences(count: int) -> list[str]:
    """Return real sentences of 40 to 300 characters, in the order of the files."""
    return list(islice(_sentences(), count))


def _sentences() -> Iterator[str]:
    seen: set[str] = set()
    for path in real_texts(120_000_000, (".md", ".rst", ".txt", ".py")):
        for paragraph in path.read_text("utf-8", "replace").split("\n\n"):
            for sentence in _ENDS.split(" ".join(paragraph.split())):
                if 40 <= len(sentence) <= 300 and sentence not in seen:
                    seen.add(sentence)
                    yield sentence


def row(name: str, engines: str, call: Callable[[list[str]], Any], texts: list[str], clock: Callable[[], float] = time.process_time) -> str:
    """Return a row of the table."""
    began = clock()
    call(texts)
    return f"| {name} | {engines} | {len(texts):,} | {(clock() - began) / len(texts) * 1000:.3f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table of milliseconds per sentence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sentences", type=int, default=100_000, help="Number of sentences without models. Default: 100,000.")
    parser.add_argument("--models", type=int, default=300, help="Number of sentences with all engines. Default: 300.")
    given = parser.parse_args(arguments)
    texts = sentences(given.sentences)
    print(f"{len(texts):,} sentences of {sum(map(len, texts)) / len(texts):.0f} characters on average\n")
    print("| call | engines | sentences | ms per sentence |\n| --- | --- | --- | --- |")
    fast, full = vr.Scanner(**WITHOUT_MODELS), vr.Scanner()
    for call in (fast.texts, fast.flags, fast.clean):  # loads everything
        call(["Write to someone@posteo.de.", *texts[:2000]])
    found = sum(map(bool, fast.texts(texts[:10_000])))
    for count in (10, 1000, len(texts)):
        some = texts[-count:]
        for name, call in (("texts", fast.texts), ("flags", fast.flags), ("clean", fast.clean)):
            print(row(f"`Scanner.{name}`", "without models", call, some), flush=True)
    one_by_one: Callable[[list[str]], Any] = lambda some: [fast.texts([text]) for text in some]  # noqa: E731
    findings = [text for text, rows in zip(texts, fast.texts(texts[:20_000]), strict=False) if rows]
    for name, call in (("texts", fast.texts), ("flags", fast.flags), ("clean", fast.clean)):
        print(row(f"`Scanner.{name}`, texts with findings only", "without models", call, findings), flush=True)
    print(row("`Scanner.texts`, one at a time", "without models", one_by_one, texts[-300:]))
    vr.inspect(texts[0].encode(), **WITHOUT_MODELS)
    inspected: Callable[[list[str]], Any] = lambda some: [vr.inspect(text.encode(), **WITHOUT_MODELS) for text in some]  # noqa: E731
    print(row("`inspect`", "without models", inspected, texts[-50:], time.perf_counter), flush=True)
    full.texts(texts[:10])
    for count in (10, given.models):
        print(row("`Scanner.texts`", "all", full.texts, texts[-count:]), flush=True)
    vr.inspect(texts[0].encode())
    print(row("`inspect`", "all", lambda some: [vr.inspect(text.encode()) for text in some], texts[-20:], time.perf_counter))
    print(f"\nof the first 10,000 sentences, {found:,} have a finding")


if __name__ == "__main__":
    main()
