"""Model files without a magic number: what has to be known for one, and what must not be."""

from __future__ import annotations

import pickle
import random
import struct
from collections import OrderedDict

from tests.cases import each
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.recognition import sniff


def onnx_model() -> bytes:
    import onnx.helper

    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["a"], ["b"])], "g", [], [])
    return bytes(onnx.helper.make_model(graph, producer_name="p").SerializeToString())


@each(
    ("head", "media_type"),
    lambda: [
        *((pickle.dumps(value, protocol), "application/x-pickle") for value in (OrderedDict(a=1), {"a": [1, "b"], "c": ["d", "e"]}) for protocol in range(6)),
        (b"cos\nsystem\n(S'x'\ntR.", "application/x-pickle"),
        (b"(S'x'\nios\nsystem\n.", "application/x-pickle"),
        *((b"cos\nsystem\n(S'%s'\ntR." % escape, "application/x-pickle") for escape in (rb"\x", rb"\xZ", rb"\u12", rb"\U0", rb"\9")),
        (b"N0cos\nsystem\n(S'x'\ntR.", "application/x-pickle"),
        (b"cos\nsystem\n(S'x'\ntR and then it breaks", "application/x-pickle"),
        (pickle.dumps([f"text {n}" for n in range(20_000)], 0), "application/x-pickle"),
        (b"\x80\x01}q\x00U\x01aq\x01K\x01s.", "application/x-pickle"),
        (b"\x80\x04Vtext\np0\n0Vx\np1\n.", "application/x-pickle"),
        (onnx_model(), "application/x-onnx"),
        (b"IHNf" + struct.pack("<iqqq?i", 8, 2, 1 << 20, 1 << 20, True, 1), "application/x-faiss"),
    ],
)  # fmt: skip
@each("extension", ["", ".txt", ".bin"])
def test_known(head: bytes, media_type: str, extension: str) -> None:
    assert sniff(head[:HEAD_BYTES], extension, whole=len(head) <= HEAD_BYTES).media_type == media_type


@each(
    "text",
    [
        "class Foo:\n    pass\n",
        "city\nlondon\nparis\nberlin\n",
        "id\nname\n(x)\n",
        "can\nyou\nread this?\n",
        "(lambda x: x)(1)\n",
        "I am.\n",
        "Name,age\nx,1\n",
        "N" * 70_000,
        "(" * 1000,
        "]" * 100 + ".",
        ").\n",
        "import os\nos.system('x')\n",
        "cos\nsystem\nwere words in a list\n",
        "Some text.\n" * 10_000,
        "Variety is good.\nSo is this.\n",
        "P.S. A letter\n",
        "1\n2\n3\n",
        "}\n{\n",
    ],
)
def test_text_is_text(text: str) -> None:
    head = text.encode()[:HEAD_BYTES]
    assert sniff(head, ".txt", whole=len(text) <= HEAD_BYTES).is_text


def test_random_bytes_are_nothing_of_the_kind() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        first = bytes([chance.choice(b"(]})cNIFSVLGJKMUXTBCPi\x88\x89\x8a\x8c\x8f\x95\x08I")])
        found = sniff(first + chance.randbytes(chance.randrange(1, 200)), "")
        assert found.media_type not in ("application/x-pickle", "application/x-onnx", "application/x-faiss")


def test_other_protocol_buffers_are_no_onnx() -> None:
    assert sniff(b"\x08\x01\x12\x0a\x0a\x08\x01\x02\x03\x04\x05\x06\x07\x08" + bytes(40), "").media_type != "application/x-onnx"
    assert sniff(b"\x08\x07\x12\x04text" + bytes(40), "").media_type != "application/x-onnx"
    assert sniff(b"\x08\x07\x12" + b"\xff" * 9 + b"\x7f" + b"text" * 40, "").media_type != "application/x-onnx"
