"""Write the part of docs/models.md about `injection`.

It depends only on figures, not on detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.injection import COLUMNS, DEFENDER_DOCUMENTS, DEFENDER_ROWS, HIGH, MEDIUM, Cell, Cells, added
from bench.injection_texts import QUESTIONS, QUOTING

OURS = COLUMNS[:2]  # the engine's own levels; the other columns are other detectors
ENOUGH = 30  # texts: a share of fewer is not quoted as the best or the worst
Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join("" if c is None else str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def interval(count: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(count, of).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def recall(cell: Cell) -> float | None:
    """Return the share of attacks that are found, or None if there are none."""
    return cell[0] / cell[1] if cell[1] else None


def false(cell: Cell) -> float | None:
    """Return the share of benign texts that raise an alert, or None if there are none."""
    return cell[2] / cell[3] if cell[3] else None


def percent(share: float | None) -> str:
    """Format a share as a percentage with enough digits for small shares."""
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
    """Return the cells of all real documents except those that quote instructions."""
    return added(kind["cells"] for kind in results["documents"].values() if not kind["quoting"])


def _loudness(kind: Row) -> tuple[float, float]:
    """Return the key for ranking kinds: the lower end of the interval of alerts at `medium`, then the share.

    So a kind with one alert in three files does not come first.
    """
    cell = kind["cells"]["medium"]
    return interval(cell[2], cell[3])[0], false(cell) or 0.0


def worst_kind(results: Row) -> str:
    """Return the kind with the most certain alerts at `medium`, among those that do not quote instructions."""
    kinds: Mapping[str, Row] = results["documents"]
    return max((name for name in kinds if not kinds[name]["quoting"]), key=lambda name: _loudness(kinds[name]))


def _extreme(rows: Sequence[Row], share: Callable[[Cell], float | None], which: int, lowest: bool) -> Row | None:
    """Return the row with the lowest or highest share at `medium` among those with enough texts."""
    able = [row for row in rows if row["cells"]["medium"][which] >= ENOUGH]
    key = {id(row): share(row["cells"]["medium"]) or 0.0 for row in able}
    return (min if lowest else max)(able, key=lambda row: key[id(row)]) if able else None


def lowest_recall(rows: Sequence[Row]) -> Row | None:
    """Return the set on which the fewest attacks are found."""
    return _extreme(rows, recall, 1, lowest=True)


def highest_recall(rows: Sequence[Row]) -> Row | None:
    """Return the set on which the most attacks are found."""
    return _extreme(rows, recall, 1, lowest=False)


def most_alarms(rows: Sequence[Row]) -> Row | None:
    """Return the set with the most false positives."""
    return _extreme(rows, false, 3, lowest=False)


# ---------------------------------------------------------------- the page


def _goal(value: float | None, sign: str) -> str:
    return "" if value is None else f"{sign} {value:g}"


def _summary(results: Row) -> str:
    """Return a table of the categories of texts with their figures and worst rows."""
    whole, name = strict(results), worst_kind(results)
    worst = results["documents"][name]["cells"]
    out = [
        (f"alerts on real documents at `{level}`", "", _with_interval(whole[level]), f"≤ {percent(goal)}", f"{name}: {_with_interval(worst[level])}")
        for level, goal in (("high", HIGH), ("medium", MEDIUM))
    ]  # fmt: skip
    for question in QUESTIONS:
        if not (rows := [row for row in results["sets"] if row["question"] == question.name]):
            continue
        cells = added(row["cells"] for row in rows)
        goal = ", ".join(g for g in (_goal(question.recall, "≥"), _goal(question.false, "false positives ≤")) if g)
        low, loud = lowest_recall(rows), most_alarms(rows)
        said = [f"recall {_short(recall(low['cells']['medium']))} ({low['texts']})"] if low else []
        said += [f"false positives {_short(false(loud['cells']['medium']))} ({loud['texts']})"] if loud else []
        out.append((question.name, _short(recall(cells["medium"])), _short(false(cells["medium"])), goal, "; ".join(said)))
    return table(("category", "recall at `medium`", "false positives at `medium`", "goal", "worst row"), out)


def _documents(results: Row) -> str:
    """Return a table with a row for each kind, worst first."""
    kinds = results["documents"]
    out = []
    for name in sorted(kinds.keys() - {*_quiet(kinds)}, key=lambda name: _loudness(kinds[name]), reverse=True):
        cells, trained = kinds[name]["cells"], "yes" if kinds[name]["trained"] else "no"
        out.append((_bold(name, name == worst_kind(results)), trained, cells["medium"][3], *(_with_interval(cells[c]) for c in OURS)))
    out += [(name, "", cells["medium"][3], *(_with_interval(cells[c]) for c in OURS)) for name, cells in _totals(results)]
    return table(("kind", "in training", "documents", *(f"`{c}`, 95 %" for c in OURS)), out)


def _quiet(kinds: Mapping[str, Any]) -> list[str]:
    """Return the kinds without any alert."""
    return [name for name, kind in kinds.items() if not any(kind["cells"][level][2] for level in OURS)]


def _without_alert(kinds: Mapping[str, Any]) -> str:
    """Return a sentence about the kinds that have no row in the table, with their numbers of documents."""
    named = (f"{name} ({kinds[name]['cells']['medium'][3]}{', in training' if kinds[name]['trained'] else ''})" for name in _quiet(kinds))
    return f"Documents of the other kinds raise no alert: {', '.join(named) or 'there are none'}."


def _totals(results: Row) -> Sequence[tuple[str, Cells]]:
    all_kinds = added(kind["cells"] for kind in results["documents"].values())
    return (f"total without {_listed(QUOTING)}", strict(results)), ("total of all kinds", all_kinds)


def _others(results: Row) -> str:
    """Return a table with a row for each of the other detectors."""
    totals = _totals(results)
    rows = [(name, *(percent(false(cells[name])) for _, cells in totals)) for name in COLUMNS[2:]]
    return table(("detector", *(name for name, _ in totals)), rows)


def _sets(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return a table with a row for each part of a set; the lowest recall and the most false positives are in bold."""
    low, loud = lowest_recall(rows), most_alarms(rows)
    out = []
    for row in rows:
        cells, medium = row["cells"], row["cells"]["medium"]
        pair = f"{_bold(_short(recall(medium)), row is low)} / {_bold(_short(false(medium)), row is loud)}"
        out.append((row["question"], row["texts"], f"{medium[1]} / {medium[3]}", pair, *(_pair(cells[c]) for c in columns[1:])))
    return table(("category", "texts", "attacks / benign", "`medium`", "`high`", *columns[2:]), out)


def _languages(languages: Mapping[str, Cells]) -> str:
    """Return a table with a row for each language with enough attacks, worst first."""
    known = {name: cells for name, cells in languages.items() if cells["medium"][1] >= ENOUGH}
    order = sorted(known, key=lambda name: recall(known[name]["medium"]) or 0)
    rows = [(name, f"{known[name]['medium'][1]} / {known[name]['medium'][3]}", _pair(known[name]["medium"])) for name in order]
    return table(("language", "attacks / benign", "`medium`"), rows)


def section(results: Row) -> list[str]:
    """Return the paragraphs and tables of the section on prompt injection."""
    ours = results["model"]
    whole = strict(results)["medium"][3]
    blocks = {trained: [row for row in results["sets"] if row["trained"] is trained] for trained in (False, True)}
    limit = "" if results["most"] is None else f"**A quick look: at most {results['most']} texts of each set and kind.** "
    return [
        "## Prompt injection", "",
        f"{limit}The shipped thresholds are {ours['medium']} for `medium` and {ours['high']} for `high`. Our readers read every text completely. A document counts "
        "once, and one alert anywhere in it is enough.", "",
        "Three other detectors read the same texts in the same run (`bench/models.json` has more of their figures):", "",
        "- `phrases`: the YARA rules of `signatures` for prompt injection.",
        "- `first stage`: the first stage of the engine, alone.",
        f"- `defender`: the classifier of stackone-defender. It is slow, so it read a sample of {DEFENDER_DOCUMENTS} documents, in equal numbers of each kind, and at "
        f"most {DEFENDER_ROWS} texts of each set.", "",
        f"The thresholds of `first stage` and `defender 0.5 %` were chosen on the real documents below, so that at most {percent(MEDIUM)} of them (`first stage high`: "
        f"{percent(HIGH)}) raise an alert. On these documents their figures are therefore too good.", "",
        "### Summary", "",
        "The sets of a category are counted together. The last column names "
        f"the sets with the lowest recall and with the most false positives, among those with {ENOUGH} texts or more. Brackets show the 95 % interval. "
        "`our own lines` are test texts that were written for this project and kept out of training.", "",
        _summary(results), "",
        "### Real documents", "",
        f"The table shows the share of documents without a planted attack that raise an alert. The first total counts {whole:,} documents and leaves out three kinds "
        f"({', '.join(QUOTING)}) that quote or contain instructions to models, or fraud: an alert on them may be right. Kinds are sorted by the lower end of their "
        "interval at `medium`; the worst kind in the first total is in bold. `in training` says whether documents of that kind were used in training.", "",
        _documents(results), "",
        _without_alert(results["documents"]), "",
        _KINDS, "",
        "The other detectors raise an alert on these shares of the same documents:", "",
        _others(results), "",
        "### Sets not used in training", "",
        "Cells show recall, then the share of benign texts that raise an alert; a dash means that there are no such texts. The worst of each at `medium` are in bold.", "",
        _sets(blocks[False], COLUMNS), "",
        "### Sets partly used in training", "",
        "The rows measured were held out by source or by template, but other rows of the same authors were used in training, so these figures are optimistic.", "",
        _sets(blocks[True], OURS), "",
        "### By language", "",
        f"The category *other languages* by language, for each with {ENOUGH} attacks or more. Cells show recall, then false positives.", "",
        _languages(results["languages"]), "",
        "The [model card](../veritensor_ray/models/embedded/injection/README.md) lists the training data.", "",
    ]  # fmt: skip


_KINDS = (
    "`promptguide` is a guide to prompt engineering; `ham` and `spam` are email; `docs2` and `docsmd` are "
    "the documentation of open-source projects; `guides` are handbooks; `web` are saved web pages; `prose` is speeches and literature; `mixed` and `office` are "
    "sample files of programs that convert documents; `multilang` is text in many languages."
)  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def speed_section(numbers: Row) -> list[str]:
    """Return the section on the speed of injection."""
    return [
        "## Speed of injection", "",
        "One thread scans real documents, in equal numbers of each kind. Reading the files is not counted. Without the first stage, the transformer reads every "
        "window.", "",
        table(("figure", "measured"), numbers.items()), "",
    ]  # fmt: skip
