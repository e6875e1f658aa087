"""Determines the encoding of the bytes in an RTF text: that of the document, or that of the font."""

from __future__ import annotations

import codecs

DOCUMENT = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip


def of_number(number: int) -> str:
    """The codec of a Windows code page."""
    name = {65001: "utf-8", 10000: "mac_roman", 936: "gbk"}.get(number, f"cp{number}")
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def of_charset(number: int) -> str | None:
    """The codec of a font; None if it uses the document's."""
    return _CHARSETS.get(number)
