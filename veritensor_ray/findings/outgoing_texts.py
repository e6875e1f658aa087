"""Redact every text of a commit's row before it is written.

The schema drives this, so that no column can be forgotten.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.masking.redaction import name_safe, reason_safe, tagged, visible
from veritensor_ray.masking.sensitive_values import Values, without_values
from veritensor_ray.masking.site_key import seal, unseal

# Not from the text of the corpus: names of artifacts, which must be found again (the one exception); digests and what stores call a
# version; words of closed sets; names and fingerprints of engines and rules.
AS_THEY_ARE = frozenset(
    (
        *("artifact", "same_as", "content_id", "content_id_kind", "media_type", "status", "reason_code"),
        *("coverage.engine", "coverage.status", "coverage.fingerprint", "coverage.reason_code", "coverage.verdict"),
        *("gaps.engine", "gaps.bound", "gaps.reason_code"),
        *("findings.engine", "findings.rule_id", "findings.severity"),
        *(f"findings.{at}.{name}" for at in ("location", "places") for name in ("view", "decoded_via")),
        *("rollup.rule_id", "rollup.severity"),
        *("spots.rule_id", "spots.severity", "spots.view"),
    )
)
# Names are masked by their form; two different names stay different.
NAMES = frozenset(
    (
        *("findings.member", "gaps.member", "coverage.verdict_reasons.member", "rollup.column"),
        *("spots.member", "spots.column", "spots.part", "tables.member", "tables.part", "keys.key"),
        *(f"findings.{at}.{name}" for at in ("location", "places") for name in ("column", "part", "key")),
    )
)
# Already redacted, with more context than is left here; the texts of a row are one text cut into three.
_EVIDENCE = ("evidence_before", "evidence", "evidence_after")
_REDACTED = frozenset(("findings.message", *(f"findings.{name}" for name in _EVIDENCE)))


@dataclass(frozen=True, slots=True)
class _Column:
    """A field that is a text, or that has such fields below it (`inner`)."""

    name: str
    path: str
    inner: tuple[_Column, ...]
    is_list: bool


class _TextColumn(NamedTuple):
    """A text in a row: `holder[column.name]`."""

    holder: dict[str, Any]
    column: _Column

    @property
    def text(self) -> str:
        return str(self.holder[self.column.name])

    def put(self, text: str) -> None:
        self.holder[self.column.name] = text


def cleaned(row: dict[str, Any], values: Values, site_key: bytes) -> dict[str, Any]:
    """Return a commit's row with nothing secret in it: no secrets recognized by form, and none of its artifact's values."""
    places = list(_texts(row, _columns()))
    if not places:  # most files: nothing was found or missed
        return row
    names = [found["member"] for found in row["findings"]]
    safe = {name: name_safe(name) for name in {place.text for place in places if place.column.path in NAMES}}
    for place in places:
        if place.column.path not in NAMES and place.column.path not in _REDACTED:
            place.put(reason_safe(place.text))
    _hide(row, places, values, site_key, safe)
    if names:
        _seal_names(row, names, site_key)
    for one in (*row["gaps"], *(reason for entry in row["coverage"] for reason in entry["verdict_reasons"] or ())):
        one["member"] = one["member"] and visible(one["member"])
    return row


def sealed(row: dict[str, Any], values: Values, site_key: bytes) -> dict[str, Any]:
    """Return the row of one part of several, with its texts encrypted.

    Another part may know values that this one must not show, so the texts stay sealed until all parts are together.
    """
    places = list(_texts(row, _columns()))
    waiting = json.dumps([[place.text for place in places], values.kinds])
    for place in places:
        place.put("")
    return row | {"sealed": seal(site_key, waiting)}


def unsealed(parts: Sequence[dict[str, Any]], site_key: bytes) -> None:
    """Restore the texts in the rows of all parts, without the values that any of them found."""
    values, all_places = Values(), []
    for row in parts:
        texts, kinds = json.loads(unseal(site_key, row["sealed"]))
        all_places.append(list(_texts(row, _columns())))
        for place, text in zip(all_places[-1], texts, strict=True):
            place.put(text)
        values.merge(Values(kinds))
    for row, places in zip(parts, all_places, strict=True):
        names = [found["member"] for found in row["findings"]]
        _hide(row, places, values, site_key, {})
        _seal_names(row, names, site_key)


def _seal_names(row: dict[str, Any], names: Sequence[str | None], site_key: bytes) -> None:
    """Seal the full names of members. They distinguish findings, but only a holder of the key may see more than is shown."""
    for found, name in zip(row["findings"], names, strict=True):
        if name is not None and found["member"] != name:
            found["member_sealed"] = found.get("member_sealed") or seal(site_key, name)


def _hide(row: dict[str, Any], places: Sequence[_TextColumn], values: Values, site_key: bytes, safe: Mapping[str, str]) -> None:
    """Remove values from all texts. `safe` holds what is shown of names without them."""
    evidence = ["".join(found[name] or "" for name in _EVIDENCE) for found in row["findings"]]
    names, others = list[_TextColumn](), list[_TextColumn]()
    for place in places:
        if place.column.path in NAMES:
            names.append(place)
        elif place.column.name not in _EVIDENCE:
            others.append(place)
    hidden = without_values([*evidence, *(safe.get(one.text, one.text) for one in names), *(one.text for one in others)], values)
    for place in names:
        shown = safe.get(place.text, place.text)
        place.put(tagged(hidden.get(shown, shown), place.text, site_key))
    for place in others:
        place.put(hidden.get(place.text, place.text))
    for found, whole in zip(row["findings"], evidence, strict=True):
        _cut_anew(found, hidden.get(whole, whole))


def _cut_anew(found: dict[str, Any], text: str) -> None:
    for name in _EVIDENCE:
        size = len(found[name] or "")
        found[name], text = found[name] and text[:size], text[size:]


@functools.cache
def _columns() -> tuple[_Column, ...]:
    return tuple(_with_texts(COMMIT, ""))


def _with_texts(fields: Iterable[pa.Field], prefix: str) -> Iterator[_Column]:
    for field in fields:
        path, is_list = f"{prefix}{field.name}", pa.types.is_list(field.type)
        kind = field.type.value_type if is_list else field.type
        inner = tuple(_with_texts(kind, f"{path}.")) if pa.types.is_struct(kind) else ()
        if inner or (pa.types.is_string(kind) and path not in AS_THEY_ARE):
            yield _Column(field.name, path, inner, is_list)


def _texts(row: dict[str, Any], columns: Sequence[_Column]) -> Iterator[_TextColumn]:
    """Yield every text of a row that is not null."""
    for column in columns:
        value = row.get(column.name)
        if value is None:
            continue
        if not column.inner:
            yield _TextColumn(row, column)
            continue
        for one in value if column.is_list else (value,):
            yield from _texts(one, column.inner)
