"""The reference of the configuration, from `Settings`."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from tools.site.commands import commands
from tools.site.markdown import GENERATED, code, described, table, text
from veritensor_ray.core.config import ENV_PREFIX, SEVERITIES, Settings

PAGE = "reference/configuration.md"
_PREFIX = "PREFIX"  # what users put in place of it: the beginning of a URI
# Flags that are not named after their key.
_FLAGS = {"notify.url": "--notify", "sources": "the arguments"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the configuration file: its full name, its section (none at the top) and its field."""

    name: str
    section: str
    field: FieldInfo

    @property
    def variable(self) -> str:
        """The environment variable that sets it; empty for entries of lists and for names that users give."""
        inside = self.section.startswith(("stores", "pii.custom"))
        return "" if inside else ENV_PREFIX + self.name.replace(".", "__").upper()


def keys() -> list[Key]:
    """Every key, in the order of the model."""
    return list(_keys(Settings, ""))


def _keys(model: type[BaseModel], section: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        full = f"{section}.{name}" if section else name
        inner = _section_of(field.annotation)
        if inner is None:
            yield Key(full, section, field)
        else:
            yield from _keys(inner, f"{full}.{_PREFIX}" if get_origin(field.annotation) is dict else full)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    found = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)]
    return found[0] if found else None


def settings_page() -> str:
    """The page with every key of the configuration."""
    flags, sections = _flags(), dict.fromkeys(key.section for key in keys())
    parts = []
    for section in sections:
        rows = [_row(key, flags) for key in keys() if key.section == section]
        heading = f"## {code(section)}" if section else "## Top level"
        parts.append(f"{heading}\n\n{table(('key', 'type', 'default', 'meaning'), rows)}")
    joined = "\n".join(parts)
    return f"""# All keys of the configuration

{GENERATED} [Configuration](../configuration.md) explains where settings come from and how they work together.

Below each key is the environment variable that sets it, and the flag of `veritensor-ray submit` if there is one.

{joined}"""


def _row(key: Key, flags: dict[str, str]) -> tuple[str, str, str, str]:
    flag = flags.get(key.name, "")
    under = [code(key.variable)] if key.variable else []
    under += [code(flag) if flag.startswith("-") else flag] if flag else []
    names = "".join(f'<br><span class="under">{one}</span>' for one in under)
    return code(key.name) + names, type_of(key.field), default_of(key.field), meaning_of(key)


def _flags() -> dict[str, str]:
    """Key to flag. A flag has the name of its key, without the section."""
    by_last: dict[str, list[str]] = {}
    for key in keys():
        by_last.setdefault(key.name.rpartition(".")[2], []).append(key.name)
    found = {}
    submit = next(command for name, command in commands() if name.endswith(" submit"))
    for parameter in submit.params:
        named = by_last.get(parameter.name, [])
        if parameter.name in Settings.model_fields and not _section_of(Settings.model_fields[parameter.name].annotation):
            found[parameter.name] = parameter.opts[0]
        elif len(named) == 1:
            found[named[0]] = parameter.opts[0]
    return found | _FLAGS


def meaning_of(key: Key) -> str:
    """What a key means: the sentence in the page about the configuration, or else that of the code."""
    said = described("configuration.md", on=PAGE).get(key.name)
    own = key.field.description
    return said or (text(own[0].upper() + own[1:]).rstrip(".") + "." if own else "")


def type_of(field: FieldInfo) -> str:
    """The type of a value, in words, with its bounds."""
    if "_seconds" in _validators(field):
        return "[span of time](../configuration.md#spans-of-time)"
    if "_named_secret" in _validators(field):
        return "secret, as `env:NAME` or `file:/path`"
    return _words(field.annotation) + _bounds(field.metadata)


def _validators(field: FieldInfo) -> set[str]:
    return {getattr(getattr(one, "func", None), "__name__", "") for one in field.metadata}


def _words(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(inner[0]) + _bounds([known for one in inner[1:] for known in getattr(one, "metadata", [one])])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in inner if one is not type(None))
    if origin is Literal:
        return "a severity" if inner == SEVERITIES else ", ".join(map(code, inner))
    if origin is list:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"map of {_words(inner[1])}"
    return {bool: "`true` or `false`", int: "whole number", float: "number", ByteSize: "bytes"}.get(annotation, "text")


def _bounds(metadata: Iterable[Any]) -> str:
    names = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
    found = [f"{words} {value:,}" for one in metadata for name, words in names if (value := getattr(one, name, None)) is not None]
    return f" ({', '.join(found)})" if found else ""


def default_of(field: FieldInfo) -> str:
    """The default as it would stand in the file."""
    value = field.default
    if field.is_required():
        return "required"
    if value is None:
        return "not set"
    if value in ([], {}):
        return "empty"
    if "_seconds" in _validators(field):
        return code(f"{value / 3600:g}h")
    if _is_bytes(field.annotation) and isinstance(value, int):
        return code(_decimal(value))
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, list):
        return code(f"[{', '.join(map(str, value))}]")
    return code(re.sub(r"\.0$", "", str(value)))


def _is_bytes(annotation: Any) -> bool:
    return annotation is ByteSize or ByteSize in get_args(annotation)


def _decimal(size: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size % 10**power == 0:
            return f"{size // 10**power}{unit}"
    return str(size)
