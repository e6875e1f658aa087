"""Makes datasets with the library `datasets`, and a cache with the hub's own client, which downloads them from a hub on loopback.

Run as a program: `python -m tests.corpus.datasets.making FOLDER`. It needs neither a network nor an account.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import struct
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

NAME = "kaldor/letters"
REVISION, EARLIER = "b" * 40, "a" * 40  # the one that `main` names comes later in a listing
ROWS = {"train": range(4), "test": range(4, 6)}
LABELS = ["ham", "von jürgen@kaldor-mail.com"]


class LoopbackHub(ThreadingHTTPServer):
    """Repositories of datasets by revision: names of files, and their content."""

    daemon_threads = True

    def __init__(self, revisions: Mapping[str, Mapping[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.revisions = revisions
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        revisions = cast("LoopbackHub", self.server).revisions
        path = unquote(urlsplit(self.path).path)
        if path.startswith(f"/api/datasets/{NAME}"):
            revision = path.rpartition("/")[2]
            revision = revision if revision in revisions else REVISION
            files = revisions[revision]
            tree = [{"type": "file", "path": name, "size": len(content), "oid": _digest(content)} for name, content in files.items()]
            about: Any = {"id": NAME, "sha": revision, "siblings": [{"rfilename": name} for name in files]}
            self._send(200, json.dumps(tree if "/tree/" in path else about).encode(), {}, with_body)
            return
        revision, _, name = path.removeprefix(f"/datasets/{NAME}/resolve/").partition("/")
        revision = revision if revision in revisions else REVISION
        headers = {"x-repo-commit": revision}
        content = revisions[revision].get(name)
        if content is None:
            self._send(404, b"", headers | {"x-error-code": "EntryNotFound"}, with_body)
            return
        headers["etag"] = f'"{_digest(content)}"'
        self._send(200, content, headers, with_body)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def picture(text: str) -> bytes:
    """An image that shows a text."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (420, 60), "white")
    ImageDraw.Draw(image).text((10, 10), text, fill="black", font_size=28)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def sound(comment: str) -> bytes:
    """A sound file without any sound, and with a comment."""
    said = comment.encode() + bytes(1 + (len(comment) + 1) % 2)
    info = b"INFOICMT" + struct.pack("<I", len(said)) + said
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + b"LIST" + struct.pack("<I", len(info)) + info + b"data" + bytes(4)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def letters() -> Any:
    """A dataset with a text, an image, a label, and a column of audio files."""
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value

    features = Features(
        {
            "text": Value("string"),
            "tags": [Value("string")],
            "scan": Image(),
            "label": ClassLabel(names=LABELS),
            "voice": {"bytes": Value("binary"), "path": Value("string")},  # as the type Audio is stored
        }
    )

    def made(rows: range) -> Any:
        columns = {
            "text": [f"write to person{row}@kaldor-mail.com" for row in rows],
            "tags": [["none", f"tag{row}@kaldor-mail.com"] for row in rows],
            "scan": [{"bytes": picture(f"scan{row}@kaldor-mail.com"), "path": "scan.png"} if row % 4 == 0 else None for row in rows],
            "label": [row % 2 for row in rows],
            "voice": [{"bytes": sound(f"voice{row}@kaldor-mail.com"), "path": "a.wav"} for row in rows],
        }
        return Dataset.from_dict(columns, features=features)

    return DatasetDict({split: made(rows) for split, rows in ROWS.items()})


def card(dataset: Any, files: Mapping[str, str], gated: bool = False) -> bytes:
    """The card that the library writes when it pushes a dataset, for a configuration with these files by split."""
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    data = DatasetCardData(extra_gated_prompt="Say who you are." if gated else None)
    config = {"data_files": [{"split": split, "path": path} for split, path in files.items()]}
    MetadataConfigs({"default": config}).to_dataset_card_data(data)
    DatasetInfosDict({"default": next(iter(dataset.values())).info}).to_dataset_card_data(data)
    return str(DatasetCard(f"---\n{data}\n---\n# Letters\n")).encode()


def pushed(dataset: Any, place: Path) -> dict[str, bytes]:
    """The files of a repository, with as many shards as the library makes for `save_to_disk` below."""
    files = {"README.md": card(dataset, {split: f"data/{split}-*" for split in dataset}), ".gitattributes": b"*.parquet filter=lfs\n"}
    for split, rows in dataset.items():
        shards = SHARDS[split]
        for number in range(shards):
            path = place / "one.parquet"
            rows.shard(shards, number, contiguous=True).to_parquet(path)
            files[f"data/{split}-{number:05}-of-{shards:05}.parquet"] = path.read_bytes()
    path.unlink()
    return files


SHARDS = {"train": 2, "test": 1}


def main(folder: Path) -> None:
    """Leave `saved/letters`, `clone/letters`, `cache` and `local/letters`; the cache has two revisions."""
    os.environ |= {
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    from datasets import disable_progress_bars
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    disable_progress_bars()
    dataset = letters()
    dataset.save_to_disk(folder / "saved" / "letters", num_shards=SHARDS)
    files = pushed(dataset, folder)
    for name, content in files.items():
        (folder / "clone" / "letters" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "clone" / "letters" / name).write_bytes(content)
    earlier = {name: content for name, content in files.items() if "test" not in name} | {
        "data/old.jsonl": b'{"text": "old@kaldor-mail.com"}\n'
    }
    hub = LoopbackHub({REVISION: files, EARLIER: earlier})
    where: dict[str, Any] = {"repo_type": "dataset", "endpoint": hub.address, "cache_dir": folder / "cache", "etag_timeout": 5}
    snapshot_download(NAME, revision=EARLIER, **where)
    snapshot_download(NAME, **where)
    snapshot_download(NAME, **(where | {"local_dir": folder / "local" / "letters"}))
    with contextlib.suppress(EntryNotFoundError):
        hf_hub_download(NAME, "missing.txt", **where)
    shutil.rmtree(folder / "home", ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
