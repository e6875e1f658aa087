"""Draw the numbers of an audit with matplotlib, which is the extra `plot`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

from veritensor_ray.api.arguments import one_of
from veritensor_ray.api.plot_parts import PLAIN, Band, apart, canvas, dates, finished, folded, label, lying, standing
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import counted
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.findings.sweep_state import nights, state_of
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.grouping import key_of
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bars = Literal["engine", "category", "rule", "folder"]
Colors = Literal["severity", "engine", "rule"]
# Those of the report on a light page.
COLORS = {"critical": "#a8123a", "high": "#d1480f", "medium": "#c08a00", "low": "#3b78b8", "info": "#8792a2"}
_STATUSES = {"complete": "#2a9d8f", "not-applicable": "#d5dbe1", "partial": "#c08a00", "no-reader": "#8792a2"}
_OTHER_STATUSES = ("#d1480f", "#a8123a", "#7b4fa3", "#5a3d2b")
_GROUPS = ("#3b78b8", "#d1480f", "#2a9d8f", "#c08a00", "#7b4fa3", "#8c564b", "#4b5563", "#aab2bd")
_COLUMNS = {
    "engine": "engine",
    "category": "category",
    "rule": "rule_id",
    "folder": key_of("folder"),
    "severity": "severity",
}
_WORST_FIRST = tuple(reversed(SEVERITIES))
_BARS, _DATES, _BINS = 15, 12, 20  # the most bars, the most labels of dates, bars of a histogram
_BIN = f"CASE WHEN confidence < 1 THEN floor(confidence * {_BINS}) WHEN confidence >= 1 THEN {_BINS - 1} END::INT"


class Plots:
    """Plots of an audit. Each of them returns matplotlib's Axes, and draws into `ax` if it is given.

    They count the findings that the policy lets count, as run.json does. Titles say how many artifacts were not fully checked. They need
    matplotlib: pip install 'veritensor-ray[plot]'. Without it, they raise CannotRunError.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def __repr__(self) -> str:
        return f"<Plots of {visible(self._results.store.uri)}: severity(), coverage(), trend(), scores()>"

    def severity(self, *, by: Bars = "engine", where: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the number of findings by severity, with bars for each engine, category, rule or folder.

        The scale is logarithmic, so that a critical finding is visible beside thousands of low ones. The 15 largest have bars of their own, and the others share some. Engines without findings are named, too. `where` is a SQL condition over
        findings. Raises UsageError.
        """
        found = self._counts(_COLUMNS[one_of(by, get_args(Bars), "by")], "severity", where)
        silent = sorted(set(self._results.run["engines"]) - {name for name, _ in found}) if by == "engine" else []
        names, counts = folded(found, _BARS)
        names += silent  # an engine that found nothing is not one that did not run
        bands = [Band(one, COLORS[one], [counts[name, one] for name in names]) for one in _WORST_FIRST]
        with canvas(ax, len(names) * max(1, sum(any(band.values) for band in bands)) // 2 + 1) as axes:
            apart(axes, [name or "(no folder)" for name in names], bands)
            axes.set_xlabel("findings, on a logarithmic scale")
            return finished(axes, f"{counted(sum(found.values()), 'finding')} by {by}; {self._results.checked.short_said}")

    def coverage(self, *, ax: Axes | None = None) -> Axes:
        """Draw how many artifacts each engine has checked. The numbers of those that it has not fully checked are written beside."""
        counts: dict[str, dict[str, int]] = self._results.run["coverage"]
        engines = sorted(counts)
        others = sorted({status for one in counts.values() for status in one} - set(_STATUSES))
        colors = {**_STATUSES, **{status: _OTHER_STATUSES[i % len(_OTHER_STATUSES)] for i, status in enumerate(others)}}
        bands = [Band(label(name), color, [counts[one].get(name, 0) for one in engines]) for name, color in colors.items()]
        with canvas(ax, len(engines)) as axes:
            lying(axes, engines, bands)
            for row, engine in enumerate(engines):
                short = [
                    f" {counts[engine].get(name, 0):,} {label(name)}" for name in (*_STATUSES, *others)[2:] if counts[engine].get(name)
                ]
                axes.annotate(",".join(short), (sum(counts[engine].values()), row), va="center", fontsize="small", **PLAIN)
            axes.set_xlim(0, 1.4 * max((sum(one.values()) for one in counts.values()), default=1))  # room for what is written beside
            axes.set_xlabel("artifacts")
            return finished(axes, f"Coverage by engine; {self._results.checked.short_said}")

    def trend(self, *, ax: Axes | None = None) -> Axes:
        """Draw the number of findings after each sweep by severity, and a line for those that were new or reopened.

        Raises UsageError for a single audit.
        """
        if self._results.run.get("job") != "sweep":
            raise UsageError(
                'only a sweep has a trend, and these are the results of a single audit; repeat it with vr.scan(SOURCE, STATE, job="sweep")'
            )
        sweeps, found = self._sweeps()
        at = range(len(sweeps))
        bands = [Band(one, COLORS[one], [found[name, one] for name in sweeps]) for one in _WORST_FIRST]
        labels = dates(list(sweeps.values()))
        shown = at[:: -(-len(sweeps) // _DATES)]
        with canvas(ax, 8) as axes:
            standing(axes, at, bands, 0.8)
            recent = [found[name, "recent"] for name in sweeps]
            axes.plot(at, recent, color="black", marker="o", ms=3, lw=1, clip_on=False, label="new or reopened")
            axes.set_xticks(shown, [labels[i] for i in shown], rotation=30, ha="right", **PLAIN)
            axes.set_ylabel("findings")
            return finished(axes, f"{counted(len(sweeps), 'sweep')}; in the last one, {self._results.checked.short_said}")

    def scores(self, *, by: Colors = "severity", where: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw a histogram of the confidence of findings, by severity, engine or rule.

        `where` is a SQL condition over findings, for example "engine = 'injection'". Raises UsageError.
        """
        found = self._counts(_COLUMNS[one_of(by, get_args(Colors), "by")], _BIN, where)
        names, counts = folded({key: count for key, count in found.items() if key[1] is not None}, len(_GROUPS) - 1)
        colors = COLORS if by == "severity" else dict(zip(names, _GROUPS, strict=False))
        names = [name for name in _WORST_FIRST if name in names] if by == "severity" else names
        bands = [Band(label(name), colors[name], [counts[name, i] for i in range(_BINS)]) for name in names]
        with canvas(ax, 8) as axes:
            standing(axes, [i / _BINS for i in range(_BINS)], bands, 1 / _BINS, align="edge", edgecolor="white")
            axes.set(xlim=(0, 1), xlabel="confidence", ylabel="findings")
            return finished(axes, f"Confidence of {counted(sum(counts.values()), 'finding')} by {by}")

    def _counts(self, bar: str, band: str, where: str | None) -> dict[tuple[str, Hashable], int]:
        """Return the number of findings that count, by the values of two SQL expressions."""
        source = "findings" if where is None else self._results.matching(where)
        query = f"SELECT {bar} AS bar, {band} AS band, sum({NUMBER})::BIGINT AS n FROM {source} WHERE {UNSUPPRESSED} GROUP BY ALL"  # noqa: S608
        return {(row["bar"], row["band"]): row["n"] for row in self._results.records(query)}

    def _sweeps(self) -> tuple[dict[str, datetime], Counter[tuple[str, str]]]:
        """Return the start of each sweep so far, and its numbers of findings by severity and of `recent` ones."""
        rows = self._results.records(
            """SELECT sweep, started, severity, coalesce(sum(findings) FILTER (state IN ('new', 'persisting', 'reopened')), 0)::BIGINT AS n,
            coalesce(sum(findings) FILTER (state IN ('new', 'reopened')), 0)::BIGINT AS recent FROM trends GROUP BY ALL"""
        )
        # A sweep without findings has no row, but its results are there, unless it is so old that it was removed.
        last = datetime.fromisoformat(self._results.run["started_at"])
        known = {one.id: one.started for one in nights(state_of(self._results.store)) if one.started <= last}
        sweeps = known | {self._results.run["scan_id"]: last} | {row["sweep"]: row["started"] for row in rows}
        found = Counter({(row["sweep"], row["severity"]): row["n"] for row in rows})
        for row in rows:
            found[row["sweep"], "recent"] += row["recent"]
        return dict(sorted(sweeps.items(), key=lambda one: one[1])), found
