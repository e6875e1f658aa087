"""What the library for Lance files has to know of a data file to read it as a version of its dataset has it.

It travels in the plan, in the view of the file.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass

import pyarrow as pa

BLOB_2 = "lance.blob.v2"  # the name of a type whose values may stand in files of their own
_TYPE_NAME = b"ARROW:extension:name"


@dataclass(frozen=True, slots=True)
class LanceLayout:
    """How a data file holds columns of its dataset.

    `schema` has the columns of the dataset that the file holds, by the names that they have now. For each field of the file, `paths` has its
    names from the column down, or nothing if the dataset no longer has it, and `places` where the file holds it. `version` is that of the
    file's format.
    """

    schema: pa.Schema
    paths: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]
    version: tuple[int, int]

    @property
    def dropped(self) -> int:
        """The number of fields in the file that the dataset no longer has."""
        return sum(not path for path in self.paths)

    def to_json(self) -> str:
        """Return the layout as JSON. Equal layouts give equal texts."""
        return json.dumps([schema_text(self.schema), self.paths, self.places, self.version])

    @classmethod
    def from_json(cls, text: str) -> LanceLayout:
        """Return the layout that `to_json` described."""
        schema, paths, places, (major, minor) = json.loads(text)
        return cls(schema_from(schema), tuple(map(tuple, paths)), tuple(places), (major, minor))


def type_name(field: pa.Field) -> str:
    """Return the name of a column's type if Arrow does not know that. The type has it where the library is imported, and metadata elsewhere."""
    if isinstance(field.type, pa.BaseExtensionType):
        return str(field.type.extension_name)
    named: bytes = (field.metadata or {}).get(_TYPE_NAME, b"")
    return named.decode("latin-1")


def schema_text(schema: pa.Schema) -> str:
    """Return columns as a short text."""
    return base64.b85encode(zlib.compress(schema.serialize().to_pybytes())).decode()


def schema_from(text: str) -> pa.Schema:
    """Return the columns that `schema_text` described."""
    return pa.ipc.read_schema(pa.py_buffer(zlib.decompress(base64.b85decode(text))))


__all__ = ["BLOB_2", "LanceLayout", "schema_from", "schema_text", "type_name"]
