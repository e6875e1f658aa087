"""HDF5: texts and names change in a new file, and everything else is what it was, as h5py and the bytes of the file show."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.editing.ordering import cleaned, covering, order, texts_of
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.model_files.hdf5.hdf5_values import frozen, stored
from veritensor_ray.formats.model_files.hdf5.rewrite import rewrite_hdf5

MAIL = "jane.doe@example-mail.de"
KIND = Kind("application/x-hdf5")
TEXT = h5py.string_dtype()
RECORD = np.dtype([("who", "S40"), ("n", "<f8"), ("note", TEXT)])


def clean(data: bytes, action: str = "mask") -> Rewritten:
    return rewritten(data, "a.h5", CleanPolicy.model_validate({"rules": [{"rule": "pii.*", "action": action}]}))


def made() -> tuple[io.BytesIO, Any]:
    out = io.BytesIO()
    return out, h5py.File(out, "w")


def everything(versions: tuple[str, str], *, ordered: bool = False) -> bytes:
    """A file with most of what HDF5 has."""
    out = io.BytesIO()
    with h5py.File(out, "w", libver=versions, track_order=ordered) as file:
        file.attrs["owner"] = MAIL
        file.attrs["many"] = ["a", f"write to {MAIL}", ""]
        file.attrs["fixed"] = np.bytes_(b"see " + MAIL.encode())
        file.attrs["numbers"] = [1.5, float("nan")]
        file.attrs["nothing"] = h5py.Empty("f4")
        group = file.create_group("z", track_order=ordered)
        texts = group.create_dataset("texts", data=["x", MAIL, "z"] * 50, dtype=TEXT, chunks=(16,), maxshape=(None,), compression="gzip")
        texts.attrs["unit"] = "none"
        file["again"] = texts
        file["soft"] = h5py.SoftLink("/z/texts")
        plane = [[b"a", MAIL.encode()], [b"", b"b" * 30]]
        group.create_dataset("plane", data=np.array(plane, "S40"), chunks=(1, 2), shuffle=True, fletcher32=True)
        records = np.array([(MAIL.encode(), float("nan"), "n"), (b"x", -0.0, f"ask {MAIL}")], RECORD)
        file.create_dataset("records", data=records)
        file["scalar"] = f"one {MAIL}"
        file["floats"] = np.arange(20.0).reshape(4, 5)
        file["empty"] = h5py.Empty("i4")
        file.create_dataset("unwritten", (100, 100), "f8", chunks=(10, 10), fillvalue=7.0)
        file.create_dataset("enum", data=[0, 1], dtype=h5py.enum_dtype({"a": 0, "b": 1}))
        file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype(np.int32))[0] = [1, 2, 3]
        file["type"] = np.dtype("S7")
        file["typed"] = h5py.Empty("S7")
        file["opaque"] = np.void(b"\x00\x01\x02")
        del file["floats"]
        file["floats"] = np.arange(20.0).reshape(4, 5)
    return out.getvalue()


def told(data: bytes) -> dict[str, Any]:
    """Every object with its type, storage, attributes and values."""
    found: dict[str, Any] = {}
    with h5py.File(io.BytesIO(data), "r") as file:

        def add(name: str, item: Any) -> None:
            found[name] = [type(item).__name__, {key: repr(value) for key, value in item.attrs.items()}]
            if isinstance(item, h5py.Dataset):
                found[name] += [item.dtype, item.shape, item.maxshape, item.chunks, item.compression, item.shuffle, item.fletcher32]
                found[name] += [repr(item.fillvalue), None if item.shape is None else repr(stored(item).tolist())]

        add("/", file)
        file.visititems(add)
        found["links"] = [repr(file.get(name, getlink=True).__class__) for name in file], file["again"] == file["z/texts"], list(file)
    return found


def changed(value: Any) -> Any:
    """What `told` says, with the mask in place of the value."""
    if isinstance(value, dict):
        return {key: changed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(changed(one) for one in value)
    return value.replace(MAIL, "[EMAIL]") if isinstance(value, str) else value


@pytest.mark.parametrize("versions", [("earliest", "v108"), ("v108", "v108"), ("v110", "v110")], ids=["earliest", "v108", "v110"])
@pytest.mark.parametrize("ordered", [False, True])
def test_texts_change_and_everything_else_stays(versions: tuple[str, str], ordered: bool) -> None:
    data = everything(versions, ordered=ordered)
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    assert told(found.data) == changed(told(data))
    assert found.data[8] == data[8]  # the version of the format
    assert MAIL.encode() not in found.data
    assert clean(found.data).cleaned.result == Result.COPIED


def test_names_change_with_everything_below_them() -> None:
    out, file = made()
    with file:
        file[f"by {MAIL}/inner/values"] = [1, 2]
        file[f"by {MAIL}"].attrs[f"of {MAIL}"] = "x"
        file["other"] = "y"
    found = clean(out.getvalue())
    assert found.data is not None, found.cleaned.reason
    with h5py.File(io.BytesIO(found.data), "r") as file:
        assert sorted(file) == ["by [EMAIL]", "other"]
        assert dict(file["by [EMAIL]"].attrs) == {"of [EMAIL]": "x"}
        assert file["by [EMAIL]/inner/values"][:].tolist() == [1, 2]


def _referring(file: Any) -> None:
    file["a"] = MAIL
    file.create_dataset("refers", data=[file["a"].ref], dtype=h5py.ref_dtype)


def _outside(file: Any) -> None:
    file["a"] = MAIL
    file["link"] = h5py.ExternalLink("other.h5", "/x")


def _virtual(file: Any) -> None:
    file["a"] = MAIL
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("v", layout)


def _two_names(file: Any) -> None:
    file[MAIL], file["[EMAIL]"] = 1, 2


def _soft(file: Any) -> None:
    file[MAIL] = 1
    file["link"] = h5py.SoftLink(f"/{MAIL}")


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (_referring, "references to objects"),
        (_outside, "a link to another file"),
        (_virtual, "in other datasets or files"),
        (_two_names, "would become equal"),
        (_soft, "symbolic links"),
    ],
)
def test_what_would_not_be_the_same_holds_the_file(build: Any, why: str) -> None:
    out, file = made()
    with file:
        build(file)
    unit = next(unit for text, unit in texts_of(out.getvalue(), KIND) if MAIL in text)
    names = unit.column == "names"
    given = order(unit, 0, len(MAIL), MAIL) if names else covering(MAIL, unit)
    with pytest.raises(CannotRewriteError, match=why):
        cleaned(rewrite_hdf5, out.getvalue(), KIND, [given], "[EMAIL]")


def test_a_string_without_room_and_a_row_that_goes_hold_the_file() -> None:
    out, file = made()
    with file:
        file["a"] = np.array([b"abc", b"de"])
    unit = Unit(row=1, column="/a")
    with pytest.raises(CannotRewriteError, match="at most 3 bytes has no room"):
        cleaned(rewrite_hdf5, out.getvalue(), KIND, [covering("de", unit)], "[LONG]")
    with pytest.raises(CannotRewriteError, match="cannot be dropped"):
        cleaned(rewrite_hdf5, out.getvalue(), KIND, [order(unit, 0, 2, "de", Action.DROP_ROW)])
    new, after = cleaned(rewrite_hdf5, out.getvalue(), KIND, [order(unit, 0, 2, "de", Action.DROP_CELL)])
    assert not after.undone
    with h5py.File(io.BytesIO(new), "r") as file:
        assert file["a"][:].tolist() == [b"abc", b""]


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("S8", [b"ab@cd.de", b"stays"], [b"[EMAIL]", b"stays"]),
        ("S6", [b"a@b.de", b"stays"], [b"[EMAI]", b"stays"]),
        ("S12", [b"say a@bcd.de", b"x"], [b"say [EMAIL]", b"x"]),
        ("S10", [b"say a@b.de", b"x"], [b"say [EMAI]", b"x"]),
    ],
)
def test_a_mask_is_shortened_where_a_string_has_no_room(kind: str, texts: list[bytes], expected: list[bytes]) -> None:
    out, file = made()
    with file:
        file.create_dataset("a", data=np.array(texts, kind), fillvalue=b"f")
        file.attrs["a"] = np.array(texts[0], kind)
    found = clean(out.getvalue())
    assert (found.cleaned.result, found.cleaned.reason) == (Result.CLEANED, None)
    assert found.data is not None and texts[0] not in found.data
    with h5py.File(io.BytesIO(found.data), "r") as file:
        assert (file["a"].dtype, file["a"][:].tolist(), file["a"].fillvalue) == (np.dtype(kind), expected, b"f")
        assert bytes(file.attrs["a"]) == expected[0]
    again = clean(out.getvalue(), "pseudonym")
    assert again.cleaned.result == Result.HELD and "a mask would be shortened" in (again.cleaned.reason or "")


def test_a_record_changes_only_where_the_text_was_seen() -> None:
    out, file = made()
    with file:
        file.create_dataset("r", data=np.array([(b"secret", 1.5, "public")], RECORD))
    unit = Unit(row=0, column="/r")
    new, after = cleaned(rewrite_hdf5, out.getvalue(), KIND, [covering("secret", unit)])
    assert not after.undone
    with h5py.File(io.BytesIO(new), "r") as file:
        assert file["r"][0].tolist() == (b"[X]", 1.5, b"public")
    _, after = cleaned(
        rewrite_hdf5, out.getvalue(), KIND, [order(unit, 0, 3)]
    )  # from a decoded text, so that nobody knows in which of the two
    assert len(after.undone) == 1


def test_what_was_deleted_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["gone"] = np.array([b"deleted words"] * 100)
        file["a"] = MAIL
    with h5py.File(path, "a") as file:
        del file["gone"]
    assert b"deleted words" in path.read_bytes()
    new, _ = cleaned(rewrite_hdf5, path.read_bytes(), KIND, [covering(MAIL, Unit(row=0, column="/a"))])
    assert b"deleted words" not in new


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_file_that_breaks_off_is_an_error(keep: float) -> None:
    data = everything(("earliest", "v108"))
    with pytest.raises((ReadError, CannotRewriteError)):
        cleaned(rewrite_hdf5, data[: int(len(data) * keep)], KIND, [covering(MAIL, Unit(row=0, column="/scalar"))])


def test_a_value_that_many_items_share_is_not_multiplied() -> None:
    out, file = made()
    with file:
        file.create_dataset("a", data=["x" * 60_000, *(["y"] * 3000)], dtype=TEXT)
        at = file["a"].id.get_offset()
    data = bytearray(out.getvalue())
    for number in range(1, 3001):  # each item is a length, the place of a heap and a number in it
        data[at + 16 * number : at + 16 * number + 16] = data[at : at + 16]
    with pytest.raises(LimitExceeded):
        cleaned(
            rewrite_hdf5,
            bytes(data),
            KIND,
            [covering("y", Unit(row=1, column="/a"))],
            limits=Limits(expanded_ratio=10, expanded_bytes=2**22),
        )


_ITEMS = st.one_of(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), min_size=1, max_size=9).map(
        lambda one: (one, TEXT)
    ),
    st.lists(st.binary(min_size=1, max_size=9).map(lambda one: one.replace(b"\0", b"0")), min_size=1, max_size=9).map(
        lambda one: (one, "S9")
    ),
    st.lists(st.floats(), min_size=1, max_size=9).map(lambda one: (one, "f8")),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=9).map(lambda one: (one, "i8")),
    st.lists(st.tuples(st.binary(max_size=4).map(lambda one: one.replace(b"\0", b"0")), st.floats(width=32)), min_size=1, max_size=9).map(
        lambda one: (np.array(one, [("t", "S9"), ("f", "<f4")]), [("t", "S9"), ("f", "<f4")])
    ),
)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e"]), _ITEMS, min_size=1), st.booleans(), st.data())
def test_only_what_is_ordered_changes_in_any_file(datasets: dict[str, Any], packed: bool, data: st.DataObject) -> None:
    out, file = made()
    with file:
        for name, (values, dtype) in datasets.items():
            file.create_dataset(name, data=np.array(values, dtype), chunks=(1,) if packed else None, compression="gzip" if packed else None)
    texts = [(text, unit) for text, unit in texts_of(out.getvalue(), KIND) if unit.row is not None and "\ufffd" not in text]
    chosen = data.draw(st.lists(st.sampled_from(texts), max_size=3, unique=True)) if texts else []
    new, after = cleaned(rewrite_hdf5, out.getvalue(), KIND, [covering(text, unit) for text, unit in chosen])
    assert not after.undone
    changed_rows = {(unit.column, unit.row): text for text, unit in chosen}
    with h5py.File(io.BytesIO(out.getvalue()), "r") as before, h5py.File(io.BytesIO(new), "r") as file:
        for name in datasets:
            old, one = before[name][:], file[name][:]
            for row in range(len(old)):
                if (text := changed_rows.get((f"/{name}", row))) is None:
                    assert frozen(old[row : row + 1]) == frozen(one[row : row + 1])
                else:
                    value = one[row]["t"] if one.dtype.names else one[row]
                    assert (value, text) == (b"[X]", (old[row]["t"] if one.dtype.names else old[row]).decode())
                    assert not one.dtype.names or old["f"][row].tobytes() == one["f"][row].tobytes()
