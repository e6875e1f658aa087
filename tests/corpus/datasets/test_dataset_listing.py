"""What listings say of files in datasets, whatever stands in their descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.datasets import descriptions
from veritensor_ray.corpus.datasets.dataset_folders import DatasetFolder, DatasetPart, Description, FileRule, NotingDatasets
from veritensor_ray.corpus.datasets.dataset_listing import Datasets, _Rules
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.listing import Listed, roots, walk

A = "a" * 40


def tree(base: Path, *names: str, **texts: Any) -> None:
    """Empty files, and files with texts or JSON: `__` is a slash, `_0` a dot."""
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("")
    for name, text in texts.items():
        path = base / name.replace("__", "/").replace("_0", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))


def listed(source: Path | str, describe: Any = described) -> list[Listed]:
    return [entry for root in roots([str(source)], {}) for entry in walk(root, {}, datasets=Datasets(describe))]


def parts(source: Path | str) -> dict[str, tuple[str | None, ...] | None]:
    """What is known of each file: the name of its dataset, the configuration and the split."""
    return {one.artifact: one.dataset and (one.dataset.name, one.dataset.config, one.dataset.split) for one in listed(source)}


def card(front: str) -> str:
    return f"---\n{front}---\n# About\n"


SAVED = {"_data_files": [{"filename": "data-0.arrow"}], "_split": "train"}


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("configs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/*.csv\n", {"en/a.csv": ("en", "train"), "en/in/b.csv": (None, None)}),
        ("configs:\n- config_name: en\n  data_files:\n  - {split: test, path: [x.csv, 'en/**']}\n", {"en/in/b.csv": ("en", "test"), "x.csv": ("en", "test")}),
        ("configs:\n- data_files: x.csv\n", {"x.csv": ("default", "train"), "en/a.csv": (None, None)}),
        ("configs:\n- data_files: [x.csv, en/a.csv]\n", {"x.csv": ("default", "train"), "en/a.csv": ("default", "train")}),
        ("configs:\n- {config_name: all, data_dir: en}\n", {"en/in/b.csv": ("all", None), "x.csv": (None, None)}),
        ("configs:\n- {config_name: de, data_dir: en, data_files: in/*}\n", {"en/in/b.csv": ("de", "train")}),
        ("configs:\n- {config_name: one, data_files: '**'}\n- {config_name: two, data_files: x.csv}\n", {"x.csv": ("one", "train")}),
        ("configs:\n- {config_name: two, data_files: x.csv}\n- {config_name: one, data_files: '**'}\n", {"x.csv": ("two", "train"), "en/a.csv": ("one", "train")}),
        ("dataset_info:\n  features: []\n", {"data/train-00000-of-00001.parquet": (None, "train"), "x.csv": (None, None)}),
        ("dataset_info: []\n", {"dev/x.csv": (None, "validation"), "test.py": (None, None), "my_eval 2.csv": (None, "test")}),
        ("configs: 3\n", {"x.csv": (None, None)}),
        ("configs:\n- 3\n- {data_files: 3}\n- {data_files: [{split: 3, path: [3, x.csv]}]}\n", {"x.csv": ("default", None)}),
        ("configs:\n- {config_name: '../../x', data_files: 'hf://datasets/a/b/x.csv'}\n", {"x.csv": (None, None)}),
        ("license: mit\n", {"x.csv": None}),
    ],
)  # fmt: skip
def test_cards(tmp_path: Path, front: str, expected: dict[str, tuple[str | None, str | None] | None]) -> None:
    names = ("en/a.csv", "en/in/b.csv", "x.csv", "data/train-00000-of-00001.parquet", "dev/x.csv", "test.py", "my_eval 2.csv")
    tree(tmp_path / "some", *names, README_0md=card(front))
    found = parts(tmp_path)
    assert found.keys() == {f"some/{name}" for name in (*names, "README.md")}
    assert {name: found[f"some/{name}"] for name in expected} == {name: one and ("some", *one) for name, one in expected.items()}


def test_a_saved_dataset_of_many_splits(tmp_path: Path) -> None:
    info = {"config_name": "en", "dataset_name": "letters", "download_checksums": {f"hf://datasets/org/letters@{A}/x": {}}}
    tree(
        tmp_path / "d",
        "train/data-0.arrow",
        "held/data-0.arrow",
        "held/cache-1.arrow",
        "notes.txt",
        dataset_dict_0json={"splits": ["train", "held"]},
        train__state_0json=SAVED,
        train__dataset_info_0json=info,
        held__state_0json=SAVED,
        held__dataset_info_0json=info,
    )
    tree(tmp_path, "e.txt")
    entries = {one.artifact: one.dataset for one in listed(tmp_path)}
    assert entries["d/train/data-0.arrow"] == DatasetPart("org/letters", A, "en", "train")
    assert entries["d/held/data-0.arrow"] == DatasetPart("org/letters", A, "en", "held"), (
        "the folder's split, and not the one it was taken from"
    )
    assert entries["d/held/cache-1.arrow"] == DatasetPart("org/letters", A, None, "held")
    assert entries["d/notes.txt"] == DatasetPart("d")
    assert entries["e.txt"] is None


def test_data_files_that_are_missing_or_outside(tmp_path: Path) -> None:
    files = [{"filename": name} for name in ("data-0.arrow", "gone.arrow", "../out.arrow", "/etc/passwd")] + [{}, 3]
    tree(tmp_path, "data-0.arrow", state_0json={"_data_files": files}, dataset_info_0json={})
    rows = {one.artifact: one for one in listed(tmp_path) if one.status}
    assert rows.keys() == {"gone.arrow", "../out.arrow", "/etc/passwd"}
    assert {one.reason_code for one in rows.values()} == {ReasonCode.NOT_FOUND}
    assert rows["gone.arrow"].reason == "a data file of this dataset by its state.json, but it does not exist"
    assert rows["../out.arrow"].reason == (
        "a data file of this dataset by its state.json, but it is outside of the folder, and such paths are not followed"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"state_0json": "{", "dataset_info_0json": {}}, "state.json is not JSON: Expecting property name"),
        ({"state_0json": SAVED, "dataset_info_0json": "[]"}, "dataset_info.json is not a JSON object"),
        ({"dataset_dict_0json": "[" * 100_000}, "dataset_dict.json is not JSON"),
        ({"README_0md": card("configs: [\n")}, "the front matter of README.md is not YAML: "),
        (
            {"README_0md": card("configs: !!python/object/apply:os.system [ls]\n")},
            "the front matter of README.md is not YAML: could not determine",
        ),
    ],
)
def test_a_damaged_description_is_a_row_and_everything_is_read(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    tree(tmp_path / "d", "data-0.arrow", **files)
    entries = {one.artifact: one for one in listed(tmp_path)}
    row = entries.pop("d")
    assert row.status == "unreadable" and row.reason
    assert row.reason.startswith(f"what this dataset says of its configurations and splits was not read, but its files are: {said}")
    assert {one.status for one in entries.values()} == {None}
    assert len(entries) == 1 + len(files)


def test_a_description_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "_BYTES", 100)
    tree(tmp_path, "x.arrow", dataset_info_0json={"splits": {"x" * 90: {}}}, state_0json=SAVED)
    [row] = [one for one in listed(tmp_path) if one.artifact == "."]
    assert row.reason_code == ReasonCode.LIMIT and row.reason and row.reason.endswith("dataset_info.json has more than 100 bytes")
    with pytest.raises(ReadError):
        described(DatasetFolder(str(tmp_path), {"dataset_info.json": b"/gone", "state.json": b"/gone"}, {}))
    assert bounds.DATASET_DESCRIPTION > 100


def test_nested_aliases_cost_nothing(tmp_path: Path) -> None:
    bomb = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 40))
    tree(tmp_path, "a.csv", README_0md=card(f"x0: &x0 [1]\n{bomb}configs: *x39\n"))
    assert {one.status for one in listed(tmp_path)} == {None}


def test_hostile_patterns_take_no_time(tmp_path: Path) -> None:
    tree(tmp_path, "a" * 200, "a.csv", README_0md=card("configs:\n- data_files: ['" + "*a" * 60 + "b', '" + "**/" * 60 + "b']\n"))
    assert parts(tmp_path)["a.csv"] == (tmp_path.name, None, None)


def many(pattern: str) -> str:
    """A card with 1,001 patterns."""
    return card(f"configs:\n- data_files: {[pattern.format(number) for number in range(1001)]}\n")


LOOPS = f"x: &x [{'1, ' * 1000}1]\ny: &y [{'{path: *x}, ' * 1000}]\nconfigs: [{'{data_files: *y}, ' * 1000}]\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"README_0md": card(LOOPS)}, "there are more than 100,000 files, patterns or splits in it"),
        ({"README_0md": card(f"configs:\n- data_files: ['{'x' * 501}']\n")}, "a name or a pattern in it has more than 500 characters"),
        ({"README_0md": card(f"configs:\n- data_dir: {'x' * 500}\n  data_files: y\n")}, "a name or a pattern in it has more than 500"),
        (
            {"README_0md": many("*x{}/**")},
            "there are more than 1,000 patterns",
        ),
        (
            {"README_0md": many("a/*{}")},
            "there are more than 1,000 patterns",
        ),
        (
            {
                "dataset_info_0json": {},
                "state_0json": {"_data_files": [{"filename": f"[{n}"} for n in range(1001)]},
            },
            "there are more than 1,000 patterns",
        ),
        (
            {"dataset_dict_0json": {"splits": [f"s{n}" for n in range(100_001)]}},
            "there are more than 100,000 files, patterns or splits in it",
        ),
    ],
)
def test_a_description_beyond_the_limits_is_told_and_everything_is_read(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    tree(tmp_path / "d", "data-0.arrow", "a/b.csv", **files)
    entries = {one.artifact: one for one in listed(tmp_path)}
    row = entries.pop("d")
    assert (row.status, row.reason_code) == ("unreadable", ReasonCode.LIMIT)
    assert row.reason and row.reason.startswith(
        f"what this dataset says of its configurations and splits was not read, but its files are: {said}"
    )
    assert {one.status for one in entries.values()} == {None}
    assert len(entries) == 2 + len(files)


def test_many_names_and_what_repeats_cost_a_file_nothing() -> None:
    rules = [FileRule(f"d/x{number}", str(number), None) for number in range(100_000)]
    found = _Rules([*rules, FileRule("d/*", "other", None), FileRule("**/" * 100_000 + "y", "deep", None), FileRule("d/z", "late", None)])
    assert [rule and rule.config for rule in map(found.of, ["d/x99999", "d/z", "a/b/y", "y", "a"])] == [
        "99999",
        "other",
        "deep",
        "deep",
        None,
    ]
    assert len(found._of_folder[""][0][1]._parts) == 2


def test_prepared_files_of_the_library(tmp_path: Path) -> None:
    info = {"config_name": "en", "dataset_name": "letters", "splits": {"train": {}, "test": {}}}
    tree(tmp_path, "letters-train.arrow", "letters-test-00000-of-00002.arrow", "cache-1.arrow", dataset_info_0json=info)
    assert parts(tmp_path) == {
        "letters-train.arrow": ("letters", "en", "train"),
        "letters-test-00000-of-00002.arrow": ("letters", "en", "test"),
        "cache-1.arrow": ("letters", None, None),
        "dataset_info.json": ("letters", None, None),
    }


def test_a_revision_comes_from_the_place_in_a_cache_or_from_the_client(tmp_path: Path) -> None:
    snapshot = f"datasets--org--name/snapshots/{A}"
    tree(tmp_path, f"{snapshot}/test.csv", "datasets--org--name/refs/main", "models--org--name/snapshots/x/test.csv")
    tree(
        tmp_path / "local",
        "x.csv",
        _0cache__huggingface__download__README_0md_0metadata=f"{A}\netag\n1.0\n",
        README_0md=card("configs: []\n"),
    )
    entries = {one.artifact: one.dataset for one in listed(tmp_path)}
    assert entries[f"{snapshot}/test.csv"] == DatasetPart("org/name", A, None, "test")
    assert entries["datasets--org--name/refs/main"] == DatasetPart("org/name")
    assert entries["models--org--name/snapshots/x/test.csv"] is None
    assert entries["local/x.csv"] == DatasetPart("local", A)
    assert {one.dataset for one in listed(tmp_path / snapshot)} == {DatasetPart("org/name", A, None, "test")}


def test_a_link_is_no_description(tmp_path: Path) -> None:
    tree(tmp_path, "out/README.md", "in/x.csv")
    (tmp_path / "out" / "README.md").write_text(card("configs:\n- data_files: '**'\n"))
    (tmp_path / "in" / "README.md").symlink_to(tmp_path / "out" / "README.md")
    assert parts(tmp_path)["in/x.csv"] is None


def test_what_was_described_is_noted(tmp_path: Path) -> None:
    tree(tmp_path / "code", "x.csv", README_0md="# Code\n")
    tree(tmp_path / "d", "x.csv", README_0md=card("configs: []\nextra_gated_prompt: Who are you?\n"))
    noting = NotingDatasets(described)
    listed(tmp_path, noting)
    listed(tmp_path, noting)
    assert noting.tables == [{"table": str(tmp_path / "d"), "kind": "hf", "version": None, "dataset": None, "gated": True}]


def test_in_a_store() -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/hub-test/d/README.md", card("configs:\n- data_files: x.csv\n").encode())
    fs.pipe_file("/hub-test/d/x.csv", b"")
    try:
        assert parts("memory://hub-test")["d/x.csv"] == ("d", "default", "train")
    finally:
        fs.rm("/hub-test", recursive=True)


def test_many_folders_and_files_find_their_rule_at_once(tmp_path: Path) -> None:
    rules = [FileRule(f"lang{number}/*", f"c{number}", "train") for number in range(3000)]
    tree(tmp_path, *(f"lang{number}/x.csv" for number in range(0, 3000, 10)), ".gitattributes", README_0md=card("configs: []\n"))
    found = listed(tmp_path, lambda folder: Description(rules=rules))
    assert [one.dataset and one.dataset.config for one in found if one.artifact == "lang2990/x.csv"] == ["c2990"]
