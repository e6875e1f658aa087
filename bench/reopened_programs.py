"""Open a file with the programs and libraries that own its format, and return what they see: its structure and its text.

Every function raises if its file does not open. `Seen.structure` has to be equal before and after cleaning; `rows` may shrink by the rows
that were dropped; `text` may only lose characters and gain masks.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MASK = re.compile(r"\{?\\?\[[A-Z](?:[A-Z0-9]|\\?_)*\\?\]\}?")  # also as Markdown and TeX escape it
_PACKERS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


@dataclass
class Seen:
    """What a program sees in a file."""

    structure: Any = None
    text: list[str] = field(default_factory=list)
    rows: int = 0


def see(path: Path, format_: str) -> Seen:
    """Open a file with the libraries and command-line programs of its format."""
    return _PROGRAMS[format_](path)


def faithful(before: list[str], after: list[str]) -> str | None:
    """Return None if one text is the other with characters removed and masks added; otherwise, where the difference begins."""
    old, new = (MASK.sub("", "\n".join(one)) for one in (before, after))
    at = 0
    for number, letter in enumerate(new):
        at = old.find(letter, at) + 1
        if not at:
            return f"the text differs at {new[max(0, number - 30) : number + 10]!r}"
    return None


def _text(path: Path) -> Seen:
    data = path.read_bytes()
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "surrogateescape")
    return Seen((data[:3] == b"\xef\xbb\xbf", "\r\n" in text), [text])


def _python(path: Path) -> Seen:
    text = path.read_bytes()
    tree = ast.parse(text)
    names = [type(node).__name__ for node in ast.walk(tree)]
    return Seen(names, [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)])


def _yaml(path: Path) -> Seen:
    import yaml

    class Loose(yaml.SafeLoader):
        """Accepts the tags of any program."""

    Loose.add_multi_constructor("", lambda loader, suffix, node: node.tag)
    return _tree(list(yaml.load_all(path.read_text("utf-8"), Loose)))  # a SafeLoader


def _tree(value: Any) -> Seen:
    """Return the structure of parsed data: keys, order, numbers; strings are its text."""
    text: list[str] = []

    def shape(one: Any) -> Any:
        if isinstance(one, dict):
            return [(shape(key) if not isinstance(key, str) else key, shape(inner)) for key, inner in one.items()]
        if isinstance(one, list):
            return [shape(inner) for inner in one]
        if isinstance(one, str):
            text.append(one)
            return "text"
        return repr(one)

    return Seen(shape(value), text)


class _Tags(html.parser.HTMLParser):
    """Collects tags with the names of their attributes, and texts; comments may be stripped and do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))
        self.text += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _html(path: Path) -> Seen:
    import lxml.html

    tags = _Tags()
    data = path.read_bytes()
    tags.feed(data.decode("utf-8", "surrogateescape"))
    tags.close()
    tree = lxml.html.document_fromstring(data)
    return Seen((tags.tags, [one.tag for one in tree.iter() if isinstance(one.tag, str)]), tags.text)


def _xml(path: Path) -> Seen:
    from lxml import etree

    tree = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    elements = [one for one in tree.iter() if isinstance(one.tag, str)]
    text = [piece for one in elements for piece in (*one.attrib.values(), one.text or "", one.tail or "")]
    return Seen([(one.tag, list(one.attrib), dict(one.nsmap)) for one in elements], text)


def _json(path: Path) -> Seen:
    return _tree(json.loads(path.read_bytes()))


def _jsonl(path: Path) -> Seen:
    lines = path.read_bytes().splitlines()
    rows = [_tree(json.loads(line)) for line in lines if line.strip()]
    return Seen(None, [text for row in rows for text in row.text], len(lines))


def _notebook(path: Path) -> Seen:
    import nbformat

    book = nbformat.read(str(path), as_version=nbformat.NO_CONVERT)
    nbformat.validate(book)
    return _tree(json.loads(path.read_bytes()))


def _csv(path: Path) -> Seen:
    import pandas as pd

    text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    delimiter = "\t" if path.suffix == ".tsv" else ","
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    widths = sorted({len(row) for row in rows})
    try:
        columns = len(pd.read_csv(path, sep=delimiter, dtype=str).columns)
    except (ValueError, pd.errors.ParserError):  # a real file that pandas does not read; it has to read the copy just as little
        columns = -1
    return Seen((widths, columns, text.endswith("\n"), "\r\n" in text), [cell for row in rows for cell in row], len(rows))


def _parquet(path: Path) -> Seen:
    import pandas as pd
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, page_checksum_verification=True)
    about = file.metadata
    columns = [
        (column.path_in_schema, column.physical_type, column.compression, sorted(column.encodings))
        for column in (about.row_group(0).column(number) for number in range(about.num_columns if about.num_row_groups else 0))
    ]
    seen = _table(file.read())
    pd.read_parquet(path)
    seen.structure = (seen.structure, columns, about.num_row_groups, about.format_version, _lengthless(file.schema_arrow.metadata))
    return seen


def _arrow(path: Path) -> Seen:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_stream(source).read_all()
        return _table(table)


def _feather(path: Path) -> Seen:
    import pandas as pd
    import pyarrow.feather as feather

    pd.read_feather(path)
    return _table(feather.read_table(str(path)))


def _table(table: Any) -> Seen:
    table.validate(full=True)
    rows = table.to_pylist()
    numbers = [name for name, kind in zip(table.schema.names, table.schema.types, strict=True) if "string" not in str(kind)]
    text = [text for row in rows for text in _tree({name: row[name] for name in row if name not in numbers or row[name] is not None}).text]
    return Seen((str(table.schema.remove_metadata()), _lengthless(table.schema.metadata)), text, len(rows))


def _lengthless(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Return the metadata of a table without the number of rows that pandas keeps in it."""
    return {key: re.sub(rb'"stop": \d+', b"", value) for key, value in (metadata or {}).items()}


def _packed(format_: str) -> Callable[[Path], Seen]:
    def opened(path: Path) -> Seen:
        program = _PACKERS[format_]
        _run(program, "-t", "-q", str(path)) if format_ != "bz2" else _run(program, "-t", str(path))
        content = subprocess.run([program, "-dc", str(path)], check=True, capture_output=True).stdout
        return Seen(None, [content.decode("utf-8", "replace")])

    return opened


def _zip(path: Path) -> Seen:
    _run("unzip", "-t", "-qq", str(path))
    with zipfile.ZipFile(path) as archive:
        names = [(one.filename, one.compress_type, one.date_time, one.external_attr, one.flag_bits & 0x800) for one in archive.infolist()]
        same = {
            one.filename: archive.read(one) for one in archive.infolist() if "untouched" in one.filename or one.filename.endswith(".png")
        }
        _record(archive)
    return Seen((names, archive.comment, same))


def _record(archive: zipfile.ZipFile) -> None:
    """Check the digests that a wheel keeps of its files."""
    import base64
    import hashlib

    for name in archive.namelist():
        if name.endswith(".dist-info/RECORD"):
            for member, digest, _ in csv.reader(io.StringIO(archive.read(name).decode())):
                seen = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(archive.read(member)).digest()).rstrip(b"=").decode()
                if digest and digest != seen:
                    raise ValueError(f"RECORD of the wheel has another digest for {member}")


def _tar(path: Path) -> Seen:
    _run("tar", "-tf", str(path))
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        facts = [(one.name, one.mode, one.mtime, one.uid, one.gid, one.type, one.uname) for one in members]
        same = {one.name: _content(archive, one) for one in members if "untouched" in one.name or one.name.endswith(".png")}
    return Seen((facts, same))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _docx(path: Path) -> Seen:
    from docx import Document

    document = Document(str(path))
    tables = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    text = [one.text for one in document.paragraphs]
    headers = [one.text for section in document.sections for one in section.header.paragraphs]
    shape = (len(text), len(tables), len(headers), [len(one.runs) for one in document.paragraphs])
    return Seen((shape, _parts(path)), [*text, *tables, *headers])


def _xlsx(path: Path) -> Seen:
    from openpyxl import load_workbook

    book = load_workbook(path)
    cells = [(sheet.title, cell.coordinate, cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
    shape = [(title, place, type(value).__name__, None if isinstance(value, str) else value) for title, place, value in cells]
    return Seen((shape, _parts(path)), [value for _, _, value in cells if isinstance(value, str)])


def _pptx(path: Path) -> Seen:
    from pptx import Presentation

    text, shape = [], []
    for slide in Presentation(str(path)).slides:
        for one in slide.shapes:
            shape.append((one.shape_type, one.name, one.left, one.top))
            if one.has_text_frame:
                text.append(one.text_frame.text)
            if one.has_table:
                text += [cell.text for row in one.table.rows for cell in row.cells]
        if slide.has_notes_slide:
            text.append(slide.notes_slide.notes_text_frame.text)
    return Seen((shape, _parts(path)), text)


def _parts(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("a part of the document is damaged")
        return [
            name for name in archive.namelist() if not name.startswith("docProps/thumbnail")
        ]  # a picture of the first page; cleaning removes it


def _pdf(path: Path) -> Seen:
    from pypdf import PdfReader

    return Seen(len(PdfReader(path).pages))


def _bytes(path: Path) -> Seen:
    return Seen(path.read_bytes())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{command[0]} says: {(done.stderr or done.stdout).strip()[:200]}")


_PROGRAMS: dict[str, Callable[[Path], Seen]] = {
    **dict.fromkeys(("txt", "md", "rst", "tex", "srt", "js"), _text),
    **{name: _packed(name) for name in _PACKERS},
    "py": _python, "yaml": _yaml, "toml": lambda path: _tree(tomllib.loads(path.read_text("utf-8"))), "html": _html, "xml": _xml, "svg": _xml,
    "json": _json, "jsonl": _jsonl, "ipynb": _notebook, "csv": _csv, "tsv": _csv, "parquet": _parquet, "arrow": _arrow, "arrows": _arrow,
    "feather": _feather, "zip": _zip, "whl": _zip, "tar": _tar, "tar.gz": _tar, "docx": _docx, "xlsx": _xlsx, "pptx": _pptx, "odt": _bytes,
    "pdf": _pdf, "png": _bytes,
}  # fmt: skip
_CONVERTED = {"docx": "odt", "xlsx": "ods", "pptx": "odp"}


def libreoffice(paths: list[Path], format_: str, folder: Path) -> dict[Path, list[str]] | None:
    """Open documents with LibreOffice and return the text that it sees, from the OpenDocument files that it writes.

    A document that it does not open is left out. Returns None if LibreOffice is not installed.
    """
    program = shutil.which("soffice")
    if program is None:
        return None
    folder.mkdir(parents=True)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    for at in range(0, len(paths), 25):
        command = [
            program,
            profile,
            "--headless",
            "--convert-to",
            _CONVERTED[format_],
            "--outdir",
            str(folder),
            *map(str, paths[at : at + 25]),
        ]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, check=False, timeout=180)
    written = {path: folder / f"{path.stem}.{_CONVERTED[format_]}" for path in paths}
    return {path: _open_document(document) for path, document in written.items() if document.exists()}


def _open_document(path: Path) -> list[str]:
    from lxml import etree

    text: list[str] = []
    with zipfile.ZipFile(path) as archive:
        for part in ("content.xml", "styles.xml"):
            body = etree.fromstring(archive.read(part), etree.XMLParser(resolve_entities=False, huge_tree=True))
            paragraphs = body.iter("{urn:oasis:names:tc:opendocument:xmlns:text:1.0}p", "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}h")
            text += ["".join(one.itertext()) for one in paragraphs]
    return text
