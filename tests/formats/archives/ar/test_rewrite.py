"""Unix archives: a member is cleaned, its size in the header changes, and everything else in the archive stays, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.archives.ar.test_read import ARCHIVES, MAGIC, row_of
from tests.formats.archives.gathering import AR, gather
from tests.formats.archives.packed import (
    CLEAN,
    EMAIL,
    MASKED,
    TEXT,
    ar_entry,
    bsd_ar,
    carried_out,
    cleaned,
    emails,
    gnu_ar,
    order,
    run,
    taped,
    zipped,
)
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.testing import RewriterContract

LONG = "a long name of a file.txt"
SYMBOLS = ar_entry(b"/", (1).to_bytes(4, "big") + (80).to_bytes(4, "big") + b"main\x00")


class TestRewritingArchives(RewriterContract):
    row = row_of(AR)
    documents = ARCHIVES


@pytest.mark.parametrize("made", [gnu_ar, bsd_ar])
@pytest.mark.parametrize("name", ["a.txt", LONG, "ü.txt", "in/a.txt"])
@pytest.mark.parametrize("text", [TEXT, TEXT + b"!"])
def test_the_result_is_what_the_program_would_have_written(made: Callable[..., bytes], name: str, text: bytes) -> None:
    files = [("b.txt", b"odd"), (name, text), ("another long name.txt", b""), ("c.txt", b"seven..")]
    assert cleaned(made(*files), "a.ar") == made(*((one, data.replace(EMAIL, MASKED)) for one, data in files))


@pytest.mark.parametrize("name", ["a.txt", LONG])
def test_an_archive_by_gnu_ar(tmp_path: Path, name: str) -> None:
    for path, data in {name: TEXT, "b.txt": b"x" * 701, "empty": b""}.items():
        (tmp_path / path).write_bytes(data)
    run(tmp_path, "ar", "rcU", "a.ar", "b.txt", name, "empty")
    (tmp_path / "b.ar").write_bytes(cleaned((tmp_path / "a.ar").read_bytes(), "a.ar"))
    old, new = (run(tmp_path, "ar", "tv", archive).decode() for archive in ("a.ar", "b.ar"))
    assert new == old.replace(f" {len(TEXT)} ", f" {len(CLEAN)} ")
    assert (run(tmp_path, "ar", "p", "b.ar", name), run(tmp_path, "ar", "p", "b.ar", "b.txt")) == (CLEAN, b"x" * 701)


def test_a_package_by_dpkg(tmp_path: Path) -> None:
    (tmp_path / "in" / "DEBIAN").mkdir(parents=True)
    about = b"Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A\nDescription: a\n"
    (tmp_path / "in" / "DEBIAN" / "control").write_bytes(about)
    (tmp_path / "in" / "a.txt").write_bytes(TEXT)
    run(tmp_path, "dpkg-deb", "-Zxz", "--build", "in", "a.deb")
    (tmp_path / "b.deb").write_bytes(cleaned((tmp_path / "a.deb").read_bytes(), "a.deb"))
    run(tmp_path, "dpkg-deb", "-x", "b.deb", "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == CLEAN
    assert run(tmp_path, "dpkg-deb", "-f", "b.deb") == about


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ar_entry(b"a.txt/", TEXT, b"%10d"), ar_entry(b"a.txt/", CLEAN, b"%10d")),
        (ar_entry(b"a.txt/", TEXT).removesuffix(b"\n"), ar_entry(b"a.txt/", CLEAN).removesuffix(b"\n")),
        (ar_entry(b"a.txt/", TEXT)[:-1] + b"\x00", ar_entry(b"a.txt/", CLEAN)[:-1] + b"\x00"),
        (ar_entry(b"#1/5", b"a.txt" + TEXT), ar_entry(b"#1/5", b"a.txt" + CLEAN)),
        (ar_entry(b"#1/8", b"a.txt\x00\x00\x00" + TEXT), ar_entry(b"#1/8", b"a.txt\x00\x00\x00" + CLEAN)),
    ],
    ids=["spaces before the size", "no padding at the end", "another padding", "an odd name", "a padded name"],
)
def test_forms_stay(old: bytes, new: bytes) -> None:
    made, orders = carried_out(MAGIC + old, "a.ar", emails({"a.txt": TEXT}))
    assert (made, orders.undone) == (MAGIC + new, [])


def test_archives_in_archives() -> None:
    new = cleaned(gnu_ar(("b.zip", zipped(("i.ar", bsd_ar((LONG, TEXT))), ("x", b"y")))), "a.ar")
    assert new == gnu_ar(("b.zip", zipped(("i.ar", bsd_ar((LONG, CLEAN))), ("x", b"y"))))


def test_an_archive_with_nothing_to_strip_is_the_same() -> None:
    data = gnu_ar(("a.txt", TEXT), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(50)), ("broken.gz", b"\x1f\x8b\x08\x00"), ("c.json", b"{"))
    new, orders = carried_out(data, "a.ar", [], list(Strippable))
    assert (new, not orders.account.counts) == (data, True)


def test_a_table_of_symbols_stays_true() -> None:
    data = MAGIC + SYMBOLS + ar_entry(b"a.txt/", TEXT) + ar_entry(b"m.o/", b"\x7fELF")
    same = TEXT.replace(EMAIL, b"[EMAIL]".ljust(len(EMAIL)))
    orders = emails({"a.txt": TEXT})
    with pytest.raises(CannotRewriteError, match=r"a\.txt: files after it would move"):
        carried_out(data, "a.ar", orders)
    new, _ = carried_out(data, "a.ar", orders, mask=b"[EMAIL]".ljust(len(EMAIL)).decode())
    assert new == data.replace(TEXT, same)


@pytest.mark.parametrize(
    ("data", "member", "words"),
    [
        (gnu_ar(("a.txt", TEXT), ("a.txt", b"newer")), "a.txt", "a.txt: the archive has more than one file of that name"),
        (gnu_ar(("a.txt", TEXT), ("a.txt!/b", b"x")), "a.txt!/b", "more than one file of that name"),
        (gnu_ar(("a.txt", b"8BPS\x00\x01" + EMAIL)), "a.txt", "a.txt: files of type image/vnd.adobe.photoshop are not rewritten"),
        (gnu_ar(("a.txt", TEXT))[:2000], "a.txt", "ends in the middle of a.txt"),
    ],
)
def test_an_archive_that_is_not_clear_is_held_back(data: bytes, member: str, words: str) -> None:
    with pytest.raises((CannotRewriteError, ReadError), match=words):
        carried_out(data, "a.ar", [order(member, TEXT.decode(), TEXT.index(EMAIL))])


def test_what_is_damaged_stays() -> None:
    for damage in (b"even", b"odd", ar_entry(b"x/", TEXT).replace(b"4541", b"4x41")):
        data = MAGIC + damage + ar_entry(b"a.txt/", TEXT)
        new, orders = carried_out(data, "a.ar", emails({"a.txt": TEXT}))
        expected = (data, 1) if damage == b"odd" else (MAGIC + damage + ar_entry(b"a.txt/", CLEAN), 0)
        assert (new, len(orders.undone)) == expected


def test_orders_for_tables_stay_undone() -> None:
    for name, data in (("/", MAGIC + ar_entry(b"/", TEXT)), ("//", MAGIC + ar_entry(b"//", TEXT))):
        new, orders = carried_out(data, "a.ar", emails({name: TEXT}))
        assert (new, len(orders.undone)) == (data, 1)


def test_a_bomb_is_stopped_as_in_an_audit() -> None:
    with pytest.raises(LimitExceeded, match="nested more than 1 levels"):
        carried_out(gnu_ar(("b.tar", taped(("a.txt", TEXT)))), "a.ar", emails({"b.tar!/a.txt": TEXT}), limits=Limits(depth=1))


NAMES = st.sampled_from(["a.txt", "b.txt", "in/c.txt", "ü/d.md", LONG, "another long name.txt"])
CONTENTS = st.lists(st.sampled_from([EMAIL, b" ", b"\r\n", "ü".encode(), b"text " * 60]), max_size=6).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, CONTENTS, min_size=1), st.sampled_from([gnu_ar, bsd_ar]))
def test_only_members_with_an_address_change(files: dict[str, bytes], made: Callable[..., bytes]) -> None:
    new, orders = carried_out(made(*files.items()), "a.ar", emails(files))
    changed = {name: data.replace(EMAIL, MASKED) for name, data in files.items()}
    assert (new, orders.undone) == (made(*changed.items()), [])
    assert gather(new, AR).members == [*changed.items()]
