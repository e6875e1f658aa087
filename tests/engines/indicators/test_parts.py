"""What an automaton looks for stands in every way of writing a host."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.engines import indicators
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.indicators import IndicatorEngine
from veritensor_ray.engines.indicators.parts import automaton_of
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import text_batch

HOSTS = ["evil.example", "a.b.example.org", "203.0.113.9", "1.2.3.4", "httpkick.com", "пример.com", "ko.uk", "x-y.co", "2001:db8::bad"]
URLS = ["files.example/a/b?c=1", "10.0.0.1/x", "пример.рф.com/a"]
DOTS = [".", "[.]", "(.)", "[dot]", "[DOT]"]


def written(host: str, chance: random.Random) -> str:
    """As people write it: other dots, other letters, with a scheme, under another name."""
    text = "".join(chance.choice(DOTS) if c == "." and ":" not in host else chance.choice([c, c.upper()]) for c in host)
    if chance.random() < 0.2:
        text = text.replace("k", "\u212a").replace("http", "hxxp")
    return (
        chance.choice(["", "https://", "hxxps[:]//", "www.", "user@", "(", "é "])
        + text
        + chance.choice(["", "/", ":8080/a", ").", " ", "x"])
    )


def engine(tmp_path: Path, lines: list[str]) -> IndicatorEngine:
    (tmp_path / "iocs.txt").write_text("\n".join(lines), encoding="utf-8")
    made = IndicatorEngine(Settings(iocs=[str(tmp_path / "iocs.txt")]))
    made.load(ModelStore("embedded"))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_findings_are_those_of_looking_at_every_text(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    lines = chance.sample(HOSTS, 5) + chance.sample(URLS, 2)
    texts = [
        chance.choice(["see ", "", "1.2.3 "]) + written(chance.choice(HOSTS + URLS), chance) + chance.choice(["", " it"])
        for _ in range(400)
    ]
    fast = engine(tmp_path, lines)
    found = fast.scan_text(text_batch([None, "", *texts]))
    monkeypatch.setattr(indicators, "automaton_of", lambda *_: None)
    slow = engine(tmp_path, lines)
    assert found == slow.scan_text(text_batch([None, "", *texts]))
    assert len(found) > 50


@pytest.mark.parametrize("data", [b"\x00evil.example\x00", b"\xff\x00" * 3000 + b"203.0.113.9", b"[2001:db8::bad]", b"nothing"])
def test_bytes(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[Hit]:
        return list(engine(tmp_path, HOSTS).scan_file(BytesIO(data), FileInfo("a.bin", len(data), "application/octet-stream")))

    fast = found()
    monkeypatch.setattr(indicators, "automaton_of", lambda *_: None)
    assert fast == found()
    assert bool(fast) is (data != b"nothing")


@pytest.mark.parametrize(("hosts", "made"), [([], False), (["evil.example"], True), (["рф"], False), (["evil.example", "рф"], False)])
def test_one_host_without_a_part_means_that_all_is_looked_at(hosts: list[str], made: bool) -> None:
    assert (automaton_of(hosts, ipv6=False) is not None) is made
