"""Words that a shell completes after a flag. They are listed here, or in a text file, because a TAB must not wait for a heavy import.

Completion reads neither the configuration nor a corpus, so plug-ins and the user's own rules are not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from veritensor_ray.exports import CATALOGS, FORMATS

SEVERITIES = ("info", "low", "medium", "high", "critical")
ENGINES = ("signatures", "structure", "injection", "pii", "ocr", "dependencies", "secrets", "modelfiles", "indicators")
_RULES = Path(__file__).parents[1] / "engines" / "rule_ids.txt"
_Completer = Callable[[str], list[str]]  # Typer recognizes the argument by its name `incomplete`


def one_of(*words: str) -> _Completer:
    """Returns a completer that offers these words."""
    return lambda incomplete: _starting(words, incomplete)


def some_of(*words: str) -> _Completer:
    """Returns a completer for a comma-separated list of these words."""

    def complete(incomplete: str) -> list[str]:
        done, comma, last = incomplete.rpartition(",")
        return [f"{done}{comma}{word}" for word in _starting(words, last) if word not in done.split(",")]

    return complete


def rules(incomplete: str) -> list[str]:
    """Offers the ids of all built-in rules."""
    return _starting(_RULES.read_text(encoding="utf-8").split(), incomplete)


severity = one_of(*SEVERITIES)
engine = one_of(*ENGINES)
engines = some_of(*ENGINES)
group = one_of("place", "evidence", "rule", "folder", "column")
export_format = one_of("table", *FORMATS, *CATALOGS)


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
