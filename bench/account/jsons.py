"""Places in JSON: every string, every key, new ones, values that a second key hides, and between the tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from bench.account.canary import EMAIL, NUMBER, TEXT, TOKEN, Place

_ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in TEXT)
_MARK = "@@"  # stands in the value for what only the text of the file can express
Step = str | int
Change = Callable[[Any], Any]

# What an object becomes, and what the mark in the text of the file then becomes.
_OBJECTS: dict[str, tuple[Change, tuple[str, str]]] = {
    "new value": (lambda old: {**old, "note": TEXT}, ("", "")),
    "new value, nested": (lambda old: {**old, "note": {"a": [[{"b": TEXT}]]}}, ("", "")),
    "new number": (lambda old: {**old, "note": NUMBER}, ("", "")),
    "new key": (lambda old: {**old, TOKEN: 1}, ("", "")),
    "new key, an address": (lambda old: {**old, EMAIL: None}, ("", "")),
    "escaped value": (lambda old: {**old, "note": _MARK}, (_MARK, _ESCAPED)),
    "value of an earlier equal key": (lambda old: {_MARK: 1, **old}, (f'"{_MARK}"', f'"note": "{TEXT}", "note"')),
    "comment": (lambda old: {_MARK: 1, **old}, (f'"{_MARK}"', f'/* {TEXT} */ "note"')),
}
_ARRAYS: dict[str, Change] = {"new item": lambda old: [*old, TEXT], "new first item": lambda old: [TEXT, *old]}
_AROUND = {"behind the end": f"%s {TEXT}", "second document": f'%s\n{{"note": "{TEXT}"}}', "before the document": f"{TEXT} %s"}


def parsed(data: bytes) -> Any:
    """Return an object or an array, or None for anything else."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None


def json_places(value: Any, written: Callable[[str], bytes] = str.encode) -> Iterator[Place]:
    """Yield places by the keys that lead to them, with `*` for the items of arrays. `written` returns the file for a text."""

    def place(kind: str, path: tuple[Step, ...], change: Change, mark: tuple[str, str] = ("", "")) -> Place:
        def build() -> bytes:
            text = json.dumps(_changed(value, path, change), ensure_ascii=False)
            return written(text.replace(*mark) if mark[0] else text)

        return Place(kind, "/".join("*" if isinstance(step, int) else step for step in path), build)

    for path, found in _walk(value, ()):
        if isinstance(found, dict):
            yield from (place(kind, path, change, mark) for kind, (change, mark) in _OBJECTS.items())
            yield from (place("key", (*path, key), _same, (f"{json.dumps(key, ensure_ascii=False)}:", f'"{TEXT}":')) for key in found)
        elif isinstance(found, list):
            yield from (place(kind, path, change) for kind, change in _ARRAYS.items())
        else:
            yield place("string" if isinstance(found, str) else "value in place of another type", path, lambda _: TEXT)
            if isinstance(found, str):
                yield place("string, at its end", path, lambda old: f"{old} {TEXT}")
            else:
                yield place("number", path, lambda _: NUMBER)
    for kind, form in _AROUND.items():
        yield _around(kind, form, json.dumps(value, ensure_ascii=False), written)


def _around(kind: str, form: str, whole: str, written: Callable[[str], bytes]) -> Place:
    return Place(kind, "", lambda: written(form.replace("%s", whole)))


def _same(old: Any) -> Any:
    return old


def _walk(value: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield from _walk(one, (*path, step))


def _changed(value: Any, path: tuple[Step, ...], change: Change) -> Any:
    """Return the value with one place changed, and nothing of the original touched."""
    if not path:
        return change(value)
    step, *rest = path
    if isinstance(value, dict):
        return {key: _changed(one, tuple(rest), change) if key == step else one for key, one in value.items()}
    return [_changed(one, tuple(rest), change) if number == step else one for number, one in enumerate(value)]
