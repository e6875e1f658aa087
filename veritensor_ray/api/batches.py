"""Take the texts of a column out of a batch, and put others in their place, for the kinds of batches that data libraries pass on.

A batch is a mapping of column names to lists or NumPy arrays, a pandas DataFrame, or an Arrow table or record batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.api.arguments import described
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import nearest

_MISSING = ("NAType", "NaTType")  # of pandas, which need not be imported to recognize them


def texts_in(values: Any, role: str) -> list[str | None]:
    """Return texts as a list, in which every missing value is None. Raises UsageError, which says what to pass instead."""
    return [text_of(value, number, role) for number, value in enumerate(values_in(values, role))]


def values_in(values: Any, role: str) -> list[Any]:
    """Return the values of a list of texts. Raises UsageError for anything else."""
    if isinstance(values, (str, bytes)):
        raise UsageError(f"{role} must be a list of texts, not a single {described(values)}; put it in brackets: [text]")
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = values.to_pylist()
    elif isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"{role} must be a list of texts, not {described(values)}; for a table, pass one of its columns")
    elif hasattr(values, "columns") or getattr(values, "ndim", 1) != 1:
        raise UsageError(f"{role} must have one dimension, unlike this {described(values)}; pass one of its columns")
    return [*values]


def text_of(value: Any, number: int, role: str) -> str | None:
    """Return a text, or None for a missing value. Raises UsageError for anything else."""
    if type(value) is str:
        return value
    if isinstance(value, str):  # NumPy has a type of its own
        return str(value)
    if value is None or (isinstance(value, float) and value != value) or type(value).__name__ in _MISSING:  # NaN
        return None
    remedy = (
        "decode it first"
        if isinstance(value, (bytes, bytearray, memoryview))
        else "convert the values to text first, or choose another column"
    )
    raise UsageError(f"{role}: value {number} (counted from 0) is {described(value)}, not text; {remedy}")


def column_of(batch: Any, name: str) -> Any:
    """Return a column as the batch holds it. Raises UsageError for an unknown name, and for anything that is not a batch."""
    if not _is_batch(batch):
        raise UsageError(
            f"a batch must be a mapping of columns, a DataFrame or an Arrow table, not {described(batch)}; for a list of texts, use clean()"
        )
    names = [str(one) for one in (batch.schema.names if _is_arrow(batch) else batch)]
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else f"the columns are: {', '.join(names)}."
        raise UsageError(f"the batch has no column {name!r}; {hint} Set column= when you create the Scanner")
    column = batch.column(name) if _is_arrow(batch) else batch[name]
    if isinstance(column, str):
        raise UsageError(
            f"column {name} holds a single text, so this is a row and not a batch; pass batches, as map(scanner, batched=True) does"
        )
    return column


def replaced(batch: Any, columns: Mapping[str, Sequence[str | None]], kept: Sequence[bool]) -> Any:
    """Return a batch of the same kind with other texts in some columns, and without the rows that are not kept."""
    mask = np.asarray(kept, bool)
    if _is_arrow(batch):
        for name, texts in columns.items():
            field = batch.schema.field(name)
            batch = batch.set_column(batch.schema.get_field_index(name), field, pa.array(texts, pa.large_string()).cast(field.type))
        return batch if mask.all() else batch.filter(pa.array(mask))
    if hasattr(batch, "iloc"):
        batch = batch.copy(deep=False)
        for name, texts in columns.items():
            batch[name] = type(batch[name])(list(texts), index=batch.index, dtype=_dtype_for(texts, batch[name]))
        return batch if mask.all() else batch[mask]
    return {name: _kept(_like(value, columns[name]) if name in columns else value, mask) for name, value in batch.items()}


def _dtype_for(texts: Sequence[str | None], column: Any) -> Any:
    """Return the type of a pandas column with other texts in it. Categories are the texts themselves, in the order of the old ones."""
    dtype = column.dtype
    if not hasattr(dtype, "categories"):
        return dtype
    ordered = (texts[row] for row in np.argsort(column.cat.codes, kind="stable"))
    return type(dtype)([*dict.fromkeys(text for text in ordered if text is not None)], ordered=dtype.ordered)


def _like(column: Any, texts: Sequence[str | None]) -> Any:
    if not isinstance(column, np.ndarray):
        return list(texts)
    return np.array(texts, object) if column.dtype == object or None in texts else np.array(texts, str)


def _kept(column: Any, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    if mask.all():
        return column
    if isinstance(column, (list, tuple)):
        return [value for value, keep in zip(column, mask, strict=True) if keep]
    return column[mask]


def _is_batch(batch: Any) -> bool:
    return _is_arrow(batch) or isinstance(batch, Mapping) or (hasattr(batch, "iloc") and hasattr(batch, "columns"))


def _is_arrow(batch: Any) -> bool:
    return isinstance(batch, (pa.Table, pa.RecordBatch))
