"""What Keras keeps in an HDF5 file beside the weights; h5py does the reading, and nothing is built from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from veritensor_ray import bounds

LARGEST = bounds.HELD


class Malformed(Exception):
    """h5py refuses the file."""


def opened(file: BinaryIO) -> Any:
    """An h5py.File over a file object. Raises Malformed."""
    import h5py

    try:
        return h5py.File(file, "r", locking=False)
    except Exception as error:  # noqa: BLE001  # h5py raises whatever the damage leads it to
        raise Malformed(f"not a whole HDF5 file: {str(error)[:200]}") from None


def keras_config(root: Any) -> str | None:
    """The attribute `model_config` of the root, JSON; None where there is none. Raises Malformed."""
    try:
        value = root.attrs.get("model_config")
    except Exception as error:  # noqa: BLE001  # the same
        raise Malformed(f"unreadable attribute model_config: {str(error)[:200]}") from None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    if len(value) > LARGEST:
        raise Malformed(f"the attribute model_config has {len(value)} characters")
    return value


@dataclass(frozen=True, slots=True)
class Found:
    """A group or dataset under its path."""

    path: str
    item: Any
    is_dataset: bool


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A link that leads to another file."""

    path: str
    what: str
    target: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """What h5py cannot open."""

    path: str
    reason: str


def objects(root: Any) -> Iterator[Found | Elsewhere | Damaged]:
    """Every object once, whatever the links between groups; those to other files are named and not followed."""
    import h5py

    seen: set[Any] = set()
    stack: list[tuple[str, Any]] = [("/", root)]
    while stack:
        path, item = stack.pop()
        try:
            info = h5py.h5o.get_info(item.id)
            if (info.fileno, info.addr) in seen:
                continue
            seen.add((info.fileno, info.addr))
            names = list(item) if isinstance(item, h5py.Group) else []
        except Exception as error:  # noqa: BLE001  # h5py raises whatever the damage leads it to
            yield Damaged(path, str(error)[:200])
            continue
        yield Found(path, item, isinstance(item, h5py.Dataset))
        inner: list[tuple[str, Any]] = []
        for name in names:
            yield from _follow(path, item, name, inner)
        stack.extend(reversed(inner))


def _follow(path: str, group: Any, name: str, stack: list[tuple[str, Any]]) -> Iterator[Elsewhere | Damaged]:
    import h5py

    inner = f"{path.rstrip('/')}/{name}"[-1024:]
    try:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield Elsewhere(inner, "a link to another file", f"{link.filename}:{link.path}")
        elif isinstance(link, h5py.HardLink):
            stack.append((inner, group[name]))
    except Exception as error:  # noqa: BLE001  # the same
        yield Damaged(inner, str(error)[:200])


def attributes(item: Any) -> Iterator[tuple[str, Any]]:
    """Name and value, or the exception that reading it raised."""
    try:
        names = list(item.attrs)
    except Exception as error:  # noqa: BLE001  # the same
        yield "", error
        return
    for name in names:
        try:
            yield name, item.attrs[name]
        except Exception as error:  # noqa: BLE001  # the same
            yield name, error


def stored_elsewhere(dataset: Any) -> str:
    """Names of the files that a dataset takes its data from; empty where it is in this one."""
    try:
        return _sources(dataset)
    except Exception as error:  # noqa: BLE001  # the same; what cannot be told is not read either
        return f"unknown ({str(error)[:100]})"


def _sources(dataset: Any) -> str:
    if dataset.is_virtual:
        return ", ".join(str(source.file_name) for source in dataset.virtual_sources() if source.file_name != ".")
    return ", ".join(str(part[0]) for part in dataset.external or ())
