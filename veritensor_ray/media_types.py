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
COMPRESSED = frozenset({"application/gzip", "application/zstd", "application/x-bzip2", "application/x-xz"})
# Types for which an engine of another kind is expected: the ledger says which one is not there.
MODEL_FILES = {
    "application/x-pickle": "pickle",
    "application/x-safetensors": "safetensors",
    "application/x-gguf": "GGUF",
    "application/x-hdf5": "HDF5",
    "application/x-npy": "npy",
}
UNKNOWN = "application/octet-stream"

TEXT_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "text/xml",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".py": "text/x-python",
    ".js": "text/javascript",
    ".css": "text/css",
    ".tex": "text/x-tex",
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
    ".c": "text/plain",
    ".h": "text/plain",
    ".java": "text/plain",
    ".go": "text/plain",
    ".rs": "text/plain",
    ".sql": "text/plain",
}
_ZIP = ("application/zip",)
_PICKLES = (
    "application/x-pickle",
    "application/zip",
    "application/gzip",
    "application/x-xz",
    "application/x-bzip2",
    "application/zlib",
    "application/x-lz4",
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
    ".parquet": ("application/vnd.apache.parquet",),
    ".arrow": ("application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream"),
    ".feather": ("application/vnd.apache.arrow.file", "application/x-feather-v1"),
    ".gz": ("application/gzip",),
    ".tgz": ("application/gzip",),
    ".zst": ("application/zstd",),
    ".bz2": ("application/x-bzip2",),
    ".xz": ("application/x-xz",),
    ".zip": _ZIP,
    ".docx": _ZIP,
    ".xlsx": _ZIP,
    ".pptx": _ZIP,
    ".odt": _ZIP,
    ".epub": _ZIP,
    ".whl": _ZIP,
    ".jar": _ZIP,
    ".npz": _ZIP,
    ".keras": _ZIP,
    ".npy": ("application/x-npy",),
    ".safetensors": ("application/x-safetensors",),
    ".gguf": ("application/x-gguf",),
    ".h5": ("application/x-hdf5",),
    ".hdf5": ("application/x-hdf5",),
    ".pkl": _PICKLES,
    ".pickle": _PICKLES,
    ".pt": _PICKLES,
    ".pth": _PICKLES,
    ".joblib": _PICKLES,
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
