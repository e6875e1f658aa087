"""The counts of places and escapes by format and kind of place: for a terminal, for the file beside this one, and for the page."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.account.auditing import DIED, ESCAPED, SAID
from bench.account.canary import FORMS, Place
from bench.prose import wrapped

_SHOWN = 4  # kinds of places in a row of the page
_FORM = re.compile("|".join(re.escape(form) for form in FORMS if form))
_QUICK = " This is the count of `make account-ci`, which tries one or two places of each kind in a file, and no real files."
Stored = dict[str, dict[str, Any]]  # by format: places, escapes, and the escapes of each kind


@dataclass(slots=True)
class Tally:
    """What became of the places of a format."""

    places: Counter[str] = field(default_factory=Counter)
    escapes: Counter[str] = field(default_factory=Counter)
    said: int = 0  # places where the audit reports nothing, and the ledger that not all was checked
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, place: Place, result: str, name: str) -> None:
        """Count a place in the file of this name."""
        self.places[place.kind] += 1
        self.said += result in (SAID, DIED)
        if result == ESCAPED:
            self.escapes[place.kind] += 1
            self.examples.setdefault(place.kind, f"{name}: {place.where}" if place.where else name)

    def merge(self, other: Tally) -> None:
        """Add what became of the places in another file."""
        self.places += other.places
        self.escapes += other.escapes
        self.said += other.said
        self.examples = other.examples | self.examples

    def stored(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {
            "places": self.places.total(),
            "said": self.said,
            "escapes": self.escapes.total(),
            "kinds": dict(self.escapes.most_common()),
        }


def compact(results: Mapping[str, Stored]) -> str:
    """Return JSON with a line for each format."""
    scopes = []
    for scope, formats in sorted(results.items()):
        lines = ",\n".join(f"  {json.dumps(title)}: {json.dumps(line)}" for title, line in sorted(formats.items()))
        scopes.append(f" {json.dumps(scope)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(scopes) + "\n}\n"


def printed(tallies: Mapping[str, Tally], seconds: float) -> str:
    """Return three tables: formats, kinds of places in all formats, and kinds in each format with an example."""
    tried, escaped = sum(one.places.total() for one in tallies.values()), sum(one.escapes.total() for one in tallies.values())
    lines = [f"{len(tallies)} formats, {escaped:,} of {tried:,} places escape ({tried / max(seconds, 1):.0f} places per second)", ""]
    worst = sorted(tallies.items(), key=lambda item: -item[1].escapes.total())
    lines += [f"{one.escapes.total():6,} of {one.places.total():6,} escape, {one.said:6,} are said  {title}" for title, one in worst]
    lines += ["", "Kinds of places in all formats:", *_kinds(tallies), "", "Kinds of places in each format:"]
    for title, one in worst:
        lines += [
            f"{title}",
            *(f"{count:6,} of {one.places[kind]:6,}  {kind}  ({one.examples[kind]})" for kind, count in one.escapes.most_common()),
        ]
    return "\n".join(lines)


def _kinds(tallies: Mapping[str, Tally]) -> Iterable[str]:
    places = sum((one.places for one in tallies.values()), Counter[str]())
    escapes = sum((one.escapes for one in tallies.values()), Counter[str]())
    for kind, count in escapes.most_common():
        yield f"{count:6,} of {places[kind]:6,}  {kind}  (in {sum(kind in one.escapes for one in tallies.values())} formats)"


def worse(tallies: Mapping[str, Tally], stored: Stored) -> list[str]:
    """Return a sentence for each format with more escapes than are stored, or without places, because its files are not fully checked."""
    found = [
        f"{title}: the ledger no longer says of any file as it is that everything was checked" for title in stored.keys() - tallies.keys()
    ]
    for title, one in tallies.items():
        before = stored.get(title, {"escapes": 0, "kinds": {}})
        if (now := one.escapes.total()) > before["escapes"]:
            more = [kind for kind, count in one.escapes.items() if count > before["kinds"].get(kind, 0)]
            found.append(f"{title}: {now:,} places escape, and {before['escapes']:,} did before. More than before: {'; '.join(more)}")
    return found


def page(results: Mapping[str, Stored]) -> str:
    """Return docs/account.md."""
    formats = results.get("full") or results["quick"]
    tried, escaped = (sum(one[name] for one in formats.values()) for name in ("places", "escapes"))
    head = [
        "# Places where a value can hide",
        "",
        wrapped(
            "This page shows where in a file a value can stand without the audit saying anything. `make account` writes it. A program takes "
            "small files of each format and finds every place in their structure: attributes, keys, chunks, headers, streams, gaps between "
            "them, the bytes before and behind the file, and the same in files inside the file. It writes an email address and a token into "
            "one place at a time and audits the file with all engines that need no model. The value has *escaped* if neither the address nor "
            "the token is a finding and the ledger still says that everything was checked. If neither is a finding and the ledger says that "
            "something was not checked, the place counts as *said*; in the other places, one of them is a finding."
        ),
        "",
        wrapped(
            "Bytes are written as they are, as UTF-16, and in a zlib and a gzip stream, each as a place of its own. Places of equal structure "
            "are tried a few times only. A place counts even if other programs no longer open the file. Images count as read by OCR, but not "
            "as showing the value."
        ),
        "",
        wrapped(f"**{escaped:,} of {tried:,} places escape**, in {len(formats)} formats.{'' if results.get('full') else _QUICK}"),
        "",
        f"| format | places | said | escapes | where, {_SHOWN} most frequent kinds |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = sorted(formats.items(), key=lambda item: (-item[1]["escapes"], item[0]))
    return "\n".join(head + [_row(title, one) for title, one in rows]) + "\n"


def _row(title: str, one: Mapping[str, Any]) -> str:
    kinds = Counter[str]()
    for kind, count in one["kinds"].items():
        kinds[_FORM.sub("", kind)] += count
    shown = "; ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(_SHOWN))
    return f"| {title} | {one['places']:,} | {one['said']:,} | {one['escapes']:,} | {shown} |"
