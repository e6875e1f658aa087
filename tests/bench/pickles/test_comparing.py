"""What pickles resolve and call in Python's unpicklers is what the walk says; the comparison notices if it is not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.pickles.comparing import differences
from bench.pickles.machines import InC, InPython, Walked, unpickled, walked
from bench.pickles.opcode_mixtures import mixture

CALL = b"cm\nf\n)R."
FRAME = b"\x80\x04\x95\x04\0\0\0\0\0\0\0"


@pytest.mark.slow
def test_ten_thousand_pickles() -> None:
    """In a process of its own, whose memory is limited because the unpicklers allocate what a pickle declares."""
    done = subprocess.run([sys.executable, "-m", "bench.pickles", "--runs", "10000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["pickles"], result["differences"]) == (10_000, 0)
    assert result["names"] > 5000


@pytest.mark.parametrize("kind", [InC, InPython])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(CALL, id="plain"),
        pytest.param(b"(Nim\nfX", id="the last line has no end"),
        pytest.param(b"\x8c\x01m\x940\x8c\x01f\x940g0\0x\ng+1\n\x93)R.", id="numbers of the memo in odd forms"),
        pytest.param(b"\x8c\x01m\x940\x8c\x01f\x94p1_0\n0g0\ng10\n\x93)R.", id="an underscore in a number"),
        pytest.param(b"\x8c\x01m\x940\x8c\x01f\x94p" + b" " * 5000 + b"9\n0g0\ng9\n\x93)R.", id="a long line with a number"),
        pytest.param(b"V\\u006d\nV\\\\u0066\n\x93)R.", id="escapes in text"),
        pytest.param(b"S'\\155'\nS\"\\546\"\n\x93)R.", id="escapes in a literal"),
        pytest.param(b"S''m''\nS'f'\n\x93)R.", id="quotes in a literal"),
        pytest.param(FRAME + b"cxyzm\nf\n)R.", id="a line across the end of a frame"),
        pytest.param(FRAME + b"NN\x8c\x05m0000f0" + CALL, id="an operand across the end of a frame"),
        pytest.param(b"\x80\x04\x95\x06\0\0\0\0\0\0\0N.cxx\n" + CALL, id="the next pickle behind the frame"),
    ],
)  # fmt: skip
def test_what_the_comparison_has_found(kind: type, data: bytes) -> None:
    assert list(differences(unpickled(kind, data), walked(data))) == []


def test_a_difference_is_noticed() -> None:
    record = unpickled(InC, CALL)
    assert (record.names, record.calls, record.ends) == ([("m", "f")], [("m", "f")], [len(CALL)])
    assert list(differences(record, Walked())) == ["resolves 'm' 'f'"]
    assert list(differences(record, Walked(names={("m", "f")}, ends=[8]))) == ["calls ('m', 'f')"]
    assert list(differences(record, Walked(names={("m", "f")}, calls={("m", "f")}))) == ["ends at 8, and not at []"]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert [mixture(seed) for seed in range(50)] == [mixture(seed) for seed in range(50)]
    assert len({mixture(seed) for seed in range(50)}) == 50
