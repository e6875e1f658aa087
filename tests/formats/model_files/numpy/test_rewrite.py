"""NumPy arrays of strings: strings change, and the array stays what it was otherwise."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from tests.cleaning.marked import Rewritten, rewritten
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL = "jane.doe@example-mail.de"
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}


def saved(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def clean(data: bytes, name: str = "a.npy") -> Rewritten:
    return rewritten(data, name, CleanPolicy.model_validate(MASK), ("secrets", "pii"))


def cleaned(data: bytes) -> Any:
    found = clean(data)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    assert clean(found.data).cleaned.result == Result.COPIED
    return np.load(io.BytesIO(found.data), allow_pickle=False)


@pytest.mark.parametrize("dtype", ["<U40", ">U40", "S40"], ids=["little-endian", "big-endian", "bytes"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_strings_change_and_the_type_stays(dtype: str, order: Any) -> None:
    texts = [[f"Ask {MAIL}", "x"], ["", MAIL], ["Grüße" if "U" in dtype else "z", "y"]]
    data = saved(np.array(np.char.encode(texts) if dtype[0] == "S" else texts, dtype, order=order))
    before, after = np.load(io.BytesIO(data)), cleaned(data)
    assert (after.dtype, after.shape, after.flags.f_contiguous) == (before.dtype, before.shape, before.flags.f_contiguous)
    found = [one if isinstance(one, str) else one.decode() for one in after.ravel().tolist()]
    assert found == [text.replace(MAIL, "[EMAIL]") for row in texts for text in row]


def test_strings_become_wider_if_a_mask_needs_the_room() -> None:
    after = cleaned(saved(np.array(["4929421234567897"], "U16")))
    assert after.tolist() == ["[PAYMENT_CARD]"]
    short = cleaned(saved(np.array(["x@ab.de", "keep"], "U7")))
    assert (short.tolist(), short.dtype) == (["[EMAIL]", "keep"], np.dtype("U7"))
    wide = cleaned(saved(np.array(["a@b.de", "keep"], ">U6")))
    assert (wide.tolist(), wide.dtype) == (["[EMAIL]", "keep"], np.dtype(">U7"))


def test_an_archive_of_arrays() -> None:
    out = io.BytesIO()
    np.savez(out, a=np.array([MAIL, "x"]), b=np.arange(3))
    found = clean(out.getvalue(), "a.npz")
    assert found.data is not None, found.cleaned.reason
    with np.load(io.BytesIO(found.data), allow_pickle=False) as made:
        assert made["a"].tolist() == ["[EMAIL]", "x"]
        assert made["b"].tolist() == [0, 1, 2]
    assert zipfile.ZipFile(io.BytesIO(found.data)).testzip() is None


@pytest.mark.parametrize(
    "array",
    [np.array([(MAIL, 1)], [("a", "U30"), ("b", "i4")]), np.array([4929421234567897])],
    ids=["records", "numbers"],
)
def test_what_cannot_change_holds_the_file(array: Any) -> None:
    found = clean(saved(array))
    assert found.marks
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
