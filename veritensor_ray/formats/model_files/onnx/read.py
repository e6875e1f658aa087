"""Reads ONNX: documentation, metadata, strings in attributes and tensors, and names; weights are numbers."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import Malformed, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.model_files.collecting import Gathered, Names
from veritensor_ray.formats.model_files.onnx.structure import LONGEST, OnnxText, Pair, UnreadField, texts

_NAMES = frozenset(
    {"name", "input", "output", "op_type", "attribute", "overload", "ref_attr_name", "tensor_name", "dim_param", "denotation"}
)
_VALUES = frozenset({"string_data", "s", "strings"})


def read_onnx(source: Source) -> Iterator[Item]:
    """Yield every string. Names of nodes and tensors become the lines of a few strings."""
    metadata, values, names = Gathered("metadata"), Gathered(), Names("names")
    at, account = 0, source.account
    last: OnnxText | Pair | UnreadField | None = None
    account.claim(0, 1, "structure")
    try:
        for number, found in enumerate(texts(source.file)):
            last = found
            if isinstance(found, UnreadField):
                account.claim(at, found.start, "text")
                if found.numbers:
                    account.claim(found.start, found.end, "values")
                at = found.end
            elif isinstance(found, Pair):
                yield from metadata.add(found.value, f"{found.message.lower()}.{found.name}.{found.key}")
                yield from metadata.add(found.key, f"{found.message.lower()}.{found.name}") if is_text(found.key) else ()
            elif found.too_long:
                account.claim(at, found.offset, "text")
                at = found.offset + found.too_long
                yield Gap(f"a string of more than {LONGEST} bytes was not read", location=_column(found), bound="onnx_text")
            elif found.name in _NAMES:
                yield from names.add(found.text)
            elif found.name in _VALUES:
                yield from values.add(found.text, _column(found), number)
            else:
                yield from metadata.add(found.text, _column(found))
    except Malformed as error:
        yield from (*metadata.take(), *values.take(), *names.take())
        account.claim(at, _end(last), "text")
        raise ReadError(f"ONNX: {error}") from None
    yield from (*metadata.take(), *values.take(), *names.take())
    if source.file.seekable():
        account.claim(at, length(source.file), "text")


def _end(last: OnnxText | Pair | UnreadField | None) -> int:
    """Return where the last field that was read ends."""
    if last is None or isinstance(last, UnreadField):
        return last.start if last else 0
    return last.offset + len((last.value if isinstance(last, Pair) else last.text).encode("utf-8"))


def _column(found: OnnxText) -> str:
    return f"{found.message.lower()}.{found.name}"
