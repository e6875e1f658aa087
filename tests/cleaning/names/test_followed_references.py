"""References to a file whose name is replaced: they lead to its copy in every format that is rewritten, and hold a file of any other."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from docx.opc.constants import RELATIONSHIP_TYPE
from lxml import html

from tests.cleaning.in_process import Files, InProcess, write

VALUE = "ada.lindqvist@kaldor-mail.com"
NAME, QUOTED = f"{VALUE}.md", f"{VALUE}.md".replace("@", "%40")
POLICY = "{names: pseudonym, rules: [{category: pii, action: pseudonym}]}"
OPTIONS: dict[str, Any] = {"engines": ["pii", "secrets"], "pii": {"free_text": False}}
Read = Callable[[bytes], list[str]]


def cleaned(folder: Path, files: Files, policy: str = POLICY, **options: Any) -> InProcess:
    write(folder / "corpus", files)
    run = InProcess(str(folder / "corpus"), str(folder / "dest"), policy, OPTIONS | options, dry_run=options.pop("dry_run", False))
    run.scan().publish()
    return run


def parquet(paths: list[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"path": paths, "n": range(len(paths))}), file)
    return file.getvalue()


def document(target: str) -> bytes:
    made, file = docx.Document(), io.BytesIO()
    made.add_paragraph("The profile is elsewhere.")
    made.part.relate_to(target, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    made.save(file)
    return file.getvalue()


def targets(data: bytes) -> list[str]:
    return [one.target_ref for one in docx.Document(io.BytesIO(data)).part.rels.values() if one.is_external]


def workbook(target: str) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as made:
        made.add_worksheet().write_url(0, 0, f"external:{target}", string="profile")
    return file.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


def member(data: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name).decode()


def links(data: bytes) -> list[str]:
    return [link for _, _, link, _ in html.fromstring(data.decode()).iterlinks()]


def in_round_brackets(data: bytes) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", data.decode())


FORMATS: dict[str, tuple[bytes, Read, list[str]]] = {  # with the references in it, as another program reads them; `N` and `Q` are names
    "index.md": (f"[a](docs/{NAME}) [b](./docs/{QUOTED}#top)\n".encode(), in_round_brackets, ["docs/N", "./docs/Q#top"]),
    "page.html": (
        f'<p><a href="docs/{QUOTED}">a</a><img src="../x/docs/{NAME}"></p>'.encode(),
        links,
        ["docs/Q", "../x/docs/N"],
    ),
    "table.csv": (
        f'path,note\ndocs/{NAME},"a, b"\n'.encode(),
        lambda data: [row["path"] for row in csv.DictReader(io.StringIO(data.decode()))],
        ["docs/N"],
    ),
    "metadata.jsonl": (
        f'{{"file_name": "{NAME}", "n": 1}}\n{{"file_name": "other.md"}}\n'.encode(),
        lambda data: [json.loads(line)["file_name"] for line in data.splitlines()],
        ["N", "other.md"],
    ),
    "windows.json": (json.dumps({"a": [f"docs\\{NAME}"]}).encode(), lambda data: list(json.loads(data)["a"]), ["docs\\N"]),
    "train.parquet": (
        parquet([f"docs/{NAME}", "docs/other.md"]),
        lambda data: list(pq.read_table(io.BytesIO(data))["path"].to_pylist()),
        ["docs/N", "docs/other.md"],
    ),
    "letter.docx": (document(f"docs/{QUOTED}"), targets, ["docs/Q"]),
    "book.xlsx": (
        workbook(f"docs/{NAME}"),
        lambda data: re.findall('Target="([^"]+)"', member(data, "xl/worksheets/_rels/sheet1.xml.rels")),
        ["docs\\N"],
    ),
    "pack.zip": (
        zipped({"inner/readme.md": f"[a](../docs/{NAME})\n", "b.txt": "nothing"}),
        lambda data: in_round_brackets(member(data, "inner/readme.md").encode()),
        ["../docs/N"],
    ),
    "list.txt.gz": (gzip.compress(f"docs/{NAME}\n".encode()), lambda data: gzip.decompress(data).decode().split(), ["docs/N"]),
    "notebook.ipynb": (
        json.dumps(
            {
                "cells": [{"cell_type": "raw", "metadata": {}, "source": [f"docs/{NAME}"]}],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        ).encode(),
        lambda data: list(json.loads(data)["cells"][0]["source"]),
        ["docs/N"],
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    files: Files = {name: data for name, (data, _, _) in FORMATS.items()}
    return cleaned(tmp_path_factory.mktemp("references"), files | {f"docs/{NAME}": "# A profile\n", "plain.md": "[a](index.md)\n"})


@pytest.mark.parametrize("name", FORMATS)
def test_references_lead_to_the_copy(run: InProcess, name: str) -> None:
    row, new = run.manifest()[name], run.manifest()[f"docs/{NAME}"]["path"].rpartition("/")[2]
    assert (row["result"], row["reason"]) == ("cleaned", None)
    assert "clean.reference" in {one["rule"] for one in row["actions"] if one["action"] == "pseudonym"}
    _, read, expected = FORMATS[name]
    copy = Path(run.destination, row["path"]).read_bytes()
    assert read(copy) == [one.replace("N", new).replace("Q", new.replace("@", "%40")) for one in expected]
    assert VALUE.encode() not in copy


def test_a_file_without_references_is_copied(run: InProcess) -> None:
    assert run.manifest()["plain.md"]["result"] == "copied"


def test_a_folder_is_followed_beside_a_slash_only(tmp_path: Path) -> None:
    policy = "{names: pseudonym, rules: [{path: index.md, action: keep}, {category: pii, action: pseudonym}]}"
    run = cleaned(tmp_path, {f"{VALUE}/1.txt": "one", "index.md": f"{VALUE}/1.txt is by {VALUE}\n"}, policy)
    folder = run.manifest()[f"{VALUE}/1.txt"]["path"].split("/")[1]
    assert Path(run.destination, "corpus/index.md").read_text() == f"{folder}/1.txt is by {VALUE}\n", "what a policy keeps, stays"


def test_a_mask_in_a_name_is_followed_even_if_findings_are_masked(tmp_path: Path) -> None:
    run = cleaned(tmp_path, {f"a/{NAME}": "x", "b.csv": f"p,mail\na/{NAME},{VALUE}\n"}, "{names: pseudonym, rules: [{path: b.csv, rule: pii.email, action: mask}]}")  # fmt: skip
    new = run.manifest()[f"a/{NAME}"]["path"].removeprefix("corpus/")
    assert Path(run.destination, "corpus/b.csv").read_text() == f"p,mail\n{new},[EMAIL]\n"


def test_without_new_names_no_reference_is_looked_for(tmp_path: Path) -> None:
    run = cleaned(tmp_path, {f"a/{NAME}": "x", "b.md": f"a/{NAME}"}, "names: keep")
    assert {one["rule"] for one in run.manifest()["b.md"]["actions"]} == {"pii.email"}


def test_every_part_of_a_split_file_follows(tmp_path: Path) -> None:
    lines = "".join(f'{{"n": {number}, "path": "a/{NAME}"}}\n' for number in range(3000))
    limits = {"split_bytes": 50_000, "shard_bytes": 50_000}
    run = cleaned(tmp_path, {f"a/{NAME}": "x", "b.jsonl": lines}, limits=limits)
    new = run.manifest()[f"a/{NAME}"]["path"].removeprefix("corpus/")
    rows = [json.loads(line) for line in Path(run.destination, "corpus/b.jsonl").read_text().splitlines()]
    assert rows == [{"n": number, "path": new} for number in range(3000)]
    assert {one["rule"]: one["count"] for one in run.manifest()["b.jsonl"]["actions"]}["clean.reference"] == 3000


HELD = {
    "by its type": ("model.pkl", pickle.dumps({"path": f"a/{NAME}"}), "type-not-rewritten", "it refers to a file whose name is replaced: files of type"),
    "by where it stands": ("x.zip", zipped({NAME: "x", "b.md": f"[a]({NAME})"}), "reference-left", "it refers to a file whose name is replaced: 1 of 2 findings cannot be changed"),
}  # fmt: skip


@pytest.mark.parametrize("case", HELD)
@pytest.mark.parametrize("unsupported", ["hold", "copy"])
def test_a_reference_that_cannot_be_changed_holds_its_file(tmp_path: Path, case: str, unsupported: str) -> None:
    name, data, code, reason = HELD[case]
    policy = f"{{names: pseudonym, unchecked: copy, unsupported: {unsupported}, rules: [{{path: {name}, category: pii, action: keep}}]}}"
    row = cleaned(tmp_path, {f"a/{NAME}": "x", name: data}, policy).manifest()[name]
    assert (row["result"], row["reason_code"]) == ("held" if unsupported == "hold" else "copied", code)
    assert reason in row["reason"]
    assert VALUE not in row["reason"]


def test_a_dry_run_shows_what_becomes_of_references(tmp_path: Path) -> None:
    write(tmp_path / "corpus", {f"a/{NAME}": "x", "b.md": f"see a/{NAME} there"})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), POLICY, OPTIONS, dry_run=True)
    summary = run.scan().publish()
    (shown,) = [one for one in summary["samples"] if one["rule"] == "clean.reference"]
    assert (shown["before"], shown["action"]) == ("see a/••• there", "pseudonym")
    assert re.fullmatch(r"see a/.+~[0-9a-f]{12}\.md there", shown["after"])
