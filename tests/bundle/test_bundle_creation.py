"""What is packed, what the manifest says of it, and what is not packed at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.building import Zone, entries_of
from tests.engines.dependencies.building import archive, epss, kev, record
from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.bundle.bundle_creation import Sources, create
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.core.errors import BundleError, ModelError, UsageError, VeritensorError
from veritensor_ray.engines.dependencies.advisory_ages import source_ages
from veritensor_ray.models.model_store import catalog


def test_the_manifest_tells_what_was_packed(here: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    sources = replace(here.sources(), source={"rules": "acme's own"}, licence={"rules": "MIT", "names/npm": "CC0-1.0"})
    made = here.create("told.tar", sources=sources)
    assert made.manifest.created == "2026-01-01T00:00:00+00:00"
    about: dict[str, Any] = {part.name: part for part in made.manifest.parts}
    assert {name: (part.kind, part.source, part.licence, part.files, part.dated) for name, part in about.items()} == {
        "advisories": ("advisories", "advisories.sqlite", None, 1, "2026-01-01"),
        "models/injection": ("model", "protectai/deberta-v3-base-prompt-injection-v2", "Apache-2.0", 3, "2026-01-01"),
        "models/pii": ("model", "urchade/gliner_multi_pii-v1", "Apache-2.0 AND MIT", 3, "2026-01-01"),
        "names/npm": ("names", "npm.txt", "CC0-1.0", 1, "2026-01-01"),
        "names/pypi": ("names", "pypi.txt", None, 1, "2026-05-01"),
        "rules": ("rules", "acme's own", "MIT", 2, "2026-01-01"),
    }
    assert about["models/pii"].revision == catalog()["pii"]["standard"]["revision"]
    assert set(made.manifest.files) == {
        *(f"models/{role}/{name}" for role in ("injection", "pii") for name in ("config.json", "model.safetensors", "tokenizer.json")),
        "models/models.lock.json", "rules/acme.yar", "rules/more/other.yara", "advisories/advisories.sqlite", "names/npm.txt", "names/pypi.txt",
    }  # fmt: skip
    assert [warning.partition("models.lock.json ")[2] for warning in made.warnings] == [
        "has no ocr, so profile standard is incomplete with this bundle"
    ]
    assert made.manifest.size == sum(len(data) for _, data in entries_of(made.path)[2:])


def test_the_same_input_makes_the_same_bytes(here: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    other = here.copy(tmp_path / "elsewhere")
    for path in other.folder.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700)
    first, second = here.create("same.tar"), other.create("same.tar")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.id == second.id
    with tarfile.open(first.path) as file:
        members = file.getmembers()
    assert [member.name for member in members][:2] == ["MANIFEST.json", "MANIFEST.json.sig"]
    assert [member.name for member in members][2:] == sorted(first.manifest.files)
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime, member.mode) for member in members} == {
        (0, 0, "", "", 0, 0o644)
    }


def test_archives_of_advisories_become_a_database(here: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    pypi = archive(here.folder / "PyPI.zip", [record("PYSEC-1", "a", modified="2025-03-04T00:00:00Z")])
    npm = archive(here.folder / "npm.zip", [record("GHSA-1", "b", ecosystem="npm", modified="2025-03-02T00:00:00Z")])
    one, two = (here.create(name, sources=Sources(advisories=(pypi, npm))) for name in ("one.tar", "two.tar"))
    assert one.path.read_bytes() == two.path.read_bytes()
    [part] = one.manifest.parts
    assert (part.source, part.dated) == ("PyPI.zip, npm.zip", "2025-03-04")
    assert {path.name for path in here.folder.iterdir() if path.name.startswith((".one", ".two"))} == set()


def test_kev_and_epss_travel_with_the_advisories(here: Zone) -> None:
    listed = kev(here.folder / "known_exploited_vulnerabilities.json", {"CVE-2026-0001": "2026-02-11"})
    scored = epss(here.folder / "epss_scores-current.csv.gz", {"CVE-2026-0001": (0.5, 0.9)})
    made = here.create("feeds.tar", sources=Sources(advisories=(archive(here.folder / "PyPI.zip", [record("PYSEC-1")]), listed, scored)))
    import_bundle(here.settings(), made.path)
    settings, _ = activate(here.settings())
    assert [(one.name, one.dated) for one in source_ages(settings.dependencies)] == [
        ("advisories", "2026-01-01"),
        ("KEV", "2026-03-02"),
        ("EPSS", "2026-03-03"),
    ]


def test_several_keys_sign(here: Zone) -> None:
    made = here.create("two.tar", "old", "new")
    assert len(set(made.keys)) == 2
    assert import_bundle(here.settings(), made.path).id == made.id


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def without(here: Zone, *names: str) -> Sources:
    kept = {"models", "rules", "advisories", "names"} - set(names)
    return Sources(**{name: getattr(here.sources(), name) for name in kept})


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda f: (f / "home/veritensor/injection/config.json").write_text("{ }"), ModelError, "config.json has changed"),
        (lambda f: (f / "home/veritensor/injection/more.json").write_text("{}"), ModelError, "more.json is extra"),
        (lambda f: (f / "home/veritensor/pii/pytorch_model.bin").write_text("{}"), ModelError, "could run code"),
        (
            lambda f: (f / "home/veritensor/models.lock.json").unlink(),
            ModelError,
            r"models.lock.json is not a model lock.*download_models.py",
        ),
        (lambda f: (f / "home/veritensor/models.lock.json").write_text("[]"), ModelError, "is not a model lock: it is not a mapping"),
        (lambda f: shutil.rmtree(f / "rules"), UsageError, "is not a folder"),
        (lambda f: (f / "rules/acme.yar").write_text("rule {"), UsageError, "acme.yar does not compile"),
        (lambda f: (f / "rules/a\nb.yar").write_text("rule x { condition: true }"), UsageError, "cannot be packed: .*Rename it"),
        (
            lambda f: (f / "rules" / ("x" * 150 + ".yar")).write_text("rule x { condition: true }"),
            UsageError,
            "name is too long.*shorter name",
        ),
        (lambda f: piped(f / "npm.txt"), UsageError, "npm.txt is not a file"),
        (lambda f: (f / "advisories.sqlite").write_text("no database"), UsageError, "is not an advisory database"),
        (lambda f: (f / "advisories.sqlite").unlink(), VeritensorError, "advisories.sqlite"),
        (lambda f: (f / "pypi.txt").write_text("# none\n"), UsageError, "pypi.txt contains no names"),
        (lambda f: (f / "pypi.txt").write_bytes(b"\xff\xff"), UsageError, "pypi.txt cannot be read"),
        (lambda f: (f / "new.tar").write_text("mine"), UsageError, "new.tar already exists. Choose a different name"),
    ],
)
def test_what_is_not_packed(here: Zone, damage: Callable[[Path], object], error: type[Exception], message: str) -> None:
    damage(here.folder)
    before = {path.name for path in here.folder.iterdir()}
    with pytest.raises(error, match=message):
        here.create("new.tar")
    assert {path.name for path in here.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (lambda zone: Sources(), "needs at least one of --models, --rules, --advisories and --names"),
        (lambda zone: Sources(names={"cargo": zone.folder / "npm.txt"}), "--names cargo=…: use pypi or npm"),
        (lambda zone: Sources(models=zone.folder / "nothing"), "is not a model lock"),
        (lambda zone: Sources(rules=zone.folder / "home"), r"contains no .yar or .yara file"),
    ],
)
def test_sources_that_are_none(here: Zone, sources: Callable[[Zone], Sources], message: str) -> None:
    with pytest.raises(VeritensorError, match=message):
        here.create("new.tar", sources=sources(here))


def test_no_key_no_bundle(here: Zone) -> None:
    with pytest.raises(UsageError, match="Name a key with --sign-key file:PATH"):
        create(here.folder / "new.tar", here.sources(), [])


def test_a_folder_that_is_not_there(here: Zone) -> None:
    with pytest.raises(BundleError, match="No such file or directory"):
        here.create("none/new.tar")


@pytest.mark.parametrize("moment", ["yesterday", "-1e9", "99999999999999999999"])
def test_a_moment_that_is_none(here: Zone, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
    with pytest.raises(UsageError, match="Set it to seconds since 1970"):
        here.create("new.tar")


def test_without_a_moment_it_is_now(here: Zone) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    made = here.create("now.tar", sources=without(here, "models", "names", "advisories"))
    assert before <= datetime.fromisoformat(made.manifest.created) <= datetime.now(UTC)
    assert stat.S_IMODE(made.path.stat().st_mode) & 0o600 == 0o600
    assert json.loads(entries_of(made.path)[0][1])["format"] == "veritensor-ray bundle 1"


def test_models_may_be_named_by_their_own_folder(here: Zone) -> None:
    made = here.create("models.tar", sources=Sources(models=here.folder / "home/veritensor"))
    assert [part.name for part in made.manifest.parts] == ["models/injection", "models/pii"]
