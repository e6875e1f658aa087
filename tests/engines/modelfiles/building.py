"""Files that attack whoever loads them, and engines to read them with."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import PurePath
from typing import Any

import numpy as np

from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo, Hit, Judged
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles import ModelFiles
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.recognition import sniff

CANARY = "canary"


class Calls:
    """Unpickles to the result of a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._reduced = (function, args)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._reduced


def attack(path: str = CANARY) -> Calls:
    """Makes a file when it is unpickled."""
    return Calls(os.system, f"touch {path}")


def npy(array: Any) -> bytes:
    """A .npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def text(value: str) -> bytes:
    """A text of protocol 4."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def stack_global(module: str, name: str) -> bytes:
    """Opcodes that push a name of a module."""
    return text(module) + text(name) + b"\x93"


def scan(data: bytes, name: str = "model.pkl", **settings: Any) -> list[Hit | Gap]:
    """The hits and gaps of a file, by its content and name, without the verdict and the finding that it gives."""
    found = [one for one in scanned(data, name, **settings) if not isinstance(one, Judged)]
    return [one for one in found if isinstance(one, Gap) or one.rule != "modelfiles.not-inert"]


def judged(data: bytes, name: str = "model.pkl", **settings: Any) -> Judged | None:
    """The verdict on a file, None if it is not a model file."""
    return next((one for one in scanned(data, name, **settings) if isinstance(one, Judged)), None)


def scanned(data: bytes, name: str, **settings: Any) -> list[Hit | Gap | Judged]:
    """Everything that the engine says of a file."""
    kind = sniff(data[:HEAD_BYTES], PurePath(name).suffix, whole=len(data) <= HEAD_BYTES)
    about = FileInfo(name, len(data), kind.media_type)
    engine = ModelFiles(Settings.model_validate({"modelfiles": settings}))
    return list(engine.scan_file(io.BytesIO(data), about)) if engine.applies(about) else []


def found(data: bytes, name: str = "model.pkl", **settings: Any) -> list[tuple[str, str | None]]:
    """Rule (without the engine) and evidence of every hit."""
    return [(hit.rule.removeprefix("modelfiles."), hit.evidence) for hit in scan(data, name, **settings) if isinstance(hit, Hit)]


def dumps(value: Any, protocol: int = 4) -> bytes:
    """A pickle."""
    return pickle.dumps(value, protocol)
