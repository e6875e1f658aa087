"""What copies are called if the policy asks for pseudonyms in names: the values go, and names that differ stay different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cleaning.in_process import KEY, InProcess, tree, write
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.names.copy_names import CopyNames
from veritensor_ray.core.config import Settings
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.pipeline.cleaning_scans.name_scan import copy_names
from veritensor_ray.pipeline.run_description import local_context
from veritensor_ray.stores.outputs import OutputStore

OPTIONS = {"engines": ["pii", "secrets"], "pii": {"free_text": False}}
POLICY = "{names: pseudonym, rules: [{rule: pii.person, action: pseudonym}, {path: 'kept/*', category: pii, action: keep}]}"
TOKENS = [f"{begin}_16C7e42F292c6912E7710c838347Ae178B4a" for begin in ("ghp", "gho")]
PERSON = Mark("pii.person", "low", None, None, None, None, None, "visible", None, 4, 14, "Ada Lindqvist", straight=True)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> CopyNames:
    base = tmp_path_factory.mktemp("names")
    cleaning = Cleaning(parse(POLICY), OutputStore(str(base)), KEY)
    settings = Settings.model_validate({"sources": [str(base)], "output": str(base / "out")} | OPTIONS)
    made = copy_names(
        local_context(settings, KEY, cleaning),
        cleaning,
        {"pii.email": "pii", "pii.person": "pii", "pii.payment-card": "pii", "secrets.github-token": "secret"},
    )
    assert made is not None
    return made


def named(names: CopyNames, artifact: str, *inside: Mark) -> str:
    return names.new(artifact, names.of([artifact]), inside) or artifact


TAG = "~[0-9a-f]{12}"


@pytest.mark.parametrize(
    ("artifact", "inside", "expected"),
    [
        ("notes/2024-05-01_minutes.v2.txt", (), re.escape("notes/2024-05-01_minutes.v2.txt")),
        ("mail/ada.lindqvist@kaldor-mail.com.eml", (), rf"mail/[a-z]+\.[a-z]+@[a-z]+\.example\.(com|org|net){TAG}\.eml"),
        ("ada.lindqvist@kaldor-mail.com/1.txt", (), rf"[a-z]+\.[a-z]+@[a-z]+\.example\.(com|org|net){TAG}/1\.txt"),
        ("cv_ada.lindqvist@kaldor-mail.com.pdf", (), rf"[a-z]+_[a-z]+\.[a-z]+@.*{TAG}\.pdf"),  # an address may begin so
        ("card_4929-4212-3456-7897_x.csv", (), rf"card_4\d{{3}}(-\d{{4}}){{3}}_x{TAG}\.csv"),
        (f"keys/{TOKENS[0]}.env", (), rf"keys/\[GITHUB_TOKEN\]{TAG}\.env"),
        ("cv/Ada_Lindqvist.pdf", (PERSON,), rf"cv/[A-Z][a-z]+_[A-Z][a-z]+{TAG}\.pdf"),
        ("cv/LINDQVIST-ada-cv.pdf", (PERSON,), rf"cv/[A-Z]+-[a-z]+-cv{TAG}\.pdf"),
        ("Ada Lindqvist/Adalind.pdf", (PERSON,), re.escape("Ada Lindqvist/Adalind.pdf")),  # a folder has no content of its own
        ("kept/ada.lindqvist@kaldor-mail.com.eml", (), re.escape("kept/ada.lindqvist@kaldor-mail.com.eml")),
    ],
)
def test_values_in_names_are_replaced(names: CopyNames, artifact: str, inside: tuple[Mark, ...], expected: str) -> None:
    new = named(names, artifact, *inside)
    assert re.fullmatch(expected, new), new
    assert new == artifact or not re.search("(?i)ada|lindqvist|kaldor|4212-3456|16C7e42F", new)


def test_names_stay_apart_and_folders_together(names: CopyNames) -> None:
    one, other = (named(names, f"{token}.env") for token in TOKENS)
    assert one != other
    folders = {named(names, f"a@kaldor-mail.com/{file}").partition("/")[0] for file in ("1.txt", "2@kaldor-mail.com.txt")}
    assert len(folders) == 1


def test_a_copy_has_the_new_names_and_the_manifest_both(tmp_path: Path) -> None:
    name = "mail/ada.lindqvist@kaldor-mail.com.txt"
    write(tmp_path / "corpus", {name: "Write to ada.lindqvist@kaldor-mail.com", "plain.txt": "nothing"})
    run = InProcess(
        str(tmp_path / "corpus"), str(tmp_path / "dest"), "{names: pseudonym, rules: [{category: pii, action: pseudonym}]}", OPTIONS
    )
    run.scan().publish()
    path = run.manifest()[name]["path"]
    copy = tree(tmp_path / "dest/corpus")
    assert copy.keys() == {b"mail", b"plain.txt", path.removeprefix("corpus/").encode()}
    address = copy[path.removeprefix("corpus/").encode()].decode().removeprefix("Write to ")
    assert path.startswith(f"corpus/mail/{address}~")  # the same pseudonym as in the text
