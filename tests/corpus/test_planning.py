"""Plans: every listed entry once, shards within their bounds, what is left out and why."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.corpus import planning
from veritensor_ray.corpus.listing import roots, walk
from veritensor_ray.corpus.planning import PlanRow, Shard, plan_rows, planned_work, read_plan, shards_of, write_plan


def made(base: Path, **sizes: int) -> Path:
    """Files of these sizes; two underscores are a slash."""
    for name, size in sizes.items():
        path = base / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return base


def configured(source: Path | str, limits: dict[str, Any] | None = None, **values: Any) -> Settings:
    """Settings for one source."""
    return Settings.model_validate({"sources": [str(source)], "limits": limits or {}, **values})


def plan(settings: Settings, cuts: dict[str, list[tuple[str, int, int]]] | None = None, **options: Any) -> list[PlanRow]:
    """All rows; `cuts` says how artifacts are split."""
    return list(plan_rows(settings, ["e1", "e2"], lambda entry, _: (cuts or {}).get(entry.artifact, []), **options))


def left_out(rows: list[PlanRow]) -> dict[str, str | None]:
    """Reasons by artifact."""
    return {row.artifact: row.reason for row in rows if row.shard < 0}


@pytest.mark.parametrize(
    ("sizes", "limits", "shards"),
    [
        ([10, 10, 10], {"shard_bytes": 100}, [3]),
        ([60, 50, 40], {"shard_bytes": 100}, [1, 2]),
        ([50, 50, 50], {"shard_bytes": 100}, [2, 1]),
        ([500, 10, 10], {"shard_bytes": 100}, [1, 2]),
        ([10, 500, 10], {"shard_bytes": 100}, [1, 1, 1]),
        ([0] * 7, {"shard_artifacts": 3}, [3, 3, 1]),
        ([0] * 25, {}, [10, 10, 5]),  # the first shards are small
        ([90_000, 90_000, 90_000, 500_000, 1], {}, [2, 1, 1, 1]),
        ([0] * 25, {"shard_artifacts": 20}, [10, 10, 5]),
        ([0, 500, 0], {"shard_bytes": 100}, [1, 1, 1]),
        ([], {}, []),
    ],
)
def test_bin_packing(tmp_path: Path, sizes: list[int], limits: dict[str, Any], shards: list[int]) -> None:
    made(tmp_path, **{f"f{i:02}": size for i, size in enumerate(sizes)})
    rows = plan(configured(tmp_path, limits))
    assert [len(shard.rows) for shard in shards_of(rows) if isinstance(shard, Shard)] == shards
    assert [row.artifact for row in rows] == [f"f{i:02}" for i in range(len(sizes))]
    assert all((row.kind, row.part, row.parts, row.engines) == ("whole", 0, 1, ("e1", "e2")) for row in rows)


@pytest.mark.parametrize("files", [172, 2_000, 100_000])
def test_small_corpora_have_several_shards_and_large_ones_few(files: int) -> None:
    packer, sizes = planning._Packer(configured("/").limits), []
    rows = (row for i in range(files) for row in packer.add(PlanRow(-1, str(i), b"", 0, 10, None, None, engines=("a",)), []))
    sizes = [len(shard.rows) for shard in shards_of([*rows, *packer.flush()]) if isinstance(shard, Shard)]
    assert sum(sizes) == files
    assert sizes[:17] == [10] * 17
    assert max(sizes) <= 300
    assert sizes[:-1] == sorted(sizes[:-1])
    assert len(sizes) == pytest.approx({172: 18, 2_000: 90, 100_000: 420}[files], rel=0.05)


def test_the_number_of_shards_has_no_end() -> None:
    """A float has one: growth by a tenth is beyond it after 7,448 shards."""
    packer = planning._Packer(configured("/", {"shard_artifacts": 1}).limits)
    rows = (row for i in range(9_000) for row in packer.add(PlanRow(-1, str(i), b"", 0, 10, None, None, engines=("a",)), []))
    assert len({row.shard for row in [*rows, *packer.flush()]}) == 9_000


@settings(max_examples=100)
@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 200), st.integers(1, 10), st.sets(st.integers(0, 39)))
def test_packing_keeps_bounds_and_order_and_loses_nothing(sizes: list[int], most: int, artifacts: int, split: set[int]) -> None:
    limits = configured("/", {"shard_bytes": most, "shard_artifacts": artifacts}).limits
    packer = planning._Packer(limits)
    rows: list[PlanRow] = []
    for i, size in enumerate(sizes):
        cuts = [("lines", 0, size // 2), ("lines", size // 2, size)] if i in split else []
        rows += packer.add(PlanRow(-1, str(i), b"", 0, size, None, None, engines=("a", "b")[: i % 3]), cuts)
    rows += packer.flush()
    assert sorted((int(row.artifact), row.part) for row in rows) == [
        (i, p) for i in range(len(sizes)) for p in range(2 if i in split else 1)
    ]
    shards = list(shards_of(rows))
    assert sorted(shard.id for shard in shards if isinstance(shard, Shard)) == list(range(len(shards)))
    for shard in shards:
        assert isinstance(shard, Shard)
        assert len(shard.rows) == 1 or (len(shard.rows) <= artifacts and shard.bytes <= most)
        assert len({(row.parts, row.engines) for row in shard.rows}) == 1


def test_parts_of_a_big_artifact_have_shards_of_their_own(tmp_path: Path) -> None:
    made(tmp_path, a=10, big=500, c=10)
    cuts = {"big": [("lines", 0, 200), ("lines", 200, 500)], "c": [("lines", 0, 5), ("lines", 5, 10)]}  # c is too small to be asked
    rows = plan(configured(tmp_path, {"split_bytes": 100}), cuts)
    assert sorted((r.artifact, r.part, r.parts, r.kind, r.start, r.end) for r in rows) == [
        ("a", 0, 1, "whole", None, None),
        ("big", 0, 2, "lines", 0, 200),
        ("big", 1, 2, "lines", 200, 500),
        ("c", 0, 1, "whole", None, None),
    ]
    assert len({row.shard for row in rows if row.artifact == "big"}) == 2
    assert [s.bytes for s in shards_of(rows) if isinstance(s, Shard) and s.rows[0].artifact == "big"] == [200, 300]


FILES = {"a.md": 5, "b.txt": 50, "docs__c.md": 5, "docs__d.txt": 5, "docs__deep__e.md": 500}
NAMES = {name.replace("__", "/") for name in FILES}


@pytest.mark.parametrize(
    ("options", "kept", "reason", "code"),
    [
        ({}, NAMES, None, None),
        ({"include": "*.md"}, {"a.md", "docs/c.md", "docs/deep/e.md"}, "not included (include)", "not-included"),
        ({"include": "docs/*.md"}, {"docs/c.md", "docs/deep/e.md"}, "not included (include)", "not-included"),
        ({"include": ["a.md", "b.txt"]}, {"a.md", "b.txt"}, "not included (include)", "not-included"),
        ({"include": "A.MD"}, set(), "not included (include)", "not-included"),
        ({"exclude": "*.md"}, {"b.txt", "docs/d.txt"}, "excluded (exclude)", "excluded"),
        ({"exclude": "docs/*"}, {"a.md", "b.txt"}, "excluded (exclude)", "excluded"),
        ({"max_size": "50B"}, NAMES - {"docs/deep/e.md"}, "larger than max_size (50B)", "above-max-size"),
        ({"since": "2100-01-01"}, set(), "unchanged since 2100-01-01", "not-changed-since"),
        ({"since": "2000-01-01T00:00:00+02:00"}, NAMES, None, None),
        ({"since": "1h"}, NAMES, None, None),
        ({"sample": "100%"}, NAMES, None, None),
        ({"sample": "0%"}, set(), "not in the sample (sample 0%)", "sampled-out"),
        ({"sample": "0"}, set(), "not in the sample (sample 0)", "sampled-out"),
        ({"sample": "99"}, NAMES, None, None),
    ],
)
def test_what_is_left_out_is_a_row_with_its_reason(
    tmp_path: Path, options: dict[str, Any], kept: set[str], reason: str | None, code: str | None
) -> None:
    rows = plan(configured(made(tmp_path, **FILES), **options))
    assert {row.artifact for row in rows} == NAMES
    assert {row.artifact for row in rows if row.shard >= 0} == kept
    assert {(row.reason, row.reason_code) for row in rows if row.shard < 0} == ({(reason, code)} if reason else set())
    assert {row.status for row in rows if row.shard < 0} <= {"skipped"}


def test_since_looks_at_the_time_of_change(tmp_path: Path) -> None:
    made(tmp_path, old=1, new=1)
    os.utime(tmp_path / "old", (time.time() - 90_000,) * 2)
    assert left_out(plan(configured(tmp_path, since="1d"))) == {"old": "unchanged since 1d"}


@pytest.mark.parametrize("since", ["yesterday", "7 days", "d", "-1d", ""])
def test_since_that_cannot_be_read(tmp_path: Path, since: str) -> None:
    with pytest.raises(UsageError, match=r"since: .* give an ISO date or time"):
        plan(configured(tmp_path, since=since))


def test_a_sample_is_the_same_in_every_run_and_of_what_is_selected(tmp_path: Path) -> None:
    made(tmp_path, **{f"f{i}.md": 1 for i in range(100)}, **{f"f{i}.txt": 1 for i in range(100)}, out__x=1)
    settings = configured(tmp_path, sample="7", include="*.md,x")
    first = [row.artifact for row in plan(settings, own_output=str(tmp_path / "out")) if row.shard >= 0]
    assert len(first) == 7
    assert first == [row.artifact for row in plan(settings, own_output=str(tmp_path / "out")) if row.shard >= 0]
    share = [row for row in plan(configured(tmp_path, sample="30%")) if row.shard >= 0]
    assert 30 < len(share) < 90


def test_every_listed_entry_is_in_the_plan_exactly_once(tmp_path: Path) -> None:
    made(tmp_path, **{f"d{i % 7}__f{i}": i * 10 for i in range(60)}, **FILES)
    (tmp_path / "link").symlink_to("a.md")
    os.mkfifo(tmp_path / "pipe")
    settings = configured(tmp_path, {"shard_bytes": 1000, "shard_artifacts": 4}, exclude="*.txt", max_size="400B", sample="50%")
    rows = plan(settings)
    entries = [entry.artifact for root in roots(settings.sources, {}) for entry in walk(root, {})]
    assert sorted(row.artifact for row in rows) == sorted(entries)
    assert left_out(rows)["pipe"] == "not a regular file: named pipe"


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_ROWS", 12)
    made(tmp_path, **FILES, **{f"f{i}": 30 for i in range(40)})
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))).write_bytes(b"x")
    (tmp_path / "link").symlink_to("a.md")
    rows = plan(configured(tmp_path, {"shard_bytes": 60, "split_bytes": 100}), {"docs/deep/e.md": [("lines", 0, 300), ("lines", 300, 500)]})
    out = io.BytesIO()
    totals = write_plan(rows, out)
    out.seek(0)
    assert list(read_plan(out)) == rows
    assert totals == {
        "artifacts": len({row.artifact for row in rows}),
        "shards": len({row.shard for row in rows if row.shard >= 0}),
        "bytes": sum(FILES.values()) + 40 * 30 + 1,
        "carried": 0,
        "again": 0,
        "effort": round(1000 * sum(row.effort for row in rows if row.shard >= 0)),
    }


def test_shards_and_single_rows_come_in_plan_order(tmp_path: Path) -> None:
    made(tmp_path, a=1, b=1, c=1)
    found = list(shards_of(plan(configured(tmp_path, exclude="b"))))
    names = [[row.artifact for row in entry.rows] if isinstance(entry, Shard) else entry.artifact for entry in found]
    assert sorted(map(str, names)) == ["['a', 'c']", "b"]


def test_the_bytes_of_some_shards_are_those_of_their_rows(tmp_path: Path) -> None:
    made(tmp_path, big=500, groups=1000, small=7, tiny=2)
    cuts = {"big": [("lines", 0, 200), ("lines", 200, 500)], "groups": [("rowgroups", 0, 3), ("rowgroups", 3, 9)]}
    file = io.BytesIO()
    totals = write_plan(plan(configured(tmp_path, {"split_bytes": 400}), cuts), file)
    shards = {shard.id: shard.bytes for shard in shards_of(read_plan(file)) if isinstance(shard, Shard)}
    assert sorted(shards.values()) == [9, 200, 300, 500, 500], "row groups count as equally large"
    for wanted in (set(shards), {0}, {1, 3}, set[int]()):
        assert planned_work(file, wanted)[0] == sum(shards[number] for number in wanted)
    assert planned_work(file, set(shards))[0] == totals["bytes"]
