"""Headers of GGUF and safetensors that loaders take for something else: sizes that wrap, alignments, names that are paths; each with a twin."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import found
from tests.formats.model_files.building import GGUF_STRING, text

UINT32, UINT64 = 4, 10
Tensor = tuple[str, Sequence[int], int, int]  # name, sizes, type, offset


def gguf(tensors: Sequence[Tensor], data: int, alignment: tuple[int, str, int] | None = None) -> bytes:
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1 + (alignment is not None))
    out += text("general.architecture") + struct.pack("<I", GGUF_STRING) + text("llama")
    if alignment is not None:
        kind, form, value = alignment
        out += text("general.alignment") + struct.pack(f"<I{form}", kind, value)
    for name, sizes, of, offset in tensors:
        out += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, of, offset)
    return out + bytes(-len(out) % 32) + bytes(data)


PLAIN: Tensor = ("a", (4, 2), 0, 0)  # eight floating-point numbers


@each(
    ("data", "problem"),
    [
        (gguf([PLAIN], 32), ""),
        (gguf([PLAIN, ("b", (8,), 0, 32)], 64), ""),
        (gguf([PLAIN], 32, (UINT32, "I", 32)), ""),
        (gguf([("a", (1 << 63, 1), 0, 0)], 32), "a dimension of a tensor is negative for loaders that count with 64 bits"),
        (gguf([("a", (2**64 - 1,), 0, 0)], 32), "a dimension of a tensor is negative for loaders that count with 64 bits"),
        (gguf([("a", (1 << 32, 1 << 32), 0, 0)], 32), "the size of a tensor does not fit into 64 bits"),
        (gguf([("a", (1 << 61, 2), 0, 0)], 32), "the size of a tensor does not fit into 64 bits"),
        (gguf([("a", (33,), 2, 0)], 64), "a tensor has 33 values, which its blocks of 32 do not hold"),
        (gguf([("a", (32,), 2, 0)], 32), ""),
        (gguf([("a", (1 << 20,), 0, 0)], 32), "a tensor ends at byte 4,194,432, but the file ends at 160"),
        (gguf([PLAIN, ("b", (8,), 0, 0)], 64), "two tensors overlap"),
        (gguf([("a", (64,), 0, 0), ("b", (8,), 0, 32)], 512), "two tensors overlap"),
        (gguf([PLAIN, ("a", (8,), 0, 32)], 64), "two tensors have the same name"),
        (gguf([("n" * 64, (8,), 0, 0)], 32), "the name of a tensor has 64 characters; loaders have room for 63"),
        (gguf([("n" * 63, (8,), 0, 0)], 32), ""),
        (gguf([PLAIN], 32, (UINT64, "Q", 1 << 63)), "the alignment is not a 32-bit number"),
        (gguf([PLAIN], 32, (UINT32, "I", 33)), "the alignment is 33, which is not a power of two"),
        (gguf([PLAIN], 32, (UINT32, "I", 1 << 31)), "a tensor ends at byte 2,147,483,680, but the file ends at 192"),
        (gguf([("a", (8,), 0x7FFFFFFF, 0)], 32), "a tensor has the type 2147483647, which no version of the format has"),
        (gguf([("a", (8,), 256, 0)], 32), "a tensor has the type 256, which no version of the format has"),
        (gguf([("a", (8,), 99, 0)], 32), ""),
        (gguf([("../../x", (8,), 0, 0)], 32), "../../x"),
        (gguf([("/etc/cron.d/x", (8,), 0, 0)], 32), "/etc/cron.d/x"),
        (gguf([("blk.0.attn/weight", (8,), 0, 0)], 32), ""),
    ],
)  # fmt: skip
def test_gguf(data: bytes, problem: str) -> None:
    hits = found(data, "a.gguf")
    assert (problem in [evidence for _, evidence in hits]) if problem else hits == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..\\x", "C:\\x", "/etc/passwd", "~/x", "http://a/b", "x\0y"])
def test_names_that_are_paths(name: str) -> None:
    for named, expected in ((name, True), ("/model/layers.0/weight", False), ("a..b", False), ("conv:0", False)):
        header = json.dumps({named: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        hits = found(len(header).to_bytes(8, "little") + header + b"x", "a.safetensors")
        assert bool(hits) is expected


def test_long_numbers_are_not_masked() -> None:
    """A number with the digits of a card stays legible in a message."""
    header = (4_539_578_763_621_486).to_bytes(8, "little") + b"{}"
    assert found(header, "a.safetensors")[0][1] == "the header has 4,539,578,763,621,486 bytes; at most 100,000,000 are allowed"


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"tokens": 3, "scores": 3, "token_type": 3}, ""),
        ({"tokens": 3}, ""),
        ({"scores": 2}, ""),
        ({"tokens": 3, "scores": 4}, "the vocabulary has 3 tokens, but scores has 4 entries"),
        ({"tokens": 3, "token_type": 0}, "the vocabulary has 3 tokens, but token_type has 0 entries"),
        ({"scores": 2, "tokens": 3}, "the vocabulary has 3 tokens, but scores has 2 entries"),
    ],
)
def test_arrays_for_tokens(arrays: dict[str, int], problem: str) -> None:
    pairs = b"".join(
        text(f"tokenizer.ggml.{key}") + struct.pack("<IIQ", 9, GGUF_STRING if key == "tokens" else 5, count)
        + (text("a") if key == "tokens" else bytes(4)) * count
        for key, count in arrays.items()
    )  # fmt: skip
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, len(arrays)) + pairs
    assert [evidence for _, evidence in found(data + bytes(-len(data) % 32), "a.gguf")] == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("!!python/object/apply:os.system ['echo']", ["config-target"]),
        ("rank: 8\nhook: !!python/name:os.system", ["config-target"]),
        ("rank: 8\nalpha: 16", []),
        ("rank: !!python/tuple [8, 16]", []),
    ],
)
def test_yaml_in_metadata(value: str, rules: list[str]) -> None:
    header = json.dumps({"__metadata__": {"args": value}, "w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    assert [rule for rule, _ in found(len(header).to_bytes(8, "little") + header + b"x", "a.safetensors")] == rules
