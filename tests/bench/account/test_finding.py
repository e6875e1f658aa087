"""Every place of a tiny file is found, and each is a file that contains the value."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile

import pytest

from bench.account.canary import EMAIL, FORMS, RAW, TOKEN, Place
from bench.account.chunks import png, png_chunks
from bench.account.finding import chosen, places
from tests.formats.office.building import ole, package
from tests.formats.pdf.building import pdf
from tests.formats.real_files import RealFiles

XML = b'<?xml version="1.0"?><a x="1"><b y="2">word</b><!-- note --></a>'
PIXEL = b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"
PNG = png([(b"IHDR", PIXEL), (b"IDAT", b"x\x9cc`\x00\x00\x00\x02\x00\x01"), (b"IEND", b"")])


def found(name: str, data: bytes) -> dict[tuple[str, str], bytes]:
    return {(one.kind, one.where): one.build() for one in places(name, data)}


def shows(data: bytes) -> bool:
    """Whether the address or the token stands in the bytes in one of the forms."""
    return any(form in data for form in (EMAIL.encode(), TOKEN.encode(), *FORMS.values()))


@pytest.mark.parametrize(
    ("kind", "where", "expected"),
    [
        ("attribute", "a/@x", XML.replace(b'"1"', b'"' + RAW + b'"')),
        ("attribute, at its end", "a/b/@y", XML.replace(b'"2"', b'"2 ' + RAW + b'"')),
        ("text", "a/b", XML.replace(b"word", RAW)),
        ("in a comment", "a", XML.replace(b" note ", b" note  " + RAW + b" ")),
        ("new attribute", "a/b", XML.replace(b"<b ", b'<b note="' + RAW + b'" ')),
        ("name of a new element", "a/b, at the end", XML.replace(b"</b>", b"<" + TOKEN.encode() + b"/></b>")),
        ("comment", "before a", XML.replace(b"<a ", b"<!-- " + RAW + b" --><a ")),
        ("text between elements", "behind the root", XML + RAW),
    ],
)
def test_places_of_xml(kind: str, where: str, expected: bytes) -> None:
    assert found("a.xml", XML)[kind, where] == expected


@pytest.mark.parametrize(
    ("kind", "where", "expected"),
    [
        ("string", "a/*", {"a": [RAW.decode(), 1], "b": {"c": None}}),
        ("value in place of another type", "b/c", {"a": ["x", 1], "b": {"c": RAW.decode()}}),
        ("key", "b/c", {"a": ["x", 1], "b": {RAW.decode(): None}}),
        ("new key", "b", {"a": ["x", 1], "b": {"c": None, TOKEN: 1}}),
        ("new item", "a", {"a": ["x", 1, RAW.decode()], "b": {"c": None}}),
        ("escaped value", "b", {"a": ["x", 1], "b": {"c": None, "note": RAW.decode()}}),
    ],
)
def test_places_of_json(kind: str, where: str, expected: object) -> None:
    assert json.loads(found("a.json", b'{"a": ["x", 1], "b": {"c": null}}')[kind, where]) == expected


def test_places_of_lines_of_json() -> None:
    assert [json.loads(line) for line in found("a.jsonl", b'{"a": 1}\n{"b": 2}\n')["new key", ""].splitlines()] == [
        {"a": 1},
        {"b": 2, TOKEN: 1},
    ]


@pytest.mark.parametrize("form", FORMS)
def test_places_of_png(form: str) -> None:
    there = found("a.png", PNG)
    assert png_chunks(there[f"chunk teSt{form}", "behind IHDR"])[1] == (b"teSt", FORMS[form])
    assert png_chunks(there[f"end of a chunk{form}", "IDAT"])[1] == (b"IDAT", png_chunks(PNG)[1][1] + FORMS[form])
    assert there[f"bytes behind the file{form}", ""] == PNG + FORMS[form]


def test_places_in_a_file_in_an_archive_in_a_stream() -> None:
    data = gzip.compress(package({"one.xml": XML, "two.txt": "kept"}))
    with zipfile.ZipFile(io.BytesIO(gzip.decompress(found("a.zip.gz", data)["text", "gzip: one.xml: a/b"]))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {"one.xml": XML.replace(b"word", RAW), "two.txt": b"kept"}


def test_what_a_pickle_does_not_keep_does_not_change_it() -> None:
    there = found("a.pkl", pickle.dumps(["x", 1]))
    unchanged = [data for (kind, _), data in there.items() if kind == "pickle: short text that is not kept"]
    assert len(unchanged) >= 4
    assert {repr(pickle.loads(data)) for data in unchanged} == {"['x', 1]"}  # noqa: S301  # made here


def test_places_of_pdf() -> None:
    there = found("a.pdf", pdf(b"BT ET"))
    assert RAW in there["pdf: comment in an object", "Catalog"]
    assert {where for kind, where in there if kind == "pdf: earlier revision, string"} >= {"Catalog", "Page", "Font Type1"}
    assert b"%% %b" % RAW in there["pdf: comment in content", "content"]


@pytest.mark.parametrize("media_type", RealFiles(["a line of text"]).cases())
def test_files_of_all_formats_have_places(media_type: str) -> None:
    name, build = RealFiles(["a line of text in a file"]).cases()[media_type]
    some = chosen(places(name, build()), 1, 1)
    assert len({one.kind for one in some}) == len(some) >= 10
    assert sum(shows(one.build()) for one in some) >= 4  # in the others, it is compressed or escaped


def test_few_places_of_each_kind_are_chosen() -> None:
    many = [Place(kind, where, lambda: b"") for kind in "ab" for where in "0123456789" for _ in range(3)]
    assert [(one.kind, one.where) for one in chosen(many, 1, 3)] == [(kind, where) for kind in "ab" for where in "036"]
    assert len(chosen(many, 2, 100)) == 40


def test_places_of_markup_in_utf_16() -> None:
    there = found("a.html", "<p>word</p>".encode("utf-16"))
    assert there["text", "p"].decode("utf-16") == f"<p>{RAW.decode()}</p>"
    assert there["line", "2"].startswith(b"\xff\xfe\n\0")
    assert found("a.txt", b"\xfe\xff" + "word".encode("utf-16-be"))["line", "2"].decode("utf-16") == f"\n{RAW.decode()}\nword"


def test_places_of_rtf() -> None:
    there = found("a.rtf", rb"{\rtf1 words{\b bold}}")
    assert there["rtf: hidden text", "depth 1"] == rb"{\rtf1 words{\b bold}{\v " + RAW + b"}}"
    assert there["rtf: behind the end", ""] == rb"{\rtf1 words{\b bold}}" + RAW


def test_places_of_ole() -> None:
    there = found("a.doc", ole({"WordDocument": b"words" * 1000, "Storage/Note": b"note"}))
    assert RAW in there["ole: within a stream", "Storage/Note"]
    assert b"words" * 1000 + RAW in there["ole: behind the content of a stream", "WordDocument"]
    assert TOKEN.encode("utf-16-le") in there["ole: name of a storage", ""]


def test_places_of_tables() -> None:
    there = found("a.csv", b"a,b\n1,2\n3,4\n")
    assert there["table: cell", "header, column 1"] == b"a," + RAW + b"\n1,2\n3,4\n"
    assert there["table: cell without a column", "row"] == b"a,b\n1,2\n3,4," + RAW + b"\n"
