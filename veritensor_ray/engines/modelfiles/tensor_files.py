"""Says what safetensors and GGUF files hold: tensors and texts, if every key, type and byte is understood. No tensor is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veritensor_ray.engines.modelfiles.effects import Effect
from veritensor_ray.formats.model_files.gguf.structure import GgufHeader
from veritensor_ray.formats.model_files.safetensors.structure import SafetensorsHeader

_SHOWN = 100  # unknown keys of one file
_COPIED = "loading copies their bytes into memory"
# What the keys of GGUF begin with (ggml's specification and llama.cpp); those of an architecture begin with its name.
_GGUF_KEYS = ("general.", "tokenizer.", "split.", "quantize.", "adapter.", "imatrix.", "training.", "clip.", "xlora.", "diffusion.")


def of_safetensors(found: SafetensorsHeader, size: int | None) -> Iterator[Effect]:
    """Yield what a file holds whose header was read. What loaders may disagree on is a finding of its own."""
    header = (0, 8 + found.size)
    for text in dict.fromkeys(found.others[:_SHOWN]):
        yield Effect("holds", text[:200], "unknown", "no description of a tensor has such a key, type or text", *header)
    if found.metadata:
        yield Effect("holds", "metadata", "inert", "loaders pass these texts on", *header, len(found.metadata))
    if size is None:
        yield Effect("holds", "bytes behind the tensors", "unknown", "the size of the file is not known", *header)
    yield Effect("holds", "tensors", "inert", _COPIED, header[1], max(header[1], found.end), max(1, len(found.names)))


def of_gguf(header: GgufHeader, architectures: Sequence[str], size: int | None) -> Iterator[Effect]:
    """Yield what a file holds whose header was read to its end."""
    known = (*_GGUF_KEYS, *(f"{name}." for name in architectures if name))
    strange = [key for key in header.keys if not key.startswith(known)]
    for key in strange[:_SHOWN]:
        yield Effect(
            "holds", f"the key {key[:200]}", "unknown", "it is not a key of the format or of the model's architecture", 0, header.end
        )
    for kind in sorted(header.unknown_types)[:_SHOWN]:
        yield Effect("holds", f"tensors of type {kind}", "unknown", "the format has no such type", 0, header.end)
    if header.keys:
        yield Effect("holds", "metadata", "inert", "loaders pass these values on", 0, header.end, len(header.keys))
    yield from _gguf_tensors(header, size)


def _gguf_tensors(header: GgufHeader, size: int | None) -> Iterator[Effect]:
    at, room = header.end, header.alignment or 32
    for start, end in sorted(header.spans):
        if start - at >= room or start < at - room:
            yield Effect("holds", "bytes between tensors", "unknown", "no tensor has them, or several do", min(at, start), max(at, start))
        at = max(at, end)
    if size is None or not at <= size < at + room:
        yield Effect("holds", "bytes behind the tensors", "unknown", "no tensor has them, or they are missing", at, max(at, size or at))
    yield Effect("holds", "tensors", "inert", _COPIED, header.end, max(header.end, at), max(1, len(header.spans)))
