"""The bundle in use: what it puts into the settings, and that one changed bit anywhere ends the run before it begins."""

from __future__ import annotations

import pickle
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.building import RULE, Zone, entry, manifest_of, models, packed, signed
from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.bundle.bundle_manifest import BundlePart
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import BundleError, SignatureError, UsageError
from veritensor_ray.core.signing import change, revoke
from veritensor_ray.engines.registry import create
from veritensor_ray.jobs.doctor import checks
from veritensor_ray.models.model_store import ModelStore


def current(here: Zone) -> Path:
    return (here.folder / "bundles/current").resolve()


def test_without_a_bundle_nothing_changes(here: Zone) -> None:
    settings = here.settings()
    assert activate(settings) == (settings, None)
    with pytest.raises(BundleError, match=r"bundle.required is set, but there is no bundle in .*bundle import FILE.tar"):
        activate(here.settings(bundle={"required": True}))


def test_what_the_user_did_not_set_comes_from_the_bundle(imported: Zone) -> None:
    settings, active = activate(imported.settings(bundle={"required": True}, dependencies={"max_age_days": 9}))
    folder = current(imported)
    assert active is not None
    assert (active.id, active.folder) == (folder.name, folder)
    assert [part.name for part in active.parts] == ["advisories", "models/injection", "models/pii", "names/npm", "names/pypi", "rules"]
    assert [key.name for key in active.keys] == ["new key"]
    assert settings.rules == [str(folder / "rules")]
    assert settings.models == str(folder / "models")
    assert settings.dependencies.database == str(folder / "advisories/advisories.sqlite")
    assert settings.dependencies.popular == {"pypi": str(folder / "names/pypi.txt"), "npm": str(folder / "names/npm.txt")}
    assert settings.dependencies.max_age_days == 9
    assert Settings.model_validate_json(settings.model_dump_json()) == pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301  # our own
    assert activate(settings)[0] == settings
    assert "signatures.user-acme-marker" in {rule.id for rule in create(settings, ["signatures"])[0].rules()}


def test_what_the_user_set_stays_and_is_named(imported: Zone) -> None:
    own: dict[str, Any] = {
        "rules": [str(imported.folder / "rules")],
        "models": "/models",
        "dependencies": {"database": "/db", "popular": {"npm": "/npm"}},
    }
    given = imported.settings(**own, bundle={"warn_days": 100_000})
    settings, active = activate(given)
    assert active is not None
    assert settings == given.model_copy(update={"rules": [str(active.folder / "rules"), *own["rules"]]}), "rules stand beside the user's"
    names = ("models", "dependencies.database", "dependencies.popular")
    assert active.warnings == tuple(f"{name} is set, so that part of bundle {active.id} is not used" for name in names)


def test_models_of_the_bundle_come_before_hf_home(imported: Zone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models(tmp_path / "hf", ("injection",))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    given = imported.settings(profile="standard")
    assert ModelStore.of(given).model("injection").folder == tmp_path / "hf/veritensor/injection"
    settings, _ = activate(given)
    assert ModelStore.of(settings).model("injection").folder == current(imported) / "models/injection"
    [engine] = create(settings, ["injection"])
    assert engine.fingerprint() != create(settings.model_copy(update={"profile": "embedded"}), ["injection"])[0].fingerprint()
    assert ModelStore.of(settings).status("ocr").faults[0].startswith("the ocr model of profile standard is missing")


def test_a_bundle_without_models_leaves_hf_home(here: Zone) -> None:
    manifest = manifest_of(here, {"rules/a.yar": b"rule a { condition: true }"}, parts=(part("rules", "2030-01-01"),))
    import_bundle(
        here.settings(), packed(here.folder / "a.tar", [*signed(here, manifest), entry("rules/a.yar", b"rule a { condition: true }")])
    )
    settings, _ = activate(here.settings())
    assert (settings.models, settings.dependencies) == (None, Settings().dependencies)
    assert len(settings.rules) == 1


def part(name: str, dated: str) -> BundlePart:
    return BundlePart(name=name, kind="rules", source="s", revision="r", licence=None, size=1, files=1, dated=dated)


def test_a_bundle_imported_during_a_run_changes_nothing(imported: Zone) -> None:
    settings, active = activate(imported.settings())
    data = b"rule a { condition: true }"
    tar = packed(imported.folder / "a.tar", [*signed(imported, manifest_of(imported, {"rules/a.yar": data})), entry("rules/a.yar", data)])
    import_bundle(imported.settings(), tar)
    assert active is not None
    assert Path(settings.rules[0], "acme.yar").read_text() == (imported.folder / "rules/acme.yar").read_text()


# ---- one bit


def refuses(settings: Settings, path: Path, bit: int) -> bool:
    """Whether a run would, with this bit flipped in place: size, name and inode stay."""

    def flip() -> None:
        with path.open("r+b") as file:
            file.seek(bit // 8)
            byte = file.read(1)[0]
            file.seek(bit // 8)
            file.write(bytes([byte ^ 1 << bit % 8]))

    flip()
    try:
        activate(settings)
    except (BundleError, SignatureError):
        return True
    finally:
        flip()
    return False


@pytest.mark.parametrize("where", ["models/**/*", "rules/**/*", "advisories/*", "names/*", "MANIFEST.json", "MANIFEST.json.sig"])
def test_one_flipped_bit_anywhere_is_refused(imported: Zone, where: str) -> None:
    settings, generator = imported.settings(), random.Random(where)
    files = sorted(path for path in current(imported).glob(where) if path.is_file())
    assert files
    activate(settings)
    for path in files:
        bits = path.stat().st_size * 8
        for bit in {0, bits - 1, *generator.sample(range(bits), min(bits, 90 // len(files)))}:
            assert refuses(settings, path, bit), f"bit {bit} of {path}"
    activate(settings)


def test_a_bit_of_one_of_two_trusted_signatures_is_refused_too(here: Zone) -> None:
    here.trusts("old")
    import_bundle(here.settings(), here.create("two.tar", "old", "new").path)
    path = current(here) / "MANIFEST.json.sig"
    for bit in random.Random(7).sample(range(path.stat().st_size * 8), 60):
        assert refuses(here.settings(), path, bit), bit


# ---- folders


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "rules/evil.yar").write_text("x"),
            "'rules/evil.yar' is extra and is not listed in the manifest. Import",
        ),
        (lambda folder: (folder / "evil").write_text("x"), "'evil' is in none of the folders"),
        (lambda folder: (folder / "rules/acme.yar").unlink(), "'rules/acme.yar' is missing. Import the bundle again"),
        (lambda folder: (folder / "rules/acme.yar").write_text("x"), "'rules/acme.yar' has 1 bytes instead of"),
        (lambda folder: linked(folder / "rules/acme.yar"), "acme.yar is a link, or not a plain file"),
        (lambda folder: linked(folder / "rules"), "/rules is a link, or not a plain file"),
        (lambda folder: linked(folder / "MANIFEST.json"), "MANIFEST.json is a link"),
        (lambda folder: (folder / "MANIFEST.json").unlink(), "MANIFEST.json is missing"),
        (lambda folder: (folder / "MANIFEST.json.sig").unlink(), "MANIFEST.json.sig is missing"),
        (lambda folder: folder.rename(folder.with_name("0" * 16)), "cannot be read: No such file"),
        (lambda folder: other_name(folder), "contains bundle [0-9a-f]{16}, which does not match its name"),
        (lambda folder: repointed(folder, "../elsewhere"), "points to '../elsewhere', which is not a bundle"),
        (lambda folder: repointed(folder, str(folder)), "points to '/.*', which is not a bundle"),
    ],
)
def test_a_damaged_folder_is_refused(imported: Zone, damage: Callable[[Path], object], message: str, thorough: bool) -> None:
    damage(current(imported))
    with pytest.raises(BundleError, match=message):
        activate(imported.settings(), thorough=thorough)


def linked(path: Path) -> None:
    path.rename(path.parents[2] / "moved")
    path.symlink_to(path.parents[2] / "moved")


def repointed(folder: Path, target: str) -> None:
    (folder.parent / "current").unlink()
    (folder.parent / "current").symlink_to(target)


def other_name(folder: Path) -> None:
    folder.rename(folder.with_name("0" * 16))
    repointed(folder, "0" * 16)


def test_a_link_that_leads_to_a_folder_of_another_bundle(imported: Zone) -> None:
    """An older bundle in place of the newer one, rightly signed."""
    older = current(imported)
    data = b"rule a { condition: true }"
    tar = packed(imported.folder / "a.tar", [*signed(imported, manifest_of(imported, {"rules/a.yar": data})), entry("rules/a.yar", data)])
    newer = import_bundle(imported.settings(), tar).folder
    newer.rename(newer.with_name("aside"))
    older.rename(newer)
    with pytest.raises(BundleError, match=f"contains bundle {older.name}, which does not match its name"):
        activate(imported.settings())


# ---- keys and ages


def test_a_revoked_or_forgotten_key_ends_it(imported: Zone) -> None:
    settings = imported.settings()
    [name] = [key.id for key in (activate(settings)[1] or pytest.fail("no bundle")).keys]
    change(settings.trusted_keys, lambda keys: revoke(keys, name, "stolen"))
    with pytest.raises(SignatureError, match=rf"key {name} \(new key\) is revoked \(stolen\)"):
        activate(settings, thorough=False)
    Path(settings.trusted_keys or "").unlink()
    with pytest.raises(UsageError, match=r"there is no list of trusted keys /.*trusted.json; .* `veritensor-ray keys trust FILE.pub`"):
        activate(settings)


class BeforeMidnight(datetime):
    """A day that does not end while a test runs."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> BeforeMidnight:
        return cls(2026, 3, 1, 23, 59, 59, tzinfo=tz)


@pytest.mark.parametrize(
    ("days", "bundle", "said"),
    [
        (0, {}, ()),
        (30, {}, ()),
        (31, {}, ("bundle {id}: part rules is 31 days old (bundle.warn_days is 30). Import a newer bundle",)),
        (31, {"warn_days": 31}, ()),
        (31, {"max_days": 31}, ("bundle {id}: part rules is 31 days old (bundle.warn_days is 30). Import a newer bundle",)),
        (32, {"max_days": 31}, "part rules is 32 days old, more than bundle.max_days (31). Import a newer bundle"),
        (3, {"max_days": 2, "warn_days": 9}, "part rules is 3 days old, more than bundle.max_days (2)"),
        (-1, {}, ()),
        (-3, {}, ("bundle {id}: part rules is dated {dated}, which is in the future. Check the clock of this machine",)),
    ],
)
def test_ages(here: Zone, days: int, bundle: dict[str, int], said: tuple[str, ...] | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.bundle.bundle_manifest.datetime", BeforeMidnight)
    dated = str(BeforeMidnight.now(UTC).date() - timedelta(days=days))
    data = b"rule a { condition: true }"
    manifest = manifest_of(here, {"rules/a.yar": data}, parts=(part("rules", dated),))
    done = import_bundle(here.settings(), packed(here.folder / "a.tar", [*signed(here, manifest), entry("rules/a.yar", data)]))
    if isinstance(said, str):
        with pytest.raises(BundleError) as error:
            activate(here.settings(bundle=bundle))
        assert said in str(error.value)
    else:
        active = activate(here.settings(bundle=bundle))[1]
        assert active is not None
        assert active.warnings == tuple(sentence.format(id=done.id, dated=dated) for sentence in said)


# ---- doctor


def test_doctor_has_a_line_about_it(imported: Zone) -> None:
    """The first of its checks, which waits for none of the others."""
    found = next(checks(imported.settings(bundle={"warn_days": 100_000})))
    assert (found.name, found.state, found.remedy) == ("bundle", "ok", "")
    assert re.fullmatch(
        rf"{current(imported).name} in /.*, signed by \w{{16}} \(new key\); its oldest part is .*, \d+ days old", found.detail
    )
    found = next(checks(imported.settings()))
    assert (found.state, "bundle import FILE.tar" in found.remedy) == ("warning", True)
    (current(imported) / "rules/acme.yar").write_text(RULE.replace("7", "8"))
    found = next(checks(imported.settings()))
    assert (found.state, "has changed" in found.detail) == ("fails", True)
    assert next(checks(imported.settings(bundle={"folder": "/nowhere"}))).detail.startswith("none, and none is required")
