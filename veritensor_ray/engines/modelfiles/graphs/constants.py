"""Follows texts through one graph of TensorFlow, from constants to the operators that take them as paths and addresses. Nothing is computed but joins."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.wire_records import Record

_MOST = bounds.GRAPH_CONSTANTS
_LONGEST = bounds.PATH
_PASSING = frozenset({
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "Reshape", "ExpandDims", "Squeeze", "Pack", "ConcatV2", "Concat",
    "Snapshot", "StringStrip", "StringLower", "StringUpper", "PlaceholderWithDefault", "Select", "SelectV2", "Merge", "Switch",
    "Fill", "Tile", "Cast", "EnsureShape", "GatherV2", "Gather", "Slice", "StridedSlice", "Substr", "RegexReplace",
    "StaticRegexReplace", "Enter", "Exit", "Print", "TensorSliceDataset", "TensorDataset", "CheckNumerics", "StringFormat",
    "ShardedFilename", "ShardedFilespec", "Unpack", "Split", "Where",
})  # fmt: skip
_MERGING = frozenset({"StringJoin", "ReduceJoin", "Add", "AddV2"})
UNKNOWN_PART = "?"  # stands for what is not known in a joined text


class Constant(NamedTuple):
    """A text with its place in the file, and the node that gives it."""

    text: str
    place: tuple[int, int]
    node: str


@dataclass(slots=True)
class Constants:
    """The texts of one graph or function, by the name of the node that gives them. `lost` counts nodes beyond the limits, and loops."""

    texts: dict[str, list[Constant]] = field(default_factory=dict)
    joins: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    lost: int = 0
    _given: dict[str, list[Constant]] = field(default_factory=dict)
    _left: int = bounds.GRAPH_TEXTS

    def learn(self, node: Record) -> None:
        """Take a node: it matters if it gives texts, or passes on those of others."""
        name, operator = node.text("name"), node.text("op")
        if len(self.texts) + len(self.joins) >= _MOST:
            self.lost += 1
        elif operator in _PASSING or operator in _MERGING or operator == "DecodeBase64":
            self.joins[name] = (operator, [source for source in map(source_of, node.all("input")) if source])
        elif operator in ("Const", "HostConst", "Placeholder") and (found := texts_of(node, "string_val")):
            self.texts[name] = found

    def of(self, source: str) -> list[Constant]:
        """Return the texts that a node gives, as far as they are known. Call it when all nodes were learned: each is looked at once."""
        waiting, begun = [source], set[str]()
        while waiting:
            name = waiting[-1]
            missing = [one for one in self._sources(name) if one not in self._given]
            if name in self._given or name in begun or not missing:
                waiting.pop()
                if name not in self._given:
                    self._given[name] = self._gives(name)
            else:
                begun.add(name)
                self.lost += any(one in begun for one in missing)  # a loop, which graphs build with other operators
                waiting += (one for one in missing if one not in begun)
        return self._counted(self._given[source])

    def _sources(self, name: str) -> list[str]:
        return self.joins[name][1] if name in self.joins and name not in self.texts else []

    def _gives(self, name: str) -> list[Constant]:
        if name in self.texts or name not in self.joins:
            return self.texts.get(name, [])
        operator, sources = self.joins[name]
        if operator in _MERGING:
            return self._merged([self._given.get(one, []) for one in sources])
        inner = [found for one in dict.fromkeys(sources) if (found := self._given.get(one))]
        passed = inner[0] if len(inner) == 1 else list(dict.fromkeys(one for texts in inner for one in self._counted(texts)))
        return [one._replace(text=_decoded(one.text)) for one in self._counted(passed)] if operator == "DecodeBase64" else passed

    def _merged(self, inner: list[list[Constant]]) -> list[Constant]:
        known, text = next((found[0] for found in inner if found), None), ""
        for found in inner:
            text += found[0].text if found else UNKNOWN_PART
            if len(text) >= _LONGEST:
                break
        return [known._replace(text=text[: _LONGEST - 1])] if known else []

    def _counted(self, texts: list[Constant]) -> list[Constant]:
        """Return texts that a node passes on, unless those of the graph are too many."""
        self._left -= len(texts)
        if self._left >= 0:
            return texts
        self.lost += 1
        return []


def source_of(name: str) -> str:
    """Return the node that an input comes from; empty for one that only says what has to happen before."""
    return "" if name.startswith("^") else name.partition(":")[0]


def texts_of(node: Record, *fields: str) -> list[Constant]:
    """Return the texts in the attributes of a node that may be paths."""
    return [
        Constant(one.text, (one.offset, one.offset + len(one.text.encode("utf-8", "replace"))), node.text("name"))
        for part in node.parts
        for name in fields
        for one in part.texts.get(name, ())
        if one.text and len(one.text) < _LONGEST
    ]


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
