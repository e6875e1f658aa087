"""Checks the headers of safetensors and GGUF files. No tensor is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles import tensor_files
from veritensor_ray.engines.modelfiles.chat_templates.template_texts import scan_template
from veritensor_ray.engines.modelfiles.chat_templates.template_words import own_words
from veritensor_ray.engines.modelfiles.configuration.config_look import judge_values
from veritensor_ray.engines.modelfiles.configuration.nodes import NodeDocument, Parsed
from veritensor_ray.engines.modelfiles.configuration.seen import placed
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.formats.model_files.gguf import structure as gguf
from veritensor_ray.formats.model_files.safetensors import structure as safetensors

_CLIMBS = re.compile(
    r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[A-Za-z]:[/\\]|^~?/(?:etc|usr|bin|sbin|home|root|tmp|var|opt|dev|proc|sys|boot|lib|Users)/|^~/|^\\\\|://|\0"
)
_SHOWN = 20  # most problems reported for one file


def scan_safetensors(file: BinaryIO, size: int | None, policy: NamePolicy) -> Iterator[Found]:
    """Yield hits for parts of a header on which loaders may disagree, and for metadata that is configuration."""
    found = safetensors.read_header(file, size)
    if found.unread:
        yield Gap(f"a header of {found.size:,} bytes was not read", engine="modelfiles", bound="safetensors_header")
    for problem in found.problems[:_SHOWN]:
        yield Hit("modelfiles.safetensors-malformed", 0, 8, message=problem, evidence=problem)
    yield from _paths(found.names, "modelfiles.safetensors-malformed", 8 + found.size)
    for one in judge_values(found.metadata, policy):
        yield placed(one, NodeDocument(Parsed([]), "", base=8))._replace(end=8 + found.size)
    if not found.unread and not found.problems:
        yield from tensor_files.of_safetensors(found, size)


def scan_gguf(file: BinaryIO, size: int | None) -> Iterator[Found]:
    """Yield hits for lengths that do not fit, and for chat templates."""
    header, architectures = gguf.GgufHeader(file, size), list[str]()
    try:
        for found in header.texts():
            architectures += found.texts[:1] if found.key == "general.architecture" else ()
            if found.key == "tensors":
                yield from _paths(found.texts, "modelfiles.gguf-malformed", found.offset)
            if "chat_template" in found.key:
                for template in found.texts:
                    yield from scan_template(template, found.offset)
                    yield from _said(template, found.offset)
    except Malformed as error:
        header.problems.append(str(error))
    for problem in header.problems[:_SHOWN]:
        yield Hit("modelfiles.gguf-malformed", 0, 4, message=problem, evidence=problem)
    if not header.problems:
        yield from tensor_files.of_gguf(header, architectures, size)


def _said(template: str, start: int) -> Iterator[Effect]:
    """Yield that a template tells the model something by itself, which no rule can prove harmless."""
    if words := own_words(template):
        yield Effect(
            "holds", "a chat template with words of its own", "unknown", f"the model reads: {words}", start, start + len(template.encode())
        )


def _paths(names: Sequence[str], rule: str, end: int) -> Iterator[Hit]:
    """Yield hits for names of tensors that lead out of a folder, into which tools that unpack a model write files of these names."""
    for name in [one for one in names if _CLIMBS.search(one)][:_SHOWN]:
        yield Hit(rule, 0, min(8, end), message=f"the name of a tensor is a path: {name[:200]}", evidence=name[:300])
