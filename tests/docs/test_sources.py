"""The blocks of docs/sources.md run here unchanged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from tests import s3_server
from tests.corpus.emulators import S3App
from tests.corpus.inventories import delivered, row
from tests.corpus.loopback_bucket import LoopbackBucket
from tests.docs.blocks import ROOT, blocks, wrong_commands
from tests.docs.running import run
from veritensor_ray.core.config import Settings
from veritensor_ray.core.uris import named_kind
from veritensor_ray.corpus.tables.table_kinds import KINDS

COMMANDS = {kind: [block for block in blocks(ROOT / "docs" / "sources.md") if block.mark == ("test", kind)] for kind in KINDS}
RUNS = {
    "delta": ("deltalake", "lake", [["0", "mail", "1"], ["1", "mail", "1"]], 1, {"excluded": 2, "not-in-snapshot": 1}),
    "iceberg": ("pyiceberg", "warehouse", [["0", "address", "1"], ["1", "address", "1"]], 1, {"not-included": 10, "not-in-snapshot": 1}),
    "lance": (
        *("lance", "customers", [["0", "address", "1"], ["2", "address", "1"]], 1),
        {"hidden-by-snapshot": 1, "not-in-snapshot": 1, "not-included": 7},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_commands(kind: str) -> None:
    assert len(COMMANDS[kind]) == 1
    assert not list(wrong_commands(COMMANDS[kind][0].text))


def test_the_configuration_of_catalogs() -> None:
    [block] = [block for block in blocks(ROOT / "docs" / "sources.md") if block.info == "yaml"]
    settings = Settings.model_validate(yaml.safe_load(block.text))
    prefixes = {named_kind(source)[1].rpartition("/")[0] for source in settings.sources}
    assert prefixes <= settings.stores.keys() and len(prefixes) == 2


def test_a_plan_from_an_inventory(tmp_path: Path, endpoint: str) -> None:
    import boto3

    (block,) = (block for block in blocks(ROOT / "docs" / "sources.md") if block.mark == ("test", "inventory"))
    assert not list(wrong_commands(block.text))
    s3_server.empty(endpoint)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    for bucket in ("corpus", "reports"):
        client.create_bucket(Bucket=bucket)
    delivered(
        lambda key, data: client.put_object(Bucket="reports", Key=key, Body=data),
        [[row("a.txt", 1000), row("b.txt", storage_class="GLACIER")]],
    )
    client.close()
    (tmp_path / "work").mkdir()
    store = {"endpoint": endpoint, "region": "us-east-1", "path_style": True, "key": "env:K", "secret": "env:K"}
    (tmp_path / "work" / "veritensor-ray.yaml").write_text(json.dumps({"stores": {"s3://": store}, "engines": ["signatures"]}))
    said = run([block], tmp_path, {"K": "k"})
    assert "its inventory has it in the archive GLACIER" in said, said


def test_a_plan_of_versions(tmp_path: Path, endpoint: str) -> None:
    bucket = LoopbackBucket(S3App(), endpoint)
    (block,) = (block for block in blocks(ROOT / "docs" / "sources.md") if block.mark == ("test", "versions"))
    assert not list(wrong_commands(block.text))
    bucket.keep_versions()
    bucket.write("a.txt", {"2026-11-01": "1", "2026-11-03": "12345678"})
    bucket.write("b.txt", {"2026-11-03": "later"})
    bucket.client.close()
    (tmp_path / "work").mkdir()
    stores = {"s3://": bucket.store.model_dump(exclude_none=True)}
    (tmp_path / "work" / "veritensor-ray.yaml").write_text(json.dumps({"stores": stores, "engines": ["signatures"]}))
    said = run([block], tmp_path, {"TEST_KEY": "k"})
    assert "came later, or older versions were removed" in said, said


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "expected"), RUNS.items(), ids=RUNS)
def test_an_audit_of_a_table(tmp_path: Path, kind: str, expected: tuple[str, str, list[list[str]], int, dict[str, int]]) -> None:
    library, folder, findings, data_files, codes = expected
    module = pytest.importorskip(library)
    there = str(Path(module.__file__).parents[1])
    said = run(COMMANDS[kind], tmp_path, {"PYTHONPATH": os.pathsep.join((str(ROOT), there))})
    assert [line.split() for line in said.splitlines() if line.split()[1:2] == findings[0][1:2]] == findings, said
    found = json.loads((tmp_path / "work" / f"audit-{folder}" / "run.json").read_text())
    assert [(one["kind"], one["data_files"]) for one in found["tables"]] == [(kind, data_files)]
    assert found["reason_codes"] == codes


HUGGING_FACE = [block for block in blocks(ROOT / "docs" / "sources.md") if block.mark == ("test", "huggingface")]


@pytest.mark.slow
def test_an_audit_of_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    there = str(Path(datasets.__file__).parents[1])
    assert len(HUGGING_FACE) == 1 and not list(wrong_commands(HUGGING_FACE[0].text))
    said = run(HUGGING_FACE, tmp_path, {"PYTHONPATH": os.pathsep.join((str(ROOT), there))})
    table = [line.split() for line in said.splitlines() if line.split()[2:3] == ["mail"]]
    assert table == [["letters", "test", "mail", "1"], ["letters", "train", "mail", "2"]], said
    found = json.loads((tmp_path / "work" / "audit-letters" / "run.json").read_text())
    assert [(one["kind"], one["dataset"]) for one in found["tables"]] == [("hf", None)]
