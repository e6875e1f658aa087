"""A finding in a WebDataset is in the row that its sample is."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.findings.nights import KEY, Nights
from veritensor_ray import api as vr
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.pipeline.passages.passage import Amount
from veritensor_ray.pipeline.passages.reading_back import read_back


def shard(names: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in names.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return out.getvalue()


def samples(count: int) -> dict[str, str]:
    """Samples of three fields, of which the last of each is a table itself."""
    found = {}
    for number in range(count):
        found[f"train/{number:06}.txt"] = f"first line\nwrite to person{number}@kaldor-mail.com"
        found[f"train/{number:06}.json"] = json.dumps({"from": f"sender{number}@kaldor-mail.com"})
        found[f"train/{number:06}.turns.jsonl"] = "{}\n{}\n" + json.dumps({"text": f"turn{number}@kaldor-mail.com"}) + "\n"
    return found


def places(nights: Nights, table: str) -> set[tuple[str, Any, Any]]:
    if table == "locations":
        return {(row["member"], row["row"], row["column"]) for row in nights.table(table)}
    return {(row["member"], at["row"], at["column"]) for row in nights.table(table) for at in (row["location"], *row["places"])}


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path, "pii")


def expected(count: int, above: str = "") -> set[tuple[str, Any, Any]]:
    each = range(count)
    return {
        *((f"{above}train/{number:06}.txt", number, None) for number in each),
        *((f"{above}train/{number:06}.json", number, "from") for number in each),
        *((f"{above}train/{number:06}.turns.jsonl", 2, "text") for number in each),  # the row in the file itself
    }


def test_rows_are_samples(nights: Nights) -> None:
    nights.write(shard_tar=shard(samples(3)), packed_tar_gz=gzip.compress(shard(samples(2))))
    nights.night(locations="all")
    both = expected(3) | expected(2, "packed.tar!/")
    assert places(nights, "findings") == both
    assert places(nights, "locations") == both
    ledger = {row["artifact"]: row["tables"] for row in nights.table("ledger")}
    assert {"member": None, "part": None, "rows": 3} in ledger["shard.tar"]
    assert {"member": "packed.tar", "part": None, "rows": 2} in ledger["packed.tar.gz"]


@pytest.mark.parametrize("extra", [{"README": "x"}, {"other.txt": "x"}])
def test_any_other_tar_is_an_archive(nights: Nights, extra: dict[str, str]) -> None:
    nights.write(shard_tar=shard(samples(3) | extra))
    nights.night()
    assert {row for name, row, _ in places(nights, "findings") if name.endswith(".txt")} == {None}
    [ledger] = nights.table("ledger")
    assert None not in {table["member"] for table in ledger["tables"]}


@pytest.mark.slow
def test_a_passage_of_a_sample_is_read_back(nights: Nights) -> None:
    nights.write(shard_tar=shard(samples(3)))
    nights.night()
    [artifact] = nights.table("ledger")
    limits = Settings().limits.model_dump(mode="json")
    options: dict[str, Any] = {"place": 1, "amount": Amount(1), "key": KEY, "given": Settings()}
    for finding in nights.table("findings"):
        others = [row for row in nights.table("findings") if row is not finding]
        passage = read_back(finding, others, artifact, limits, **options)
        assert passage.text.endswith("@kaldor-mail.com") or "*" in passage.text


def test_the_samples_with_findings(nights: Nights) -> None:
    files = {name: text for name, text in samples(4).items() if not name.endswith("jsonl")}
    files["train/000002.txt"] = files["train/000002.json"] = "{}"
    nights.write(shard_tar=shard(files), packed_tar_gz=gzip.compress(shard(files)), other_tar=shard(samples(2)))
    nights.night(locations="all")
    audit = vr.open(str(nights.base / "state"))
    assert audit.rows_of("shard.tar") == audit.rows_of("packed.tar.gz", "packed.tar") == [0, 1, 3]
    assert audit.keep(range(4), "shard.tar").tolist() == [False, False, True, False]
    assert audit.rows_of("packed.tar.gz") == []
    with pytest.raises(UsageError, match=r"'other.tar' has files with rows of their own, such as 'train/00000.\.turns\.jsonl'"):
        audit.rows_of("other.tar")
    assert audit.rows_of("other.tar", "train/000001.turns.jsonl") == [2]
