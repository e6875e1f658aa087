"""Objects of R, assembled as `serialize.c` writes them: what runs code when it is used, each with a twin that does not."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import found, judged
from tests.pipeline.test_extract import scanned
from veritensor_ray.engines.modelfiles.r_objects import _Walk

NIL, GLOBAL, UNBOUND, EMPTY = (struct.pack(">i", kind) for kind in (254, 253, 252, 242))
ATTRIBUTED, TAGGED, ACTIVE = 0x200, 0x400, 1 << 27


def number(value: int) -> bytes:
    return struct.pack(">i", value)


def chars(value: str) -> bytes:
    return number(9) + number(len(value)) + value.encode()


def symbol(value: str) -> bytes:
    return number(1) + chars(value)


def texts(*values: str) -> bytes:
    return number(16) + number(len(values)) + b"".join(map(chars, values))


def call(name: str, *args: bytes) -> bytes:
    rest = b"".join(number(2) + arg for arg in args) + NIL
    return number(6) + symbol(name) + rest


def promise(code: bytes, value: bytes = UNBOUND) -> bytes:
    return number(5 | TAGGED) + GLOBAL + value + code


def closure(body: bytes) -> bytes:
    return number(3 | TAGGED) + GLOBAL + NIL + body


def bound(name: str, value: bytes, flags: int = 0, rest: bytes = NIL) -> bytes:
    return number(2 | TAGGED | flags) + symbol(name) + value + rest


def environment(frame: bytes) -> bytes:
    return number(4) + number(0) + EMPTY + frame + NIL + NIL


def bytecode(*constants: bytes) -> bytes:
    body = number(13) + number(1) + number(12)  # the instructions
    return number(21) + number(1) + body + number(len(constants)) + b"".join(constants)


def rds(item: bytes, version: int = 3) -> bytes:
    native = number(5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + number(version) + number(0x40300) + number(0x30500) + native + item


def rda(item: bytes) -> bytes:
    return b"RDX3\n" + rds(item)


SYSTEM = call("system", texts("touch canary"))
NUMBERS = number(14) + number(2) + bytes(16)
FRAME = number(19 | ATTRIBUTED) + number(1) + NUMBERS + bound("names", texts("x"), rest=bound("class", texts("data.frame")))
FORMULA = number(6 | ATTRIBUTED) + bound("class", texts("formula")) + symbol("~") + number(2) + symbol("y") + number(2) + symbol("x") + NIL
MAPPED = number(238) + number(2) + symbol("mmap_real") + number(2) + symbol("base") + NIL + texts("/etc/passwd") + NIL
COMPACT = number(238) + number(2) + symbol("compact_intseq") + number(2) + symbol("base") + NIL + NUMBERS + NIL


@each(
    ("data", "evidence", "verdict"),
    [
        pytest.param(rds(promise(SYSTEM)), "a promise that calls system", "dangerous", id="the object is a promise"),
        pytest.param(rds(promise(SYSTEM), 2), "a promise that calls system", "dangerous", id="version 2"),
        pytest.param(rda(bound("x", promise(SYSTEM))), "a promise that calls system", "dangerous", id="a value of a workspace"),
        pytest.param(rda(bound("x", promise(call("f")))), "a promise", "dangerous", id="a promise of something else"),
        pytest.param(rda(bound("x", promise(SYSTEM, NUMBERS))), None, "inert", id="a promise that was kept"),
        pytest.param(rda(bound("a", NUMBERS, rest=bound("b", promise(call("eval", call("parse")))))), "a promise that calls eval, parse", "dangerous", id="the second value"),
        pytest.param(rds(environment(bound("x", promise(call("f"))))), None, "unknown", id="an argument in an environment"),
        pytest.param(rds(environment(bound("x", promise(SYSTEM)))), "a promise that calls system", "dangerous", id="an argument that acts"),
        pytest.param(rds(environment(bound("x", closure(SYSTEM), ACTIVE))), "an active binding that calls system", "dangerous", id="an active binding"),
        pytest.param(rds(promise(bytecode(number(16) + texts("x"), number(1) + symbol("system")))), "a promise that calls system", "dangerous", id="bytecode"),
        pytest.param(rds(closure(SYSTEM)), "a function that calls system", "unknown", id="a function that acts"),
        pytest.param(rds(closure(call("sum", NUMBERS))), None, "unknown", id="a function"),
        pytest.param(rds(MAPPED), "mmap", "dangerous", id="a mapped file"),
        pytest.param(rds(COMPACT), None, "inert", id="a sequence"),
        pytest.param(rds(FRAME), None, "inert", id="a data frame"),
        pytest.param(rda(bound("data", FRAME, rest=bound("text", texts("system('x')")))), None, "inert", id="a workspace"),
        pytest.param(rds(FORMULA), None, "inert", id="a formula"),
        pytest.param(rda(bound("a", promise(SYSTEM), rest=bound("b", (number(19) + number(1)) * 340 + NIL))), "a promise that calls system", "dangerous", id="lists in lists behind it"),
        pytest.param(rda(bound("a", promise(SYSTEM), rest=bound("b", number(238) * 340 + NIL))), "a promise that calls system", "dangerous", id="vectors in vectors behind it"),
        pytest.param(rds(FRAME)[:-9], "it ends inside a number", "unknown", id="cut off"),
    ],
)  # fmt: skip
def test_objects(data: bytes, evidence: str | None, verdict: str) -> None:
    hits = [said for rule, said in found(data, "a.rds") if rule in ("r-code", "r-malformed")]
    passed = judged(data, "a.rds")
    assert passed is not None
    assert evidence in hits if evidence else hits == []
    assert passed.verdict == verdict


@each(
    ("item", "names"),
    [
        (symbol("system"), ["system"]),
        (closure(SYSTEM), ["system"]),
        (bound("download.file", NUMBERS), ["download.file"]),
        (symbol("mean"), []),
        (symbol("systematic"), []),
        (texts("system"), []),
        (texts("a", "system"), []),
    ],
)
@each("strange", [0, 99])
def test_functions_behind_what_is_not_known(item: bytes, names: list[str], strange: int) -> None:
    """R may read on where the walk breaks off."""
    assert [said for rule, said in found(rds(number(strange) + item), "a.rds") if rule == "r-code"] == names


def test_packed_files(tmp_path: Path) -> None:
    (tmp_path / "model.rda").write_bytes(gzip.compress(rda(bound("x", promise(SYSTEM))), mtime=0))
    (tmp_path / "twin.rds").write_bytes(gzip.compress(rds(FRAME), mtime=0))
    said = {
        plan.artifact: {found["rule_id"] for found in row["findings"] if found["severity"] == "critical"}
        for plan, row in scanned(tmp_path, engines=["modelfiles"])
    }
    assert said == {"model.rda": {"modelfiles.r-code"}, "twin.rds": set()}


def test_code_within_code_holds_no_more_names_than_tell_something() -> None:
    """Each piece of code gets the names of all those in it, so that names of no meaning would take the square of the object's size."""
    inner = call("system")
    for depth in range(40):
        inner = closure(call(f"f{depth}", *(symbol(f"name{depth}_{number}") for number in range(50)), inner))
    walk = _Walk(io.BytesIO(rds(inner)))
    walk.read()
    assert [code.names for code in walk.codes] == [{"system"}] * 40
