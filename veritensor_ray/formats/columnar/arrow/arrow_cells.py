"""What is known of the values of a column beside their paths: the row of each, and who speaks it if it is the turn of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.formats.columnar.text_columns import is_string, is_view, without_views
from veritensor_ray.formats.json.speakers import SPEAKERS, shape_of

_NAMES = np.array([*SPEAKERS.values(), None], object)  # the last one, at index -1, stands for an unknown speaker


@dataclass(frozen=True, slots=True)
class Cells:
    """The rows of some values, and the numbers of their speakers if any is known. It is indexed like an array."""

    numbers: Any
    said: Any = None

    def __getitem__(self, at: Any) -> Cells:
        return Cells(self.numbers[at], None if self.said is None else self.said[at])

    def speakers(self) -> pa.Array | None:
        """Return who speaks each value."""
        return None if self.said is None else pa.array(_NAMES[self.said], pa.string())


def text_cells(turns: pa.StructArray, rows: Cells) -> dict[int, Cells]:
    """Return the cells of the texts of turns, by the number of their field. It is empty if the speakers are unknown."""
    names = [field.name for field in turns.type]
    shape = shape_of(names)
    if shape is None:
        return {}
    who, text = map(names.index, shape)
    if not (_holds_strings(turns.type.field(who).type) and _holds_strings(turns.type.field(text).type)):
        return {}
    return {text: Cells(rows.numbers, _numbered(pc.struct_field(turns, who)))}


def _holds_strings(kind: pa.DataType) -> bool:
    return is_string(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _numbered(who: pa.Array) -> Any:
    """Return the number of each speaker. Values of a dictionary are compared once, however often it is referred to."""
    if pa.types.is_dictionary(who.type):
        found = _numbered(who.dictionary)
        return np.where(who.is_null(), -1, found[who.indices.fill_null(0)]) if len(found) else np.full(len(who), -1, np.int8)
    known = without_views(who) if is_view(who.type) else who
    return pc.index_in(known, pa.array(list(SPEAKERS), known.type)).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int8)
