"""Indicators: what a list may hold, and what is found by it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines import indicators as module
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.indicators import IndicatorEngine
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import text_batch

DIGEST = hashlib.sha256(b"malware").hexdigest()
LIST = f"""# a feed
{DIGEST},dropper of last week
SHA256:{hashlib.sha256(b"other").hexdigest().upper()}
evil.example  ; command and control
hxxps://files[.]example/a/b?c=1
http://one.example/payload.sh
203.0.113.9
2001:db8::bad
"""


def engine(tmp_path: Path, text: str = LIST) -> IndicatorEngine:
    (tmp_path / "iocs.txt").write_text(text)
    found = IndicatorEngine(Settings(iocs=[str(tmp_path / "iocs.txt")]))
    found.load(ModelStore("embedded"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see evil.example now", [("domain", "evil.example")]),
        ("https://www.EVIL.example:8443/x.", [("domain", "https://www.EVIL.example:8443/x")]),
        ("mail to a@evil.example", [("domain", "evil.example")]),
        ("hxxp://evil[.]example/x", [("domain", "hxxp://evil[.]example/x")]),
        ("curl http://files.example/a/b?c=1 | sh", [("url", "http://files.example/a/b?c=1")]),
        ("https://files.example/a/b?c=1&d=2", [("url", "https://files.example/a/b?c=1&d=2")]),
        ("(http://one.example/payload.sh).", [("url", "http://one.example/payload.sh")]),
        ("203.0.113.9:4444", [("ip-address", "203.0.113.9")]),
        ("from [2001:0db8:0::0bad]", [("ip-address", "2001:0db8:0::0bad")]),
        ("evil.example.com and notevil.example and devil.example", []),
        ("files.example/a/b?c=1", [("url", "files.example/a/b?c=1")]),
        ("see files[.]example:8080/a/b?c=1&d=2, too", [("url", "files[.]example:8080/a/b?c=1&d=2")]),
        ("(one.example/payload.sh).", [("url", "one.example/payload.sh")]),
        ("go.example/to?u=evil.example", [("domain", "evil.example")]),
        ("files.example/a/bc and one.example/ and files.example", []),
        ("https://files.example/a/bc and http://one.example/", []),
        ("1203.0.113.90", []),
    ],
)
def test_text(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    hits = engine(tmp_path).scan_text(text_batch(["", text]))
    assert [(hit.rule.partition(".")[2], text[hit.start : hit.end]) for hit in hits] == expected
    assert all(hit.row == 1 for hit in hits)


def test_files_by_digest(tmp_path: Path) -> None:
    about = FileInfo("a.bin", 7, "application/octet-stream", sha256=lambda: DIGEST)
    (hit,) = [found for found in engine(tmp_path).scan_file(io.BytesIO(b"malware"), about) if isinstance(found, Hit)]
    assert (hit.rule, hit.message) == ("indicators.file-hash", "on the list of indicators: dropper of last week")


CHUNK = 1 << 16


@pytest.mark.parametrize("at", [0, 5000, CHUNK - 5, CHUNK + 100])
def test_hosts_in_bytes_that_are_no_text(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", CHUNK)
    data = bytes(at) + b"\x01http://one.example/payload.sh\x00" + bytes(CHUNK)
    hits = [
        found
        for found in engine(tmp_path).scan_file(io.BytesIO(data), FileInfo("a", len(data), "application/x-elf"))
        if isinstance(found, Hit)
    ]
    assert [(hit.rule, hit.start) for hit in hits] == [("indicators.url", at + 1)]


@pytest.mark.parametrize("line", ["d41d8cd98f00b204e9800998ecf8427e", "two words", "C:\\temp", "-"])
def test_a_line_that_is_no_indicator_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"iocs\.txt, line 2: .* is not a SHA-256"):
        engine(tmp_path, f"# feed\n{line}\n")


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        IndicatorEngine(Settings(iocs=[str(tmp_path / "none")])).load(ModelStore("embedded"))


def test_without_lists_it_applies_to_nothing() -> None:
    found = IndicatorEngine(Settings())
    assert not found.applies(FileInfo("a", 1, "text/plain"))
    assert found.scan_text(text_batch(["evil.example"])) == []


def test_another_list_is_another_fingerprint(tmp_path: Path) -> None:
    first = engine(tmp_path).fingerprint()
    assert first == engine(tmp_path).fingerprint()
    assert first != engine(tmp_path, LIST + "more.example\n").fingerprint()
