"""Counts which letters follow one another in words: `python -m training.letters GATHERED`, where GATHERED is what `python -m training.corpora` left.

The table goes into the engine `secrets`, which asks how rare a value's letters are. It holds no word: only, for each pair of letters, how
surprising the next one is. This module knows no secret.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

OUT = Path(__file__).parents[1] / "veritensor_ray" / "engines" / "secrets" / "letters.txt"
KINDS = (
    "code",
    "config",
    "dialogue",
    "dictionary",
    "docs",
    "docs-multilingual",
    "encyclopedia",
    "help",
    "json-data",
    "legal",
    "novel",
    "ui-strings",
    "web",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEGIN, END = "^", "$"
HALVES = "0123456789abcdefghijklmnopqrstuvwxyz"  # half bits
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HEAD, _LONGEST, _LEAST = 300_000, 20, 3  # characters of a file, letters of a word, files that have it
_PRIOR = 20  # so much does a shorter context weigh


def words(folder: Path) -> Counter[str]:
    """In how many files each word stands."""
    found = Counter[str]()
    for kind in KINDS:
        for path in sorted((folder / kind).rglob("*")):
            if path.is_file():
                found.update({word.lower() for word in _WORD.findall(path.read_text("utf-8", "replace")[:_HEAD])})
    return Counter({word: count for word, count in found.items() if count >= _LEAST and _LEAST <= len(word) <= _LONGEST})


def surprises(known: Counter[str]) -> dict[str, list[float]]:
    """For each letter, and each pair of letters, the bits of every letter behind it, and of the word's end."""
    pairs: dict[str, Counter[str]] = defaultdict(Counter)
    for word, count in known.items():
        marked = BEGIN + BEGIN + word + END
        for i in range(2, len(marked)):
            pairs[marked[i - 2 : i]][marked[i]] += 1 + round(math.log2(count))
    single: dict[str, Counter[str]] = defaultdict(Counter)
    for pair, behind in pairs.items():
        single[pair[1]].update(behind)
    overall = sum(single.values(), Counter[str]())
    chances = {"": {one: (overall[one] + 1) / (overall.total() + len(LETTERS + END)) for one in LETTERS + END}}
    for context, counts in sorted((single | pairs).items(), key=lambda row: (len(row[0]), row[0])):
        shorter = chances[context[1:]]
        chances[context] = {one: (counts[one] + _PRIOR * shorter[one]) / (counts.total() + _PRIOR) for one in LETTERS + END}
    return {context: [-math.log2(chance) for chance in row.values()] for context, row in chances.items() if context}


def written(table: Mapping[str, Iterable[float]]) -> str:
    """As the package has it: a context, and a digit of half bits for each letter and the end."""
    lines = [f"{context} " + "".join(HALVES[min(round(2 * bits), len(HALVES) - 1)] for bits in row) for context, row in table.items()]
    return (
        "# How surprising a letter is behind one or two others, in half bits: a to z, then the word's end. Made by training/letters.py\n"
        + "\n".join(lines)
        + "\n"
    )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("gathered", type=Path)
    known = words(parser.parse_args().gathered)
    OUT.write_text(written(surprises(known)), encoding="ascii")
    print(f"{len(known)} words")


if __name__ == "__main__":
    main()
