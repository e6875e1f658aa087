"""The walk over opcodes: memo numbers as unpicklers count them, bounded memory, streams that do not seek."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tracemalloc
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.formats.model_files.forward import ForwardView, Slice
from veritensor_ray.formats.model_files.pickle.events import Broken, PickleText
from veritensor_ray.formats.model_files.pickle.memo import Memo
from veritensor_ray.formats.model_files.pickle.opcodes import PickleWalk
from veritensor_ray.formats.model_files.pickle.pickle_values import LOST, Name
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles, Rest

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.integers()),
    max_leaves=30,
)


@pytest.mark.slow
@settings(max_examples=300)
@given(PLAIN, st.integers(0, 5))
def test_what_pickle_writes_is_walked_without_a_fault(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    [ended] = [event for event in Pickles(io.BytesIO(data)).events() if isinstance(event, Ended)]
    assert (ended.end, ended.reason, ended.sure) == (len(data), "", True)
    walk = PickleWalk(ForwardView(io.BytesIO(data)), texts=True)
    texts = [event.text for event in walk.events() if isinstance(event, PickleText)]
    assert walk.faults == 0
    assert set(_strings(value)) <= set(texts)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.encode("utf-8", "replace").decode()]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in _strings(list(pair))]
    return [text for item in value for text in _strings(item)] if isinstance(value, (list, tuple)) else []


@settings(max_examples=500)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_orderly_way(data: bytes) -> None:
    for texts in (False, True):
        assert all(isinstance(event, object) for event in Pickles(io.BytesIO(data), texts).events())


@pytest.mark.parametrize(
    ("puts", "count"),
    [([0, 1, 2], 3), ([2, 1, 0], 3), ([5], 1), ([0, 0, 0], 1), ([1, 0, 3, 2, 9], 5), ([4_000_000_000], 1)],
)
def test_memo_counts_as_unpicklers_do(puts: list[int], count: int) -> None:
    memo = Memo()
    for index in puts:
        memo.put(index, f"n{index}")
    assert memo.count == count
    assert all(memo.get(index) == f"n{index}" for index in puts)
    over = memo.overlay()
    over.put(puts[0], "changed")
    assert (over.get(puts[0]), memo.get(puts[0]), over.get(77)) == ("changed", f"n{puts[0]}", LOST)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + b"]\x94" * 40_000,
        b"\x80\x04" + b"(" * 40_000,
        b"\x80\x04" + b"(N" * 40_000,
        b"\x80\x04N" + b"\x85" * 40_000,
        b"\x80\x04" + b"".join(b"\x8c\x06%06x\x94" % n for n in range(20_000)),
        b"\x80\x04" + b"".join(b"cm\nn%d\n" % n for n in range(12_000)),
        b"\x80\x04]" + b"]a2" * 20_000,
        b"V" + b"x" * 30_000_000 + b"\n.",
    ],
    ids=["lists", "marks", "full marks", "tuples", "strings", "names", "nested", "line"],
)
def test_memory_is_bounded(data: bytes) -> None:
    tracemalloc.start()
    try:
        for _ in Pickles(io.BytesIO(data)).events():
            pass
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def test_a_stream_that_does_not_seek() -> None:
    class Stream(io.BufferedReader):
        def seekable(self) -> bool:
            return False

    value = {"a": b"x" * 3_000_000, "b": "y" * 3_000_000, "c": [1.5] * 100_000}
    data = pickle.dumps(value) + pickle.dumps(["end"]) + b"\xff"
    for texts in (False, True):
        plain = list(Pickles(io.BytesIO(data), texts).events())
        packed = cast(Any, gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data, 1, mtime=0))))
        streamed = list(Pickles(Stream(packed), texts).events())
        assert [e for e in streamed if isinstance(e, (Ended, Rest))] == [e for e in plain if isinstance(e, (Ended, Rest))]


def test_lines_and_skips_across_chunks() -> None:
    data = random.Random(0).randbytes(1 << 20).replace(b"\n", b"") + b"\nrest"
    window = ForwardView(io.BytesIO(data))
    assert window.line(10) == (data[:10], len(data) - 5, True)
    assert window.take(10) == b"rest"
    assert window.line(5) == (b"", 0, False)
    window = ForwardView(io.BytesIO(data))
    assert window.skip(len(data) - 2)
    assert window.take(9) == b"st"
    assert not window.skip(1)


def test_a_slice_is_a_file() -> None:
    part = io.BufferedReader(Slice(io.BytesIO(b"0123456789"), 3, 4))
    assert part.read() == b"3456"
    assert part.seek(-2, 2) == 2
    assert part.read() == b"56"


def test_names_that_the_stack_does_not_have() -> None:
    events = []
    walk = PickleWalk(ForwardView(io.BytesIO(b"\x80\x04\x93N.")))
    with pytest.raises(Broken):
        events += list(PickleWalk(ForwardView(io.BytesIO(b"\x80\x04\x93"))).events())
    events += list(walk.events())
    assert [event.resolved for event in events if isinstance(event, Name)] == [False]
    assert walk.faults == 2


@pytest.mark.parametrize(("line", "faults"), [(b"'a'", 0), (b'"a"\r', 0), (b"ubject: a", 1), (b"'a", 1), (b"'", 1)])
def test_a_string_literal_without_quotation_marks_is_a_fault(line: bytes, faults: int) -> None:
    walk = PickleWalk(ForwardView(io.BytesIO(b"S" + line + b"\n.")))
    list(walk.events())
    assert walk.faults == faults
