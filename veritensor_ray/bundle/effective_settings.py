"""The effective settings, and where each value comes from: a default, a file, the environment or the bundle in use. No secret is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.core.config import ENV_PREFIX, load_settings
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials

_Key = tuple[str, ...]
_MAY_HOLD_SECRETS = {("notify", "url"), ("notify", "command")}  # an address of a chat service, and the arguments of a command
_HIDDEN = "(set)"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: its full key, its value, and where the value comes from."""

    key: str
    value: Any
    source: str


def effective(path: str | None, environ: Mapping[str, str] | None = None) -> list[Effective]:
    """Returns all settings of a run that is given no flags, in the order of the documentation.

    `path` is the file given with --config. Raises UsageError and BundleError, as a run would.
    """
    environ = os.environ if environ is None else environ
    given = load_settings(path, environ=environ)
    used, bundle = activate(given, thorough=False)
    before = dict(_flat(given.model_dump(mode="json")))
    file = path or given.found
    sources = _lines(Path(file)) if file else {}
    sources |= {tuple(name.removeprefix(ENV_PREFIX).lower().split("__")): name for name in environ if name.startswith(ENV_PREFIX)}
    found = []
    for key, value in _flat(used.model_dump(mode="json")):
        source = sources.get(key, "default")
        if bundle is not None and before.get(key) != value:
            source = f"bundle {bundle.id}"
        found.append(Effective(without_credentials(".".join(key)), _shown(key, value), without_credentials(source)))
    return found


def _flat(values: Mapping[str, Any], above: _Key = ()) -> Iterator[tuple[_Key, Any]]:
    """Yields the values inside all sections."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, name))
        else:
            yield (*above, name), value


def _shown(key: _Key, value: Any) -> Any:
    """Returns a value without secrets. Settings of the type NamedSecret contain only the name of a secret."""
    if key in _MAY_HOLD_SECRETS and value is not None and not str(value).startswith(("env:", "file:")):
        return _HIDDEN
    if isinstance(value, list):
        return [_shown((), one) for one in value]
    return without_credentials(value) if isinstance(value, str) else value


def _lines(file: Path) -> dict[_Key, str]:
    """Returns FILE:LINE for each key of a YAML file."""
    root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return {key: f"{file}:{line}" for key, line in _marked(root)}


def _marked(node: yaml.Node | None, above: _Key = ()) -> Iterator[tuple[_Key, int]]:
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode) and name.tag == "tag:yaml.org,2002:merge":
            yield from _marked(value, above)  # keys of an anchored mapping: the line is where they are written
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode):
            yield (*above, name.value), name.start_mark.line + 1
            yield from _marked(value, (*above, name.value))
