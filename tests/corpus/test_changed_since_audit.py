"""What changed in a corpus since its audit, by listing it again. The ledger is taken from the plan, which is where a run takes it from."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import load_settings
from veritensor_ray.corpus.changed_since_audit import Compared, CorpusChanges, changes, of_ledger, of_listing
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import listed_entries, plan_rows

OLD, NEWER = 1_000_000_000.123456789, 1_700_000_000.987654321
EXCLUDED, SMALL, SINCE = {"exclude": ["*.log"]}, {"max_size": 10}, {"since": "2020-01-01"}
BOTH = {"sources": ["corpus", "other"]}


def write(folder: Path, name: str, text: str = "text", mtime: float = NEWER) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (mtime, mtime))


def replaced_by_a_file(link: Path) -> None:
    link.unlink()
    write(link.parent, link.name)


def replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def with_fifty_more(corpus: Path) -> None:
    for number in range(50):
        write(corpus, f"{number}.md")


def differences(tmp_path: Path, meddle: Callable[[Path], object], **options: Any) -> CorpusChanges:
    corpus = tmp_path / "corpus"
    for name in ("a.md", "deep/b.md", "deep/c.log", "z.md"):
        write(corpus, name)
    write(corpus, "old.md", mtime=OLD)
    write(tmp_path / "other", "a.md")
    (corpus / "link").symlink_to("a.md")
    os.mkfifo(corpus / "pipe")
    sources = [str(tmp_path / name) for name in options.pop("sources", ["corpus"])]
    settings = load_settings(flags={"sources": sources, "output": str(corpus / "out"), **options}, environ={})
    own = str(corpus / "out")
    rows = list(plan_rows(settings, ["signatures"], lambda *_: [], own_output=own))
    ledger = [{name: getattr(row, name) for name in ("artifact", "size", "etag", "mtime", "reason_code")} for row in rows]
    meddle(corpus)
    listing = listed_entries(settings, roots(settings.sources, settings.stores), own, lambda _: None)
    return changes(of_ledger(ledger), of_listing(listing))


@pytest.mark.parametrize(
    ("meddle", "options", "expected"),
    [
        (lambda _: None, {}, {}),
        (lambda _: None, BOTH, {}),
        (lambda corpus: write(corpus, "a.md"), {}, {}),  # the same size and time to the nanosecond
        (lambda corpus: os.utime(corpus / "a.md", ns=(0, 1_700_000_000_000_000_000)), {}, {"changed": ["a.md"]}),
        (lambda corpus: write(corpus, "a.md", "longer"), {}, {"changed": ["a.md"]}),
        (lambda corpus: write(corpus, "deep/0.md"), {}, {"new": ["deep/0.md"]}),
        (lambda corpus: write(corpus.parent / "other", "b.md"), BOTH, {"new": ["other/b.md"]}),
        (lambda corpus: (corpus / "z.md").unlink(), {}, {"gone": ["z.md"]}),
        (lambda corpus: (corpus / "z.md").rename(corpus / "y.md"), {}, {"new": ["y.md"], "gone": ["z.md"]}),
        # files that nothing reads, before and after
        (lambda corpus: write(corpus, "out/run.json"), {}, {}),
        (lambda corpus: (corpus / "link2").symlink_to("z.md"), {}, {}),
        (lambda corpus: (corpus / "pipe").unlink(), {}, {}),
        (lambda corpus: replaced_by_a_file(corpus / "link"), {}, {"changed": ["link"]}),
        (lambda corpus: replaced_by_a_pipe(corpus / "a.md"), {}, {"changed": ["a.md"]}),
        # like is compared with like
        (lambda corpus: write(corpus, "new.log"), EXCLUDED, {}),
        (lambda corpus: write(corpus, "deep/c.log", "longer"), EXCLUDED, {}),
        (lambda corpus: write(corpus, "new.md"), EXCLUDED, {"new": ["new.md"]}),
        (lambda corpus: write(corpus, "a.md", "too long now"), SMALL, {"changed": ["a.md"]}),
        (lambda corpus: write(corpus, "new.md", "too long now"), SMALL, {}),
        (lambda corpus: write(corpus, "new.md", mtime=OLD), SINCE, {}),
        (lambda corpus: write(corpus, "old.md"), SINCE, {"changed": ["old.md"]}),
        (lambda corpus: (corpus / "old.md").unlink(), SINCE, {}),
        (lambda corpus: write(corpus, "new.md"), {"sample": "100%"}, {"new": ["new.md"]}),
        (lambda corpus: write(corpus, "new.md"), {"sample": "0%"}, {}),
    ],
)
def test_what_differs(meddle: Callable[[Path], object], options: dict[str, Any], expected: dict[str, list[str]], tmp_path: Path) -> None:
    found = differences(tmp_path, meddle, **options)
    assert found.names == expected
    assert found.counts == {kind: len(names) for kind, names in expected.items()}


def test_a_new_file_that_takes_a_place_in_a_sample_is_new_and_none_is_gone(tmp_path: Path) -> None:
    found = differences(tmp_path, with_fifty_more, sample="2")
    assert set(found.counts) == {"new"}


def at(artifact: str, etag: str | None = None, mtime: float | None = None, folder: bool = False, wanted: bool = True) -> Compared:
    return Compared(artifact, None if folder else 4, etag, mtime, wanted, folder)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([at("a", "x", 1.0)], [at("a", "x", 1.5)], {}),  # stores round times differently, and the ETag decides
        ([at("a", "x", 1.0)], [at("a", "y", 1.0)], {"changed": ["a"]}),
        ([at("a", None, 1.0)], [at("a", "y", 1.0)], {}),
        ([at("a")], [at("a")], {}),
        ([at("b/c"), at("bc")], [at("b", folder=True), at("bc")], {"unlisted": ["b"]}),
        ([at("b/c"), at("x/y")], [at("b/.", folder=True)], {"unlisted": ["b/."], "gone": ["x/y"]}),
        ([at("a")], [at(".", folder=True)], {"unlisted": ["."]}),
        ([at("b", folder=True)], [at("b", folder=True)], {}),
        ([at("b", folder=True)], [at("b/c")], {"new": ["b/c"]}),
    ],
)
def test_stores_and_folders_that_cannot_be_listed(before: list[Compared], now: list[Compared], expected: dict[str, list[str]]) -> None:
    assert changes(before, now).names == expected


def test_the_order_does_not_matter_and_only_a_few_are_named() -> None:
    before, now = [at(str(number)) for number in range(100)], [at(str(number)) for number in range(10, 120)]
    random.Random(0).shuffle(now)
    found = changes(before, now)
    assert found.counts == {"new": 20, "gone": 10}
    assert {kind: len(names) for kind, names in found.names.items()} == {"new": 3, "gone": 3}
