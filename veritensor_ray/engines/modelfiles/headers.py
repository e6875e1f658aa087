"""Checks the headers of safetensors, GGUF and ONNX files. No tensor is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles import templates
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.model_files.gguf import structure as gguf
from veritensor_ray.formats.model_files.onnx import structure as onnx
from veritensor_ray.formats.model_files.safetensors import structure as safetensors

_SHOWN = 20  # most problems reported for one file
_STANDARD = re.compile(r"(ai\.onnx(\.(ml|training|preview|preview\.training))?|com\.microsoft(\.\w+)*|com\.ms\.\w+|org\.pytorch\.aten|)")


def scan_safetensors(file: BinaryIO, size: int | None) -> Iterator[Hit | Gap]:
    """Yield hits for parts of a header on which loaders may disagree."""
    found = safetensors.read_header(file, size)
    if found.unread:
        yield Gap(f"a header of {found.size} bytes was not read", engine="modelfiles", bound="safetensors_header")
    for problem in found.problems[:_SHOWN]:
        yield Hit("modelfiles.safetensors-malformed", 0, 8, message=problem, evidence=problem)


def scan_gguf(file: BinaryIO, size: int | None) -> Iterator[Hit | Gap]:
    """Yield hits for lengths that do not fit, and for chat templates."""
    header = gguf.GgufHeader(file, size)
    try:
        for found in header.texts():
            if found.key.startswith("tokenizer.chat_template"):
                for template in found.texts:
                    yield from scan_template(template, found.offset)
    except Malformed as error:
        header.problems.append(str(error))
    for problem in header.problems[:_SHOWN]:
        yield Hit("modelfiles.gguf-malformed", 0, 4, message=problem, evidence=problem)


def scan_template(template: str, base: int, chat: bool = True) -> Iterator[Hit]:
    """Yield hits in a template that the file contains verbatim, in UTF-8, from byte `base` on. Each hit marks its line.

    An invalid byte is represented by a lone surrogate (`surrogateescape`), so that later offsets match the file. Website templates
    (`chat` is False) include other templates and show class names, so only an unmistakable escape counts in them.
    """
    lines = re.split(r"(\r\n|\r|\n)", template)  # with the line ends between them
    for found in templates.check(template.encode("utf-8", "surrogateescape").decode("utf-8", "replace")):
        if not chat and not (found.rule == templates.ESCAPE and templates.PLAIN.search(found.what)):
            continue
        before, line = lines[: 2 * found.line - 2], lines[min(2 * found.line - 2, len(lines) - 1)]
        start = base + len("".join(before).encode("utf-8", "surrogateescape"))
        end = start + max(1, len(line[:200].encode("utf-8", "surrogateescape")))
        message = f"line {found.line} of the template: {found.what}"
        yield Hit(found.rule, start, end, severity=found.severity, message=message, evidence=found.what)


def scan_onnx(file: BinaryIO) -> Iterator[Hit | Gap]:
    """Yield hits for external data outside the folder, and for operators that need a library."""
    domains: dict[str, int] = {}
    local: set[str] = set()
    skipped = 0
    try:
        for found in onnx.texts(file):
            if isinstance(found, onnx.Pair):
                if found.name == "external_data" and found.key == "location" and leaves_folder(found.value):
                    message = f"a tensor's data is read from {found.value[:200]}"
                    yield Hit(
                        "modelfiles.onnx-external-data",
                        found.offset,
                        found.offset + len(found.value),
                        message=message,
                        evidence=found.value[:300],
                    )
                continue
            if isinstance(found, onnx.UnreadField):
                continue
            skipped += bool(found.too_long)
            if (found.message, found.name) in (("Opset", "domain"), ("Node", "domain")) and len(domains) < 1000:
                domains.setdefault(found.text, found.offset)
            elif (found.message, found.name) == ("Function", "domain") and len(local) < 10_000:
                local.add(found.text)
    except Malformed as error:
        yield Hit("modelfiles.onnx-malformed", 0, 8, message=str(error), evidence=str(error))
    if skipped:
        yield Gap(f"{skipped} texts longer than {onnx.LONGEST} bytes were not read", engine="modelfiles", bound="onnx_text", count=skipped)
    for domain, offset in domains.items():
        if not _STANDARD.fullmatch(domain) and domain not in local:
            yield Hit(
                "modelfiles.onnx-custom-operators",
                offset,
                offset + len(domain),
                message=f"operators from {domain[:200]}",
                evidence=domain[:300],
            )
