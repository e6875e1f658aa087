"""The commit of a shard: complete or not at all, under a key that is always the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.building import KEY, RULE, batch
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.core.segments import Gap
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import COMPLETE, Outcome, Standing
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.findings.shard_commit import commit_key, commit_table, committed, read_commit, write_commit
from veritensor_ray.stores.outputs import OutputStore


def plan_row(artifact: str, part: int = 0) -> PlanRow:
    return PlanRow(4, artifact, artifact.encode(), 0, 10, None, None, part)


def outcome(artifact: str, part: int = 0) -> Outcome:
    return Outcome(artifact, part, 0)


ROWS = [plan_row("b"), plan_row("a"), plan_row("c", 1), plan_row("c", 2)]


@pytest.mark.parametrize(
    ("outcomes", "accepted"),
    [
        ([("b", 0), ("a", 0), ("c", 1), ("c", 2)], True),
        ([("c", 2), ("c", 1), ("b", 0), ("a", 0)], True),
        ([("b", 0), ("a", 0), ("c", 1)], False),  # one is missing
        ([("b", 0), ("a", 0), ("c", 1), ("c", 1)], False),  # one is doubled, one missing
        ([("b", 0), ("a", 0), ("c", 1), ("c", 2), ("a", 0)], False),  # one is doubled
        ([("b", 0), ("a", 0), ("c", 1), ("c", 2), ("d", 0)], False),  # one too many
        ([("b", 0), ("a", 0), ("c", 1), ("c", 3)], False),  # another part
        ([], False),
    ],
)
def test_every_planned_artifact_has_one_outcome(outcomes: list[tuple[str, int]], accepted: bool) -> None:
    made = [outcome(*place) for place in outcomes]
    if accepted:
        table = commit_table(ROWS, made, {}, KEY)
        assert table.column("artifact").to_pylist() == ["b", "a", "c", "c"], "in the order of the plan"
        assert table.column("part").to_pylist() == [0, 0, 1, 2]
        assert set(table.column("status").to_pylist()) == {"scanned"}, "settled"
    else:
        with pytest.raises(VeritensorError, match=r"shard 4: \d outcomes for 4 planned artifacts; not committed"):
            commit_table(ROWS, made, {}, KEY)


def test_the_key_is_always_the_same_and_sorts() -> None:
    assert commit_key("run-1", 42) == "_work/run-1/commits/0000042.parquet"
    assert sorted(commit_key("r", n) for n in (10, 9, 100)) == [commit_key("r", n) for n in (9, 10, 100)]


def test_round_trip(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))
    made = outcome("b")
    made.coverage, made.bytes_scanned = {"test": Standing(COMPLETE)}, 123
    made.add_gap(Gap("cut", location="row 3", member="m", bound="json_depth"))
    recorder = Recorder({RULE.id: RULE}, b"key", 10)
    recorder.text_hits("test", batch(["bad bad"], line=1, column="c"), [Hit(RULE.id, 0, 3, 0), Hit(RULE.id, 4, 7, 0)])
    made.recorded = recorder.by_artifact[0]
    table = commit_table(ROWS[:1], [made], {"test": "f1"}, KEY)
    numbers = write_commit(store, "run", 4, table)
    assert numbers == {"shard": 4, "artifacts": 1, "bytes": 123, "severities": {"medium": 1}}
    (row,) = read_commit(store, "run", 4)
    assert [row] == table.to_pylist()
    assert table.schema == COMMIT
    assert (row["status"], row["gaps_total"], row["coverage"][0]["fingerprint"]) == ("partial", 1, "f1")
    (found,) = row["findings"]
    assert (found["evidence"], found["counts"], found["location"]["start"]) == ("bad", [0, 0, 2, 0, 0], 0)
    assert [(at["line"], at["start"]) for at in found["places"]] == [(1, 0), (1, 4)]
    assert [(line["column"], line["count"], len(line["keys"])) for line in row["rollup"]] == [("c", 2, 1)]


def test_writing_again_leaves_one_commit(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))
    for _ in range(2):
        write_commit(store, "run", 4, commit_table(ROWS[:1], [outcome("b")], {}, KEY))
    assert [path.name for path in (tmp_path / "_work/run/commits").iterdir()] == ["0000004.parquet"]


def test_what_is_committed_is_listed(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))
    assert committed(store, "run") == set()
    for shard in (0, 7, 1234567):
        write_commit(store, "run", shard, commit_table(ROWS[:1], [outcome("b")], {}, KEY))
    (tmp_path / "_work/run/commits/.0000009.parquet.1a2b.tmp").touch()  # of a process that died
    assert committed(store, "run") == {0, 7, 1234567}
    assert committed(store, "another") == set()
    with pytest.raises(VeritensorError, match="shard 8 is not committed"):
        read_commit(store, "run", 8)
