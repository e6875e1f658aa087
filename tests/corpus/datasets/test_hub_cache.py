"""Caches of the hub: each blob is read once, under a name that a revision gives it, and links lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.datasets.hub_cache import RepositoryFolder, is_unfinished, repository
from veritensor_ray.corpus.listing import EVERYTHING, Listed, Taken, roots, walk
from veritensor_ray.corpus.planning import globs

A, B, C = "a" * 40, "b" * 40, "c" * 40


def cached(folder: Path, main: str | None = None, **names: str) -> Path:
    """A repository whose blobs hold their own names; `names` are names in revisions, where `__` is a slash, with their blobs."""
    for name, blob in names.items():
        link = folder / "snapshots" / name.replace("__", "/")
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        (folder / "blobs" / blob).write_text(blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../" * (len(link.relative_to(folder).parts) - 1) + f"blobs/{blob}")
    if main is not None:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(main)
    return folder


def listed(source: Path, follow_links: bool = False, taken: Taken = EVERYTHING) -> dict[str, Listed]:
    entries = [entry for root in roots([str(source)], {}) for entry in walk(root, {}, follow_links, taken=taken)]
    assert len({entry.artifact for entry in entries}) == len(entries)
    return {entry.artifact: entry for entry in entries}


def read(source: Path, follow_links: bool = False) -> set[str]:
    """The names of what is read, and not said to be another."""
    return {name for name, entry in listed(source, follow_links).items() if entry.status is None and not name.startswith("refs/")}


@pytest.mark.parametrize("kind", ["datasets", "models", "spaces"])
@pytest.mark.parametrize("follow_links", [False, True])
def test_each_blob_is_read_once(tmp_path: Path, kind: str, follow_links: bool) -> None:
    folder = cached(
        tmp_path / f"{kind}--org--name", B, **{f"{A}__x.csv": "1", f"{A}__old": "2", f"{B}__in__x.csv": "1", f"{B}__y": "3", f"{B}__z": "3"}
    )
    (folder / "blobs" / "unnamed").write_text("4")
    assert read(folder, follow_links) == {f"snapshots/{B}/in/x.csv", f"snapshots/{A}/old", f"snapshots/{B}/y", "blobs/unnamed"}
    entries = listed(folder, follow_links)
    other = entries[f"snapshots/{A}/x.csv"], entries["blobs/1"]
    assert {entry.reason for entry in other} == {f"the same file as snapshots/{B}/in/x.csv, as which it is read"}
    assert {entry.reason_code for entry in other} == {ReasonCode.LINK}
    assert entries[f"snapshots/{B}/y"].size == 1


def test_without_a_reference_the_first_revision_counts(tmp_path: Path) -> None:
    folder = cached(tmp_path / "models--name", None, **{f"{C}__x": "1", f"{A}__x": "1"})
    assert read(folder) == {f"snapshots/{A}/x"}
    (folder / "refs" / "pr").mkdir(parents=True)
    (folder / "refs" / "pr" / "1").write_text(f"{C}\n")
    assert read(folder) == {f"snapshots/{C}/x"}


def test_a_snapshot_as_the_source(tmp_path: Path) -> None:
    """As `snapshot_download` returns it: other revisions are no part of the corpus."""
    folder = cached(tmp_path / "datasets--org--name", A, **{f"{A}__x": "1", f"{B}__x": "1", f"{B}__in__y": "1", f"{B}__in__z": "2"})
    assert read(folder / "snapshots" / B) == {"x", "in/z"}
    assert read(folder / "snapshots" / B / "in") == {"y", "z"}
    assert read(folder / "snapshots" / B / "x") == {"x"}
    assert read(folder / "snapshots") == {f"{A}/x", f"{B}/in/z"}


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../../../outside",
        "../../blobs/missing",
        "../../blobs/folder/inner",
        "../../blobs/link",
        "../../blobs",
        "../../../models--org--other/blobs/1",
        "loop",
    ],
)
def test_links_to_anything_but_a_blob_are_not_followed(tmp_path: Path, target: str) -> None:
    folder = cached(tmp_path / "models--org--name", None, **{f"{A}__x": "1"})
    cached(tmp_path / "models--org--other", None, **{f"{A}__x": "1"})
    (tmp_path / "outside").write_text("secret")
    (folder / "blobs" / "folder").mkdir()
    (folder / "blobs" / "folder" / "inner").write_text("1")
    (folder / "blobs" / "link").symlink_to(tmp_path / "outside")
    (folder / "snapshots" / A / "loop").symlink_to(target)
    entry = listed(folder)[f"snapshots/{A}/loop"]
    assert (entry.status, entry.reason) == ("skipped", "symbolic link (not followed; see follow_links)")


@pytest.mark.parametrize(("part", "name"), [("blobs", "x"), ("snapshots", "x")])
def test_a_folder_of_a_cache_that_is_a_link_leads_nowhere(tmp_path: Path, part: str, name: str) -> None:
    folder = cached(tmp_path / "c" / "datasets--a", None, **{f"{A}__x": "1"})
    (folder / part).rename(tmp_path / "c" / "elsewhere" if part == "blobs" else folder / "other")
    (folder / part).symlink_to(tmp_path / "c" / "elsewhere" if part == "blobs" else "other")
    expected = {"elsewhere/1"} if part == "blobs" else {"datasets--a/blobs/1"}
    assert read(tmp_path / "c") == expected


@pytest.mark.parametrize(
    ("source", "include", "exclude", "expected"),
    [
        ("blobs*/*", [], [], {"blobs/1": None, "blobs/2": None}),
        ("", ["blobs/*"], [], {"blobs/1": None, "blobs/2": None}),
        (f"s*/{B}/*", [], [], {f"snapshots/{B}/x": None, f"snapshots/{B}/y.bin": None}),
        (
            "",
            [],
            [f"snapshots/{A}/*", "*.bin"],
            {
                f"snapshots/{B}/x": None,
                "blobs/1": f"the same file as snapshots/{B}/x, as which it is read",
                "blobs/2": f"the same file as snapshots/{A}/y.bin, which is excluded (exclude)",
            },
        ),
    ],
)
def test_a_blob_is_read_under_a_name_that_is_part_of_the_corpus(
    tmp_path: Path, source: str, include: list[str], exclude: list[str], expected: dict[str, str | None]
) -> None:
    folder = cached(tmp_path / "datasets--b", None, **{f"{A}__x": "1", f"{A}__y.bin": "2", f"{B}__x": "1", f"{B}__y.bin": "2"})
    taken = Taken(globs(include), globs(exclude))
    entries = listed(folder / source, taken=taken)
    assert {name: one.reason for name, one in entries.items() if taken.includes(name) and not taken.excludes(name)} == expected


def test_links_outside_of_caches_are_as_ever(tmp_path: Path) -> None:
    cached(tmp_path / "other--org--name", None, **{f"{A}__x": "1"})
    assert read(tmp_path) == {"other--org--name/blobs/1"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            b"/c/datasets--org--name/snapshots/r/x",
            RepositoryFolder(b"/c/datasets--org--name", "datasets", "org/name", (b"snapshots", b"r", b"x")),
        ),
        (b"models--gpt2", RepositoryFolder(b"models--gpt2", "models", "gpt2", ())),
        (b"/datasets--a/models--b--c/blobs/x", RepositoryFolder(b"/datasets--a/models--b--c", "models", "b/c", (b"blobs", b"x"))),
        (b"/datasets--/x", None),
        (b"/my--datasets--x/y", None),
        (b"/plain/x", None),
    ],
)
def test_repositories_by_their_folders(path: bytes, expected: RepositoryFolder | None) -> None:
    assert repository(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/c/models--a--b/blobs/1.incomplete", True),
        (b"/data/.cache/huggingface/download/x.parquet.1.incomplete", True),
        (b"/c/models--a--b/snapshots/r/x.incomplete", False),
        (b"/c/x.incomplete", False),
    ],
)
def test_unfinished_downloads(path: bytes, expected: bool) -> None:
    assert is_unfinished(path) is expected
