"""For every reader: of a real file that is cut off or damaged either all text still comes out, or something says that it did not."""

from __future__ import annotations

import functools
import io
import random
import re
from collections.abc import Callable

import pytest

from tests.formats.real_files import ODF, RealFiles
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import as_read_error
from veritensor_ray.core.format_table import FORMATS, text_type
from veritensor_ray.core.segments import Gap, one_batch
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.walk import Tools, Walk

pytestmark = pytest.mark.slow

CHANCE = random.Random(7)
WORDS = [f"needle{number:02}" for number in range(40)]
_NEEDLE = re.compile(r"needle\d\d")


def padded(word: str) -> str:
    """The word among others that do not compress."""
    return f"{word} " + " ".join("".join(CHANCE.choices("abcdefghijklmnop", k=9)) for _ in range(40))


LINES = [padded(word) for word in WORDS]
CASES = RealFiles(LINES).cases()


def visited(name: str, data: bytes, media_type: str | None = None) -> tuple[str, str, Outcome]:
    """What a walk makes of a file: its media type, all texts, and the outcome."""
    outcome = Outcome(name, 0, 0)
    tools = Tools(Workbench((), {}), (), (), True, Recorder({}, b"key", 10), Limits(), lambda: None)
    walk, found = Walk(tools, outcome, len(data)), list[str]()
    source, about = walk.recognised(io.BytesIO(data), FileInfo(name, len(data), ""))
    try:
        for placed in walk.artifact(source, about):
            found += filter(None, one_batch([(placed.block, placed.identity)]).column("text").to_pylist())
    except Exception as error:  # noqa: BLE001  # as the boundary of an artifact does it
        outcome.add_gap(Gap.of(as_read_error(error, "the file cannot be read")))
    outcome.settle()
    return about.media_type, "\n".join(found), outcome


@functools.cache
def whole_file(media_type: str) -> tuple[str, bytes]:
    """The name of a file of this type, and its bytes."""
    name, build = CASES[media_type]
    return name, build()


@functools.cache
def read_whole(media_type: str) -> tuple[str, str, Outcome]:
    """What a walk makes of that file. Nobody changes the outcome."""
    return visited(*whole_file(media_type))


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(max(0, length))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "the last byte is missing": lambda data: data[:-1],
    "a tenth is cut off": lambda data: data[: len(data) * 9 // 10 - 7],
    "half is cut off": lambda data: data[: len(data) // 2 - 7],
    "nearly all is cut off": lambda data: data[: max(600, len(data) // 8 - 7)],
    "the middle is zeros": lambda data: data[: len(data) // 3] + bytes(len(data) // 3) + data[len(data) // 3 * 2 :],
    "the middle is noise": lambda data: data[: len(data) // 3] + noise(len(data) // 3) + data[len(data) // 3 * 2 :],
    "the middle is gone": lambda data: data[: len(data) // 3] + data[len(data) // 3 * 2 :],
    "behind its head is noise": lambda data: data[:512] + noise(len(data) - 512),
}
ENOUGH = 0.4  # of the text: where formats have no checksums other bytes are other text, and have been read
# Text has no structure that could be damaged: what stands there is what there is.
AS_IT_STANDS = (
    "application/xhtml+xml",
    "image/svg+xml",
    "application/rtf",
    "message/rfc822",
    "application/mbox",
    f"{ODF}.flat-xml",
    "application/x-subrip",
    "application/x-ssa",
    "application/json",
    "application/jsonl",
    "application/x-ipynb+json",
)
ODD_NAMES = re.compile(r"\b(ValueError|struct\.error|Exceeds the limit|malloc)\b:?")


def test_every_reader_has_a_case() -> None:
    assert set(CASES) == {one.media_type for one in FORMATS if one.read}, "give the new reader a real file here"


@pytest.mark.parametrize("media_type", CASES)
def test_a_whole_file_is_read(media_type: str) -> None:
    kind, read, outcome = read_whole(media_type)
    assert kind == media_type
    expected = {"application/x-faiss": 0, "image/bmp": 0, "application/x-ole-encrypted": 0, "image/gif": 1, "application/x-onnx": 1}
    assert len(set(_NEEDLE.findall(read))) == expected.get(media_type, len(WORDS))
    is_heard = media_type.startswith(("audio/", "video/"))
    bodiless = media_type in ("application/x-ole-storage", "application/vnd.apple.iwork") or is_heard
    assert outcome.status == ("partial" if media_type.endswith("encrypted") else "skipped" if bodiless else "scanned")
    assert bool(outcome.gaps) == (bodiless or media_type.endswith("encrypted"))


@pytest.mark.parametrize("media_type", CASES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_lost_is_told(media_type: str, damage: str) -> None:
    name, whole = whole_file(media_type)
    data = DAMAGES[damage](whole)
    _, before, _ = read_whole(media_type)
    kind, after, outcome = visited(name, data)
    assert not any(ODD_NAMES.match(gap.reason) for gap in outcome.gaps), "a reason is a sentence about the file"
    told = bool(outcome.gaps) or outcome.status != "scanned"
    if told or set(_NEEDLE.findall(after)) >= set(_NEEDLE.findall(before)):
        return
    there = set(_NEEDLE.findall(data.decode("latin-1")))
    if kind.startswith("text/") or kind in AS_IT_STANDS or text_type(f".{name.partition('.')[2]}") != "text/plain":
        assert set(_NEEDLE.findall(after)) >= there, "what there is of a text is read"
    elif damage.endswith(("missing", "cut off")):
        raise AssertionError("text is lost and nobody says so")
    else:
        assert len(after) >= ENOUGH * len(before), "text is lost and nobody says so"
