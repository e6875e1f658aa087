"""Chooses a part of each listed host that occurs in all its spellings, for an automaton to search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from veritensor_ray.engines.automaton import Automaton, Pattern, available

MOST = 50_000  # patterns: compiling more would take the automaton seconds and much memory
_PLAIN = 6  # characters from which a label is rare by itself
_DOTS = (".", "[.]", "(.)", "[dot]")
_IPV6 = rb":[0-9A-Fa-f]{0,4}:"
_KELVIN = "\u212a".lower()  # the Kelvin sign, whose lower case is a plain k


def automaton_of(hosts: Iterable[str], ipv6: bool) -> Automaton | None:
    """Return an automaton that finds the end of a part of each host.

    Returns None if Hyperscan is missing or a host has no such part; every text then has to be examined.
    """
    parts = [list(_parts(host)) for host in hosts if ":" not in host]
    sources = {source for some in parts for source in some} | ({_IPV6} if ipv6 else set())
    if not sources or not all(parts) or len(sources) > MOST or not available():
        return None
    return Automaton(Pattern(0, source, caseless=True) for source in sorted(sources))


def _parts(host: str) -> Iterator[bytes]:
    """Yield patterns, one of which matches in any text that contains the host: its longest label, or two adjacent labels joined by any dot.

    A byte automaton ignores case only in ASCII.
    """
    labels = host.split(".")
    longest = max((label for label in labels if label.isascii()), key=len, default="")
    pairs = [(one, two) for one, two in pairwise(labels) if one.isascii() and two.isascii()]
    if len(longest) >= _PLAIN or not pairs:
        yield from _written(longest) if longest else ()
        return
    one, two = max(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
    for dot in _DOTS:
        yield from _written(f"{one}{dot}{two}")


def _written(text: str) -> Iterator[bytes]:
    yield re.escape(text).replace(_KELVIN, "(?:k|\u212a)").encode()
    if text.startswith("http"):  # hxxp is read as http
        yield re.escape(f"hxxp{text[4:]}").replace(_KELVIN, "(?:k|\u212a)").encode()
