"""Turn the rows of a dataset that have findings into masks and flags for the libraries that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from veritensor_ray.api.arguments import described
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import counted

if TYPE_CHECKING:
    import numpy as np


def keep_mask(data: Any, artifact: str, found: Mapping[int, str]) -> Any:
    """Return a mask that is true for the rows without a finding: a Series with the index of a pandas frame, else a NumPy array."""
    import numpy as np

    mask: np.ndarray[Any, Any] = np.ones(_length(data, artifact, found), bool)
    mask[list(found)] = False
    if not hasattr(data, "iloc"):
        return mask
    import pandas as pd

    return pd.Series(mask, index=data.index, name="keep")


def row_flags(data: Any, artifact: str, found: Mapping[int, str]) -> list[str | None]:
    """Return the worst severity in each row, None for a row without a finding."""
    return [found.get(row) for row in range(_length(data, artifact, found))]


def _length(data: Any, artifact: str, found: Mapping[int, str]) -> int:
    """Return the number of rows. Raises UsageError if the data cannot be the whole artifact: a mask would then fit other rows."""
    try:
        length = len(data)
    except TypeError:
        raise UsageError(f"pass the rows of {artifact!r} as a data frame, a table or a dataset, not {described(data)}") from None
    if found and (last := max(found)) >= length:
        raise UsageError(
            f"the data has {counted(length, 'row')}, but row {last:,} of {artifact!r} has a finding; pass all rows of it in the order of the file"
        )
    return length
