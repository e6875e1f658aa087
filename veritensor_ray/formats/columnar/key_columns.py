"""The values of the key columns of Arrow batches, as texts. Labels of a dataset of Hugging Face have their names beside their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from veritensor_ray.formats.columnar.keyed_rows import TOO_LONG, bounded
from veritensor_ray.formats.columnar.label_names import label_names
from veritensor_ray.formats.columnar.text_columns import is_binary, is_string
from veritensor_ray.formats.common.column_paths import shorten

_NO_TEXT = "…"  # for a value of a type that has no text


class KeyColumns:
    """The key columns that the user names, for one file. `constants` are columns of its table that have the same value in every row."""

    def __init__(self, names: Sequence[str], constants: Sequence[tuple[str, str]] = ()) -> None:
        self._names, self._constants = names, dict(constants)
        self._labels: Mapping[str, Mapping[str, str]] | None = None  # of the columns that have named labels, by their numbers

    def among(self, schema: pa.Schema, called: Callable[[str], str | None]) -> Iterator[str]:
        """Yield the columns of a file that are key columns. `called` says what its table calls each of them."""
        for field in schema:
            if called(field.name) in self._names and not pa.types.is_nested(field.type):
                yield field.name

    def of(self, batch: pa.RecordBatch) -> tuple[list[str], list[list[str | None]]]:
        """Return the key columns that a batch has, by the names that its texts have, and their values."""
        names, columns = list[str](), list[list[str | None]]()
        if self._labels is None:
            self._labels = {name: _shown(names) for name, names in label_names(batch.schema).items()} if self._names else {}
        for name in dict.fromkeys(self._names):
            at = batch.schema.get_all_field_indices(name)
            if at and not pa.types.is_nested(batch.schema.field(at[0]).type):
                values, labels = _texts(batch.column(at[0])), self._labels.get(name, {})
                names, columns = [*names, shorten(name)], [*columns, [labels.get(value, value) if value else value for value in values]]
            elif not at and name in self._constants:
                names, columns = [*names, shorten(name)], [*columns, [self._constants[name]] * batch.num_rows]
        return names, columns


def _shown(labels: Sequence[str]) -> Mapping[str, str]:
    """Return what is shown of labels, by their numbers. Other numbers, such as -1 for no label, have no name and stay as they are."""
    named = ((str(number), bounded(f"{number} ({name})")) for number, name in enumerate(labels))
    return {number: text if text != TOO_LONG else f"{number} ({TOO_LONG})" for number, text in named}


def _texts(column: pa.Array) -> list[str | None]:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _texts(column.storage)
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if is_string(kind):  # which need not be valid UTF-8
        return [value if value is None else value.decode("utf-8", "replace") for value in column.cast(pa.large_binary()).to_pylist()]
    if is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [value if value is None else value.hex() for value in column.to_pylist()]
    try:
        texts: list[str | None] = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:
        return [None if is_null else _NO_TEXT for is_null in column.is_null().to_pylist()]
    return texts


__all__ = ["KeyColumns"]
