"""The table of formats: what follows from it, its readers, its page, and that nobody else spells a media type."""

from __future__ import annotations

import ast
import importlib
from collections import Counter

import pytest

from tests.docs.blocks import ROOT
from veritensor_ray.core.format_table import COMPRESSED, FORMATS, TEXT_TYPES, declared_type, is_text_type, mismatch, text_type
from veritensor_ray.core.media_types import Format
from veritensor_ray.formats.common.decoders import COMPRESSIONS


def test_a_format_has_one_row_and_a_name_promises_one() -> None:
    assert [name for name, count in Counter(one.media_type for one in FORMATS).items() if count > 1] == []
    assert [name for name, count in Counter(name for one in FORMATS for name in one.extensions).items() if count > 1] == []


def test_every_compression_is_decoded() -> None:
    assert set(COMPRESSIONS) == COMPRESSED


@pytest.mark.parametrize("path", sorted({path for one in FORMATS for path in (one.read, one.rewrite) if path}))
def test_what_a_row_names_is_there(path: str) -> None:
    module, _, function = path.partition(":")
    assert callable(getattr(importlib.import_module(module, "veritensor_ray.formats"), function))


@pytest.mark.parametrize("folder", ["veritensor_ray", "jobs", "actors"])
def test_no_module_but_the_table_spells_a_media_type(folder: str) -> None:
    spelled = {one.media_type for one in FORMATS}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name not in ("media_types.py", "format_table.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in spelled
    ]
    assert found == []


@pytest.mark.parametrize(
    ("extension", "promised", "text"),
    [
        (".md", "text/markdown", "text/markdown"),
        (".json", "application/json", "text/plain"),
        (".pt", "application/x-pytorch", "text/plain"),
        (".unheard-of", None, "text/plain"),
        ("", None, "text/plain"),
    ],
)
def test_what_names_promise(extension: str, promised: str | None, text: str) -> None:
    assert declared_type(extension) == promised
    assert text_type(extension) == text


@pytest.mark.parametrize(
    ("extension", "media_type", "differs"),
    [
        (".png", "image/png", False),
        (".png", "image/jpeg", True),
        (".docx", "application/x-ole-encrypted", False),
        (".docx", "application/msword", True),
        (".pkl", "application/x-lz4", False),
        (".pt", "application/x-tar", False),
        (".pth", "text/plain", False),
        (".pkl", "text/plain", True),
        (".mp4", "video/x-m4v", False),
        (".json", "text/x-microdvd", False),
        (".json", "application/zip", True),
        (".unheard-of", "application/x-elf", False),
    ],
)
def test_content_of_another_format_than_promised(extension: str, media_type: str, differs: bool) -> None:
    assert mismatch(extension, media_type) is differs


def test_what_is_text() -> None:
    assert all(is_text_type(media_type) for media_type in (*TEXT_TYPES.values(), "text/unheard-of"))
    assert not any(is_text_type(one.media_type) for one in FORMATS if one.family != "text")


OPEN_DOCUMENT = "application/vnd.oasis.opendocument."


def _names(one: Format) -> str:
    return " ".join(f"`{name}`" for name in (one.media_type, *one.extensions))


def _row(one: Format) -> str:
    names = " ".join(f"`{name}`" for name in one.extensions)
    return f"| {one.title} | `{one.media_type}` | {names}{' ' if names else ''}|"


def test_the_page_has_the_table() -> None:
    section = (ROOT / "docs" / "readers.md").read_text().partition("\n## Media types\n")[2].partition("\n## ")[0]
    told = [line for line in section.splitlines() if line.startswith("| ")][2:]
    kinds = [one for one in FORMATS if one.media_type.startswith(OPEN_DOCUMENT) and not one.extensions]
    other = (
        f"| other OpenDocument | `{OPEN_DOCUMENT}` and {', '.join(f'`{one.media_type.removeprefix(OPEN_DOCUMENT)}`' for one in kinds)} | |"
    )
    rows = [other if one == kinds[0] else _row(one) for one in FORMATS if one.is_read and one not in kinds[1:]]
    assert told == rows, "docs/readers.md, Media types: the table has these rows, in the order of FORMATS"
    unread = ", ".join(f"{one.title} ({_names(one)})" for one in FORMATS if not one.is_read)
    assert unread in " ".join(section.split()), "docs/readers.md, Media types: the last sentence names these"
