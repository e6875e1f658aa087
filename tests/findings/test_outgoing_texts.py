"""The one place that all texts of a row go through: no column is forgotten, and names stay apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.findings.building import INFO, KEY, RULE, RULES, WORSE, Run, batch, outcome_of, row_of
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.segments import Gap
from veritensor_ray.findings.collect import content_fingerprint
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.outcome_row import outcome_row
from veritensor_ray.findings.outgoing_texts import AS_THEY_ARE, NAMES, cleaned
from veritensor_ray.findings.recorder import Recorder, evidence_key
from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.findings.shard_commit import commit_table
from veritensor_ray.masking.redaction import SECRET
from veritensor_ray.masking.sensitive_values import Values
from veritensor_ray.masking.site_key import seal, unseal

TOKEN = "ghp_" + "a1B2" * 9
VALUE = "Xk12!ab34"


def filled(fields: list[pa.Field], text: str) -> dict[str, Any]:
    """A row with that text in every column of text, one entry in each list."""

    def value(kind: pa.DataType) -> Any:
        if pa.types.is_struct(kind):
            return filled(list(kind), text)
        if pa.types.is_list(kind):
            return [value(kind.value_type)]
        return text if pa.types.is_string(kind) else None

    return {field.name: value(field.type) for field in fields}


def texts(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {name: text for key, inner in value.items() for name, text in texts(inner, f"{path}.{key}".lstrip(".")).items()}
    if isinstance(value, list):
        return {name: text for inner in value for name, text in texts(inner, path).items()}
    return {path: value} if isinstance(value, str) else {}


@pytest.mark.parametrize("found", [f"say {VALUE} twice", f"say {TOKEN} twice"])
def test_every_column_of_text_is_cleaned_but_those_that_are_listed(found: str) -> None:
    values = Values({VALUE: SECRET, TOKEN: SECRET})
    row = texts(cleaned(filled(list(COMMIT), found), values, KEY))
    kept = {path for path, text in row.items() if VALUE in text or TOKEN in text}
    assert kept == AS_THEY_ARE
    assert row.keys() > NAMES
    assert all(re.fullmatch(r"say \S+ twice~[0-9a-f]{6}", row[path]) for path in NAMES)


def test_values_are_found_where_a_text_was_cut_in_three() -> None:
    row = filled(list(COMMIT), "x")
    row["findings"][0] |= {"evidence_before": "with Xk12", "evidence": "!ab", "evidence_after": "34 only"}
    (found,) = cleaned(row, Values({VALUE: SECRET}), KEY)["findings"]
    assert (found["evidence_before"], found["evidence"], found["evidence_after"]) == ("with ****", "***", "** only")


NAMED = ("my_ghp_" + "a1B2" * 9, "my_ghp_" + "c3D4" * 9, "plain", "sk_live_" + "a1B2" * 6)


def test_names_that_were_masked_stay_apart(tmp_path: Path) -> None:
    run = Run(tmp_path)
    made = outcome_of("a", ())
    recorder = Recorder(RULES, KEY, 100)
    for name in NAMED:
        recorder.text_hits("test", batch(["bad"], member=f"{name}.txt", column=name, part=name), [Hit(RULE.id, 0, 3, 0)])
    made.recorded = recorder.by_artifact[0]
    run.shard((row_of(0, "a"), made))
    run.collect()
    found = run.table("findings")
    assert {re.sub("~.*", "~", row["location"]["column"]) for row in found} == {"my_gh" + "*" * 38 + "~", "plain", "sk" + "*" * 30 + "~"}
    for shown in (
        [row["member"] for row in found],
        [row["location"]["part"] for row in found],
        [row["column"] for row in run.table("rollup")],
    ):
        assert len(set(shown)) == len(NAMED)
    assert [row["count"] for row in run.table("rollup")] == [1] * len(NAMED)


def test_ids_are_of_the_names_as_they_are_whatever_is_masked_of_them(tmp_path: Path) -> None:
    """Also where a name is masked because of what stands in a text, which may change from one night to the next."""
    for member in ("plain.txt", f"{NAMED[0]}.txt", f"notes {VALUE}.txt"):
        run = Run(tmp_path / member[:5])
        made = outcome_of("a", ("bad",), member=member)
        made.recorded.values.note(SECRET, VALUE)
        run.shard((row_of(0, "a"), made))
        run.collect()
        (found,) = run.table("findings")
        assert (found["member"] == member) is (member == "plain.txt")
        key = evidence_key(KEY, RULE.id, "bad").hex()
        assert found["content_fingerprint"] == content_fingerprint(KEY, f"{key}\0{member}\0{0}\0{RULE.id}")


def test_parts_of_an_artifact_hide_what_any_of_them_found(tmp_path: Path) -> None:
    run = Run(tmp_path, INFO)
    for part, lines in enumerate(((f"worse {VALUE}",), (f"bad {VALUE} luck",))):
        made = outcome_of("big", lines, part, column=VALUE)
        made.add_gap(Gap(f"no {VALUE}"))
        if part == 0:
            made.recorded.values.note(SECRET, VALUE)
        run.shard((row_of(0, "big", part=part, parts=2, kind="lines"), made))
    run.table = lambda name: run.store.dataset(name).to_table().to_pylist()  # type: ignore[method-assign]
    commits = run.store.dataset(f"_work/{INFO.run}/commits").to_table().to_pylist()
    assert VALUE not in repr(commits), "parts are committed before anybody knows what others found"
    run.collect()
    assert VALUE not in repr([run.table(name) for name in ("findings", "ledger", "rollup")])
    assert [row["evidence"] for row in run.table("findings") if row["rule_id"] == RULE.id] == ["bad ********* luck"]
    assert len({row["column"] for row in run.table("rollup")}) == 1


def test_what_the_plan_says_is_cleaned_too(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.decided("folder/", "unlisted", f"cannot list http://u:{VALUE}@host/x?sig={TOKEN}: password={VALUE}")
    run.collect()
    (row,) = run.table("ledger")
    assert VALUE not in row["reason"]
    assert TOKEN not in row["reason"]
    assert VALUE not in (tmp_path / "run.json").read_text()


def test_what_is_sealed_needs_the_key() -> None:
    assert unseal(KEY, seal(KEY, "näme \udcff")) == "näme \udcff"
    assert b"name" not in seal(KEY, "name")
    with pytest.raises(Exception, match="different site key"):
        unseal(b"another", seal(KEY, "name"))


def test_a_row_can_be_made_twice() -> None:
    made = outcome_of("a", (f"worse {VALUE}", f"bad {VALUE}"), member=TOKEN)
    made.settle()
    assert outcome_row(made, {}, KEY) == outcome_row(made, {}, KEY)
    assert isinstance(made, Outcome)
    assert commit_table([row_of(0, "a")], [made], {}, KEY).schema == COMMIT
    assert WORSE.category == SECRET
