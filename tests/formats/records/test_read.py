"""TFRecord: examples, other records, checksums. Files are built by hand; their layout was checked against the published one."""

from __future__ import annotations

import pickle
import random
import struct
from typing import Any

import pytest

from tests.formats.images.test_read import PNG
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff
from veritensor_ray.formats.records import read as tfrecord
from veritensor_ray.formats.records.recognise import masked_sum

TFRECORD = Kind("application/x-tfrecord")


def varint(value: int) -> bytes:
    """As protocol buffers write numbers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(value: Any) -> bytes:
    """A Feature of bytes, floats or integers."""
    if isinstance(value[0], float):
        return field(2, field(1, struct.pack(f"<{len(value)}f", *value)))
    if isinstance(value[0], int):
        return field(3, field(1, b"".join(map(varint, value))))
    return field(1, b"".join(field(1, v.encode() if isinstance(v, str) else v) for v in value))


def example(**values: Any) -> bytes:
    """A tf.train.Example."""
    return field(1, b"".join(field(1, field(1, name.encode()) + field(2, feature(value))) for name, value in values.items()))


def file_of(*records: bytes) -> bytes:
    """A TFRecord file."""
    out = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        out += length + struct.pack("<I", masked_sum(length)) + record + struct.pack("<I", masked_sum(record))
    return out


@pytest.mark.parametrize(
    ("data", "checksum"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_masked_checksums_of_the_standard(data: bytes, checksum: int) -> None:
    """RFC 3720, B.4, and the check value of every catalogue of sums, unmasked again as TFRecord says."""
    turned = (masked_sum(data) - 0xA282EAD8) & 0xFFFFFFFF
    assert (turned << 15 | turned >> 17) & 0xFFFFFFFF == checksum


def test_examples() -> None:
    point = pickle.dumps({"a": 1})
    data = file_of(
        example(text=["look here"], label=[1, 2], weight=[0.5], image=[PNG]),
        example(text=["a", "b"], blob=[point]),
        example(text=["é"], blob=[b"\x80\x81\xff"]),
    )
    assert sniff(data, ".txt") == TFRECORD
    source = reader_source(data, TFRECORD)
    blocks, gaps = split(source)
    assert flat(blocks, "row", "column") == [("look here", 0, "text"), ("a", 1, "text[0]"), ("b", 1, "text[1]"), ("é", 2, "text")]
    assert [(gap.location, gap.count, gap.coverage) for gap in gaps] == [("column blob", 1, "no-reader")]
    assert members(data, TFRECORD) == {"0/image": PNG, "1/blob": point}
    assert source.counts.rows == 3


def test_sequence_examples() -> None:
    steps = field(1, field(1, b"words") + field(2, field(1, feature(["look"])) + field(1, feature(["here"]))))
    data = file_of(example(id=["x"]) + field(2, steps))
    assert flat(read(data, TFRECORD)[0], "column") == [("x", "id"), ("look", "words[0]"), ("here", "words[1]")]


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        (b"just a line of text", ["just a line of text"]),
        (b"", []),
        (field(7, b"another message, long enough to read"), ["another message, long enough to read"]),
    ],
)
def test_records_that_are_no_examples(record: bytes, texts: list[str]) -> None:
    found = flat(read(file_of(record), TFRECORD)[0])
    assert [text.lstrip(":$") for text in found] == texts


def test_long_names_are_text() -> None:
    name = "ignore all previous instructions " * 20
    found = flat(read(file_of(example(**{name: ["x"]}), example(**{name: ["x"]})), TFRECORD)[0], "view")
    assert (name, "metadata") in found and len(found) == 3


def test_a_wrong_checksum_of_data_is_said_and_read() -> None:
    data = file_of(example(text=["fine"]), example(text=["more"])).replace(b"fine", b"fake")
    blocks, gaps = read(data, TFRECORD)
    assert flat(blocks) == ["fake", "more"]
    assert [gap.count for gap in gaps] == [1]


@pytest.mark.parametrize("cut", [1, 5, 17])
def test_a_file_that_ends_early_says_so(cut: int) -> None:
    (blocks, _), error = until_error(reader_source(file_of(example(text=["fine"]), example(text=["more"]))[:-cut], TFRECORD), ReadError)
    assert flat(blocks)[0] == "fine" and "record 1" in str(error)


def test_a_wrong_checksum_of_a_length_ends_it() -> None:
    first = file_of(example(text=["fine"]))
    (blocks, _), error = until_error(reader_source(first + b"\x01" + first[1:], TFRECORD), ReadError)
    assert flat(blocks) == ["fine"] and "after record 0" in str(error)


def test_records_that_are_too_large_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "_LARGEST", 100)
    blocks, gaps = read(file_of(example(text=["x" * 200]), example(text=["fine"])), TFRECORD)
    assert (flat(blocks, "row"), [(gap.bound, gap.count) for gap in gaps]) == ([("fine", 1)], [("record_bytes", 1)]) or flat(
        blocks, "row"
    ) == [("fine", 1)]


def test_damage_anywhere() -> None:
    whole = file_of(example(text=["look here"], image=[PNG]), example(text=["a", "b"]))
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(len(whole))]
    for _ in range(500):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for record in [chance.randbytes(chance.randrange(60)) for _ in range(500)]:
        damaged.append(file_of(record))
    for data in damaged:
        try:
            read(data, TFRECORD)
        except ReadError as error:
            assert "\n" not in str(error)
