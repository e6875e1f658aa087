"""Places in HDF5 files: every role that a text can have, and what is left behind."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import h5py
import numpy as np

from bench.account.canary import FORMS, Place, Sample, forms, number_role, role

_TEXT = h5py.string_dtype()
Make = Callable[[Any, str], Any]  # adds the text to a file


def _fixed(text: str) -> Any:
    return np.array([text.encode()])


def _opaque(form: str, root: Any, text: str) -> None:
    root.create_dataset("b", data=np.void(forms(text)[form]))


def _shrunk(root: Any, text: str) -> None:
    data = root.create_dataset("b", shape=(2,), maxshape=(None,), chunks=(2,), dtype=f"S{len(text)}")
    data[:] = [b"a", text.encode()]
    data.resize((1,))


def _deleted(root: Any, text: str) -> None:
    root["b"] = _fixed(text)
    del root["b"]


def _deleted_attribute(root: Any, text: str) -> None:
    root.attrs["b"] = text
    del root.attrs["b"]


def _filled(root: Any, text: str) -> None:
    root.create_dataset("b", shape=(2,), dtype=f"S{len(text)}", fillvalue=text.encode())


_ROLES: dict[str, Make] = {
    "text": lambda root, text: root.create_dataset("b", data=text),
    "texts": lambda root, text: root.create_dataset("b", data=[text, "a"], dtype=_TEXT),
    "text of fixed length": lambda root, text: root.create_dataset("b", data=_fixed(text)),
    "compressed text": lambda root, text: root.create_dataset("b", data=_fixed(text), compression="gzip", chunks=True),
    "text compressed by LZF": lambda root, text: root.create_dataset("b", data=_fixed(text), compression="lzf", chunks=True),
    "compact text": lambda root, text: root.create_dataset("b", data=_fixed(text)),
    "name of a group": lambda root, text: root.create_group(text),
    "name of a dataset": lambda root, text: root.create_dataset(text, data=[1]),
    "name of an attribute": lambda root, text: root.attrs.create(text, 1),
    "attribute": lambda root, text: root.attrs.create("b", text),
    "attribute of texts": lambda root, text: root.attrs.create("b", [text, "a"], dtype=_TEXT),
    "attribute of a dataset": lambda root, text: root["a"].attrs.create("b", text),
    "attribute of bytes": lambda root, text: root.attrs.create("b", np.void(text.encode())),
    "comment": lambda root, text: h5py.h5o.set_comment(root.id, text.encode()),
    "target of a soft link": lambda root, text: root.__setitem__("b", h5py.SoftLink(f"/{text}")),
    "file of an external link": lambda root, text: root.__setitem__("b", h5py.ExternalLink(text, "/a")),
    "path of an external link": lambda root, text: root.__setitem__("b", h5py.ExternalLink("a.h5", text)),
    "name of a field": lambda root, text: root.create_dataset("b", data=np.zeros(1, [(text, "i4")])),
    "text in a field": lambda root, text: root.create_dataset("b", data=np.array([(1, text.encode())], [("n", "i4"), ("t", f"S{len(text)}")])),
    "name of an enumerated value": lambda root, text: root.create_dataset("b", data=[1], dtype=h5py.enum_dtype({text: 1}, "i4")),
    "named type": lambda root, text: root.__setitem__(text, np.dtype("i4")),
    "fill value": _filled,
    "numbers whose bytes are text": lambda root, text: root.create_dataset("b", data=np.frombuffer(text.encode(), "u1")),
    "part of a chunk outside of the data": _shrunk,
    "deleted dataset": _deleted,
    "deleted attribute": _deleted_attribute,
    **{f"opaque data{form}": partial(_opaque, form) for form in FORMS},
}  # fmt: skip


def hdf5_samples() -> Iterator[Sample]:
    """Yield a file in the oldest and in the latest version of the format."""
    for version in ("earliest", "latest"):
        yield Sample("a.h5", _file(version, lambda root, text: None, ""), partial(_places, version))


def _places(version: str) -> Iterator[Place]:
    for kind, make in _ROLES.items():
        yield from role(f"{kind}, {version}", partial(_file, version, make))
    yield from number_role(f"number, {version}", partial(_numbered, version, "i8"))
    yield from number_role(f"floating-point number, {version}", partial(_numbered, version, "f8"))
    yield from role(f"user block, {version}", partial(_with_user_block, version))


def _file(version: Any, make: Make, text: str) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=version) as root:
        root["a"] = ["nothing to see here"]
        make(root, text)
    return out.getvalue()


def _numbered(version: Any, kind: str, number: int) -> bytes:
    return _file(version, lambda root, _: root.create_dataset("b", data=np.array([number], kind)), "")


def _with_user_block(version: Any, text: str) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=version, userblock_size=512) as root:
        root["a"] = ["nothing to see here"]
    return text.encode().ljust(512, b"\0") + out.getvalue()[512:]
