"""Of each host on a list something that stands in every way of writing it, for an automaton to look for; it reads no text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from veritensor_ray.engines.automaton import Automaton, Pattern, available

MOST = 50_000  # patterns: of more the automaton would take seconds and much memory to make
_PLAIN = 6  # characters of a label that is rare by itself
_DOTS = (".", "[.]", "(.)", "[dot]")
_IPV6 = rb":[0-9A-Fa-f]{0,4}:"
_KELVIN = "\u212a".lower()  # a sign whose lower case is a plain k


def automaton_of(hosts: Iterable[str], ipv6: bool) -> Automaton | None:
    """Finds the end of a part of each host; None where there is no Hyperscan, or not every host has such a part, and all has to be looked at."""
    parts = [list(_parts(host)) for host in hosts if ":" not in host]
    sources = {source for some in parts for source in some} | ({_IPV6} if ipv6 else set())
    if not sources or not all(parts) or len(sources) > MOST or not available():
        return None
    return Automaton(Pattern(0, source, caseless=True) for source in sorted(sources))


def _parts(host: str) -> Iterator[bytes]:
    """Patterns of which one matches in any text that names the host: its longest label, or two neighbours with any dot between.

    Only ASCII is the same in small and capital letters to an automaton of bytes.
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
    if text.startswith("http"):  # what is written hxxp is read so
        yield re.escape(f"hxxp{text[4:]}").replace(_KELVIN, "(?:k|\u212a)").encode()
