"""Plots of an audit: the bars have the numbers of run.json, and text from the corpus is drawn as it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import veritensor_ray as vr
from tests.findings.building import Night
from tests.findings.outputs import checked, finding, written
from veritensor_ray.api.plot_parts import dates
from veritensor_ray.api.plots import COLORS
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.exports.report.documents import asset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMULA = "$\\nonsense{$"  # as a formula, it could not be drawn
ROWS = [
    finding(1, "hr/a.txt", {"line": 1}, severity="high", engine="test", confidence=0.97),
    finding(2, "hr/a.txt", {"line": 2}, severity="low", engine="test", confidence=1.0),
    finding(3, "hr/a.txt", None, severity="low", engine="test", count=7, confidence=0.5),  # a row that counts further matches
    finding(4, f"{FORMULA}/\x1b[31m/b.txt", {"line": 1}, severity="info", engine="other", rule_id=f"other.{FORMULA}", confidence=None),
    finding(5, "c.txt", {"line": 3}, severity="critical", engine="other", suppressed_by="known"),
]
COVERAGE = {"test": {"complete": 2, "partial": 1, "db_missing": 1}, "other": {"complete": 3, "not-applicable": 1}}


@pytest.fixture
def audit(tmp_path: Path) -> vr.Audit:
    names = dict.fromkeys(row["artifact"] for row in ROWS)
    written(tmp_path, ROWS, [*map(checked, names), checked("e.zip", "unreadable", reason="damaged")], coverage=COVERAGE)
    return vr.open(tmp_path)


@pytest.fixture(autouse=True)
def pyplot() -> Iterator[Any]:
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("Agg")
    yield pyplot
    pyplot.close("all")


def bars(ax: Axes) -> dict[str, list[float]]:
    """The lengths of the bars of each layer."""
    from matplotlib.container import BarContainer

    found = [one for one in ax.containers if isinstance(one, BarContainer)]
    return {
        str(one.get_label()): [bar.get_width() if one.orientation == "horizontal" else bar.get_height() for bar in one] for one in found
    }


def draw(ax: Axes) -> None:
    figure = ax.get_figure(root=True)
    assert figure
    figure.canvas.draw()


def names(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


@pytest.mark.parametrize(
    ("by", "expected", "counts"),
    [
        ("engine", ["test", "other"], {"high": [1, 0], "low": [8, 0], "info": [0, 1]}),
        ("folder", ["hr", f"{FORMULA}/\\x1b[31m"], {"high": [1, 0], "low": [8, 0], "info": [0, 1]}),
        ("rule", ["test.rule", f"other.{FORMULA}"], {"high": [1, 0], "low": [8, 0], "info": [0, 1]}),
        ("category", ["malware"], {"high": [1], "low": [8], "info": [1]}),
    ],
)
def test_severities(by: Any, expected: list[str], counts: dict[str, list[int]], audit: vr.Audit) -> None:
    ax = audit.plot.severity(by=by)
    assert (names(ax), bars(ax)) == (expected, counts)
    assert ax.get_title("left") == f"10 findings by {by}; 1 of 4 artifacts not fully checked"
    assert {name: sum(values) for name, values in bars(ax).items()} == audit.run["severity"]


def test_one_critical_finding_is_visible_beside_thousands(tmp_path: Path) -> None:
    rows = [finding(1, severity="critical", at={"line": 1}), finding(2, severity="low", count=100_000)]
    written(tmp_path, rows)
    ax = vr.open(tmp_path).plot.severity()
    draw(ax)
    pixels = {str(one.get_label()): one[0].get_window_extent().width for one in ax.containers}
    assert pixels["critical"] > 0.1 * pixels["low"]
    assert [text.get_text().strip() for text in ax.texts] == ["1", "100,000"]


def test_an_engine_without_findings_is_named(tmp_path: Path) -> None:
    written(tmp_path, [finding(1, engine="other")])
    assert names(vr.open(tmp_path).plot.severity()) == ["other", "test"]


def test_small_groups_share_a_bar(tmp_path: Path) -> None:
    written(tmp_path, [finding(n, f"{n:02}/a.txt", {"line": 1}) for n in range(20)])
    ax = vr.open(tmp_path).plot.severity(by="folder")
    assert names(ax)[-2:] == ["14", "all others"]
    assert bars(ax) == {"medium": [1] * 15 + [5]}


def test_coverage(audit: vr.Audit) -> None:
    ax = audit.plot.coverage()
    assert names(ax) == ["other", "test"]
    assert bars(ax) == {"complete": [3, 2], "not-applicable": [1, 0], "partial": [0, 1], "db_missing": [0, 1]}
    assert [text.get_text().strip() for text in ax.texts] == ["", "1 partial, 1 db_missing"]


def test_scores(audit: vr.Audit) -> None:
    """A row without a confidence is left out; 1.0 belongs to the last bar."""
    ax = audit.plot.scores()
    assert {name: {i / 20: n for i, n in enumerate(values) if n} for name, values in bars(ax).items()} == {
        "high": {0.95: 1},
        "low": {0.5: 7, 0.95: 1},
    }
    assert ax.get_title("left") == "Confidence of 9 findings by severity"
    assert bars(audit.plot.scores(by="rule", where="severity = 'high'")) == {"test.rule": [0] * 19 + [1]}


def test_a_trend_has_the_numbers_of_each_sweep(tmp_path: Path) -> None:
    """A sweep without findings has no row in the table of trends, and is there all the same."""
    for number, artifacts in enumerate(({"a.txt": "bad"}, {"a.txt": "fine"}, {"a.txt": "fine", "b.txt": "bad worse"})):
        night = Night(tmp_path, number, job="sweep")
        for name, line in artifacts.items():
            night.add(name, line)
        night.sweep(number - 1 if number else None)
        (tmp_path / "latest.json").write_text(f'{{"sweep": "{night.info.run}"}}')
    ax = vr.open(tmp_path).plot.trend()
    assert bars(ax) == {"critical": [0, 0, 1], "medium": [1, 0, 1]}
    assert [np.asarray(line.get_ydata()).tolist() for line in ax.lines] == [[1, 0, 2]]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert vr.open(tmp_path, sweep="sweep-00000").plot.trend().get_title("left").startswith("1 sweep;")


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        ([], []),
        (["2026-01-01T22:00", "2026-01-02T22:00"], ["2026-01-01", "2026-01-02"]),
        (["2026-01-01T22:00", "2026-01-01T23:00"], ["01-01 22:00", "01-01 23:00"]),
        (["2026-01-01T22:00:01", "2026-01-01T22:00:02"], ["01-01 22:00:01", "01-01 22:00:02"]),
    ],
)
def test_dates_are_as_short_as_is_clear(times: list[str], labels: list[str]) -> None:
    assert dates([datetime.fromisoformat(one) for one in times]) == labels


PLOTS: dict[str, Callable[[vr.Audit, Any], Axes]] = {
    "severity": lambda a, ax: a.plot.severity(by="folder", ax=ax),
    "coverage": lambda a, ax: a.plot.coverage(ax=ax),
    "scores": lambda a, ax: a.plot.scores(by="rule", ax=ax),
}


@pytest.mark.parametrize("tex", [True, False], ids=["TeX", "mathtext"])
@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_a_name_is_no_formula(plot: Callable[[vr.Audit, Any], Axes], tex: bool, tmp_path: Path) -> None:
    """Not even if a matplotlibrc in the working directory turns TeX on."""
    import matplotlib as mpl
    from matplotlib.text import Text

    written(tmp_path, [row | {"confidence": 0.5} for row in ROWS], coverage={FORMULA: {"complete": 1, FORMULA: 1}})
    with mpl.rc_context({"text.usetex": tex}):
        ax = plot(vr.open(tmp_path), None)
    names = [text for text in ax.findobj(Text) if isinstance(text, Text) and FORMULA in text.get_text()]
    assert names
    assert not [text for text in names if text.get_usetex() or text.get_parse_math()]
    if not tex:
        draw(ax)


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_the_axes_may_be_given(plot: Callable[[vr.Audit, Any], Axes], audit: vr.Audit, pyplot: Any) -> None:
    _, ax = pyplot.subplots()
    assert plot(audit, ax) is ax


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_an_audit_without_findings_can_be_drawn(plot: Callable[[vr.Audit, Any], Axes], tmp_path: Path) -> None:
    written(tmp_path, [], [], coverage={})
    draw(plot(vr.open(tmp_path), None))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda plot: plot.trend(), "only a sweep has a trend, and these are the results of a single audit; repeat it with "),
        (lambda plot: plot.severity(by="rules"), "by cannot be 'rules'; did you mean 'rule'?"),
        (lambda plot: plot.scores(by="folder"), "by cannot be 'folder'; choose from severity, engine, rule"),
        (lambda plot: plot.scores(where="confidence"), "the condition 'confidence' is not valid: "),
    ],
)
def test_mistakes(call: Callable[[vr.Plots], Any], says: str, audit: vr.Audit) -> None:
    with pytest.raises(UsageError) as error:
        call(audit.plot)
    assert str(error.value).startswith(says)


def test_severities_have_the_colors_of_the_report() -> None:
    """On a light page, which its style sheet begins with."""
    style = asset("page.css")
    assert {name: re.search(rf"--{name}: (#\w+)", style)[1] for name in COLORS} == COLORS  # type: ignore[index]


def test_without_matplotlib(audit: vr.Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CannotRunError) as error:
        audit.plot.severity()
    assert str(error.value) == "plots need matplotlib, which is not installed: pip install 'veritensor-ray[plot]'"
