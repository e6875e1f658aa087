"""The table of formats: their names, first bytes and file extensions, their readers and rewriters. Nothing is opened or imported here.

A new format is a row here and a folder in `formats`. If its first bytes do not identify it, the module `recognise.py` of its family does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from veritensor_ray.core import media_types as types
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.media_types import Format, first, late, packed, text

_PICKLES = ".pkl .pickle .joblib .pt .pth"  # also checkpoints, which are packed in different ways
_ODF_NAMES = {
    f"{types.OPEN_DOCUMENT}text": ".odt",
    f"{types.OPEN_DOCUMENT}spreadsheet": ".ods",
    f"{types.OPEN_DOCUMENT}presentation": ".odp",
}
_LOCKABLE = ".docx .docm .xlsx .xlsm .xlsb .pptx .pptm"
_PAINT = ".images.rewrite:rewrite_image"
_PICTURE, _OLE, _ZIP = ".images.read:read_image", ".office.ole.read:read_ole", ".archives.zip.read:read_zip"
_AR, _AR_REWRITE = ".archives.ar.read:read_ar", ".archives.ar.rewrite:rewrite_ar"
_XML, _TEXT = ".markup.rewrite:rewrite_xml", ".text.rewrite:rewrite_text"
_MP3, _RIFF, _OGG = ".media.mp3.read:read_mp3", ".media.riff.read:read_riff", ".media.ogg.read:read_ogg"
_MP4, _MATROSKA, _FLAC = ".media.mp4.read:read_mp4", ".media.matroska.read:read_matroska", ".media.flac.read:read_flac"
_ISO = rb"\x00\x00.{2}ftyp"  # ISO base media: a box with the brand, and further compatible brands

FORMATS: tuple[Format, ...] = (
    text(types.MARKDOWN, "Markdown", ".md .markdown"),
    text(types.HTML, "HTML", ".html .htm", read=".markup.html:read_html", rewrite=".markup.rewrite:rewrite_html"),
    text(types.XHTML, "XHTML", ".xhtml", r"<\?xml[^>]*>\s*(<!doctype html|<html\b)", read=".markup.html:read_xhtml", rewrite=_XML),
    text(
        types.XML,
        "XML, RSS, Atom, DocBook, XLIFF",
        ".xml .rss .atom .opf .ncx .xlf .xliff .dbk .xsd .xsl .xslt",
        read=".markup.xml:read_xml",
        rewrite=_XML,
    ),
    text(types.SVG, "SVG", ".svg", r"(<\?xml[^>]*>\s*)?(<!doctype svg|<svg\b)", read=".markup.html:read_xhtml", rewrite=_XML),
    text(types.YAML, "YAML", ".yaml .yml"),
    text(types.TOML, "TOML", ".toml"),
    text("text/x-python", "Python", ".py"),
    text(types.JAVASCRIPT, "JavaScript", ".js"),
    text(types.CSS, "style sheet", ".css"),
    text("text/x-rst", "reStructuredText", ".rst"),
    text("text/x-shellscript", "shell script", ".sh"),
    text(types.VTT, "WebVTT", ".vtt", r"WEBVTT\b", read=".text.subtitles:read_blocks", rewrite=_TEXT),
    text(types.SUBRIP, "SubRip", ".srt", r"\d{1,6}\s*\n\d\d:\d\d:\d\d[,.]\d{3} --> ", read=".text.subtitles:read_blocks", rewrite=_TEXT),
    text(types.SSA, "SubStation Alpha", ".ass .ssa", r"\[Script Info\]", read=".text.subtitles:read_lines", rewrite=_TEXT),
    text(types.MICRODVD, "MicroDVD", "", r"\{\d{1,9}\}\{\d{1,9}\}", read=".text.subtitles:read_lines", rewrite=_TEXT),
    text(types.TEX, "LaTeX, BibTeX", ".tex .ltx .sty .bib", r"\\documentclass\b", read=".text.latex:read_latex", rewrite=_TEXT),
    text(types.CSV, "CSV", ".csv", read=".csv.read:read_csv", rewrite=".csv.rewrite:rewrite_csv"),
    text(types.TSV, "TSV", ".tsv .tab", read=".csv.read:read_csv", rewrite=".csv.rewrite:rewrite_csv"),
    text(types.JSON, "JSON", ".json", read=".json.read:read_json", rewrite=".json.rewrite:rewrite_json"),
    text(types.JSONL, "JSON lines", ".jsonl .ndjson", read=".json.read:read_jsonl", rewrite=".json.rewrite:rewrite_jsonl"),
    text(types.NOTEBOOK, "Jupyter notebook", ".ipynb", read=".notebook.read:read_notebook", rewrite=".notebook.rewrite:rewrite_notebook"),
    text(types.MESSAGE, "email", ".eml .mht .mhtml", read=".mail.read:read_mail", rewrite=".mail.rewrite:rewrite_mail"),
    text(types.MAILBOX, "mailbox", ".mbox", read=".mail.read:read_mailbox", rewrite=".mail.rewrite:rewrite_mailbox"),
    text(
        types.PLAIN,
        "plain text, source code, logs, settings",
        ".txt .log .cfg .ini .conf .env .properties .c .h .java .go .rs .sql",
        also=".pth",  # Python's path files
    ),
    first(types.PDF, "PDF", "document", ".pdf", b"%PDF-", read=".pdf.read:read_pdf", rewrite=".pdf.rewrite:rewrite_pdf"),
    first(types.RTF, "RTF", "document", ".rtf", b"{\\rtf", read=".rtf.read:read_rtf", rewrite=".rtf.rewrite:rewrite_rtf"),
    first(types.DOCX, "Word", "document", ".docx .docm", read=".office.word.read:read_docx", rewrite=".office.rewrite:rewrite_docx"),
    first(types.XLSX, "Excel", "document", ".xlsx .xlsm", read=".office.excel.read:read_xlsx", rewrite=".office.rewrite:rewrite_xlsx"),
    first(types.XLSB, "Excel, binary", "document", ".xlsb", read=".office.excel.read:read_xlsb"),
    first(
        types.PPTX,
        "PowerPoint",
        "document",
        ".pptx .pptm",
        read=".office.powerpoint.read:read_pptx",
        rewrite=".office.rewrite:rewrite_pptx",
    ),
    *(
        first(
            kind,
            f"OpenDocument {kind.removeprefix(types.OPEN_DOCUMENT)}",
            "document",
            _ODF_NAMES.get(kind, ""),
            read=".office.opendocument.read:read_odf",
            rewrite=".office.opendocument.rewrite:rewrite_odf",
        )
        for kind in types.ODF_TYPES
    ),
    first(
        types.FLAT_ODF,
        "OpenDocument, flat XML",
        "document",
        read=".office.opendocument.read:read_flat",
        rewrite=".office.opendocument.rewrite:rewrite_flat",
    ),
    first(types.EPUB, "EPUB", "document", ".epub", read=".office.books:read_epub", rewrite=".office.book_rewriting:rewrite_epub"),
    first(types.IWORK, "Pages, Numbers, Keynote", "document", read=".office.books:read_iwork"),
    first(types.DOC, "Word before 2007", "document", read=_OLE),
    first(types.XLS, "Excel before 2007", "document", read=_OLE),
    first(types.PPT, "PowerPoint before 2007", "document", read=_OLE),
    first(types.OUTLOOK, "Outlook message", "document", ".msg", read=".mail.outlook:read_outlook"),
    first(types.OLE_LOCKED, "Office document with a password", "document", "", also=_LOCKABLE, read=_OLE),
    first(types.OLE, "other OLE file", "document", "", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", read=_OLE),
    first(
        types.PARQUET,
        "Parquet",
        "data",
        ".parquet",
        b"PAR1",
        read=".columnar.arrow.read:read_parquet",
        rewrite=".columnar.parquet.rewrite:rewrite_parquet",
    ),
    first(
        types.ARROW_FILE,
        "Arrow file, Feather 2",
        "data",
        ".arrow .feather",
        b"ARROW1",
        read=".columnar.arrow.read:read_arrow_file",
        rewrite=".columnar.arrow.rewrite:rewrite_arrow_file",
    ),
    first(
        types.ARROW_STREAM,
        "Arrow stream",
        "data",
        "",
        also=".arrow",
        read=".columnar.arrow.read:read_arrow_stream",
        rewrite=".columnar.arrow.rewrite:rewrite_arrow_stream",
    ),
    first(types.FEATHER_1, "Feather 1", "data", "", b"FEA1", also=".feather"),
    first(
        *(types.LANCE, "Lance file", "data", ".lance"),
        read=".columnar.lance.read:read_lance",
        rewrite=".columnar.lance.rewrite:rewrite_lance",
    ),
    first(
        *(types.ORC, "ORC", "data", ".orc", b"ORC"),
        read=".columnar.orc.read:read_orc",
        rewrite=".columnar.orc.rewrite:rewrite_orc",
    ),
    first(
        *(types.AVRO, "Avro", "data", ".avro", b"Obj\x01"),
        read=".columnar.avro.read:read_avro",
        rewrite=".columnar.avro.rewrite:rewrite_avro",
    ),
    first(
        types.SQLITE,
        "SQLite",
        "data",
        ".sqlite .sqlite3",
        b"SQLite format 3\x00",
        read=".sqlite.read:read_sqlite",
        rewrite=".sqlite.rewrite:rewrite_sqlite",
    ),
    Format(
        *(types.DUCKDB, "DuckDB", "data", (".duckdb",)),
        magics=((8, b"DUCK"),),
        read=".duckdb.read:read_duckdb",
        rewrite=".duckdb.rewrite:rewrite_duckdb",
        written_anew=True,  # the library refuses a block whose bytes do not have its checksum
    ),
    Format(
        *("application/x-duckdb-log", "log of a DuckDB database", "data"),
        begins=rb"d\x00be\x00[\x00-\x0f](?:f\x00|\xff\xff)",
        remedy="opening the database with DuckDB and closing it moves the log into it",
    ),
    first(types.WARC, "WARC", "data", ".warc", read=".web_archives.read:read_warc"),
    first(types.TFRECORD, "TFRecord", "data", ".tfrecord .tfrecords", read=".records.read:read_tfrecord"),
    first(
        *(types.PYTORCH, "PyTorch checkpoint", "model", ".pt .pth"),  # a zip with a pickle and the tensors that it names
        also=f".zip {_PICKLES}",
        read=_ZIP,
    ),
    first(types.PICKLE, "pickle", "model", ".pkl .pickle .joblib", also=_PICKLES, read=".model_files.pickle.read:read_pickle"),
    first(types.SAFETENSORS, "safetensors", "model", ".safetensors", read=".model_files.safetensors.read:read_safetensors"),
    first(types.GGUF, "GGUF", "model", ".gguf", b"GGUF", read=".model_files.gguf.read:read_gguf"),
    first(types.ONNX, "ONNX", "model", ".onnx", read=".model_files.onnx.read:read_onnx"),
    first(types.TENSORFLOW, "TensorFlow graph", "model", "", read=".model_files.tensorflow.read:read_tensorflow"),  # `.pb` promises nothing
    first(types.CORE_ML, "Core ML", "model", ".mlmodel", read=".model_files.coreml.read:read_core_ml"),
    first(types.PADDLE, "Paddle program", "model", ".pdmodel", read=".model_files.paddle.read:read_paddle"),
    first(types.FAISS, "FAISS index", "model", ".faiss", read=".model_files.faiss:read_numbers"),
    first(
        types.NPY,
        "NumPy array",
        "model",
        ".npy",
        b"\x93NUMPY",
        read=".model_files.numpy.read:read_npy",
        rewrite=".model_files.numpy.rewrite:rewrite_npy",
    ),
    first(types.NPZ, "NumPy archive", "model", ".npz", also=".zip", read=_ZIP, rewrite=".archives.zip.rewrite:rewrite_zip"),
    first(
        *(types.HDF5, "HDF5", "model", ".h5 .hdf5", b"\x89HDF\r\n\x1a\n"),
        read=".model_files.hdf5.read:read_hdf5",
        rewrite=".model_files.hdf5.rewrite:rewrite_hdf5",
    ),
    packed(types.GZIP, "gzip", ".gz .tgz", b"\x1f\x8b", also=_PICKLES),
    packed(types.ZSTD, "Zstandard", ".zst", b"\x28\xb5\x2f\xfd", also=_PICKLES),
    packed(types.BZIP2, "bzip2", ".bz2", b"BZh", also=_PICKLES),
    packed(types.XZ, "xz", ".xz .txz", b"\xfd7zXZ\x00", also=_PICKLES),
    packed(types.LZ4, "LZ4", ".lz4", b"\x04\x22\x4d\x18", also=_PICKLES),
    packed(types.LZMA, "LZMA", ".lzma", also=_PICKLES),
    packed(types.ZLIB, "zlib", "", also=f".gz {_PICKLES}"),
    late("application/x-lzip", "lzip", "compressed", rb"LZIP"),
    late("application/x-lzop", "lzop", "compressed", rb"\x89LZO\x00\r\n\x1a\n"),
    late("application/x-compress", "compress", "compressed", rb"\x1f[\x9d\xa0]"),
    Format(
        types.ZIP,
        "zip, wheel, jar",
        "archive",
        (".zip", ".whl", ".jar", ".keras"),
        (".npz", *_PICKLES.split()),
        ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
        begins=rb"PK\x07\x08",  # the first part of a split archive
        read=_ZIP,
        rewrite=".archives.zip.rewrite:rewrite_zip",
    ),
    Format(
        types.TAR,
        "tar",
        "archive",
        (".tar",),
        (".pt", ".pth"),
        ((257, b"ustar"),),
        read=".archives.tar.read:read_tar",
        rewrite=".archives.tar.rewrite:rewrite_tar",
    ),
    first(types.DEB, "Debian package", "archive", ".deb", b"!<arch>\ndebian-binary", read=_AR, rewrite=_AR_REWRITE),
    first(types.AR, "ar, static library", "archive", ".ar .a", b"!<arch>\n", read=_AR, rewrite=_AR_REWRITE),
    first(types.RPM, "RPM package", "archive", ".rpm", b"\xed\xab\xee\xdb", read=".archives.rpm.read:read_rpm"),
    first(types.CPIO, "cpio", "archive", ".cpio", b"070701", b"070702", b"070707", read=".archives.cpio.read:read_cpio"),
    first(types.SEVENZIP, "7z", "archive", ".7z", b"7z\xbc\xaf\x27\x1c", read=".archives.sevenzip.read:read_7z"),
    first(types.RAR, "RAR", "archive", ".rar", b"Rar!\x1a\x07", read=".archives.rar.read:read_rar"),
    first(types.CAB, "cabinet", "archive", ".cab", b"MSCF\x00\x00\x00\x00", read=".archives.cab.read:read_cab"),
    Format(types.ISO, "ISO 9660 image", "archive", (".iso",), magics=((32_769, b"CD001"),), read=".archives.iso.read:read_iso"),
    late("application/x-installshield", "InstallShield cabinet", "archive", rb"ISc\(", also=".cab"),
    late("application/x-google-chrome-extension", "Chrome extension", "archive", rb"Cr24"),
    first("application/x-elf", "ELF program", "executable", "", b"\x7fELF"),
    first("application/vnd.microsoft.portable-executable", "Windows program", "executable", "", b"MZ"),
    first("application/java-vm", "Java class", "executable", "", b"\xca\xfe\xba\xbe"),
    first(
        *("application/x-mach-binary", "Mach-O program", "executable", ""),
        *(b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"),
    ),
    first("application/vnd.android.dex", "Android program", "executable", "", b"dex\n"),
    first("application/x-ms-shortcut", "Windows shortcut", "executable", "", b"\x4c\x00\x00\x00\x01\x14\x02\x00"),
    first("application/wasm", "WebAssembly", "executable", "", b"\x00asm"),
    first(types.BYTECODE, "Python bytecode", "other"),
    late("application/x-shockwave-flash", "Flash", "other", rb"[CFZ]WS[\x01-\x40]"),
    late("application/postscript", "PostScript", "other", rb"%!|\xc5\xd0\xd3\xc6"),
    late("application/dicom", "DICOM", "other", rb".{128}DICM"),
    late(types.PNG, "PNG", "image", rb"\x89PNG", ".png", read=_PICTURE, rewrite=_PAINT),
    late(types.JPEG, "JPEG", "image", rb"\xff\xd8\xff", ".jpg .jpeg", read=_PICTURE, rewrite=_PAINT),
    late(types.GIF, "GIF", "image", rb"GIF8", ".gif", read=_PICTURE, rewrite=_PAINT),
    late(types.WEBP, "WebP", "image", rb"RIFF.{4}WEBP", ".webp", read=_PICTURE, rewrite=_PAINT),
    late(
        types.BMP,
        "BMP",
        "image",
        rb"BM(?:.{4}\x00{4}|.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00{3})",
        ".bmp",
        read=_PICTURE,
        rewrite=_PAINT,
    ),
    late("image/x-canon-cr2", "Canon raw picture", "image", rb"(?:II\*\x00|MM\x00\*).{4}CR"),
    late(types.TIFF, "TIFF", "image", rb"II[*+]\x00|MM\x00[*+]", ".tif .tiff", read=_PICTURE, rewrite=_PAINT),
    late(types.EMF, "EMF drawing", "image", rb"\x01\x00\x00\x00.{36} EMF", ".emf", read=".drawings.emf.read:read_emf"),
    late(
        types.WMF,
        "WMF drawing",
        "image",
        rb"\xd7\xcd\xc6\x9a|[\x01\x02]\x00\x09\x00\x00[\x01\x03]",
        ".wmf",
        read=".drawings.wmf.read:read_wmf",
    ),
    late("image/heic", "HEIC", "image", _ISO + rb"(?:hei[cmsx]|hev[cmsx]|m(?:if|sf)1.{4}(?:.{4}){0,16}?hei[cx])"),
    late("image/avif", "AVIF", "image", _ISO + rb"(?:avi[fs]|m(?:if|sf)1.{4}(?:.{4}){0,16}?avif)"),
    late("image/jp2", "JPEG 2000", "image", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    late("image/vnd.ms-photo", "JPEG XR", "image", rb"II\xbc"),
    late("image/vnd.adobe.photoshop", "Photoshop", "image", rb"8BPS\x00[\x01\x02]"),
    late("image/x-icon", "icon", "image", rb"\x00\x00\x01\x00[\x01-\xff]\x00.{3}\x00[\x00\x01]\x00"),
    late("image/vnd.dwg", "AutoCAD drawing", "image", rb"AC10"),
    late("image/x-xcf", "GIMP picture", "image", rb"gimp xcf "),
    late(types.MP3, "MP3", "audio", rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]", ".mp3", read=_MP3),
    late("audio/aac", "AAC", "audio", rb"\xff[\xf0\xf1\xf8\xf9][\x00-\xbf]"),
    late(types.M4A, "MPEG-4 audio", "audio", _ISO + rb"M4[ABP] ", also=".mp4", read=_MP4),
    late(types.OGG, "Ogg", "audio", rb"OggS\x00", read=_OGG),
    late(types.FLAC, "FLAC", "audio", rb"fLaC", read=_FLAC),
    late(types.WAV, "WAV", "audio", rb"R(?:IFF|F64).{4}WAVE", ".wav", read=_RIFF),
    late("audio/x-aiff", "AIFF", "audio", rb"FORM.{4}AIF[CF]"),
    late("audio/amr", "AMR", "audio", rb"#!AMR"),
    late("audio/midi", "MIDI", "audio", rb"MThd\x00"),
    late(types.M4V, "M4V", "video", _ISO + rb"M4V", also=".mp4", read=_MP4),
    late(types.MOBILE, "3GPP", "video", _ISO + rb"3g", also=".mp4", read=_MP4),
    late(types.QUICKTIME, "QuickTime", "video", _ISO + rb"qt  |.{4}moov.{4}mvhd", read=_MP4),
    late(types.MP4, "MPEG-4", "video", _ISO + rb"[ -~]{4}", ".mp4", read=_MP4),
    late(types.WEBM, "WebM", "video", rb"\x1aE\xdf\xa3.{1,64}?\x42\x82.{1,8}?webm", read=_MATROSKA),
    late(types.MATROSKA, "Matroska", "video", rb"\x1aE\xdf\xa3", read=_MATROSKA),
    late(types.AVI, "AVI", "video", rb"RIFF.{4}AVI ", read=_RIFF),
    late("video/x-ms-wmv", "Windows Media", "video", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
    late("video/x-flv", "Flash video", "video", rb"FLV\x01"),
    late("video/mpeg", "MPEG", "video", rb"\x00\x00\x01[\xb0-\xbf]"),
    # after a mark that can also begin a pickle
    Format(types.TYPE1_FONT, "Type 1 font", "font", magics=((6, b"%!PS-AdobeFont"), (6, b"%!FontType1"))),
    late("application/font-woff", "web font", "font", rb"wOF[F2]"),
    late("application/font-sfnt", "TrueType, OpenType", "font", rb"(?:\x00\x01\x00\x00|OTTO|true)\x00.{7}[ -~]{4}|ttcf\x00[\x01\x02]"),
)

COMPRESSED = frozenset(one.media_type for one in FORMATS if one.decoder)

# What is known by now: the formats above, and those of plug-ins. All but the rows follow from them.
_ROWS: dict[str, Format] = {}
TEXT_TYPES: dict[str, str] = {}
EXECUTABLES: set[str] = set()
_TEXTS: set[str] = set()
_PROMISED: dict[str, str] = {}
_POSSIBLE: dict[str, set[str]] = {}


def know(rows: Iterable[Format]) -> None:
    """Makes these rows the known ones."""
    known = {row.media_type: row for row in rows}
    promised = {extension: row.media_type for row in known.values() for extension in row.extensions}
    possible: dict[str, set[str]] = {extension: set() for extension in promised}
    for row in known.values():
        for extension in promised.keys() & {*row.extensions, *row.also}:
            possible[extension].add(row.media_type)
    texts = {extension: row.media_type for row in known.values() if row.family == "text" for extension in row.extensions}
    tables: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        (_ROWS, known),
        (_PROMISED, promised),
        (_POSSIBLE, possible),
        (TEXT_TYPES, texts),
    )
    for table, values in tables:
        table.clear()
        table.update(values)
    for some, family in ((EXECUTABLES, "executable"), (_TEXTS, "text")):
        some.clear()
        some.update(row.media_type for row in known.values() if row.family == family)


know(FORMATS)

# The row of a media type, and the media type that an extension promises. They are called for every file, so they are methods of the tables.
format_of: Callable[[str], Format | None] = _ROWS.get
declared_type: Callable[[str], str | None] = _PROMISED.get


def rows() -> tuple[Format, ...]:
    """Returns all rows; those that plug-ins added come last."""
    return tuple(_ROWS.values())


def add(row: Format) -> None:
    """Adds a format, which stays until the process ends. It takes the place of one of the same type that nobody reads.

    Raises UsageError for a type that is already read, an extension that promises another format, a magic of one byte, and a compression.
    """
    known = _ROWS.get(row.media_type)
    if known is not None and known.is_read:
        raise UsageError(f"files of type {row.media_type} are already read, and a plug-in cannot replace their reader")
    if any(len(magic) < 2 for _, magic in row.magics):
        raise UsageError("a magic of one byte says too little; name at least two")
    for extension in row.extensions:
        if _PROMISED.get(extension, row.media_type) != row.media_type:
            raise UsageError(f"names with {extension} already promise {_PROMISED[extension]}; give `also` instead of `extensions`")
    if row.decoder:
        raise UsageError("a plug-in cannot add a compression")
    know({**_ROWS, row.media_type: row}.values())


def text_type(extension: str) -> str:
    """Returns the media type of plain text with this extension."""
    named = TEXT_TYPES.get(extension, types.PLAIN)
    return named if named.startswith("text/") else types.PLAIN


def mismatch(extension: str, media_type: str) -> bool:
    """Whether the content differs from what the name promises. One kind of text under the name of another does not count."""
    if extension in TEXT_TYPES:
        return not is_text_type(media_type)
    return media_type not in _POSSIBLE.get(extension, (media_type,))


def is_text_type(media_type: str) -> bool:
    """Whether files of this type are text."""
    return media_type.startswith("text/") or media_type in _TEXTS
