"""The names of media types, and what the table of formats says of each. Nothing is opened or imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veritensor_ray.core.plugins import PluginRow

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
FEATHER_1, LANCE, DUCKDB = "application/x-feather-v1", "application/x-lance", "application/x-duckdb"
ORC, AVRO, SQLITE, WARC, TFRECORD = f"{APACHE}orc", f"{APACHE}avro", "application/vnd.sqlite3", "application/warc", "application/x-tfrecord"

PICKLE, PYTORCH, SAFETENSORS, GGUF = "application/x-pickle", "application/x-pytorch", "application/x-safetensors", "application/x-gguf"
TENSORFLOW, CORE_ML, PADDLE = "application/x-tensorflow", "application/x-coreml", "application/x-paddle"
ONNX, FAISS, NPY, NPZ, HDF5 = "application/x-onnx", "application/x-faiss", "application/x-npy", "application/x-npz", "application/x-hdf5"

ZIP, TAR, SEVENZIP = "application/zip", "application/x-tar", "application/x-7z-compressed"
DEB, AR = "application/x-deb", "application/x-unix-archive"  # a package is an ar too
RPM, CPIO = "application/x-rpm", "application/x-cpio"
ISO, CAB, RAR = "application/x-iso9660-image", "application/vnd.ms-cab-compressed", "application/vnd.rar"
GZIP, ZLIB, ZSTD, BZIP2 = "application/gzip", "application/zlib", "application/zstd", "application/x-bzip2"
XZ, LZMA, LZ4 = "application/x-xz", "application/x-lzma", "application/x-lz4"

BYTECODE, TYPE1_FONT = "application/x-python-bytecode", "application/x-font-type1"
PNG, JPEG, GIF, WEBP, BMP, TIFF = "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff"
EMF, WMF = "image/emf", "image/wmf"
MP3, M4A, OGG, FLAC, WAV = "audio/mpeg", "audio/mp4", "audio/ogg", "audio/x-flac", "audio/x-wav"
M4V, MOBILE, QUICKTIME, MP4 = "video/x-m4v", "video/3gpp", "video/quicktime", "video/mp4"
WEBM, MATROSKA, AVI = "video/webm", "video/x-matroska", "video/x-msvideo"


@dataclass(frozen=True, slots=True)
class Format(PluginRow):
    """A kind of file. Its `extensions` promise this format; files with an extension from `also` may have it too.

    `magics` (an offset, and the bytes there) identify a file before anything else is tried. `begins` is a pattern of first bytes that is
    tried only if nothing else fits. `opening` is a pattern at the beginning of a text whose name does not reveal its format.

    `read` and `rewrite` name the reader and the rewriter as `module:function`, where a module that begins with a dot is one of `formats`.
    They are imported when the first file comes. Without them, text is read and rewritten as plain text. `decoder` says that the format is a
    compression that `formats/common/decoders.py` decodes, so that its content is read. `written_anew` says that the rewriter makes another
    file, in which no residue can be, out of the unchanged bytes; from other files, residue with orders is erased first. `version` is that of a plug-in's reader and rewriter:
    it changes whenever the same file may give other texts. `remedy` says, for a format without a reader, how its content can be read.
    """

    media_type: str
    title: str
    family: Family
    extensions: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    magics: tuple[tuple[int, bytes], ...] = ()
    begins: bytes | None = None
    opening: str | None = None
    read: str | None = None
    rewrite: str | None = None
    decoder: bool = False
    written_anew: bool = False
    version: str = ""
    remedy: str = ""

    @property
    def is_read(self) -> bool:
        """Whether the content of these files is read."""
        return self.read is not None or self.decoder or self.family == "text"


def text(
    media_type: str,
    title: str,
    extensions: str = "",
    opening: str | None = None,
    also: str = "",
    read: str | None = None,
    rewrite: str | None = None,
) -> Format:
    """Returns a format that is text. Without a reader and a rewriter of its own, it gets those of plain text."""
    return Format(media_type, title, "text", tuple(extensions.split()), tuple(also.split()), opening=opening, read=read, rewrite=rewrite)


def first(
    media_type: str,
    title: str,
    family: Family,
    extensions: str = "",
    *magics: bytes,
    also: str = "",
    read: str | None = None,
    rewrite: str | None = None,
) -> Format:
    """Returns a format that is identified by its first bytes, or from its structure by its family."""
    known = tuple((0, magic) for magic in magics)
    return Format(media_type, title, family, tuple(extensions.split()), tuple(also.split()), known, read=read, rewrite=rewrite)


def packed(media_type: str, title: str, extensions: str, *magics: bytes, also: str = "") -> Format:
    """Returns a compression, which `formats/common/decoders.py` decodes."""
    known, rewrite = tuple((0, magic) for magic in magics), ".compressed.rewrite:rewrite_compressed"
    return Format(media_type, title, "compressed", tuple(extensions.split()), tuple(also.split()), known, rewrite=rewrite, decoder=True)


def late(
    media_type: str,
    title: str,
    family: Family,
    begins: bytes,
    extensions: str = "",
    also: str = "",
    read: str | None = None,
    rewrite: str | None = None,
) -> Format:
    """Returns a format that is tried last; most of them have no reader."""
    return Format(media_type, title, family, tuple(extensions.split()), tuple(also.split()), begins=begins, read=read, rewrite=rewrite)
