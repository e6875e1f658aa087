"""`models calibrate`: set the mix and the thresholds of `injection` from clean documents; this module only shows the results."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, Config, Engines, Exclude, Include, Profile

if TYPE_CHECKING:
    from veritensor_ray.engines.injection.calibrated_scores import Rates
    from veritensor_ray.engines.injection.mixing import Mix
    from veritensor_ray.pipeline.calibration import Calibration, CleanDocument

_LEVELS = ("low", "medium", "high")
_ALL = "all kinds"
_SHOWN = 3  # passages shown for each kind
_NAMED = 20  # unread documents shown; --json lists all of them
_EVERY = 10.0  # seconds between progress lines when they are not redrawn in place


def calibrate(
    folder: Annotated[
        str, typer.Argument(help="Folder or URI with clean documents. Each folder directly inside it counts as one kind of document.")
    ],
    low_rate: Annotated[str, typer.Option(help="Share of clean documents that may have a finding.")] = "2%",
    medium_rate: Annotated[str, typer.Option(help="Share of clean documents that may have a finding of severity medium or high.")] = "0.5%",
    high_rate: Annotated[str, typer.Option(help="Share of clean documents that may have a finding of severity high.")] = "0.05%",
    profile: Profile = None,
    engines: Engines = None,
    include: Include = None,
    exclude: Exclude = None,
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set the mix and the thresholds of the injection engine.

    They are derived from clean documents: documents of yours in which you expect no attacks. All text in them is scored. The thresholds keep to
    the rates below for each kind of document separately, and are stored beside the model. The weights of the transformer and the first stage in
    a score are fitted to these documents and to attacks that come with the package, unless they are part of the model.
    """
    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import CannotRunError
    from veritensor_ray.pipeline import calibration

    rates = _rates(low_rate, medium_rate, high_rate)
    flags = {"sources": [folder], "profile": profile, "engines": engines, "include": include, "exclude": exclude}
    settings, active = activate(load_settings(config, flags))
    found = calibration.calibrate(settings, rates, _Progress())
    written = None if dry_run or found.problem else calibration.keep(settings, active, found)
    notes = [*found.notes()]
    if own := [f"injection.{name}" for name in ("mix", *_LEVELS) if getattr(settings.injection, name)]:
        notes.append(f"the configuration sets {', '.join(own)}, which takes precedence over any calibration")
    sealed = calibration.sealed(settings, active)
    if as_json:
        about = _as_json(found) | {"notes": notes, "problem": found.problem or None, "written": None if written is None else str(written)}
        sys.stdout.write(json.dumps(about, indent=2) + "\n")
    else:
        _show(found, notes)
        if not found.problem:
            _say_where(found, str(written or ""), "" if dry_run else sealed)
    if found.problem:
        raise CannotRunError(f"nothing was changed: {found.problem}")


def _rates(*given: str) -> Rates:
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.engines.injection.calibrated_scores import Rates

    rates = Rates(*(_rate(f"--{name}-rate", text) for name, text in zip(_LEVELS, given, strict=True)))
    for lower, higher in itertools.pairwise(range(len(_LEVELS))):
        if rates[higher] > rates[lower]:
            raise UsageError(
                f"--{_LEVELS[higher]}-rate {given[higher]} is above --{_LEVELS[lower]}-rate {given[lower]}; every finding of severity "
                f"{_LEVELS[higher]} also counts as {_LEVELS[lower]}"
            )
    return rates


def _rate(flag: str, text: str) -> float:
    from veritensor_ray.core.errors import UsageError

    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1:
        raise UsageError(f"{flag} {text}: give a share of documents between 0 and 1, or a percentage such as 0.5%")
    return rate


class _Progress:
    """One progress line: redrawn in place on a terminal, printed again every few seconds elsewhere."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        from veritensor_ray.cli.render import duration

        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not terminal and now - self._said < _EVERY and done < total:
            return
        self._said = now
        left = f", about {duration((total - done) * (now - self._began) / done)} left" if 0 < done < total else ""
        begin, end = "\r\x1b[K" if terminal else "", "\n" if done == total or not terminal else ""
        sys.stderr.write(f"{begin}{done:,} of {total:,} documents scored{left}{end}")
        sys.stderr.flush()


def _show(found: Calibration, notes: list[str]) -> None:
    from veritensor_ray.cli.render import console, safe, table
    from veritensor_ray.engines.injection.calibrated_scores import probability
    from veritensor_ray.results.place_names import place

    out = console()
    kinds = {**found.kinds, _ALL: [*found.documents]} if len(found.kinds) > 1 else found.kinds
    out.print("Clean documents, and how many of them would have a finding", style="bold")
    rows = []
    for kind, documents in kinds.items():
        without = found.left_out.get(kind)
        rows.append(
            (
                kind,
                f"{len(documents):,}",
                *(_count([one.before for one in documents], threshold) for threshold in astuple(found.before)),
                *(_count([one.score for one in documents], threshold) for threshold in astuple(found.after)),
                _count([one.score for one in documents], without.medium) if without else "",
            )
        )
    columns = ("kind", "documents", *(f"{name} before" for name in _LEVELS), *_LEVELS, "medium, set from the other kinds")
    out.print(table(columns, rows, right=columns[1:]))
    attacks = [
        (name, _count(found.attacks_before, old), _count(found.attacks, new))
        for name, old, new in zip(_LEVELS, astuple(found.before), astuple(found.after), strict=True)
    ]
    out.print(f"\n{len(found.attacks):,} attacks that come with the package, and how many of them would have a finding", style="bold")
    out.print(table(("severity", "before", "now"), attacks, right=("before", "now")))
    out.print("\nHighest-scoring passages. If one is an attack, exclude its document with --exclude and calibrate again", style="bold")
    passages = [
        (kind, f"{one.score:.1f}", place(one.artifact, one.location, one.member))
        for kind, documents in found.kinds.items()
        for one in _highest(documents)
    ]
    out.print(table(("kind", "log odds", "where"), passages, right=("log odds",)))
    if found.unread:
        out.print(f"\nNot read ({len(found.unread):,})", style="bold")
        out.print(table(("document", "reason"), [(one.artifact, one.reason) for one in found.unread[:_NAMED]]))
        if len(found.unread) > _NAMED:
            out.print(f"  and {len(found.unread) - _NAMED:,} more; --json lists all of them")
    out.print()
    for note in notes:
        out.print(f"  {safe(note)}")
    if found.about.mix != found.mix_before:
        out.print("\nMix", style="bold")
        out.print(f"  {_formula(found.about.mix)}, in log odds; before: {_formula(found.mix_before)}")
    out.print("\nThresholds", style="bold")
    steps = [
        (name, str(probability(old)), str(probability(new)), f"{new:.1f}")
        for name, old, new in zip(_LEVELS, astuple(found.before), astuple(found.after), strict=True)
    ]
    out.print(table(("severity", "before", "now", "log odds"), steps, right=("log odds",)))


def _say_where(found: Calibration, written: str, sealed: str) -> None:
    """Print where the thresholds were stored, or what to put into the configuration instead."""
    from veritensor_ray.cli.render import console, safe
    from veritensor_ray.engines.injection.calibrated_scores import probability

    out = console()
    if written:
        out.print(f"\nStored in {safe(written)} and listed in the lock file: runs use it, and `bundle create` includes it")
    elif sealed:
        out.print(f"\n{safe(sealed[0].upper() + sealed[1:])}. Put this into the configuration file:\n")
        out.print("injection:\n" + "\n".join(f"  {name}: {probability(level)}" for name, level in asdict(found.after).items()))
        if found.about.mix != found.mix_before:
            out.print(f"  mix: {[*found.about.mix]}")
    else:
        out.print("\nNothing was changed (--dry-run)")


def _formula(mix: Mix) -> str:
    a, b, c = mix
    return f"{a:g} · transformer {b:+g} · first stage {c:+g}"


def _count(scores: Sequence[float], threshold: float) -> str:
    from veritensor_ray.engines.injection.calibrated_scores import above

    count = above(scores, threshold)
    return f"{count:,} ({count / len(scores):.2%})" if count else "0"


def _highest(documents: list[CleanDocument]) -> list[CleanDocument]:
    import math

    return [one for one in documents[:_SHOWN] if math.isfinite(one.score)]


def _as_json(found: Calibration) -> dict[str, Any]:
    from veritensor_ray.engines.injection.calibrated_scores import above, probability

    def counted(kind: str, name: str) -> dict[str, Any]:
        scores, others = found.scores[kind], found.left_out.get(kind)
        after = above(scores, getattr(found.after, name))
        return {
            "before": above([one.before for one in found.kinds[kind]], getattr(found.before, name)),
            "after": after,
            "rate": after / len(scores),
            "set_on_the_others": above(scores, getattr(others, name)) if others else None,
        }

    return {
        "model": found.model,
        "documents": len(found.documents),
        "unread": [{"artifact": one.artifact, "reason": one.reason} for one in found.unread],
        "kinds": {
            kind: {
                "documents": len(documents),
                **{name: counted(kind, name) for name in _LEVELS},
                "highest": [
                    {"artifact": one.artifact, "member": one.member, "location": one.location, "log_odds": round(one.score, 3)}
                    for one in _highest(documents)
                ],
            }
            for kind, documents in found.kinds.items()
        },
        "attacks": {
            "texts": len(found.attacks),
            **{
                name: {
                    "before": above(found.attacks_before, getattr(found.before, name)),
                    "after": above(found.attacks, getattr(found.after, name)),
                }
                for name in _LEVELS
            },
        },
        "mix": {"before": [*found.mix_before], "after": [*found.about.mix]},
        "thresholds": {
            name: {"before": probability(getattr(found.before, name)), "after": probability(getattr(found.after, name))} for name in _LEVELS
        },
    }
