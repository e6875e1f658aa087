"""Checkpoints as torch writes them, and what others put into them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

PAYLOAD = b"cposix\nsystem\n(X\x04\x00\x00\x00true"  # `posix.system("true")`, not yet called


def saved(value: Any, in_zip: bool = True) -> bytes:
    """Return what `torch.save` writes."""
    import torch

    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=in_zip)
    return out.getvalue()


def with_pickle(checkpoint: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a checkpoint in a zip with another pickle."""
    return rezipped(checkpoint, lambda name, data: change(data) if name.endswith("/data.pkl") else data)


def rezipped(
    checkpoint: bytes, change: Callable[[str, bytes], bytes], more: Mapping[str, bytes] | None = None, packed: bool = False
) -> bytes:
    """Return a checkpoint in a zip whose entries are changed and have others behind them."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(checkpoint)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in (more or {}).items():
            new.writestr(name, data)
    return out.getvalue()


def planted(data: bytes) -> bytes:
    """Return a pickle that first runs a command, whose result it forgets."""
    return data[:2] + PAYLOAD + b"tR0" + data[2:]


class Command:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        import os

        return os.system, ("true",)


def pickled(value: Any) -> bytes:
    """Return what `pickle` writes, with protocol 2 as torch uses it."""
    return pickle.dumps(value, 2)
