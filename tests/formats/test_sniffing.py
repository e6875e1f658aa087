"""Head and extension to media type and encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import pickle
import random
import tarfile
import zlib

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from PIL import Image

from tests.cases import each
from tests.formats.pdf.building import pdf
from veritensor_ray.core.format_table import mismatch
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.recognition import sniff

TEXT = b"Dear reader, this is a letter about cats and dogs.\n"


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": ["x"]}), out)
    return out.getvalue()


def _arrow(stream: bool) -> bytes:
    out = io.BytesIO()
    table = pa.table({"a": ["x"]})
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _old_tar() -> bytes:
    """A header without a magic: what tar wrote before POSIX."""
    block = bytearray(tarfile.TarInfo("a.txt").tobuf(tarfile.USTAR_FORMAT)[:257] + bytes(255))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def _image(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind)
    return out.getvalue()


@each(
    ("head", "media_type"),
    [
        (_parquet(), "application/vnd.apache.parquet"),
        (_arrow(stream=False), "application/vnd.apache.arrow.file"),
        (_arrow(stream=True), "application/vnd.apache.arrow.stream"),
        (gzip.compress(TEXT, mtime=0), "application/gzip"),
        (bz2.compress(TEXT), "application/x-bzip2"),
        (bz2.compress(b""), "application/x-bzip2"),
        (lzma.compress(TEXT), "application/x-xz"),
        (zstandard.compress(TEXT), "application/zstd"),
        (lz4.frame.compress(TEXT), "application/x-lz4"),
        *((zlib.compress(data, level), "application/zlib") for data in (b"", TEXT, TEXT * 5000) for level in (0, 1, 3, 6, 9)),
        (zlib.compress(TEXT * 5000)[:200], "application/zlib"),
        *((lzma.compress(data, lzma.FORMAT_ALONE), "application/x-lzma") for data in (b"", TEXT)),
        (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24), "application/x-7z-compressed"),
        (_old_tar(), "application/x-tar"),
        (b"!<arch>\n", "application/x-unix-archive"),
        (b"!<arch>\na.txt/          1234567890", "application/x-unix-archive"),
        (b"!<arch>\ndebian-binary   1234567890", "application/x-deb"),
        *((form + b"0" * 104 + b"a\0", "application/x-cpio") for form in (b"070701", b"070702", b"070707")),
        (b"\xed\xab\xee\xdb\x03\x00", "application/x-rpm"),
        (b"PK\x03\x04" + bytes(26), "application/zip"),
        (b"PK\x05\x06" + bytes(18), "application/zip"),
        (bytes(257) + b"ustar\x0000", "application/x-tar"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x80\x01\x8a\x13\x00\x00%!PS-AdobeFont-1.0: X", "application/x-font-type1"),
        (b"\xa7\r\r\n"[:2] + b"\r\n" + bytes(12) + b"\xe3" + bytes(40), "application/x-python-bytecode"),
        (rb"{\rtf1\ansi}", "application/rtf"),
        (b"SQLite format 3\x00", "application/vnd.sqlite3"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00DUCK\xe7\x03" + bytes(14), "application/x-duckdb"),
        (b"\x93NUMPY\x01\x00", "application/x-npy"),
        (b"GGUF\x03\x00\x00\x00", "application/x-gguf"),
        (b"\x7fELF\x02\x01\x01", "application/x-elf"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "application/vnd.microsoft.portable-executable"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x41", "application/java-vm"),
        (b"dex\n035\x00", "application/vnd.android.dex"),
        (b"\x00asm\x01\x00\x00\x00", "application/wasm"),
        *((pickle.dumps({"a": 1}, protocol=p), "application/x-pickle") for p in (2, 3, 4, 5)),
        ((14).to_bytes(8, "little") + b'{"a":{"x":1}} ' + bytes(8), "application/x-safetensors"),
        *((_image(k), f"image/{k}") for k in ("png", "jpeg", "gif", "bmp", "tiff", "webp")),
        (b"\x00\x01\x02\x03" * 8, "application/octet-stream"),
        (random.Random(1).randbytes(HEAD_BYTES), "application/octet-stream"),
    ],
)
@each("extension", ["", ".txt", ".json"])
def test_bytes_decide_and_not_the_name(head: bytes, media_type: str, extension: str) -> None:
    assert sniff(head, extension) == Kind(media_type)


PDF = pdf()
RTF = rb"{\rtf1\ansi words}"
PDF_TEXT = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <<>>\nstartxref\n9\n%%EOF\n"


@each(
    ("data", "extension", "media_type"),
    [
        *(
            (before + PDF, extension, "application/pdf")
            for before in (b"\n\n\r\n", b"hello\n", codecs.BOM_UTF8)
            for extension in ("", ".pdf", ".txt")
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + PDF, ".pdf", "application/pdf"),
        (b"x" * 900 + b"\n" + PDF, ".pdf", "application/pdf"),
        (b"\n" + PDF + b"\nmore\n", ".pdf", "application/pdf"),
        (b"x" * 1100 + b"\n" + PDF_TEXT.encode(), ".pdf", "text/plain"),
        (b"A file begins with %PDF-1.7 and ends with startxref, a number and %%EOF.\n", ".txt", "text/plain"),
        (b"A file begins with %PDF-1.7 and ends with startxref, a number and %%EOF.\n", ".pdf", "text/plain"),
        (f"The smallest file:\n```\n{PDF_TEXT}```\n".encode(), ".md", "text/markdown"),
        (f'DATA = b"""{PDF_TEXT}"""\n'.encode(), ".py", "text/x-python"),
        (b"From: a@example.test\nSubject: x\nContent-Type: application/pdf\n\n" + PDF, ".eml", "message/rfc822"),
        *(
            (before + RTF, extension, "application/rtf")
            for before in (b"\n\n", b"\r\n \t", codecs.BOM_UTF8)
            for extension in ("", ".rtf", ".doc", ".txt")
        ),
        (b"The mark is " + RTF, ".txt", "text/plain"),
    ],
)
def test_documents_behind_text(data: bytes, extension: str, media_type: str) -> None:
    assert sniff(data, extension).media_type == media_type


def test_a_long_document_behind_text_is_known_by_its_end() -> None:
    long = b"\n" + PDF[:-200] + b" " * HEAD_BYTES + PDF[-200:]
    assert sniff(long[:HEAD_BYTES], ".txt", long[-HEAD_BYTES:], whole=False).media_type == "application/pdf"
    assert sniff(long[:HEAD_BYTES], ".pdf", whole=False).media_type == "application/pdf"
    assert sniff(long[:HEAD_BYTES], ".txt", b"and so on\n", whole=False).media_type != "application/pdf"


@each(
    "magic",
    [
        "x^2 + y",
        "x^",
        "]",
        "BZh",
        "BZh9 ",
        "MZ",
        "GGUF",
        "PAR1",
        "ARROW1",
        "FEA1",
        "dex\n",
        "Rar!",
        "PK",
        "ELF",
        "!<arch>",
        "ustar".rjust(262),
    ],
)
@each("codec", ["utf-8", "cp1252"])
def test_prose_may_begin_with_the_letters_of_a_magic(magic: str, codec: str) -> None:
    kind = sniff(f"{magic} are the letters; à côté du café, le garçon était très fâché.\n".encode(codec), ".txt")
    assert (kind.media_type, kind.is_text) == ("text/plain", True)


@pytest.mark.parametrize(
    ("magic", "media_type"),
    [
        (b"\x1f", "application/octet-stream"),
        (b"\x28\xb5", "text/plain"),
        (b"PAR", "text/plain"),
        (b"PK", "text/plain"),
        (b"\x93", "text/plain"),
        (b"\x80\x04", "application/octet-stream"),
        (b"\xff\xff\xff\xff\x10", "application/octet-stream"),
        (b"\x89PN", "text/plain"),
    ],
)
def test_a_truncated_magic_is_no_error(magic: bytes, media_type: str) -> None:
    assert sniff(magic, "").media_type in (media_type, "text/plain", "application/octet-stream")


@each(
    ("text", "extension", "media_type"),
    [
        ("", "", "text/plain"),
        ("", ".csv", "text/csv"),
        ('{"a": 1}', "", "application/json"),
        ('[1, "x"]', ".txt", "application/json"),
        ("[ ]", "", "application/json"),
        ('{"a": 1}\n{"a": 2}\n', "", "application/jsonl"),
        ('\n{"a": 1}\n\n{"a": 2}\n', "", "application/jsonl"),
        ('{"a": 1}\n', ".jsonl", "application/jsonl"),
        ('{"a": 1}\n', ".ndjson", "application/jsonl"),
        ('{\n "cells": [], "nbformat": 4}', "", "application/x-ipynb+json"),
        ('{"cells": []}', ".ipynb", "application/x-ipynb+json"),
        ('{"cells": []}', ".json", "application/json"),
        ("[link]: http://example", ".md", "text/markdown"),
        ("a,b\n1,2\n", ".csv", "text/csv"),
        ("a\tb\n", ".tsv", "text/tab-separated-values"),
        ("a,b,c\n" * 8, "", "text/csv"),
        ("a;b;c\n" * 8, "", "text/csv"),
        ("a,b\n" * 8, "", "text/plain"),
        ("a,b,c\n" * 8, ".txt", "text/plain"),
        ("<!DOCTYPE html><p>", "", "text/html"),
        ("  <HTML><p>", ".txt", "text/html"),
        ("<?xml version='1.0'?><a/>", "", "text/xml"),
        ("<svg/>", ".svg", "image/svg+xml"),
        ("just words", ".json", "text/plain"),
        ("just words", ".ipynb", "text/plain"),
        ("key: value", ".yaml", "application/yaml"),
        ("print(1)", ".py", "text/x-python"),
        ("words", ".unheard-of", "text/plain"),
        ("[" * 5000, "", "application/json"),
    ],
)
def test_kinds_of_text(text: str, extension: str, media_type: str) -> None:
    kind = sniff(text.encode(), extension)
    assert (kind.media_type, kind.encoding, kind.bom) == (media_type, "utf-8", 0)


def test_a_notebook_is_known_by_its_tail() -> None:
    head = b'{"cells": [' + b" " * HEAD_BYTES
    assert sniff(head, "", b'], "nbformat": 4}', whole=False).media_type == "application/x-ipynb+json"


@each(
    ("bom", "codec"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@each("text", ["plain words", "Привет, мир", "你好，世界", '{"a": "b"}'])
def test_byte_order_marks(bom: bytes, codec: str, text: str) -> None:
    expected = Kind("application/json" if text.startswith("{") else "text/plain", codec, len(bom))
    assert sniff(bom + text.encode(codec), ".txt") == expected


@pytest.mark.parametrize(
    "head",
    [
        codecs.BOM_UTF8 + TEXT + b"\xff" + TEXT,
        codecs.BOM_UTF16_LE + TEXT.decode().encode("utf-16-le") + b"x",
        codecs.BOM_UTF16_LE + TEXT.decode().encode("utf-16-le") + b"\x00\xd8",
    ],
)
def test_a_stray_byte_does_not_hide_text_behind_a_mark(head: bytes) -> None:
    assert sniff(head, ".txt").is_text


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(codec: str) -> None:
    assert sniff(TEXT.decode().encode(codec), ".txt") == Kind("text/plain", codec)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1252", "Der Käse schmeckt schön, und die Mädchen hören über große Bäume. Dafür müssen wir natürlich früher aufstehen. "),
        ("cp1251", "Съешь же ещё этих мягких французских булок, да выпей чаю. Это обычный русский текст для проверки кодировки. "),
        ("koi8-r", "Съешь же ещё этих мягких французских булок, да выпей чаю. Это обычный русский текст для проверки кодировки. "),
        ("shift_jis", "これは文字コードを調べるための普通の日本語の文章です。今日は天気がとても良いので、散歩に行きました。"),
        ("euc_jp", "これは文字コードを調べるための普通の日本語の文章です。今日は天気がとても良いので、散歩に行きました。"),
        ("gb18030", "这是一个用来检查编码的普通中文句子。今天天气很好，我们去公园散步，然后回家吃饭。"),
        ("big5", "這是一個用來檢查編碼的普通中文句子。今天天氣很好，我們去公園散步，然後回家吃飯。"),
        ("euc_kr", "이것은 인코딩을 확인하기 위한 평범한 한국어 문장입니다. 오늘은 날씨가 좋아서 산책을 했습니다."),
    ],
)
def test_legacy_encodings(codec: str, text: str) -> None:
    kind = sniff((text * 4).encode(codec), ".txt")
    assert kind.encoding is not None
    assert (text * 4).encode(codec).decode(kind.encoding, "replace") == text * 4


def test_a_character_cut_at_the_end_of_the_head_is_no_mistake() -> None:
    head = ("ж" * HEAD_BYTES).encode()[: HEAD_BYTES - 1]
    assert sniff(head, "", whole=False) == Kind("text/plain", "utf-8")


@pytest.mark.parametrize(
    ("nuls", "is_text"),
    [(1, True), (200, False)],
)
def test_a_nul_among_many_characters_leaves_text_text(nuls: int, is_text: bool) -> None:
    assert sniff(TEXT * 20 + bytes(nuls), ".txt").is_text is is_text


@each(
    ("extension", "media_type", "wrong"),
    [
        (".txt", "application/json", False),
        (".json", "text/plain", False),
        (".txt", "application/x-elf", True),
        (".png", "image/png", False),
        (".png", "image/jpeg", True),
        (".jpeg", "text/html", True),
        (".pkl", "application/zip", False),
        (".pt", "application/x-elf", True),
        *((extension, "application/zip", True) for extension in (".docx", ".xlsx", ".pptx", ".odt", ".epub")),
        (".docx", "application/x-ole-encrypted", False),
        (".docx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", True),
        (".7z", "application/zip", True),
        (".tar", "application/x-tar", False),
        (".a", "application/x-unix-archive", False),
        (".deb", "application/x-unix-archive", True),
        (".joblib", "application/zlib", False),
        (".gz", "application/gzip", False),
        (".gz", "text/plain", True),
        (".parquet", "application/vnd.apache.arrow.file", True),
        (".arrow", "application/vnd.apache.arrow.stream", False),
        (".bin", "application/x-elf", False),
        ("", "application/x-elf", False),
    ],
)
def test_what_a_name_promises(extension: str, media_type: str, wrong: bool) -> None:
    assert mismatch(extension, media_type) is wrong
