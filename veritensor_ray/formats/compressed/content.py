"""Names and recognizes what a compressed file holds, so that everybody who looks into it finds the same thing under the same name."""

from __future__ import annotations

from veritensor_ray.core.detection import FileInfo
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.recognition import sniff

BESIDE = "beside the stream"  # the member that holds comments and skippable frames


def content_name(name: str) -> str:
    """Return the name of what a compressed file holds: `a.tar` for `a.tar.gz` and `a.tgz`."""
    stem, dot, last = name.rpartition(".")
    if not dot or not stem:
        return "content"
    return f"{stem}.tar" if last.lower() in ("tgz", "tbz", "tbz2", "txz", "tzst") else stem


def content_kind(head: bytes, name: str) -> Kind:
    """Return the kind of a compressed file's content, which begins with `head` and is called `name`.

    Text is read as part of the compressed file; anything else is a file inside it, and recognized again as a whole.
    """
    return sniff(head[:HEAD_BYTES], FileInfo(name, None, "").extension, whole=False)
