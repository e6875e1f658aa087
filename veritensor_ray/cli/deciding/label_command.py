"""`label` and `precision`: record which findings are true, and see how precise each rule is on this site's own data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.deciding.confirmation import say
from veritensor_ray.cli.options import AsJson, Config, Output, Sweep, Where

if TYPE_CHECKING:
    from veritensor_ray.results.precision import RulePrecision

_WORDS = {"true": True, "false": False}


def label(
    output: Output,
    value: Annotated[
        str | None,
        typer.Argument(metavar="true|false", help="true: the rule is right; false: a false positive.", show_default=False),
    ] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="Id of a finding, or at least its first six digits. May be repeated.", show_default=False)
    ] = None,
    where: Where = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the labels of these findings.")] = False,
    sweep: Sweep = None,
    config: Config = None,
) -> None:
    """Label findings as true or false.

    Labels are stored beside the results and do not change them. A label also counts for equal content in other artifacts, and in later sweeps.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.core.wording import counted

    if clear == (value is not None) or value not in (None, *_WORDS):
        raise UsageError("say what the findings are, true or false, or remove their labels with --clear; exactly one of the three")
    if bool(finding) == (where is not None):
        raise UsageError("name findings with --finding, or describe them with --where; exactly one of the two")
    audit = api.open(output, sweep=sweep, stores=load_settings(config).stores)
    count = audit.label(None if value is None else _WORDS[value], finding, where=where)
    say(f"{counted(count, 'finding')}: {'label removed' if value is None else f'labelled {value}'}")


def precision(
    output: Output,
    target: Annotated[float, typer.Option(help="The share of findings that should be true.")] = 0.9,
    rule: Annotated[str, typer.Option(help="Only rules that match this glob.")] = "*",
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Another output whose labels count too, by content_fingerprint; its site key has to be the same. May be repeated.",
            show_default=False,
        ),
    ] = None,
    next: Annotated[  # named after the flag
        int, typer.Option("--next", help="List this many findings to label next, instead of the precision.")
    ] = 0,
    sweep: Sweep = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show how precise each rule is, according to labels.

    For a rule with graded confidences, it also shows the lowest threshold that would reach the target, as a rule to paste into the policy file.
    A label counts even if its finding is suppressed, or gone since.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.results.labels import labels_of
    from veritensor_ray.results.precision import check_target, worth_labelling
    from veritensor_ray.results.precision import precision as measured

    check_target(target, "--target")
    if next < 0:
        raise UsageError(f"--next {next}: give a number of findings")
    stores = load_settings(config).stores
    audit = api.open(output, sweep=sweep, stores=stores)
    audit.check()
    known = labels_of(audit, [api.open(one, stores=stores) for one in labels or ()])
    if next:
        _list(worth_labelling(audit, known, next, rule), output, as_json=as_json)
        return
    found = measured(audit, known, target, rule)
    if as_json:
        sys.stdout.write(json.dumps({"target": target, "rules": [_as_json(one) for one in found]}, indent=2) + "\n")
    else:
        _show(found, target, output)


def _list(rows: Sequence[dict[str, Any]], output: str, *, as_json: bool) -> None:
    from veritensor_ray.cli.render import console, severity, table
    from veritensor_ray.results.place_names import place

    if as_json:
        names = ("finding_id", "rule_id", "severity", "confidence", "artifact", "member", "location", "evidence")
        sys.stdout.write(json.dumps([{name: row[name] for name in names} for row in rows], indent=2) + "\n")
        return
    if not rows:
        say("every finding has a label")
        return
    cells = [
        (
            row["finding_id"][:12],
            severity(row["severity"]),
            row["rule_id"],
            "" if row["confidence"] is None else f"{row['confidence']:.2f}",
            place(row["artifact"], row["location"], row["member"]),
            row["evidence"] or "",
        )
        for row in rows
    ]
    console().print(table(("id", "severity", "rule", "confidence", "where", "evidence"), cells, right=("confidence",)))
    say(f"label them with `veritensor-ray label {output} true --finding ID`, or false")


def _show(found: Sequence[RulePrecision], target: float, output: str) -> None:
    from veritensor_ray.cli.render import console, table
    from veritensor_ray.core.wording import counted

    out = console()
    if not found:
        say("no rule has findings here, so there is no precision to show")
    judged, without = [one for one in found if one.precision is not None], [one for one in found if one.precision is None]
    if judged:
        columns = ("rule", "true", "false", "precision", "95 % interval", "unlabelled", "share labelled")
        out.print(table(columns, [_row(one) for one in judged], right=columns[1:]))
    if without:
        say(
            f"{counted(len(without), 'rule')} with findings {'has' if len(without) == 1 else 'have'} no label; `veritensor-ray precision {output} --next 20` lists findings to label"
        )
    thresholds = [one for one in judged if one.threshold]
    if thresholds:
        out.print(f"\nRules for the policy file that reach a precision of {target:g} on these labels:\n", style="bold")
        say("rules:")
        for one in thresholds:
            _suggest(one)
    others = [(one.rule, one.why_not) for one in judged if not one.threshold]
    if others:
        out.print("\nNo threshold", style="bold")
        out.print(table(("rule", "why"), others))


def _row(one: RulePrecision) -> tuple[str, ...]:
    interval = f"{one.low:.2f} to {one.high:.2f}"
    return (
        one.rule,
        f"{one.true:,}",
        f"{one.false:,}",
        f"{one.precision:.2f}",
        interval,
        f"{one.unlabelled:,}",
        "" if one.share is None else f"{one.share:.1%}",
    )


def _suggest(one: RulePrecision) -> None:
    """Print a rule to paste. Brackets and stars in a rule's id match only themselves."""
    from glob import escape

    assert one.threshold is not None  # noqa: S101  # the caller selects these
    cut = one.threshold
    say(f"  - rule: {json.dumps(escape(one.rule))}")
    say(
        f"    min_confidence: {cut.min_confidence!r}  # {cut.precision:.2f} of {cut.kept:,} labels; loses {cut.true_lost:,} true, {cut.false_lost:,} false"
    )


def _as_json(one: RulePrecision) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"share": one.share}
