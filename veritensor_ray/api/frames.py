"""Turn Arrow tables into DataFrames in which severities have an order, and rows into HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import pyarrow as pa

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.severities import RANKED

if TYPE_CHECKING:
    import pandas as pd


def need_pandas() -> ModuleType:
    """Return pandas, which is an extra. Raises CannotRunError if it is not installed."""
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise CannotRunError(
            "DataFrames need pandas, which is not installed: pip install 'veritensor-ray[pandas]'; "
            "audit.findings and audit.rows(...) work without it"
        ) from None
    return pd


def frame(table: pa.Table) -> pd.DataFrame:
    """Return a DataFrame. Severities are an ordered categorical, from info to critical; they sort and compare in that order.

    Raises CannotRunError if pandas is not installed.
    """
    with Guard():
        order = need_pandas().CategoricalDtype(list(SEVERITIES), ordered=True)
        made: pd.DataFrame = table.to_pandas()
        return made.astype({name: order for name in RANKED if name in made.columns})


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table. Every cell is escaped, and free of control characters."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def escaped(value: object, *, lines: bool = False) -> str:
    """Return text of any origin for HTML, and nothing for None. With `lines`, line breaks stay."""
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return "\n".join(html.escape(visible(line)) for line in (text.split("\n") if lines else [text]))
