"""Fits changes to YAML: a value stays one value, and a text stays a text."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, applied
from veritensor_ray.formats.editing.placing import Slot, doubled, fitted, inside, joined, near, widened
from veritensor_ray.formats.editing.spans import Range

_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)  # only scans and parses here; it constructs nothing
_COMMENT = re.compile(r"(?:^|(?<=[ \t\n\r\ufeff]))#[^\n\r]*")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n[ \t]*|.)", re.DOTALL)
_TWO_QUOTES = re.compile("''")
_QUOTE = re.compile("'")
_HARMLESS = re.compile(r"[A-Za-z0-9_./+][\w./+@-]*(?: [\w./+@-]+)*")
_STRING = "tag:yaml.org,2002:str"
_NUMERIC = re.compile(r"[0-9.+-]")  # a number for YAML 1.2 may be a text for YAML 1.1
_SPACES = re.compile(" *")
_HEADER = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")
_BREAK = re.compile(r"\s*[\r\n]\s*")
_EVERY = 10_000  # tokens between two signs of life


def fit_yaml(text: str, edits: Sequence[Edit], pulse: Callable[[], None]) -> list[Edit]:
    """Return the edits as YAML needs them; unchanged if the text is not valid YAML. Raises CannotRewriteError if they would break it."""
    if not edits:
        return []
    try:
        slots = [slot for slot in _slots(text, pulse) if near(slot, edits)]
        for _ in _outline(text, pulse):
            pass
    except (yaml.YAMLError, RecursionError):
        return list(edits)
    found = fitted(edits, slots, text, _chosen, lambda slot, some: joined(_written(text, slot, some)))
    changed = {slot.end for slot in slots}
    result = applied(text, sorted(found))
    try:
        same = _same(_outline(text, pulse), _outline(result, pulse), changed)
    except (yaml.YAMLError, RecursionError):
        raise CannotRewriteError("with the changes it would no longer be valid YAML") from None
    if not same or (any(slot.kind == "key" for slot in slots) and _has_twins(result) and not _has_twins(text)):
        raise CannotRewriteError("the changes would change the structure of the YAML")
    return found


def yaml_comments(text: str, pulse: Callable[[], None]) -> list[Range]:
    """Return the ranges of the comments; none if the text is not valid YAML. Raises no error."""
    try:
        return [(slot.start, slot.end) for slot in _slots(text, pulse) if slot.kind == "comment"]
    except (yaml.YAMLError, RecursionError):
        return []


def _slots(text: str, pulse: Callable[[], None]) -> Iterator[Slot]:
    """Yield the scalars, which are keys or values, and the comments. Raises YAMLError."""
    at, is_key = 0, False
    for number, token in enumerate(yaml.scan(text, Loader=_LOADER)):
        if number % _EVERY == 0:
            pulse()
        if isinstance(token, yaml.KeyToken):
            is_key = True
        elif isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark.index, token.end_mark.index
            yield from _comments(text, at, start)
            style = text[start] if not token.plain else ""
            yield Slot(start, end, "key" if is_key else "value", style)
            at, is_key = end, False
        elif isinstance(token, (yaml.ValueToken, yaml.BlockEntryToken, yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)):
            is_key = False
    yield from _comments(text, at, len(text))


def _comments(text: str, start: int, end: int) -> Iterator[Slot]:
    for found in _COMMENT.finditer(text, start, end):
        yield Slot(found.start(), found.end(), "comment")


def _chosen(slots: Sequence[Slot]) -> Sequence[Slot]:
    """A key is left as it is if its value is changed too."""
    return [
        slot
        for number, slot in enumerate(slots)
        if slot.kind != "key" or not any(later.kind == "value" for later in slots[number + 1 : number + 2])
    ]


def _written(text: str, slot: Slot, edits: list[Edit]) -> Iterator[Edit]:
    """Yield the changes within a scalar or comment, and those around it."""
    start, end = slot.start, slot.end
    if slot.kind == "comment":
        yield from (Edit(max(edit.start, start + 1), edit.end, _BREAK.sub(" ", edit.text)) for edit in edits if edit.end > start + 1)
    elif slot.quote == '"':
        for edit in widened(inside(edits, start + 1, end - 1), _ESCAPE, text, start + 1, end - 1):
            yield edit._replace(text=_BREAK.sub(" ", edit.text).replace("\\", "\\\\").replace('"', '\\"'))
    elif slot.quote == "'":
        for edit in widened(inside(edits, start + 1, end - 1), _TWO_QUOTES, text, start + 1, end - 1):
            yield edit._replace(text=_BREAK.sub(" ", edit.text).replace("'", "''"))
    elif slot.quote in ("|", ">"):
        yield from _in_block(text, start, end, edits)
    else:
        yield from _in_plain(text, start, end, [edit._replace(text=_BREAK.sub(" ", edit.text)) for edit in edits])


def _in_block(text: str, start: int, end: int, edits: list[Edit]) -> Iterator[Edit]:
    """Yield the changes within a block of lines. Its indentation and its last line end stay."""
    body = _HEADER.match(text, start, end).end()  # type: ignore[union-attr]  # it matches anything
    while end > body and text[end - 1] in "\r\n":
        end -= 1
    for edit in edits:
        first, last = max(edit.start, body), min(edit.end, end)
        line = first
        while line > body and text[line - 1] == " ":
            line -= 1
        if line == body or text[line - 1] in "\r\n":
            first = _SPACES.match(text, line, end).end()  # type: ignore[union-attr]  # it matches anything
            first = max(first, edit.start)
        if first >= last:
            raise CannotRewriteError("a finding lies in the indentation of the YAML")
        yield Edit(first, last, _BREAK.sub(" ", edit.text))


def _in_plain(text: str, start: int, end: int, edits: list[Edit]) -> Iterator[Edit]:
    """Yield the changes within a scalar without quotation marks. It gets some if the new text would not be the text that it is."""
    old = text[start:end]
    new = applied(old, [Edit(edit.start - start, edit.end - start, edit.text) for edit in edits])
    if _HARMLESS.fullmatch(new) and _tag(old) == _tag(new) and (_tag(new) != _STRING or not _NUMERIC.match(new)):
        yield from edits
        return
    quoted = [edit._replace(text=edit.text.replace("'", "''")) for edit in edits]
    yield Edit(start, start, "'")
    yield from doubled(_QUOTE, "'", quoted, text, start, end)
    yield Edit(end, end, "'")


def _tag(value: str) -> str:
    """The type that a scalar without quotation marks has."""
    return str(_resolver().resolve(yaml.ScalarNode, value, (True, False)))


@functools.cache
def _resolver() -> Any:
    return yaml.resolver.Resolver()


_Outline = tuple[str, str | None, str | None, int]


def _outline(text: str, pulse: Callable[[], None]) -> Iterator[_Outline]:
    """Yield the structure of YAML: the kind of each event, its anchor, its text and its end. Raises YAMLError."""
    for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if number % _EVERY == 0:
            pulse()
        end: Any = event.end_mark
        yield type(event).__name__, getattr(event, "anchor", None), getattr(event, "value", None), end.index


def _same(before: Iterator[_Outline], after: Iterator[_Outline], changed: set[int]) -> bool:
    """Return whether two structures are equal, except in the texts of scalars that end at one of the `changed` characters."""
    return all(
        one is not None and other is not None and one[:2] == other[:2] and (one[2] == other[2] or one[3] in changed)
        for one, other in itertools.zip_longest(before, after)
    )


def _has_twins(text: str) -> bool:
    """Return whether a mapping has the same key twice, of which most programs keep one."""
    todo = [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
    known = set(map(id, todo))
    while todo:
        node = todo.pop()
        inner = [*itertools.chain.from_iterable(node.value)] if isinstance(node, yaml.MappingNode) else node.value
        if isinstance(node, yaml.ScalarNode):
            continue
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)] if isinstance(node, yaml.MappingNode) else []
        if len(set(keys)) < len(keys):
            return True
        todo += [one for one in inner if id(one) not in known]
        known.update(map(id, inner))
    return False
