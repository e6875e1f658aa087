"""Conditions and medicines by language; it knows no model and no template."""

from __future__ import annotations

import random

from training.pii_lists import words

_DEGREES = ("severe", "chronic", "acute", "mild", "recurrent", "early-stage", "suspected")


def condition(rng: random.Random, language: str) -> str:
    """A diagnosis; now and then with its degree."""
    found = rng.choice(words(f"conditions.{language}"))
    return f"{rng.choice(_DEGREES)} {found}" if language == "en" and rng.random() < 0.05 else found


def drug(rng: random.Random, language: str) -> str:
    """A medicine, in any of the usual spellings, sometimes one of another language."""
    own = language if rng.random() < 0.8 else "en"
    found = rng.choice(words("drugs.brands" if own == "en" and rng.random() < 0.18 else f"drugs.{own}"))
    return found[:1].upper() + found[1:] if rng.random() < 0.2 else found
