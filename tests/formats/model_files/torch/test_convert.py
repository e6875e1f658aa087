"""Checkpoints of torch become safetensors with the tensors that torch loads, and only if they hold nothing besides."""

from __future__ import annotations

import io
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.formats.model_files.torch.checkpoints import PAYLOAD, Command, pickled, planted, rezipped, saved, with_pickle
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common import spool
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.pickle import pickle_tree
from veritensor_ray.formats.model_files.safetensors import write
from veritensor_ray.formats.model_files.safetensors.from_pickles import to_safetensors
from veritensor_ray.formats.model_files.torch import checkpoint
from veritensor_ray.formats.opened_files import opened

if TYPE_CHECKING:
    import torch

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]
NEWER = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]  # torch loads them from zips only


def small() -> Any:
    import torch

    return {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int8)}


def converted(checkpoint: bytes) -> tuple[str, dict[str, torch.Tensor]]:
    """Return what is said about a checkpoint, and its tensors, as the library of safetensors loads them."""
    from safetensors.torch import load

    with tempfile.TemporaryFile() as out:
        said = to_safetensors(opened(io.BytesIO(checkpoint), "x.pt", Limits()), out, lambda: None)
        out.seek(0)
        return said, load(out.read())


def flat(value: Any, path: str = "") -> dict[str, torch.Tensor]:
    if not isinstance(value, dict):
        return {path: value.detach()}
    return {name: one for key, inner in value.items() for name, one in flat(inner, f"{path}.{key}" if path else key).items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    import torch

    assert {name: (one.dtype, one.shape) for name, one in found.items()} == {name: (one.dtype, one.shape) for name, one in expected.items()}
    for name, one in expected.items():
        assert found[name].contiguous().flatten().view(torch.uint8).equal(one.contiguous().flatten().view(torch.uint8)), name


def module() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.BatchNorm1d(4), torch.nn.Embedding(5, 3)).state_dict()


def shared() -> Any:
    import torch

    base = torch.arange(60.0)
    tied = torch.nn.Parameter(base[10:22].reshape(3, 4))
    return {
        "tied": {"one": tied, "two": tied},
        "part": base[5:9],
        "turned": base[:12].reshape(3, 4).t(),
        "steps": base[1:40:7],
        "block": base.reshape(3, 4, 5)[1:, ::2, 1:3],
        "repeated": base[:2].expand(3, 2),
        "whole": base.reshape(3, 4, 5).permute(2, 0, 1),
    }


def odd() -> Any:
    import torch

    return {
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
        "none inside": torch.zeros(2, 0),
        "name with ü": torch.ones(1),
        "e": {},
    }


def typed() -> Any:
    import torch

    return {name: torch.arange(0, 12).reshape(3, 4).to(getattr(torch, name)) for name in DTYPES}


def newer() -> Any:
    import torch

    return {name: torch.arange(0, 12).reshape(3, 4).to(getattr(torch, name)) for name in NEWER}


@pytest.mark.parametrize(
    ("make", "in_zip"), [*((make, in_zip) for make in (module, shared, odd, typed) for in_zip in (True, False)), (newer, True)]
)
def test_the_copy_has_the_tensors_that_torch_loads(make: Callable[[], Any], in_zip: bool) -> None:
    import torch

    checkpoint = saved(make(), in_zip)
    said, found = converted(checkpoint)
    expected = flat(torch.load(io.BytesIO(checkpoint), weights_only=True))
    assert said == f"safetensors with {len(expected)} tensors"
    assert_same(found, expected)


def test_tensors_that_are_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(write, "CHUNK", 100)
    large = torch.arange(float(spool.CHUNK // 4 + 1000))
    value = {"dense": large, "turned": large[:1200].reshape(40, 30).t(), "deep": large[:1200].reshape(2, 300, 2).permute(2, 0, 1)}
    checkpoint = saved(value)
    assert_same(converted(checkpoint)[1], value)


def in_first_pickle(data: bytes) -> bytes:
    return PAYLOAD + b"tR0" + data


def test_what_runs_beside_the_tensors_is_left_out() -> None:
    plain = saved(module())
    for data in (
        with_pickle(plain, planted),
        in_first_pickle(saved(module(), in_zip=False)),
        with_pickle(plain, lambda data: data[:-1] + PAYLOAD + b"tR0."),
        with_pickle(plain, lambda data: data + PAYLOAD + b"tR."),
        with_pickle(plain, lambda data: data[:2] + b"cwebbrowser\nopen\n0" + data[2:]),
    ):
        assert sorted(converted(data)[1]) == sorted(module())


def called_with_all(data: bytes) -> bytes:
    """Give the state dict to a function, and return it all the same."""
    return data[:2] + b"cbuiltins\nsorted\n" + data[2:-1] + b"q\xf0\x85R0h\xf0."


def given_later(data: bytes) -> bytes:
    """Give a list to a function first, and put the state dict there afterwards."""
    return data[:2] + b"cbuiltins\nid\n]q\xf1\x85R0h\xf1" + data[2:-1] + b"q\xf0ah\xf0."


def refusals() -> list[tuple[bytes, str]]:
    import torch

    tensors = small()
    plain = saved(tensors)
    doubled = {"p": torch.zeros(2), "q": torch.zeros(2)}
    conjugated = torch.zeros(2, dtype=torch.complex64).conj()
    with_attribute = OrderedDict(tensors)
    with_attribute.more = torch.ones(2)  # type: ignore[attr-defined]
    twice = {"w": torch.ones(1)}
    around: dict[str, Any] = {"w": torch.ones(1)}
    around["self"] = around
    return [
        (saved({"model": tensors, "x": Command()}), "'x' is a result of posix.system, not a tensor"),
        (saved({"model": tensors, "x": Command()}, in_zip=False), "'x' is a result of posix.system, not a tensor"),
        (saved({"model": tensors, "epoch": 3}), "'epoch' is a value of type int, not a tensor"),
        (saved({"model": tensors, "steps": [torch.ones(1)]}), "'steps' is a list, not a tensor"),
        (saved({"model": tensors, "f": torch.nn.ReLU}), "'f' is the name torch.nn.modules.activation.ReLU, not a tensor"),
        (saved(torch.ones(2)), "a tensor in it has no name"),
        (saved({"": torch.ones(2)}), "a tensor in it has no name"),
        (saved({1: torch.ones(2)}), "a name in it is not a text"),
        (saved({}), "it holds no tensors"),
        (saved({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}), "the name 'a.b' occurs twice"),
        (saved({"x": twice, "y": twice}), "a dictionary stands in it twice"),
        (saved(around), "a dictionary stands in it twice"),
        (saved({"__metadata__": torch.ones(1)}), "safetensors cannot have the name of one of its tensors"),
        (saved({"\ud800": torch.ones(1)}), "safetensors cannot have the name of one of its tensors"),
        (
            saved({"w": torch.ones(2, dtype=torch.complex128)}),
            "'w' is a tensor of torch.ComplexDoubleStorage, which safetensors lacks, not a",
        ),
        (saved({"w": conjugated}), "'w' is a tensor that is negated, conjugated or has other properties, not a tensor"),
        (saved({"w": torch.ones(2).to_sparse()}), "'w' is a result of torch._utils._rebuild_sparse_tensor, not a tensor"),
        (saved(with_attribute), "a dictionary in it has attributes besides the versions of modules"),
        (saved({"w": torch.ones(1).expand(100_000)}), "its tensors repeat values, and would take more than 4 times its size"),
        (with_pickle(plain, called_with_all), "something besides its tensors is given them and may change them"),
        (with_pickle(plain, given_later), "something besides its tensors is given them and may change them"),
        (with_pickle(saved(doubled), lambda data: data.replace(b"X\x01\x00\x00\x00q", b"X\x01\x00\x00\x00p")), "the name 'p' occurs twice"),
        (with_pickle(plain, lambda data: data.replace(b"K\x00K\x02K\x03", b"K\x01K\x02K\x03")), "'a' is a tensor that reaches beyond its"),
        (
            with_pickle(plain, lambda data: data.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x03\x86")),
            "'a' is a tensor without a valid",
        ),
        (with_pickle(plain, lambda data: data.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fK\x03\x86")), "'a' is a tensor that reaches"),
        (
            with_pickle(plain, lambda data: data.replace(b"K\x03K\x01\x86", b"K\x03J\xff\xff\xff\xff\x86")),
            "'a' is a tensor without a valid",
        ),
        (with_pickle(plain, lambda data: data[:-1]), "its pickle is damaged"),
        (
            with_pickle(plain, lambda data: data[:2] + b"\x95\xff\x00\x00\x00\x00\x00\x00\x00" + data[2:]),
            "its frames do not end between opcodes",
        ),
        (with_pickle(plain, lambda data: data[:2] + b"(" * 10_001 + data[2:]), "its pickle has more than 10,000 operations"),
        (with_pickle(plain, lambda data: data + bytes(1 << 20)), "its data.pkl has more than 1,048,576 bytes"),
        (rezipped(plain, lambda _, data: data, packed=True), "its archive is compressed, as torch never does"),
        (rezipped(plain, lambda _, data: data, {"archive/code/run.py": b"1"}), "its archive has files besides tensors and their pickle"),
        (rezipped(plain, lambda _, data: data, {"other/data/0": b"1"}), "its archive has files besides tensors and their pickle"),
        (rezipped(plain, lambda _, data: data, {"ARCHIVE/data/0": b"1"}), "its central directory is damaged or names an entry twice"),
        (rezipped(plain, lambda _, data: data, {"b/data.pkl": b"N."}), "it does not have exactly one data.pkl"),
        (
            rezipped(plain, lambda name, data: data + b"\0" if name.endswith("data/0") else data),
            "a storage is missing from its archive or has",
        ),
        (rezipped(plain, lambda name, data: b"big" if name.endswith("byteorder") else data), "its numbers are not stored with the lowest"),
        (plain.replace(tensors["a"].numpy().tobytes(), bytes(24)), "an entry of its archive is damaged"),
        (saved(tensors, in_zip=False)[:-1], "a storage in it is cut off or has another size than its pickle says"),
        (saved(newer(), in_zip=False), "it has a tensor of a type that torch does not load from files of this kind"),
        (pickled({"w": 1}), "'w' is a value of type int, not an array"),
        (pickled({"w": 1}) * 5, "something follows its pickle"),
    ]


@pytest.mark.filterwarnings("ignore")
def test_everything_else_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_tree, "_STEPS", 10_000)
    monkeypatch.setattr(checkpoint, "_PICKLE", 1 << 20)
    wrong = []
    for data, reason in refusals():
        try:
            said = converted(data)[0]
        except CannotRewriteError as error:
            said = str(error)
        if not said.startswith(reason):
            wrong.append((reason, said))
    assert wrong == []


def test_an_archive_without_its_end() -> None:
    checkpoint = saved(small())
    source = opened(io.BytesIO(checkpoint), "x.pt", Limits())
    with tempfile.TemporaryFile() as out, pytest.raises(CannotRewriteError, match="its central directory is damaged"):
        to_safetensors(replace(source, file=io.BytesIO(checkpoint[:-30])), out, lambda: None)
