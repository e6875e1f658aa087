"""The part of docs/models.md about `injection`, and the lines of it that the README quotes; it knows figures and no detector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.injection import COLUMNS, DEFENDER_DOCUMENTS, DEFENDER_ROWS, HIGH, MEDIUM, Cell, Cells, added
from bench.injection_texts import QUESTIONS, QUOTING

ENOUGH = 30  # texts: a share of fewer is not quoted as the best or the worst
Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join("" if c is None else str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def interval(count: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(count, of).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def recall(cell: Cell) -> float | None:
    """The share of the attacks that is found; None where there are none."""
    return cell[0] / cell[1] if cell[1] else None


def false(cell: Cell) -> float | None:
    """The share of the benign texts that alarms; None where there are none."""
    return cell[2] / cell[3] if cell[3] else None


def percent(share: float | None) -> str:
    """With as many digits as a small share needs."""
    return "–" if share is None else f"{100 * share:.2f} %"


def _short(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"


def _pair(cell: Cell) -> str:
    return f"{_short(recall(cell))} / {_short(false(cell))}"


def _with_interval(cell: Cell) -> str:
    low, high = interval(cell[2], cell[3])
    return f"{percent(false(cell))} ({100 * low:.2f}–{100 * high:.2f})"


def _bold(text: str, wanted: bool) -> str:
    return f"**{text}**" if wanted else text


# ---------------------------------------------------------------- best and worst


def strict(results: Row) -> Cells:
    """Of all real documents but those that quote orders."""
    return added(kind["cells"] for kind in results["documents"].values() if not kind["quoting"])


def _loudness(kind: Row) -> tuple[float, float]:
    """The key that kinds are ranked by: where the interval of their alarms at `medium` begins, so that one file of three does not lead, then the share."""
    cell = kind["cells"]["medium"]
    return interval(cell[2], cell[3])[0], false(cell) or 0.0


def worst_kind(results: Row) -> str:
    """The kind of document that surely alarms most often at `medium`, of those that do not quote orders."""
    kinds: Mapping[str, Row] = results["documents"]
    return max((name for name in kinds if not kinds[name]["quoting"]), key=lambda name: _loudness(kinds[name]))


def _extreme(rows: Sequence[Row], share: Callable[[Cell], float | None], which: int, lowest: bool) -> Row | None:
    """The row with the lowest or the highest share at `medium` among those with enough texts."""
    able = [row for row in rows if row["cells"]["medium"][which] >= ENOUGH]
    key = {id(row): share(row["cells"]["medium"]) or 0.0 for row in able}
    return (min if lowest else max)(able, key=lambda row: key[id(row)]) if able else None


def lowest_recall(rows: Sequence[Row]) -> Row | None:
    """The set on which the fewest attacks are found."""
    return _extreme(rows, recall, 1, lowest=True)


def highest_recall(rows: Sequence[Row]) -> Row | None:
    """The set on which the most attacks are found."""
    return _extreme(rows, recall, 1, lowest=False)


def most_alarms(rows: Sequence[Row]) -> Row | None:
    """The set with the most false alarms."""
    return _extreme(rows, false, 3, lowest=False)


def quoted(results: Row, speed: Row) -> list[str]:
    """The lines of the README's table: the worst row stands beside the best."""
    rows, whole, name = results["sets"], strict(results), worst_kind(results)
    worst = results["documents"][name]["cells"]
    best, lowest, loudest = highest_recall(rows), lowest_recall(rows), most_alarms(rows)
    documents = (
        f"{percent(false(whole['medium']))}, {name} {percent(false(worst['medium']))}; "
        f"{percent(false(whole['high']))}, {name} {percent(false(worst['high']))}"
    )
    lines = [
        (f"injection, real documents with an alarm at `medium`, and of the worst kind; at `high` ({whole['medium'][3]:,} texts)", documents)
    ]
    if best and lowest:
        lines.append(("injection, recall at `medium` on the best set, and on the worst", "; ".join(
            f"{recall(row['cells']['medium']):.2f} ({row['texts']})" for row in (best, lowest))))  # fmt: skip
    if loudest:
        cell = loudest["cells"]["medium"]
        lines.append(("injection, benign texts with an alarm at `medium` in the worst set", f"{percent(false(cell))} ({loudest['texts']})"))
    first, all_of_it = (speed[f"{part}, MB per CPU second"] for part in ("first stage", "whole engine"))
    lines.append(("injection, MB per CPU second over real documents: the first stage, the whole engine", f"{first}, {all_of_it}"))
    return [f"| {what} | {measured} |" for what, measured in lines]


# ---------------------------------------------------------------- the page


def _goal(value: float | None, sign: str) -> str:
    return "" if value is None else f"{sign} {value:g}"


def _summary(results: Row) -> str:
    """The questions of this page and their answers, each with its worst row."""
    whole, name = strict(results), worst_kind(results)
    worst = results["documents"][name]["cells"]
    out = [
        (f"real documents with an alarm at `{level}`", "", _with_interval(whole[level]), f"≤ {percent(goal)}", f"{name}: {_with_interval(worst[level])}")
        for level, goal in (("high", HIGH), ("medium", MEDIUM))
    ]  # fmt: skip
    for question in QUESTIONS:
        if not (rows := [row for row in results["sets"] if row["question"] == question.name]):
            continue
        cells = added(row["cells"] for row in rows)
        goal = ", ".join(g for g in (_goal(question.recall, "≥"), _goal(question.false, "false alarms ≤")) if g)
        low, loud = lowest_recall(rows), most_alarms(rows)
        said = [f"recall {_short(recall(low['cells']['medium']))} ({low['texts']})"] if low else []
        said += [f"false alarms {_short(false(loud['cells']['medium']))} ({loud['texts']})"] if loud else []
        out.append((question.name, _short(recall(cells["medium"])), _short(false(cells["medium"])), goal, "; ".join(said)))
    return table(("what is asked", "recall at `medium`", "false alarms at `medium`", "goal", "worst row"), out)


def _documents(results: Row) -> str:
    """A row for each kind, the worst first."""
    kinds = results["documents"]
    out = []
    for name in sorted(kinds, key=lambda name: _loudness(kinds[name]), reverse=True):
        cells = kinds[name]["cells"]
        out.append((_bold(name, name == worst_kind(results)), "yes" if kinds[name]["trained"] else "no", cells["medium"][3],
                    *(_with_interval(cells[c]) for c in COLUMNS[:2]), *(percent(false(cells[c])) for c in COLUMNS[2:])))  # fmt: skip
    for name, cells in (("all but those that quote", strict(results)), ("all", added(kind["cells"] for kind in kinds.values()))):
        out.append(
            (
                name,
                "",
                cells["medium"][3],
                *(_with_interval(cells[c]) for c in COLUMNS[:2]),
                *(percent(false(cells[c])) for c in COLUMNS[2:]),
            )
        )
    return table(("kind", "trained on", "documents", *(f"`{c}`, 95 %" for c in COLUMNS[:2]), *COLUMNS[2:]), out)


def _sets(rows: Sequence[Row]) -> str:
    """A row for each part of a set; the lowest recall and the most false alarms stand out."""
    low, loud = lowest_recall(rows), most_alarms(rows)
    out = []
    for row in rows:
        cells, medium = row["cells"], row["cells"]["medium"]
        pair = f"{_bold(_short(recall(medium)), row is low)} / {_bold(_short(false(medium)), row is loud)}"
        out.append((row["question"], row["texts"], f"{medium[1]} / {medium[3]}", pair, *(_pair(cells[c]) for c in COLUMNS[1:])))
    return table(("what is asked", "texts", "attacks / benign", "`medium`", "`high`", *COLUMNS[2:]), out)


def _languages(languages: Mapping[str, Cells]) -> str:
    """A row for each language with enough attacks, worst first."""
    known = {name: cells for name, cells in languages.items() if cells["medium"][1] >= ENOUGH}
    order = sorted(known, key=lambda name: recall(known[name]["medium"]) or 0)
    rows = [(name, f"{known[name]['medium'][1]} / {known[name]['medium'][3]}", *(_pair(known[name][c]) for c in COLUMNS)) for name in order]
    return table(("language", "attacks / benign", "`medium`", "`high`", *COLUMNS[2:]), rows)


def section(results: Row) -> list[str]:
    """Paragraphs and tables under *Prompt injection*."""
    ours, others = results["model"], results["thresholds"]
    whole = strict(results)["medium"][3]
    blocks = {trained: [row for row in results["sets"] if row["trained"] is trained] for trained in (False, True)}
    limit = "" if results["most"] is None else f"**A quick look: at most {results['most']} texts of each set and kind.** "
    return [
        "## Prompt injection", "",
        f"{limit}The shipped thresholds are {ours['medium']} for `medium` and {ours['high']} for `high`. Every text is read whole, documents by the product's own readers: "
        "an alarm anywhere in it counts, and a document counts once.", "",
        "Three others read the same texts in the same run. `phrases` are the YARA rules of `signatures` for the same category. `TF-IDF` is the linear "
        "model that is the engine's first stage, on its own. `defender` is the classifier of stackone-defender with its own way of cutting a text. "
        f"TF-IDF and `defender 0.5 %` have thresholds for which at most {percent(MEDIUM)} (`TF-IDF high`: {percent(HIGH)}) of the very documents in the second table alarm, so "
        f"their figures there flatter them: {_numbers(others)}. The defender is slow; it read a draw of {DEFENDER_DOCUMENTS} documents, as many of each kind, "
        f"and at most {DEFENDER_ROWS} texts of each set.", "",
        "### In short", "",
        f"Which share of the attacks does the engine find at `medium`, and how often is it wrong? Sets that answer one question are added up here; the last column names the set with the lowest "
        f"recall and the one with the most false alarms, of those with {ENOUGH} texts or more. In brackets: 95 %.", "", _summary(results), "",
        "### Real documents", "",
        f"How many documents that nobody planted anything in raise an alarm? {whole:,} documents count, and beside them three kinds that quote or hold orders to models and fraud "
        f"({', '.join(QUOTING)}): not every alarm on those is false. The kind whose interval at `medium` begins highest stands first; in bold the worst that counts. "
        "`trained on` says whether the training saw documents of that kind.", "", _documents(results), "",
        "### Sets that were never trained on", "",
        "Recall, then the share of the benign texts with an alarm; a dash means that there are no such texts. The lowest recall and the highest share of false alarms at `medium` are in bold.", "",
        _sets(blocks[False]), "",
        "### Sets of which other rows were trained on", "",
        "The rows measured were kept apart by source or by template, so they are new to the model and their authors are not: such figures flatter.", "",
        _sets(blocks[True]), "",
        "### By language", "",
        f"The question *other languages* once more, for each language with {ENOUGH} attacks or more, the lowest recall first; recall, then false alarms.", "",
        _languages(results["languages"]), "",
        "What was trained on: [model card](../veritensor_ray/models/embedded/injection/README.md).", "",
    ]  # fmt: skip


def _numbers(thresholds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in thresholds.items())


def speed_section(numbers: Row) -> list[str]:
    """Under *Speed of injection*."""
    return [
        "## Speed of injection", "",
        "Real documents of all kinds, as many of each, read once by one thread; readers do not count. Without the first stage the transformer reads every window.", "",
        table(("", ""), numbers.items()), "",
    ]  # fmt: skip
