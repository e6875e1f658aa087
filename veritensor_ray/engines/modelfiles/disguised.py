"""Finds programs where a model should be: under a model's name, or in front of an archive of one. Nothing is started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.formats.archives.zip.structure import LOCAL, find_directory

# Endings under which loaders expect weights. Those that programs have as well (`.dat`, `.data`, `.dump`, `.model`) are not among them.
WEIGHTS = frozenset([
    ".bin", ".ckpt", ".gguf", ".ggml", ".h5", ".hdf5", ".joblib", ".keras", ".mlmodel", ".npy", ".npz", ".onnx", ".pb",
    ".pdmodel", ".pdiparams", ".pickle", ".pkl", ".pt", ".pth", ".rds", ".safetensors", ".tflite",
])  # fmt: skip
_RULE = "modelfiles.disguised-program"
_PROGRAMS = ((b"\x7fELF", "an ELF program"), (b"\xca\xfe\xba\xbe", "a Java class"))
_MACH = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_SCRIPT = re.compile(rb"#!\s*/")
_HEAD = 4096


def begins_program(head: bytes) -> str:
    """Return which kind of program begins with these bytes, or an empty string. Numbers can begin with MZ, so its second header counts."""
    if _SCRIPT.match(head):
        return "a script"
    if head.startswith(_MACH):
        return "a Mach-O program"
    second = int.from_bytes(head[60:64], "little")
    if head.startswith(b"MZ") and head[second : second + 4] == b"PE\0\0":
        return "a Windows program"
    return next((what for start, what in _PROGRAMS if head.startswith(start)), "")


def scan_beginning(file: BinaryIO, about: FileInfo) -> Iterator[Found]:
    """Yield whether a file of an unknown type, with the name of a model, is an archive behind something else, or a program."""
    if about.extension in WEIGHTS:
        if find_directory(file) is not None:
            yield from _front(file)
        else:
            file.seek(0)
            yield from _program(file, about)
    file.seek(0)


def _program(file: BinaryIO, about: FileInfo) -> Iterator[Found]:
    if what := begins_program(file.read(_HEAD)):
        yield Effect("holds", what, "unknown", "no loader of models reads it, and programs are not read", 0, 4)
        yield Hit(_RULE, 0, 4, message=f"the file has the name of a model ({about.extension}), but is {what}", evidence=what)


def _front(file: BinaryIO) -> Iterator[Found]:
    """Yield what stands in front of an archive: loaders skip it, and a shell or a system may run it."""
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(LOCAL):
        return
    yield Effect("holds", "bytes in front of the archive", "unknown", "loaders of archives skip them", 0, 4)
    if what := begins_program(head):
        yield Hit(
            _RULE, 0, 4, severity="high", message=f"the archive stands behind {what}, which runs when the file is started", evidence=what
        )
