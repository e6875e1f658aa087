"""A published copy in which the audit of the copy found something: files are cleaned again, or held back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.in_process import FAKE, STRIP, InProcess, interrupted, write
from tests.cleaning.test_part_assembly import SPLIT, text
from tests.formats.office import building
from veritensor_ray.cleaning import amend as module
from veritensor_ray.cleaning.amend import amend

KEEP = "rules: [{rule: fake-local.findme, action: keep}]"
DROP = "rules: [{rule: fake-local.findme, action: drop-row}]"
ASIDE = "rules: [{rule: fake-local.findme, action: quarantine}]"


def published(tmp_path: Path, policy: str = KEEP, **files: str) -> InProcess:
    write(tmp_path / "corpus", {name.replace("_", "."): content for name, content in files.items()})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), policy, FAKE | SPLIT).scan()
    run.publish()
    return run


def amended(run: InProcess, copies: InProcess, *names: str, number: int = 1) -> dict[str, Any] | None:
    return amend(run.assembler, copies.assembler, {f"corpus/{name}": "something was found" for name in names}, number)


def matches(run: InProcess, tmp_path: Path) -> None:
    """Check that no file has the row of another version."""
    there = {row["path"]: row["clean_sha256"] for row in run.manifest().values()}
    assert {path: hashlib.sha256((tmp_path / "dest" / path).read_bytes()).hexdigest() for path in there} == there


def half_amended(monkeypatch: pytest.MonkeyPatch, steps: int, run: InProcess, copies: InProcess, *names: str) -> None:
    """Begin a change that ends before one of its writes and moves."""
    with interrupted(monkeypatch, steps, "move", "remove", "put", "writer"):
        amended(run, copies, *names)


@pytest.mark.parametrize(
    ("first", "then", "result", "content", "actions"),
    [
        (KEEP, STRIP, "cleaned", "one  two", [("strip", 1)]),
        (f"{KEEP}\nremaining: copy", STRIP, "cleaned", "one  two", [("strip", 1)]),
        (KEEP, ASIDE, "held", None, []),
        (KEEP, "rules: [{rule: fake-local.findme, action: drop-file}]", "held", None, []),
    ],
)
def test_what_becomes_of_a_file(
    tmp_path: Path, first: str, then: str, result: str, content: str | None, actions: list[tuple[str, int]]
) -> None:
    run = published(tmp_path, first, a_txt="one FINDME two", b_txt="FINDME")
    summary = amended(run, run.again(then), "a.txt")
    row = run.manifest()["a.txt"]
    place = "corpus" if content is not None else "quarantine"
    assert (row["result"], row["path"], row["reason"]) == (result, f"{place}/a.txt", None if content else "something was found")
    assert row["reason_code"] == (None if content else "found-again")
    assert (tmp_path / "dest" / row["path"]).read_text() == (content if content is not None else "one FINDME two")
    assert [(one["action"], one["count"]) for one in row["actions"]] == actions
    assert summary is not None
    assert (summary["rounds"], summary["changes"], summary["results"].get(result)) == (1, len(actions), 1)
    assert (tmp_path / "dest/corpus/b.txt").read_text() == "FINDME", "nobody asked for it"


def test_a_copy_with_findings_may_stay(tmp_path: Path) -> None:
    run = published(tmp_path, f"{KEEP}\nremaining: copy", a_txt="FINDME")
    assert amended(run, run.again(ASIDE), "a.txt") is None
    assert run.manifest()["a.txt"]["result"] == "copied"


@pytest.mark.parametrize(
    ("first", "text", "result"),
    [
        ("unsupported: copy", "FINDME REFUSE-REWRITE", "copied"),  # the policy asks for it
        (f"{KEEP}\nstrip: [comments]", "FINDME REFUSE-REWRITE", "held"),  # nothing was stripped from it, which is a reason too
    ],
)
def test_a_copy_with_findings_stays_only_if_the_policy_says_so(tmp_path: Path, first: str, text: str, result: str) -> None:
    policy = first if first.startswith("rules") else f"{STRIP}\n{first}"
    run = published(tmp_path, policy, a_txt=text)
    assert run.manifest()["a.txt"]["reason"] is not None
    amended(run, run.again(STRIP), "a.txt")
    assert run.manifest()["a.txt"]["result"] == result


def test_rows_that_are_dropped_later_have_the_numbers_of_the_source(tmp_path: Path) -> None:
    lines = ["a", "FINDME", "b", "FINDFINDMEME", "FINDME", "c", "FINDFINDMEME"]
    first = "rules: [{column: '*.gone', action: drop-row}, {column: gone, action: drop-row}, {rule: fake-local.findme, action: strip}]"
    rows = [f'{{"{"gone" if line == "FINDME" else "t"}": "{line}"}}\n' for line in lines]
    run = published(tmp_path, first, rows_jsonl="".join(rows))
    assert run.rows() == [("rows.jsonl", 1), ("rows.jsonl", 4)]
    amended(run, run.again(DROP), "rows.jsonl")
    assert sorted(run.rows()) == [("rows.jsonl", row) for row in (1, 3, 4, 6)]
    assert (tmp_path / "dest/corpus/rows.jsonl").read_text() == "".join(rows[number] for number in (0, 2, 5))
    assert run.manifest()["rows.jsonl"]["rows_dropped"] == 4


def test_rows_of_a_spreadsheet_stay_where_they_are(tmp_path: Path) -> None:
    """They are emptied, so a row that is dropped later has the number of the source already."""
    cells = {2: ("B", "FINDME"), 3: ("A", "x"), 5: ("A", "FINDFINDMEME")}
    rows = "".join(f'<row r="{n}"><c r="{name}{n}" t="inlineStr"><is><t>{value}</t></is></c></row>' for n, (name, value) in cells.items())
    book = building.xlsx({"S": f"<worksheet><sheetData>{rows}</sheetData></worksheet>"})
    write(tmp_path / "corpus", {"a.xlsx": book})
    first = "rules: [{column: B, action: drop-row}, {rule: fake-local.findme, action: strip}]"
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), first).scan()
    run.publish()
    ((_, dropped),) = run.rows()
    amended(run, run.again(DROP), "a.xlsx")
    assert run.rows() == [("a.xlsx", dropped), ("a.xlsx", dropped + 3)]


def test_a_split_file_is_put_together_again(tmp_path: Path) -> None:
    run = published(tmp_path, big_txt=text(3, 1500), other_txt=text(7))
    amended(run, run.again(STRIP), "big.txt")
    assert (tmp_path / "dest/corpus/big.txt").read_text() == text(3, 1500).replace("FINDME", "")
    assert run.manifest()["big.txt"]["changes"] == 2
    assert (tmp_path / "dest/corpus/other.txt").read_text() == text(7)


def test_what_was_rewritten_from_other_bytes_is_not_taken(tmp_path: Path) -> None:
    run = published(tmp_path, a_txt="one FINDME", b_txt="two FINDME")
    copies = run.again(STRIP)
    (tmp_path / "dest/_work/again-second/corpus/a.txt").rename(tmp_path / "dest/_work/again-second/corpus/x.txt")
    write(tmp_path / "corpus", {"b.txt": "three FINDME"})
    later = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), KEEP, FAKE | SPLIT, "later").scan()
    later.publish()
    amended(later, copies, "b.txt")
    assert later.manifest()["b.txt"]["result"] == "held"


def test_after_some_rounds_the_rest_is_held_back(tmp_path: Path) -> None:
    run = published(tmp_path, a_txt="FIND" * 5 + "ME" * 5)
    results = []
    for number in range(module.ROUNDS + 1):
        amended(run, run.again(STRIP, f"round-{number}"), "a.txt", number=number + 1)
        results.append(run.manifest()["a.txt"]["result"])
    assert results == ["cleaned"] * module.ROUNDS + ["held"]
    assert run.manifest()["a.txt"]["changes"] == module.ROUNDS


@pytest.mark.parametrize("then", [STRIP, ASIDE])
@pytest.mark.parametrize("steps", range(9))
def test_an_interrupted_change_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, steps: int) -> None:
    """Every move and write may be the last. The next command publishes again, audits the copy again, and then changes it again."""
    run = published(tmp_path, a_txt="one FINDME two", rows_jsonl='{"t": "FINDME"}\n')
    copies = run.again(then)
    half_amended(monkeypatch, steps, run, copies, "a.txt")
    run.publish()
    matches(run, tmp_path)
    if (tmp_path / "dest/corpus/a.txt").exists() and "FINDME" in (tmp_path / "dest/corpus/a.txt").read_text():
        amended(run, run.again(then, "third"), "a.txt")
    row = run.manifest()["a.txt"]
    assert (row["result"], row["changes"]) == (("cleaned", 1) if then == STRIP else ("held", 0))
    assert (tmp_path / "dest" / row["path"]).read_text() == ("one  two" if then == STRIP else "one FINDME two")


@pytest.mark.parametrize("steps", range(9))
def test_a_task_that_is_repeated_does_not_hold_back_what_it_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """When its process dies, a task is run again with the same arguments, even if its tables are complete."""
    run = published(tmp_path, a_txt="one FINDME two", rows_jsonl='{"t": "FINDME"}\n')
    copies = run.again(STRIP)
    half_amended(monkeypatch, steps, run, copies, "a.txt")
    summary = amended(run, copies, "a.txt")
    assert summary is not None
    assert (summary["rounds"], summary["changes"]) == (1, 1)
    assert run.manifest()["a.txt"]["result"] == "cleaned"
    assert (tmp_path / "dest/corpus/a.txt").read_text() == "one  two"
    matches(run, tmp_path)


def test_what_an_interrupted_round_left_is_not_taken_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = published(tmp_path, a_txt="one FINDME two", b_txt="FINDME")
    copies = run.again(STRIP)
    half_amended(monkeypatch, 1, run, copies, "a.txt")
    assert (tmp_path / "dest/_work/run/again/01/corpus/a.txt").exists()
    run.publish()
    amended(run, copies, "b.txt")
    assert (tmp_path / "dest/corpus/a.txt").read_text() == "one FINDME two"
    assert run.manifest()["b.txt"]["result"] == "cleaned"
    matches(run, tmp_path)


def test_a_split_file_of_which_some_parts_were_audited_is_held_back(tmp_path: Path) -> None:
    """The audit of the copy was given up, as when settings change, and its leftovers are still there."""
    run = published(tmp_path, big_txt=text(3, 1500))
    copies = run.again(STRIP)
    max((tmp_path / "dest/_work/again-second/cleaned").iterdir()).unlink()
    amended(run, copies, "big.txt")
    assert run.manifest()["big.txt"]["result"] == "held"
    assert (tmp_path / "dest/quarantine/big.txt").read_text() == text(3, 1500)
