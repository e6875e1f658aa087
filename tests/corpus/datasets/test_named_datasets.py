"""Sources that are named as datasets of Hugging Face, such as `hf+s3://bucket/letters`: they are read as any others, or refused if they are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.corpus.datasets.test_dataset_listing import SAVED, card, tree
from tests.corpus.loopback_bucket import LoopbackBucket
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.corpus.datasets.dataset_listing import Datasets
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.listing import roots, walk

A = "a" * 40
CONFIGS = card("configs:\n- data_files: x.csv\n")
LAYOUTS = {
    "saved": {"state.json": json.dumps(SAVED), "dataset_info.json": "{}", "data-0.arrow": ""},
    "dict": {"dataset_dict.json": '{"splits": ["train"]}', "train/data-0.arrow": ""},
    "prepared": {"dataset_info.json": "{}", "x-train.arrow": ""},
    "damaged": {"dataset_dict.json": "{"},
    "card": {"README.md": CONFIGS, "x.csv": ""},
    "info": {"README.md": card("dataset_info:\n  features: []\n"), "data/x.csv": ""},
    "cache": {f"datasets--org--name/snapshots/{A}/x.csv": ""},
    "cache/datasets--org--name": {},
    f"cache/datasets--org--name/snapshots/{A}": {},
}
OTHERS = {
    "plain": {"x.csv": ""},
    "nothing": {"README.md": card("license: mit\n"), "x.csv": ""},
    "code": {"README.md": CONFIGS, "x.py": ""},
    "models": {f"models--org--name/snapshots/{A}/x.csv": ""},
    "above": {"saved/dataset_dict.json": "{}"},
    "config": {"dataset_info.json": "{}"},
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, files in (LAYOUTS | OTHERS).items():
        for file, text in files.items():
            tree(tmp_path / name, file)
            (tmp_path / name / file).write_text(text)
    return tmp_path


def test_datasets_and_what_is_none(folders: Path) -> None:
    for name in LAYOUTS:
        assert roots([f"hf+file://{folders}/{name}"], {}) == roots([str(folders / name)], {})
    for name in (*OTHERS, "card/x.csv", "card/*"):
        with pytest.raises(StoreError, match=r"is not a dataset of Hugging Face: .* leave out hf\+ to read everything there as it is"):
            roots([f"hf+file://{folders}/{name}"], {})
    with pytest.raises(StoreError, match=r"/gone does not exist"):
        roots([f"hf+file://{folders}/gone"], {})
    assert [root.prefix for root in roots([f"hf+file://{folders}/card", f"{folders}/plain"], {})] == ["card/", "plain/"]


def test_a_card_is_not_parsed_to_recognize_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "load", None)
    tree(tmp_path, "x.csv", README_0md=card("configs: &a [*a\n"))
    assert roots([f"hf+file://{tmp_path}"], {})
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()
    with pytest.raises(StoreError, match="is not a dataset of Hugging Face"):
        roots([f"hf+file://{tmp_path}"], {})


def test_in_a_bucket(bucket: LoopbackBucket, folders: Path) -> None:
    for path in filter(Path.is_file, folders.rglob("*")):
        bucket.put(str(path.relative_to(folders)), path.read_bytes())
    for name in LAYOUTS:
        (root,) = roots([f"hf+s3://corpus/{name}"], bucket.stores)
        assert root.uri == f"s3://corpus/{name}"
    entries = {one.artifact: one.dataset for one in walk(root, bucket.stores, datasets=Datasets(described))}
    assert {name: dataset and dataset.name for name, dataset in entries.items()} == {"x.csv": "org/name"}
    for name in OTHERS:
        with pytest.raises(StoreError, match="is not a dataset of Hugging Face"):
            roots([f"hf+s3://corpus/{name}"], bucket.stores)
    with pytest.raises(StoreError, match="does not exist"):
        roots(["hf+s3://corpus/gone"], bucket.stores)


def test_an_inventory_cannot_say_what_a_dataset_is(bucket: LoopbackBucket) -> None:
    from tests.corpus.inventories import delivered, row

    bucket.put("d/README.md", CONFIGS.encode())
    bucket.client.create_bucket(Bucket="reports")
    delivered(lambda key, data: bucket.client.put_object(Bucket="reports", Key=key, Body=data), [[row("d/README.md")]])
    keys = [one["Key"] for one in bucket.client.list_objects_v2(Bucket="reports")["Contents"] if one["Key"].endswith("manifest.json")]
    with pytest.raises(UsageError, match=r"Name s3://corpus/d without hf\+, or leave out s3://reports/"):
        roots(["hf+s3://corpus/d"], bucket.stores, [f"s3://reports/{keys[0]}"])
