"""Severities in SQL: an ordered type for the columns that hold them, and for the words that they are compared with.

DuckDB compares a column of an enumeration with a word as two texts, so `severity >= 'high'` would order the words by the alphabet. It does
not depend on results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError

# Columns that hold a severity, in any table and comparison.
RANKED = ("severity", "severity_original", "severity_before", "max_severity")
TYPE = f"CREATE TYPE severity AS ENUM {SEVERITIES}"
RANK = f"CREATE MACRO severity_rank(severity) AS list_position({list(SEVERITIES)}, severity)"
_NAMED = re.compile(rf"severity|['$](?:{'|'.join(SEVERITIES)})['$]", re.IGNORECASE)
_LISTS = ("COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE")


def typed(names: Sequence[str]) -> str:
    """Return what to select from a table with these columns so that severities are of the type `severity`. Any other word becomes null."""
    ranked = [f"TRY_CAST({name} AS severity) AS {name}" for name in names if name in RANKED]
    return f"* REPLACE ({', '.join(ranked)})" if ranked else "*"


def compared(connection: Any, query: str) -> str:
    """Return the query with the type `severity` after each severity in quotes that something is compared with.

    Text is then still compared as text, and a severity by its rank. Raises UsageError if a severity is compared with another word. A query
    that is not valid stays as it is.
    """
    if not _NAMED.search(query):  # a list of many ids is not worth parsing
        return query
    ((parsed,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    try:
        tree = json.loads(parsed)
    except RecursionError:
        raise UsageError("the query or condition is nested too deeply; write it in several steps") from None
    text, ends = query.encode(), set[int]()
    for operands in _compared(tree):
        words = [word for one in operands if (word := _word(one)) is not None]
        if unknown := [word for word in words if word not in SEVERITIES and any(map(_ranked, operands))]:
            raise UsageError(f"a severity is compared with {unknown[0]!r}, which is not one; choose from {', '.join(SEVERITIES)}")
        ends |= {one["query_location"] + one["query_location_length"] for one in operands if _word(one) in SEVERITIES}
    for end in sorted(ends, reverse=True):
        text = text[:end] + b"::severity" + text[end:]
    return text.decode()


def words(schema: pa.Schema) -> pa.Schema:
    """Return a schema with text in place of enumerations, to which a batch can be cast: other programs know severities as words."""
    return pa.schema([one.with_type(_text_type(one.type)) for one in schema], metadata=schema.metadata)


def _compared(tree: object) -> Iterator[list[Any]]:
    """Yield the expressions of a query that are compared with each other, or that are alternatives for one value."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            kind = node.get("class")
            if kind == "COMPARISON":
                yield [node["left"], node["right"]]
            elif kind == "BETWEEN":
                yield [node["input"], node["lower"], node["upper"]]
            elif kind == "OPERATOR" and node["type"] in _LISTS:
                yield node["children"]
            elif kind == "CASE":
                yield [*(one["then_expr"] for one in node["case_checks"]), node["else_expr"]]


def _word(node: Mapping[str, Any]) -> str | None:
    literal = node.get("literal") if node.get("class") == "CONSTANT" else None
    return str(literal["text"]) if literal and literal.get("kind") == "STRING" else None


def _ranked(node: Mapping[str, Any]) -> bool:
    return node.get("class") == "COLUMN_REF" and str(node["column_names"][-1]).lower() in RANKED


def _text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_text_type(one.type)) for one in kind])
    if pa.types.is_map(kind):
        return pa.map_(*(one.with_type(_text_type(one.type)) for one in (kind.key_field, kind.item_field)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_text_type(kind.value_type)), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_text_type(kind.value_type)))
    return kind
