"""Checks Python source inside model files: TorchScript, whose operators are known, and packages, whose code runs when they are loaded."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import CODE, COMPILED, CUSTOM, FILES, danger, inert, unknown
from veritensor_ray.engines.modelfiles.graphs.python_code import calls_of, severe
from veritensor_ray.engines.modelfiles.graphs.torch_operators import is_compiled, judged_operator, reaches_outside
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

_SHELL = re.compile(
    r"(?:curl|wget)\s[^\n|;]{0,300}[|;]\s{0,20}(?:ba|z|da)?sh|rm\s+-rf?\s|/dev/tcp/|base64\s+(?:-d|--decode)|nc\s+-\w*e|chmod\s+\+x|eval\s|python\d?\s+-c|powershell",
    re.I,
)
_MOBILE = re.compile(rb"(?:X(.{4})|\x8c(.))(?=[A-Za-z_]\w{0,60}::\w)", re.DOTALL)  # a text of a pickle with its length
_STRIDED = re.compile(r"\b(?:as_strided\w*|_reinterpret_tensor)\([^\n]{0,300}?-\s*\d+")
_CLASSES = re.compile(r"__torch__\.torch\.classes\.([\w.]+)")
_OWN_CLASSES = ("quantized.", "sparse.", "xnnpack.", "mkldnn.", "rnn.", "profiling.", "dist_c10d", "cuda.")


def scan_torchscript(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield what the operators of one TorchScript source do."""
    text, places = _text(file)
    source = calls_of(text)
    if source.problem:
        yield source.problem
        text = text[: bounds.PYTHON_SOURCE]
        source.calls.update((one[0].rstrip("( "), places.line(one.start())) for one in re.finditer(r"(?:torch|ops)\.[\w.]+\s*\(", text))
    for name, line in source.calls.items():
        yield from _operator(name, places(line))
    for found in _STRIDED.finditer(text):
        place = places(places.line(found.start()))
        yield from danger(FILES, "reads", found[0], "a view that begins before its tensor reads other memory", place)
    for found in _CLASSES.finditer(text):
        if not found[1].startswith(_OWN_CLASSES):
            place = places(places.line(found.start()))
            yield from danger(CUSTOM, "calls", found[0], "the class comes from a native library", place, "medium")
            return


def _operator(name: str, place: tuple[int, int]) -> Iterator[Found]:
    first, _, rest = name.partition(".")
    operator = rest.replace(".", "::", 1) if first == "ops" else rest if first == "torch" else ""
    if rest.startswith("ops.") and first == "torch":
        operator = rest[4:].replace(".", "::", 1)
    if not operator:
        if severe(name) or (name.startswith("builtins.") and name != "builtins.getattr"):
            yield from danger(CODE, "calls", name, "TorchScript has no such function", place)
        else:
            yield inert("calls", name, "a function of the model, or one of TorchScript's language", place)
    elif is_compiled(operator) and not reaches_outside(operator):
        yield Hit(COMPILED, *place, message=f"{operator} runs a compiled part of the model", evidence=operator)
        yield unknown("runs", operator, "a part of the model was compiled for a device", place)
    else:
        yield from judged_operator(operator, place)


def scan_bytecode(file: BinaryIO) -> Iterator[Found]:
    """Yield what the operators in the bytecode of PyTorch Mobile do, which is a pickle of texts."""
    seen = set[str]()
    data = file.read(bounds.HELD + 1)
    if len(data) > bounds.HELD:
        yield Gap(f"the bytecode after its first {bounds.HELD} bytes was not checked", engine="modelfiles", bound="held_bytes")
    for found in _MOBILE.finditer(data):
        start, size = found.end(), int.from_bytes(found[1] or found[2], "little")
        name = data[start : start + min(size, bounds.NAME)].decode("utf-8", "replace").replace("::", ".", 1)
        if name not in seen:
            if len(seen) < bounds.EFFECTS:  # it only saves that an operator is reported once more
                seen.add(name)
            yield from _operator(f"ops.{name}", (start, start + size))


def scan_source(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield what Python source in a model file calls. It runs when the model is loaded."""
    text, places = _text(file)
    source = calls_of(text)
    if source.problem:
        yield source.problem
    for name, line in source.calls.items():
        if severe(name) or name.startswith("builtins.__"):
            yield from danger(CODE, "calls", name, "Python source inside the model, which runs when it is loaded", places(line))
    yield Hit(CODE, 0, min(len(text), 80), severity="low", message="Python source inside a model file", evidence=about.name)
    yield unknown("runs", about.name, "Python source inside the model runs when it is loaded")


def scan_script(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield what is known of a shell script in a model file."""
    text, places = _text(file)
    found = _SHELL.search(text)
    place = places(places.line(found.start())) if found else (0, min(len(text), 80))
    yield from danger(CODE, "runs", found[0] if found else about.name, "a script inside a model file", place, "high" if found else "medium")


def scan_library(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield that a model file contains a program or a native library. An archive of ahead-of-time compiled code has to."""
    usual = "aotinductor" in (about.member or about.path)
    why = "native code inside a model file, which was not read"
    yield from danger(CODE, "runs", about.name, why, (0, 4), "medium" if usual else "high")


class _LinePlaces:
    """Converts the numbers of lines to byte offsets, and characters of a text to numbers of lines."""

    def __init__(self, data: bytes, text: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._lines = data.split(b"\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def line(self, character: int) -> int:
        """Return the number of the line of a character."""
        return bisect_left(self._ends, character) + 1

    def __call__(self, line: int) -> tuple[int, int]:
        number = min(max(line, 1), len(self._lines)) - 1
        return self._starts[number], self._starts[number] + max(1, len(self._lines[number][:300]))


def _text(file: BinaryIO) -> tuple[str, _LinePlaces]:
    data = file.read(4 * bounds.PYTHON_SOURCE + 1)
    text = data.decode("utf-8", "replace")
    return text, _LinePlaces(data, text)
