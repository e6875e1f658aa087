"""Office files put together from their parts, for tests: zip packages and OLE files with nothing in them but what a test is about."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from veritensor_ray.formats.common.kind import Kind

FILES = Path(__file__).with_name("files")
_OOXML = "application/vnd.openxmlformats-officedocument"
DOCX = Kind(f"{_OOXML}.wordprocessingml.document")
XLSX = Kind(f"{_OOXML}.spreadsheetml.sheet")
PPTX = Kind(f"{_OOXML}.presentationml.presentation")
ODT, ODS, ODP = (Kind(f"application/vnd.oasis.opendocument.{kind}") for kind in ("text", "spreadsheet", "presentation"))
FLAT = Kind("application/vnd.oasis.opendocument.flat-xml", "utf-8")
OLE = Kind("application/x-ole-storage")
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "fo": "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
    "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
    "xlink": "http://www.w3.org/1999/xlink",
    "dc": "http://purl.org/dc/elements/1.1/",
    "script": "urn:oasis:names:tc:opendocument:xmlns:script:1.0",
    "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
    "manifest": "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0",
}
_SPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMES.items())


def package(parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def relations(*targets: tuple[str, str, bool]) -> str:
    """Kind, target and whether it is external; the ids are r1, r2 and so on."""
    inner = "".join(
        f'<Relationship Id="r{i}" Type="{_REL}/{kind}" Target="{target}"{" TargetMode=" + chr(34) + "External" + chr(34) if external else ""}/>'
        for i, (kind, target, external) in enumerate(targets, 1)
    )
    return f'<?xml version="1.0"?><Relationships xmlns="x">{inner}</Relationships>'


def docx(body: str, **parts: str | bytes) -> bytes:
    """A document of that body. Other parts by their name in the folder `word`, dots written as two underscores."""
    named = {f"word/{name.replace('__', '.').replace('..', '/')}": content for name, content in parts.items()}
    return package(
        {"[Content_Types].xml": "<Types/>", "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>", **named}
    )


def xlsx(sheets: dict[str, str], strings: str = "", styles: str = "", **parts: str | bytes) -> bytes:
    """A workbook of sheets, by what stands in `worksheet`; a name that ends with `!` is hidden."""
    entries = "".join(
        f'<sheet name="{name.rstrip("!")}" sheetId="{i}" r:id="r{i}"{" state=" + chr(34) + "hidden" + chr(34) if name.endswith("!") else ""}/>'
        for i, name in enumerate(sheets, 1)
    )
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns:r="x"><sheets>{entries}</sheets>{parts.pop("names", "")!s}</workbook>',
        "xl/_rels/workbook.xml.rels": relations(*(("worksheet", f"worksheets/sheet{i}.xml", False) for i in range(1, len(sheets) + 1))),
        "xl/sharedStrings.xml": f"<sst>{strings}</sst>",
        "xl/styles.xml": f"<styleSheet>{styles}</styleSheet>",
    }
    for i, content in enumerate(sheets.values(), 1):
        found[f"xl/worksheets/sheet{i}.xml"] = (
            content if content.startswith("<") and "sheet" in content[:12] else f"<worksheet>{content}</worksheet>"
        )
    return package(found | {name.replace("__", "."): content for name, content in parts.items()})


def pptx(slides: list[str], size: str = '<p:sldSz cx="9144000" cy="6858000"/>', **parts: str | bytes) -> bytes:
    """A presentation of slides, by what stands in `spTree`; one that begins with `!` is hidden."""
    ids = "".join(f'<p:sldId id="{i}" r:id="r{i}"/>' for i in range(1, len(slides) + 1))
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "ppt/presentation.xml": f'<p:presentation xmlns:p="x" xmlns:r="y"><p:sldIdLst>{ids}</p:sldIdLst>{size}</p:presentation>',
        "ppt/_rels/presentation.xml.rels": relations(*(("slide", f"slides/slide{i}.xml", False) for i in range(1, len(slides) + 1))),
    }
    for i, content in enumerate(slides, 1):
        show = ' show="0"' if content.startswith("!") else ""
        found[f"ppt/slides/slide{i}.xml"] = (
            f'<p:sld xmlns:p="x" xmlns:a="y"{show}><p:cSld><p:spTree>{content.lstrip("!")}</p:spTree></p:cSld></p:sld>'
        )
    return package(found | parts)


def shape(text: str, place: str = "", run: str = "", name: str = "") -> str:
    """A shape of a slide with one paragraph; `place` is x, y, width, height."""
    x = place.split()
    transform = f'<a:xfrm><a:off x="{x[0]}" y="{x[1]}"/><a:ext cx="{x[2]}" cy="{x[3]}"/></a:xfrm>' if x else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="a" {name}/></p:nvSpPr><p:spPr>{transform}</p:spPr>'
        f"<p:txBody><a:p><a:r>{run}<a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def opendocument(kind: str, body: str, styles: str = "", **parts: str | bytes) -> bytes:
    """An OpenDocument of that body (`text`, `spreadsheet`, `presentation`) and those automatic styles."""
    content = (
        f"<office:document-content {_SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    found: dict[str, str | bytes] = {"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content}
    return package(found | {name.replace("__", ".").replace("..", "/"): part for name, part in parts.items()})


def flat(body: str) -> bytes:
    """The same in one XML file."""
    return f'<?xml version="1.0"?><office:document {_SPACES}><office:body><office:text>{body}</office:text></office:body></office:document>'.encode()


def manifest(*encrypted: str) -> str:
    """A manifest in which these parts are encrypted."""
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}"><manifest:encryption-data/></manifest:file-entry>' for name in encrypted
    )
    return f"<manifest:manifest {_SPACES}>{entries}</manifest:manifest>"


_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def ole(streams: dict[str, bytes]) -> bytes:
    """An OLE file of streams of at least 4096 bytes (shorter ones are filled up with zeros), by their path."""
    names = sorted({"/".join(path.split("/")[:i]) for path in streams for i in range(1, len(path.split("/")))})
    entries: list[tuple[str, str, int, bytes]] = [("", "", 5, b"")]
    entries += [(name.rpartition("/")[0], name.rpartition("/")[2], 1, b"") for name in names]
    entries += [(path.rpartition("/")[0], path.rpartition("/")[2], 2, data.ljust(4096, b"\0")) for path, data in streams.items()]
    sectors: list[bytes] = []
    fat: list[int] = []
    starts = []
    for *_, data in entries:
        count = -(-len(data) // 512)
        starts.append(len(sectors) if count else _END)
        for i in range(count):
            sectors.append(data[512 * i : 512 * i + 512].ljust(512, b"\0"))
            fat.append(len(sectors) if i < count - 1 else _END)
    first = len(sectors)
    table = b"".join(_entry(entries, number, start) for number, start in enumerate(starts))
    count = -(-len(table) // 512)
    for i in range(count):
        sectors.append(table[512 * i : 512 * i + 512].ljust(512, b"\0"))
        fat.append(len(sectors) if i < count - 1 else _END)
    needed = -(-(len(fat) + 2) // 127)
    places = list(range(len(sectors), len(sectors) + needed))
    fat += [_FAT] * needed
    fat += [_FREE] * (128 * needed - len(fat))
    sectors += [struct.pack("<128I", *fat[128 * i : 128 * i + 128]) for i in range(needed)]
    header = struct.pack(
        "<8s16sHHHHHHIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        0,
        0,
        needed,
        first,
        0,
        4096,
        _END,
        0,
        _END,
    ) + struct.pack("<I", 0)
    places += [_FREE] * (109 - len(places))
    return header + struct.pack("<109I", *places) + b"".join(sectors)


def _entry(entries: list[tuple[str, str, int, bytes]], number: int, start: int) -> bytes:
    """A directory entry. The children of a storage are a list that leads to the right."""
    parent, name, kind, data = entries[number]
    own = f"{parent}/{name}".lstrip("/")
    siblings = [i for i, entry in enumerate(entries) if entry[0] == parent and i > number and i and number]
    children = [i for i, entry in enumerate(entries) if i and entry[0] == own and kind != 2]
    raw = (name or "Root Entry").encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        raw,
        len(raw),
        kind,
        1,
        _FREE,
        siblings[0] if siblings else _FREE,
        children[0] if children else _FREE,
        b"",
        0,
        0,
        0,
        start if kind == 2 else (_END if kind == 5 else 0),
        len(data),
    )
