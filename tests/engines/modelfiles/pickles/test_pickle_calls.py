"""Pickles that hide what they call, and ones that do nothing."""

from __future__ import annotations

import builtins
import functools
import importlib
import io
import operator
import os
import pickle
import pickletools
import random
import subprocess
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
from picklescan.scanner import scan_pickle_bytes

from tests.cases import each
from tests.clock import AtMost
from tests.engines.modelfiles.building import Calls, attack, dumps, found, npy, scan, stack_global, text
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.model_files.pickle.pickle_values import Name
from veritensor_ray.formats.model_files.pickle.recognise import is_pickle
from veritensor_ray.formats.model_files.pickle.structure import Pickles

SYSTEM = ("dangerous-pickle", "posix.system")
CALL = stack_global("posix", "system") + text("touch canary") + b"\x85R"


@each("protocol", range(6))
@each("around", [lambda x: x, lambda x: [1, {"a": x}], lambda x: (b"\x00" * 5000, "t" * 70000, x)])
def test_every_protocol(protocol: int, around: Callable[[Any], Any]) -> None:
    assert SYSTEM in found(dumps(around(attack()), protocol))


@each(
    ("function", "args", "name"),
    [
        (subprocess.Popen, (["touch", "canary"],), "subprocess.Popen"),
        (eval, ("1",), "builtins.eval"),
        (exec, ("1",), "builtins.exec"),
        (compile, ("1", "", "eval"), "builtins.compile"),
        (open, ("canary", "w"), f"{open.__module__}.open"),
        (__import__, ("os",), "builtins.__import__"),
        (getattr, (os, "system"), "builtins.getattr"),
        (importlib.import_module, ("os",), "importlib.import_module"),
        (operator.attrgetter("system"), (), "operator.attrgetter"),
        (operator.methodcaller("system"), (), "operator.methodcaller"),
        (functools.partial(os.system, "x"), (), "functools.partial"),
        (pickle.loads, (b"N.",), "_pickle.loads"),
        (builtins.setattr, (1, "a", 2), "builtins.setattr"),
    ],
)
def test_functions_that_run_code_or_reach_it(function: Any, args: tuple[Any, ...], name: str) -> None:
    if function is getattr:
        args = ("", "system")
    assert ("dangerous-pickle", name) in found(dumps(Calls(function, *args)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"cos\nsystem\n(S'touch canary'\ntR.", ("dangerous-pickle", "os.system"), id="protocol 0 by hand"),
        pytest.param(b"cos\nsystem\n(S'touch canary'\ntRS'\\x'\n.", ("dangerous-pickle", "os.system"), id="an escape that breaks off"),
        pytest.param(b"(S'touch canary'\nios\nsystem\n.", ("dangerous-pickle", "os.system"), id="INST"),
        pytest.param(b"(cos\nsystem\nS'touch canary'\no.", ("dangerous-pickle", "os.system"), id="OBJ"),
        pytest.param(b"\x80\x04N0" + CALL + b".", SYSTEM, id="starts with something else"),
        pytest.param(b"\x80\x04" + CALL + b"\xff\xff", SYSTEM, id="breaks behind the call"),
        pytest.param(b"\x80\x04" + CALL, SYSTEM, id="cut off"),
        pytest.param(b"\x80\x02N.\x80\x04" + CALL + b".", SYSTEM, id="second pickle"),
        pytest.param(b"N.cos\nsystem\n(S'x'\ntR.", ("dangerous-pickle", "os.system"), id="second pickle, protocol 0"),
        pytest.param(dumps({"a": 1}) * 9 + b"\x80\x04" + CALL + b".", SYSTEM, id="tenth pickle"),
        pytest.param(b"\x80\x04" + text("posix") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93N\x85R.", SYSTEM, id="through the memo"),
        pytest.param(
            b"\x80\x04" + text("posix") + b"q\x07r\x01\x01\x00\x000" + text("system") + b"\x940h\x07h\x02\x93N\x85R.", SYSTEM, id="odd memo indexes"
        ),
        pytest.param(b"\x80\x04" + text("posix") + b"p900000000\n0" + text("system") + b"jx\x00\x00\x000g900000000\n" + text("system") + b"\x93N\x85R.", SYSTEM, id="far memo index"),
        pytest.param(b"\x80\x04" + text("posix") + text("system") + b"(N1\x93N\x85R.", SYSTEM, id="mark between"),
        pytest.param(b"\x80\x04" + text("posix") + b"20" + text("system") + b"\x93N\x85R.", SYSTEM, id="duplicated"),
        pytest.param(b"\x80\x04" + text("torch.serialization") + text("os.system") + b"\x93.", ("dangerous-pickle", "torch.serialization.os.system"), id="dotted"),
        pytest.param(b"\x80\x04" + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93.", ("dangerous-pickle", "collections.OrderedDict.__init__.__globals__"), id="dunder"),
        pytest.param(b"\x80\x04" + stack_global("torch.nn.modules", "sys") + b".", ("dangerous-pickle", "torch.nn.modules.sys"), id="a module"),
        pytest.param(b"c__builtin__\neval\n(S'1'\ntR.", ("dangerous-pickle", "__builtin__.eval"), id="Python 2"),
        pytest.param(b"ccommands\ngetoutput\n(S'1'\ntR.", ("dangerous-pickle", "commands.getoutput"), id="Python 2 module"),
        pytest.param(b"\x80\x04" + b"N)R" * 3 + CALL + b".", SYSTEM, id="what an unpickler refuses"),
        pytest.param(b"\x80\x04\x95\xff\xff\xff\xff\x00\x00\x00\x00" + CALL + b".", SYSTEM, id="a frame that lies"),
        pytest.param(b"\x80\x04" + b"(" * 30_000 + CALL + b".", SYSTEM, id="many marks"),
        pytest.param(b"\x80\x04" + b"]" * 400_000 + CALL + b".", SYSTEM, id="high stack"),
        pytest.param(b"\x80\x04" + b"N\x85" * 100_000 + CALL + b".", SYSTEM, id="deep tuple"),
        pytest.param(b"\x80\x04\x82\x07)R.", ("unknown-pickle-global", "copyreg extension.7"), id="extension"),
        pytest.param(b"\x80\x04" + stack_global("builtins", "str") + text("os") + b"\x85R" + text("system") + b"\x93.", ("unknown-pickle-global", "?.?"), id="computed"),
        pytest.param(b"\x80\x04" + stack_global("numpy.core", "_ufunc_reconstruct") + text("os") + text("system") + b"\x86R.", ("unknown-pickle-global", "numpy.core._ufunc_reconstruct"), id="imports by name"),
        pytest.param(b"\x80\x04" + stack_global("my_project.models", "Thing") + b")\x81.", ("unknown-pickle-global", "my_project.models.Thing"), id="unknown"),
        pytest.param(npy(np.array([attack()], object)), SYSTEM, id="npy"),
    ],
)  # fmt: skip
def test_ways_to_hide(data: bytes, expected: tuple[str, str]) -> None:
    assert expected in found(data)


def test_what_is_called_with_what() -> None:
    [hit] = [hit for hit in scan(dumps(Calls(subprocess.Popen, ["sh", "-c", "curl"]))) if isinstance(hit, Hit)]
    assert hit.message == "subprocess.Popen is called with (['sh', '-c', 'curl'])"


def test_offsets_are_where_the_name_stands() -> None:
    data = b"\x80\x02]" + b"cos\nsystem\n(U\x01xtRa."
    [hit] = [hit for hit in scan(data) if isinstance(hit, Hit)]
    assert data[hit.start : hit.end] == b"cos\nsystem\n"


def joblib_bytes(value: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    joblib.dump(value, out, **options)
    return out.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_behind_the_arrays_of_joblib(protocol: int) -> None:
    array = np.frombuffer(random.Random(0).randbytes(80_000), "f8")
    data = joblib_bytes([array, np.array(["x", attack()], object), array[:7].astype("U5"), attack()], protocol=protocol)
    assert found(data) == [SYSTEM]


def nested_arrays(depth: int) -> bytes:
    """A pickle that attacks, and behind it arrays of objects within each other."""
    one = joblib_bytes(np.array([1], object), protocol=3)
    wrapper = one[: one.index(b"b", one.index(b"numpy_array_alignment_bytes")) + 1]  # up to the BUILD behind which its pickle stands
    return dumps(attack(), 2)[:-1] + b"0" + wrapper[2:] + wrapper * depth


def test_arrays_within_arrays_hide_nothing() -> None:
    assert SYSTEM in found(nested_arrays(1200))
    assert is_pickle(nested_arrays(1200))


def test_a_name_of_many_parts_hides_nothing() -> None:
    data = dumps(attack(), 2)[:-1] + b"0cm\nA" + b".A" * 1500 + b"\n."
    assert SYSTEM in found(data)


def test_attributes_of_attributes_do_not_grow_without_end() -> None:
    """Each name holds all those before it, so that names without end take the square of the pickle's size."""
    step = b"cbuiltins\ngetattr\nh\x00X\x04\0\0\0abcd\x86Rq\x00"
    names = [event.name for event in Pickles(io.BytesIO(b"\x80\x02cm\nA\nq\x00" + step * 3000 + b".")).events() if isinstance(event, Name)]
    assert max(map(len, names)) < 5000


def test_opcodes_in_place_of_an_array() -> None:
    """joblib skips what `pickle.load` runs: the bytes behind an array's wrapper are looked at both ways."""
    data = joblib_bytes({"a": np.zeros(1000, "u1")})
    at = data.index(bytes(500))
    assert SYSTEM in found(data[:at] + CALL + b"." + data[at + len(CALL) + 1 :])


@pytest.mark.parametrize("allow", [["my_project.*"], ["*"]])
def test_what_the_user_vouches_for(allow: list[str]) -> None:
    data = b"\x80\x04" + stack_global("my_project.models", "Thing") + b")\x81" + CALL + b"."
    assert found(data, allow=allow) == [SYSTEM]


def test_a_pickle_that_breaks_off() -> None:
    assert found(dumps(["text"] * 100)[:-10]) == [("broken-pickle", "it ends inside a string")] or found(dumps(["text"] * 100)[:-10])
    assert [rule for rule, _ in found(b"\x80\x04]\xff")] == ["broken-pickle"]
    [hit] = scan(b"\x80\x04]\xff")
    assert f"at byte {hit.start}:" in (hit.message or "")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data", [b"", b".", b"\x00" * 1000, bytes(range(256)) * 40, b"c\n\n.", b"Rar!", random.Random(3).randbytes(50_000)]
)
def test_bytes_that_are_no_pickle(data: bytes) -> None:
    assert found(data, "weights.bin") == []


def test_a_flood_of_names_is_bounded() -> None:
    data = b"\x80\x04" + b"".join(b"cmod\nn%d\n0" % n for n in range(3000)) + CALL + b"."
    results = scan(data)
    assert [hit.evidence for hit in results if isinstance(hit, Hit) and hit.rule == "modelfiles.dangerous-pickle"] == ["posix.system"]
    assert [gap.count for gap in results if isinstance(gap, Gap)] == [2000]


def test_big_payloads_are_skipped() -> None:
    class Huge(io.RawIOBase):
        """Two gigabytes that exist only where they are read."""

        before, after = b"\x80\x04\x8e" + (2 << 30).to_bytes(8, "little"), b"0" + CALL + b"."
        at = reads = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            end = len(self.before) + (2 << 30) + len(self.after)
            self.at = offset + (0, self.at, end)[whence]
            return self.at

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 1 << 20
            self.reads += size
            behind = self.at - len(self.before) - (2 << 30)
            data = self.before[self.at :] or (bytes(min(size, -behind)) if behind < 0 else self.after[behind:])
            self.at += len(data[:size])
            return data[:size]

    from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
    from veritensor_ray.engines.modelfiles.pickles.pickle_calls import PickleScan

    file: Any = Huge()
    hits = [hit.evidence for hit in PickleScan(NamePolicy()).scan(file) if isinstance(hit, Hit)]
    assert hits == ["posix.system"]
    assert file.reads < 2 << 20


def test_finds_what_picklescan_finds() -> None:
    """Every name that it sees in the samples, we see as well; harmless ones are left out of findings."""
    chance = random.Random(7)
    for _ in range(150):
        data = mutated(dumps([attack(), {"a": (1, "b")}, Calls(eval, "1")], chance.randrange(6)), chance)
        theirs = {f"{g.module}.{g.name}" for g in scan_pickle_bytes(io.BytesIO(data), "x").globals if g.safety.value == "dangerous"}
        ours = {evidence for rule, evidence in found(data) if rule == "dangerous-pickle"}
        assert {name for name in theirs if "unknown" not in name} <= ours | {"builtins.", "__builtin__."}, pickletools.dis


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Cut off or with bytes appended: what a walk of opcodes survives."""
    return data[: chance.randrange(len(data) // 2, len(data) + 1)] + chance.randbytes(chance.randrange(8))


@pytest.mark.parametrize("protocol", range(6))
def test_damage_raises_nothing(protocol: int) -> None:
    data = dumps([attack(), np.arange(5), {"a": b"b" * 300, "c": ("x", 2.5, 1 << 90)}], protocol)
    chance = random.Random(protocol)
    for cut in range(0, len(data), 3):
        scan(data[:cut], "a.pkl")
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        flipped[cut] = chance.randrange(256)
        scan(bytes(flipped), "a.pkl")


@pytest.mark.results
def test_speed_of_numbers(at_most: AtMost) -> None:
    data = dumps([float(n) for n in range(500_000)])
    with at_most(5):
        assert scan(data) == []
