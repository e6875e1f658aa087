"""The table of formats: their names, first bytes and file extensions, and whether a reader exists. No file is opened here.

To add a format, add a row here, a reader in the folder of its family in `formats`, and, if its first bytes do not identify it, a function in
`formats/sniffing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["text", "document", "data", "model", "archive", "compressed", "executable", "image", "audio", "video", "font", "other"]

UNKNOWN = "application/octet-stream"

PLAIN, MARKDOWN, CSV, TSV = "text/plain", "text/markdown", "text/csv", "text/tab-separated-values"
JSON, JSONL, NOTEBOOK = "application/json", "application/jsonl", "application/x-ipynb+json"
YAML, TOML = "application/yaml", "application/toml"
HTML, XHTML, SVG, XML, CSS, JAVASCRIPT = "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "text/css", "text/javascript"
TEX, SUBRIP, VTT, SSA, MICRODVD = "text/x-tex", "application/x-subrip", "text/vtt", "text/x-ssa", "text/x-microdvd"
MESSAGE, MAILBOX, OUTLOOK = "message/rfc822", "application/mbox", "application/vnd.ms-outlook"

PDF, RTF, EPUB, IWORK = "application/pdf", "application/rtf", "application/epub+zip", "application/vnd.apple.iwork"
_OOXML = "application/vnd.openxmlformats-officedocument"
DOCX, XLSX, PPTX = f"{_OOXML}.wordprocessingml.document", f"{_OOXML}.spreadsheetml.sheet", f"{_OOXML}.presentationml.presentation"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument."  # followed by the kind: `text`, `text-template`
_ODF_KINDS = ("text", "spreadsheet", "presentation", "graphics", "chart", "formula", "image")
ODF_TYPES = tuple(
    OPEN_DOCUMENT + kind for kind in (*_ODF_KINDS, *(f"{kind}-template" for kind in _ODF_KINDS), "text-master", "text-web", "database")
)
FLAT_ODF = f"{OPEN_DOCUMENT}flat-xml"
OLE, OLE_LOCKED, DOC = "application/x-ole-storage", "application/x-ole-encrypted", "application/msword"
XLS, PPT = "application/vnd.ms-excel", "application/vnd.ms-powerpoint"

APACHE = "application/vnd.apache."
PARQUET, ARROW_FILE, ARROW_STREAM = f"{APACHE}parquet", f"{APACHE}arrow.file", f"{APACHE}arrow.stream"
FEATHER_1 = "application/x-feather-v1"
ORC, AVRO, SQLITE, WARC, TFRECORD = f"{APACHE}orc", f"{APACHE}avro", "application/vnd.sqlite3", "application/warc", "application/x-tfrecord"

PICKLE, PYTORCH, SAFETENSORS, GGUF = "application/x-pickle", "application/x-pytorch", "application/x-safetensors", "application/x-gguf"
ONNX, FAISS, NPY, NPZ, HDF5 = "application/x-onnx", "application/x-faiss", "application/x-npy", "application/x-npz", "application/x-hdf5"

ZIP, TAR, SEVENZIP = "application/zip", "application/x-tar", "application/x-7z-compressed"
GZIP, ZLIB, ZSTD, BZIP2 = "application/gzip", "application/zlib", "application/zstd", "application/x-bzip2"
XZ, LZMA, LZ4 = "application/x-xz", "application/x-lzma", "application/x-lz4"

BYTECODE, TYPE1_FONT = "application/x-python-bytecode", "application/x-font-type1"
PNG, JPEG, GIF, WEBP, BMP, TIFF = "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file. Its `extensions` promise this format; files with an extension from `also` may have it too.

    `magics` (an offset, and the bytes there) identify a file before anything else is tried. `begins` is a pattern of first bytes that is
    tried only if nothing else fits. `opening` is a pattern at the beginning of a text whose name does not reveal its format.
    """

    media_type: str
    title: str
    family: Family
    extensions: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    magics: tuple[tuple[int, bytes], ...] = ()
    begins: bytes | None = None
    opening: str | None = None
    reader: bool = True


def _text(media_type: str, title: str, extensions: str = "", opening: str | None = None, also: str = "") -> Format:
    return Format(media_type, title, "text", tuple(extensions.split()), tuple(also.split()), opening=opening)


def _first(
    media_type: str, title: str, family: Family, extensions: str = "", *magics: bytes, also: str = "", reader: bool = True
) -> Format:
    """Returns a format that is identified by its first bytes, or by `sniff` from its structure."""
    return Format(
        media_type, title, family, tuple(extensions.split()), tuple(also.split()), tuple((0, magic) for magic in magics), reader=reader
    )


def _late(media_type: str, title: str, family: Family, begins: bytes, extensions: str = "", also: str = "", reader: bool = False) -> Format:
    """Returns a format that is tried last; most of them have no reader."""
    return Format(media_type, title, family, tuple(extensions.split()), tuple(also.split()), begins=begins, reader=reader)


_PICKLES = ".pkl .pickle .joblib .pt .pth"  # also checkpoints, which are packed in different ways
_ODF_NAMES = {f"{OPEN_DOCUMENT}text": ".odt", f"{OPEN_DOCUMENT}spreadsheet": ".ods", f"{OPEN_DOCUMENT}presentation": ".odp"}
_LOCKABLE = ".docx .docm .xlsx .xlsm .xlsb .pptx .pptm"
_ISO = rb"\x00\x00.{2}ftyp"  # ISO base media: a box with the brand, and further compatible brands

FORMATS: tuple[Format, ...] = (
    _text(MARKDOWN, "Markdown", ".md .markdown"),
    _text(HTML, "HTML", ".html .htm"),
    _text(XHTML, "XHTML", ".xhtml", r"<\?xml[^>]*>\s*(<!doctype html|<html\b)"),
    _text(XML, "XML, RSS, Atom, DocBook, XLIFF", ".xml .rss .atom .opf .ncx .xlf .xliff .dbk .xsd .xsl .xslt"),
    _text(SVG, "SVG", ".svg", r"(<\?xml[^>]*>\s*)?(<!doctype svg|<svg\b)"),
    _text(YAML, "YAML", ".yaml .yml"),
    _text(TOML, "TOML", ".toml"),
    _text("text/x-python", "Python", ".py"),
    _text(JAVASCRIPT, "JavaScript", ".js"),
    _text(CSS, "style sheet", ".css"),
    _text("text/x-rst", "reStructuredText", ".rst"),
    _text("text/x-shellscript", "shell script", ".sh"),
    _text(VTT, "WebVTT", ".vtt", r"WEBVTT\b"),
    _text(SUBRIP, "SubRip", ".srt", r"\d{1,6}\s*\n\d\d:\d\d:\d\d[,.]\d{3} --> "),
    _text(SSA, "SubStation Alpha", ".ass .ssa", r"\[Script Info\]"),
    _text(MICRODVD, "MicroDVD", "", r"\{\d{1,9}\}\{\d{1,9}\}"),
    _text(TEX, "LaTeX, BibTeX", ".tex .ltx .sty .bib", r"\\documentclass\b"),
    _text(CSV, "CSV", ".csv"),
    _text(TSV, "TSV", ".tsv .tab"),
    _text(JSON, "JSON", ".json"),
    _text(JSONL, "JSON lines", ".jsonl .ndjson"),
    _text(NOTEBOOK, "Jupyter notebook", ".ipynb"),
    _text(MESSAGE, "email", ".eml .mht .mhtml"),
    _text(MAILBOX, "mailbox", ".mbox"),
    _text(
        PLAIN,
        "plain text, source code, logs, settings",
        ".txt .log .cfg .ini .conf .env .properties .c .h .java .go .rs .sql",
        also=".pth",  # Python's path files
    ),
    _first(PDF, "PDF", "document", ".pdf", b"%PDF-"),
    _first(RTF, "RTF", "document", ".rtf", b"{\\rtf"),
    _first(DOCX, "Word", "document", ".docx .docm"),
    _first(XLSX, "Excel", "document", ".xlsx .xlsm"),
    _first(XLSB, "Excel, binary", "document", ".xlsb"),
    _first(PPTX, "PowerPoint", "document", ".pptx .pptm"),
    *(_first(kind, f"OpenDocument {kind.removeprefix(OPEN_DOCUMENT)}", "document", _ODF_NAMES.get(kind, "")) for kind in ODF_TYPES),
    _first(FLAT_ODF, "OpenDocument, flat XML", "document"),
    _first(EPUB, "EPUB", "document", ".epub"),
    _first(IWORK, "Pages, Numbers, Keynote", "document"),
    _first(DOC, "Word before 2007", "document"),
    _first(XLS, "Excel before 2007", "document"),
    _first(PPT, "PowerPoint before 2007", "document"),
    _first(OUTLOOK, "Outlook message", "document", ".msg"),
    _first(OLE_LOCKED, "Office document with a password", "document", "", also=_LOCKABLE),
    _first(OLE, "other OLE file", "document", "", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    _first(PARQUET, "Parquet", "data", ".parquet", b"PAR1"),
    _first(ARROW_FILE, "Arrow file, Feather 2", "data", ".arrow .feather", b"ARROW1"),
    _first(ARROW_STREAM, "Arrow stream", "data", "", also=".arrow"),
    _first(FEATHER_1, "Feather 1", "data", "", b"FEA1", also=".feather", reader=False),
    _first(ORC, "ORC", "data", ".orc", b"ORC"),
    _first(AVRO, "Avro", "data", ".avro", b"Obj\x01"),
    _first(SQLITE, "SQLite", "data", ".sqlite .sqlite3", b"SQLite format 3\x00"),
    _first(WARC, "WARC", "data", ".warc"),
    _first(TFRECORD, "TFRecord", "data", ".tfrecord .tfrecords"),
    _first(
        PYTORCH, "PyTorch checkpoint", "model", ".pt .pth", also=f".zip {_PICKLES}"
    ),  # a zip with a pickle and the tensors that it names
    _first(PICKLE, "pickle", "model", ".pkl .pickle .joblib", also=_PICKLES),
    _first(SAFETENSORS, "safetensors", "model", ".safetensors"),
    _first(GGUF, "GGUF", "model", ".gguf", b"GGUF"),
    _first(ONNX, "ONNX", "model", ".onnx"),
    _first(FAISS, "FAISS index", "model", ".faiss"),
    _first(NPY, "NumPy array", "model", ".npy", b"\x93NUMPY"),
    _first(NPZ, "NumPy archive", "model", ".npz", also=".zip"),
    _first(HDF5, "HDF5", "model", ".h5 .hdf5", b"\x89HDF\r\n\x1a\n"),
    _first(GZIP, "gzip", "compressed", ".gz .tgz", b"\x1f\x8b", also=_PICKLES),
    _first(ZSTD, "Zstandard", "compressed", ".zst", b"\x28\xb5\x2f\xfd", also=_PICKLES),
    _first(BZIP2, "bzip2", "compressed", ".bz2", b"BZh", also=_PICKLES),
    _first(XZ, "xz", "compressed", ".xz .txz", b"\xfd7zXZ\x00", also=_PICKLES),
    _first(LZ4, "LZ4", "compressed", ".lz4", b"\x04\x22\x4d\x18", also=_PICKLES),
    _first(LZMA, "LZMA", "compressed", ".lzma", also=_PICKLES),
    _first(ZLIB, "zlib", "compressed", "", also=f".gz {_PICKLES}"),
    _late("application/x-lzip", "lzip", "compressed", rb"LZIP"),
    _late("application/x-lzop", "lzop", "compressed", rb"\x89LZO\x00\r\n\x1a\n"),
    _late("application/x-compress", "compress", "compressed", rb"\x1f[\x9d\xa0]"),
    Format(
        ZIP,
        "zip, wheel, jar",
        "archive",
        (".zip", ".whl", ".jar", ".keras"),
        (".npz", *_PICKLES.split()),
        ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
        begins=rb"PK\x07\x08",  # the first part of a split archive
    ),
    Format(TAR, "tar", "archive", (".tar",), (".pt", ".pth"), ((257, b"ustar"),)),
    _first(SEVENZIP, "7z", "archive", ".7z", b"7z\xbc\xaf\x27\x1c"),
    _first("application/vnd.rar", "RAR", "archive", ".rar", b"Rar!\x1a\x07", reader=False),
    _late("application/vnd.ms-cab-compressed", "cabinet", "archive", rb"MSCF\x00{4}|ISc\("),
    _late("application/x-deb", "Debian package", "archive", rb"!<arch>\ndebian-binary"),
    _late("application/x-unix-archive", "ar", "archive", rb"!<arch>\n"),
    _late("application/x-rpm", "RPM package", "archive", rb"\xed\xab\xee\xdb"),
    _late("application/x-google-chrome-extension", "Chrome extension", "archive", rb"Cr24"),
    _first("application/x-elf", "ELF program", "executable", "", b"\x7fELF", reader=False),
    _first("application/vnd.microsoft.portable-executable", "Windows program", "executable", "", b"MZ", reader=False),
    _first("application/java-vm", "Java class", "executable", "", b"\xca\xfe\xba\xbe", reader=False),
    _first(
        *("application/x-mach-binary", "Mach-O program", "executable", ""),
        *(b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"),
        reader=False,
    ),
    _first("application/vnd.android.dex", "Android program", "executable", "", b"dex\n", reader=False),
    _first("application/x-ms-shortcut", "Windows shortcut", "executable", "", b"\x4c\x00\x00\x00\x01\x14\x02\x00", reader=False),
    _first("application/wasm", "WebAssembly", "executable", "", b"\x00asm", reader=False),
    _first(BYTECODE, "Python bytecode", "other", reader=False),
    _late("application/x-shockwave-flash", "Flash", "other", rb"[CFZ]WS[\x01-\x40]"),
    _late("application/postscript", "PostScript", "other", rb"%!|\xc5\xd0\xd3\xc6"),
    _late("application/dicom", "DICOM", "other", rb".{128}DICM"),
    _late(PNG, "PNG", "image", rb"\x89PNG", ".png", reader=True),
    _late(JPEG, "JPEG", "image", rb"\xff\xd8\xff", ".jpg .jpeg", reader=True),
    _late(GIF, "GIF", "image", rb"GIF8", ".gif", reader=True),
    _late(WEBP, "WebP", "image", rb"RIFF.{4}WEBP", ".webp", reader=True),
    _late(BMP, "BMP", "image", rb"BM(?:.{4}\x00{4}|.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00{3})", ".bmp", reader=True),
    _late("image/x-canon-cr2", "Canon raw picture", "image", rb"(?:II\*\x00|MM\x00\*).{4}CR"),
    _late(TIFF, "TIFF", "image", rb"II[*+]\x00|MM\x00[*+]", ".tif .tiff", reader=True),
    _late("image/heic", "HEIC", "image", _ISO + rb"(?:hei[cmsx]|hev[cmsx]|m(?:if|sf)1.{4}(?:.{4}){0,16}?hei[cx])"),
    _late("image/avif", "AVIF", "image", _ISO + rb"(?:avi[fs]|m(?:if|sf)1.{4}(?:.{4}){0,16}?avif)"),
    _late("image/jp2", "JPEG 2000", "image", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    _late("image/vnd.ms-photo", "JPEG XR", "image", rb"II\xbc"),
    _late("image/vnd.adobe.photoshop", "Photoshop", "image", rb"8BPS\x00[\x01\x02]"),
    _late("image/x-icon", "icon", "image", rb"\x00\x00\x01\x00[\x01-\xff]\x00.{3}\x00[\x00\x01]\x00"),
    _late("image/vnd.dwg", "AutoCAD drawing", "image", rb"AC10"),
    _late("image/x-xcf", "GIMP picture", "image", rb"gimp xcf "),
    _late("audio/mpeg", "MP3", "audio", rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]", ".mp3"),
    _late("audio/aac", "AAC", "audio", rb"\xff[\xf0\xf1\xf8\xf9][\x00-\xbf]"),
    _late("audio/mp4", "MPEG-4 audio", "audio", _ISO + rb"M4[ABP] ", also=".mp4"),
    _late("audio/ogg", "Ogg", "audio", rb"OggS\x00"),
    _late("audio/x-flac", "FLAC", "audio", rb"fLaC"),
    _late("audio/x-wav", "WAV", "audio", rb"R(?:IFF|F64).{4}WAVE", ".wav"),
    _late("audio/x-aiff", "AIFF", "audio", rb"FORM.{4}AIF[CF]"),
    _late("audio/amr", "AMR", "audio", rb"#!AMR"),
    _late("audio/midi", "MIDI", "audio", rb"MThd\x00"),
    _late("video/x-m4v", "M4V", "video", _ISO + rb"M4V", also=".mp4"),
    _late("video/3gpp", "3GPP", "video", _ISO + rb"3g", also=".mp4"),
    _late("video/quicktime", "QuickTime", "video", _ISO + rb"qt  |.{4}moov.{4}mvhd"),
    _late("video/mp4", "MPEG-4", "video", _ISO + rb"[ -~]{4}", ".mp4"),
    _late("video/webm", "WebM", "video", rb"\x1aE\xdf\xa3.{1,64}?\x42\x82.{1,8}?webm"),
    _late("video/x-matroska", "Matroska", "video", rb"\x1aE\xdf\xa3"),
    _late("video/x-msvideo", "AVI", "video", rb"RIFF.{4}AVI "),
    _late("video/x-ms-wmv", "Windows Media", "video", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
    _late("video/x-flv", "Flash video", "video", rb"FLV\x01"),
    _late("video/mpeg", "MPEG", "video", rb"\x00\x00\x01[\xb0-\xbf]"),
    # after a mark that can also begin a pickle
    Format(TYPE1_FONT, "Type 1 font", "font", magics=((6, b"%!PS-AdobeFont"), (6, b"%!FontType1")), reader=False),
    _late("application/font-woff", "web font", "font", rb"wOF[F2]"),
    _late("application/font-sfnt", "TrueType, OpenType", "font", rb"(?:\x00\x01\x00\x00|OTTO|true)\x00.{7}[ -~]{4}|ttcf\x00[\x01\x02]"),
)

EXECUTABLES = frozenset(one.media_type for one in FORMATS if one.family == "executable")
COMPRESSED = frozenset(one.media_type for one in FORMATS if one.family == "compressed" and one.reader)
TEXT_TYPES = {extension: one.media_type for one in FORMATS if one.family == "text" for extension in one.extensions}
_TEXTS = frozenset(one.media_type for one in FORMATS if one.family == "text")
_PROMISED = {extension: one.media_type for one in FORMATS for extension in one.extensions}
_POSSIBLE = {extension: {one.media_type for one in FORMATS if extension in (*one.extensions, *one.also)} for extension in _PROMISED}


def text_type(extension: str) -> str:
    """Returns the media type of plain text with this extension."""
    named = TEXT_TYPES.get(extension, PLAIN)
    return named if named.startswith("text/") else PLAIN


def declared_type(extension: str) -> str | None:
    """Returns the media type that an extension promises, or None if it promises nothing."""
    return _PROMISED.get(extension)


def mismatch(extension: str, media_type: str) -> bool:
    """Whether the content differs from what the name promises. One kind of text under the name of another does not count."""
    if extension in TEXT_TYPES:
        return not is_text_type(media_type)
    return media_type not in _POSSIBLE.get(extension, (media_type,))


def is_text_type(media_type: str) -> bool:
    """Whether files of this type are text."""
    return media_type.startswith("text/") or media_type in _TEXTS
