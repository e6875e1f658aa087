"""The parts that plots have in common. Text from the corpus is drawn as it is, never interpreted as a formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.place_names import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# For every text that is drawn: a name such as `$x$` is neither a formula nor TeX, whatever matplotlibrc says.
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
OTHERS = "all others"
_LABEL = 40  # characters
_WIDTH, _ROW, _FRAME = 8.0, 0.3, 1.4  # inches


class Band(NamedTuple):
    """One color of bars, with a number for each bar."""

    label: str
    color: str
    values: Sequence[int]


@contextmanager
def canvas(ax: Axes | None, rows: int) -> Iterator[Axes]:
    """Yield the axes to draw into: the given ones, or those of a new figure with room for so many rows. Raises CannotRunError."""
    with Guard():  # matplotlib is imported here
        try:
            from matplotlib import pyplot
        except ImportError:
            raise CannotRunError("plots need matplotlib, which is not installed: pip install 'veritensor-ray[plot]'") from None
        if ax is None:
            _, ax = pyplot.subplots(figsize=(_WIDTH, _FRAME + _ROW * rows), layout="constrained")
        ax.spines[["top", "right"]].set_visible(False)
        yield ax


def apart(ax: Axes, names: Sequence[str], bands: Sequence[Band]) -> None:
    """Draw the bars of each name below each other, with their numbers.

    The scale is logarithmic, so that a single finding is visible beside thousands; stacked bars would have no meaning on it.
    """
    shown = [band for band in bands if any(band.values)]
    height = 0.8 / max(len(shown), 1)
    for slot, band in enumerate(shown):
        at = [row - 0.4 + height * (slot + 0.5) for row in range(len(names))]
        ax.barh(at, band.values, height, color=band.color, label=band.label)
        for y, value in zip(at, band.values, strict=True):
            if value:
                ax.annotate(f" {value:,}", (value, y), va="center", fontsize="x-small", **PLAIN)
    ax.set_xscale("symlog", linthresh=1)
    _named(ax, names)
    _numbers(ax.xaxis)


def lying(ax: Axes, names: Sequence[str], bands: Sequence[Band]) -> None:
    """Draw stacked horizontal bars, the first one at the top."""
    at = range(len(names))
    for band, begin in _stacked(bands):
        ax.barh(at, band.values, 0.7, begin, color=band.color, label=band.label)
    _named(ax, names)
    _whole_numbers(ax.xaxis)


def standing(ax: Axes, at: Sequence[float], bands: Sequence[Band], width: float, **options: Any) -> None:
    """Draw stacked vertical bars."""
    for band, begin in _stacked(bands):
        ax.bar(at, band.values, width, begin, color=band.color, label=band.label, **options)
    _whole_numbers(ax.yaxis)


def _named(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows, the first one at the top."""
    ax.set_yticks(range(len(names)), [label(name) for name in names], **PLAIN)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))
    _numbers(axis)


def _numbers(axis: Axis) -> None:
    from matplotlib.ticker import StrMethodFormatter

    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _stacked(bands: Sequence[Band]) -> Iterator[tuple[Band, list[int]]]:
    """Yield the bands that have a number, each with where its bars begin."""
    begin = [0] * (len(bands[0].values) if bands else 0)
    for band in bands:
        if any(band.values):
            yield band, begin
            begin = [sum(pair) for pair in zip(begin, band.values, strict=True)]


def finished(ax: Axes, title: str) -> Axes:
    """Add the title, and a legend if there is something to explain."""
    ax.set_title(title, loc="left", fontsize="medium", **PLAIN)
    handles, labels = ax.get_legend_handles_labels()
    if labels:
        legend = ax.legend(handles, labels, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
            text.set_usetex(False)
    return ax


def label(name: str) -> str:
    """Return a name of any origin as it is drawn: short, and without control characters."""
    return shortened(visible(name), _LABEL)


def folded(found: Mapping[tuple[str, Hashable], int], most: int) -> tuple[list[str], Counter[tuple[str, Hashable]]]:
    """Return the largest names, and the numbers by name and band. The numbers of all other names are added up as `OTHERS`."""
    totals = Counter[str]()
    for (name, _), count in found.items():
        totals[name] += count
    names = sorted(totals, key=lambda name: (-totals[name], name))
    kept = set(names[:most])
    counts = Counter[tuple[str, Hashable]]()
    for (name, band), count in found.items():
        counts[name if name in kept else OTHERS, band] += count
    return [*names[:most], *([OTHERS] if len(names) > most else [])], counts


def dates(times: Sequence[datetime]) -> list[str]:
    """Return the days of sweeps, with as much of the time as distinguishes them."""
    formats = ("%Y-%m-%d", "%m-%d %H:%M", "%m-%d %H:%M:%S")
    made = [[time.strftime(one) for time in times] for one in formats]
    return next((labels for labels in made if len(set(labels)) == len(labels)), made[-1])
