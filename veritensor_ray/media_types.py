"""Media types: which ones are of a kind, and what a file name promises; it looks into no file."""

from __future__ import annotations

EXECUTABLES = frozenset(
    {
        "application/x-elf",
        "application/vnd.microsoft.portable-executable",
        "application/java-vm",
        "application/x-mach-binary",
        "application/vnd.android.dex",
        "application/x-ms-shortcut",
        "application/wasm",
    }
)
COMPRESSED = frozenset(
    {
        "application/gzip",
        "application/zstd",
        "application/x-bzip2",
        "application/x-xz",
        "application/x-lz4",
        "application/x-lzma",
        "application/zlib",
    }
)
UNKNOWN = "application/octet-stream"
TYPE1_FONT = "application/x-font-type1"
PYTORCH = "application/x-pytorch"  # a zip with a pickle and the tensors that it names
NPZ = "application/x-npz"
IWORK = "application/vnd.apple.iwork"  # Pages, Numbers and Keynote
TFRECORD = "application/x-tfrecord"

TEXT_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".xml": "text/xml",
    ".rss": "text/xml",
    ".atom": "text/xml",
    ".opf": "text/xml",
    ".ncx": "text/xml",
    ".xlf": "text/xml",
    ".xliff": "text/xml",
    ".dbk": "text/xml",
    ".xsd": "text/xml",
    ".xsl": "text/xml",
    ".xslt": "text/xml",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".py": "text/x-python",
    ".js": "text/javascript",
    ".css": "text/css",
    ".tex": "text/x-tex",
    ".ltx": "text/x-tex",
    ".sty": "text/x-tex",
    ".bib": "text/x-tex",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".ass": "text/x-ssa",
    ".ssa": "text/x-ssa",
    ".rst": "text/x-rst",
    ".sh": "text/x-shellscript",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".tab": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".ipynb": "application/x-ipynb+json",
    ".cfg": "text/plain",
    ".ini": "text/plain",
    ".conf": "text/plain",
    ".env": "text/plain",
    ".eml": "message/rfc822",
    ".mht": "message/rfc822",
    ".mhtml": "message/rfc822",
    ".mbox": "application/mbox",
    ".properties": "text/plain",
    ".c": "text/plain",
    ".h": "text/plain",
    ".java": "text/plain",
    ".go": "text/plain",
    ".rs": "text/plain",
    ".sql": "text/plain",
}
_ZIP = ("application/zip",)
_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_LOCKED = "application/x-ole-encrypted"  # an Office document with a password
_PICKLES = (
    "application/x-pickle",
    PYTORCH,
    "application/zip",
    "application/gzip",
    "application/x-xz",
    "application/x-bzip2",
    "application/zlib",
    "application/x-lz4",
    "application/x-lzma",
    "application/zstd",
)
# What the content of a file so named may be. Names that promise nothing are not here.
_DECLARED: dict[str, tuple[str, ...]] = {
    ".png": ("image/png",),
    ".jpg": ("image/jpeg",),
    ".jpeg": ("image/jpeg",),
    ".gif": ("image/gif",),
    ".webp": ("image/webp",),
    ".bmp": ("image/bmp",),
    ".tif": ("image/tiff",),
    ".tiff": ("image/tiff",),
    ".pdf": ("application/pdf",),
    ".msg": ("application/vnd.ms-outlook",),
    ".rtf": ("application/rtf",),
    ".parquet": ("application/vnd.apache.parquet",),
    ".arrow": ("application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream"),
    ".feather": ("application/vnd.apache.arrow.file", "application/x-feather-v1"),
    ".gz": ("application/gzip", "application/zlib"),
    ".tgz": ("application/gzip",),
    ".zst": ("application/zstd",),
    ".bz2": ("application/x-bzip2",),
    ".xz": ("application/x-xz",),
    ".txz": ("application/x-xz",),
    ".lz4": ("application/x-lz4",),
    ".lzma": ("application/x-lzma",),
    ".tar": ("application/x-tar",),
    ".7z": ("application/x-7z-compressed",),
    ".rar": ("application/vnd.rar",),
    ".zip": (*_ZIP, PYTORCH, NPZ),
    ".docx": (f"{_OOXML}.wordprocessingml.document", _LOCKED),
    ".docm": (f"{_OOXML}.wordprocessingml.document", _LOCKED),
    ".xlsx": (f"{_OOXML}.spreadsheetml.sheet", _LOCKED),
    ".xlsm": (f"{_OOXML}.spreadsheetml.sheet", _LOCKED),
    ".xlsb": ("application/vnd.ms-excel.sheet.binary.macroenabled.12", _LOCKED),
    ".pptx": (f"{_OOXML}.presentationml.presentation", _LOCKED),
    ".pptm": (f"{_OOXML}.presentationml.presentation", _LOCKED),
    ".odt": (f"{_ODF}.text",),
    ".ods": (f"{_ODF}.spreadsheet",),
    ".odp": (f"{_ODF}.presentation",),
    ".epub": ("application/epub+zip",),
    ".whl": _ZIP,
    ".jar": _ZIP,
    ".npz": (NPZ, *_ZIP),
    ".keras": _ZIP,
    ".npy": ("application/x-npy",),
    ".safetensors": ("application/x-safetensors",),
    ".gguf": ("application/x-gguf",),
    ".onnx": ("application/x-onnx",),
    ".faiss": ("application/x-faiss",),
    ".h5": ("application/x-hdf5",),
    ".hdf5": ("application/x-hdf5",),
    ".pkl": _PICKLES,
    ".pickle": _PICKLES,
    ".pt": (PYTORCH, *_PICKLES, "application/x-tar"),
    ".pth": (PYTORCH, *_PICKLES, "application/x-tar", "text/plain"),  # Python's path files
    ".joblib": _PICKLES,
    ".sqlite": ("application/vnd.sqlite3",),
    ".sqlite3": ("application/vnd.sqlite3",),
    ".orc": ("application/vnd.apache.orc",),
    ".avro": ("application/vnd.apache.avro",),
    ".warc": ("application/warc",),
    ".tfrecord": (TFRECORD,),
    ".tfrecords": (TFRECORD,),
    ".mp3": ("audio/mpeg",),
    ".mp4": ("video/mp4",),
    ".wav": ("audio/x-wav",),
}


def text_type(extension: str) -> str:
    """The media type of plain text under such a name."""
    named = TEXT_TYPES.get(extension, "text/plain")
    return named if named.startswith("text/") else "text/plain"


def declared_type(extension: str) -> str | None:
    """The media type that a name promises, None for names that promise nothing."""
    return TEXT_TYPES.get(extension) or _DECLARED.get(extension, (None,))[0]


def mismatch(extension: str, media_type: str) -> bool:
    """Whether the content is not what the name promises; one kind of text under the name of another is no mismatch."""
    if extension in TEXT_TYPES:
        return not is_text_type(media_type)
    return media_type not in _DECLARED.get(extension, (media_type,))


def is_text_type(media_type: str) -> bool:
    """Whether files of that type are text."""
    return media_type.startswith("text/") or media_type in TEXT_TYPES.values()
