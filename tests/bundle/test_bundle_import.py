"""Import and rollback: what is in place afterwards, whatever came between."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.bundle.building import Zone, entry, manifest_of, packed, signed
from veritensor_ray.bundle.bundle_import import import_bundle, rollback
from veritensor_ray.bundle.bundle_manifest import bundle_id
from veritensor_ray.core.errors import BundleError, CannotRunError, SignatureError
from veritensor_ray.core.signing import change, revoke, trust_list


def small(here: Zone, name: str, created: str, *keys: str) -> tuple[Path, str]:
    """A bundle of one rule, and its id."""
    data = f"rule {name} {{ condition: false }}".encode()
    manifest = manifest_of(here, {"rules/one.yar": data}, created, keys)
    return packed(here.folder / f"{name}.tar", [*signed(here, manifest, *keys), entry("rules/one.yar", data)]), bundle_id(manifest)


def links(here: Zone) -> dict[str, str]:
    return {path.name: str(path.readlink()) for path in (here.folder / "bundles").iterdir() if path.is_symlink()}


def names(here: Zone) -> set[str]:
    return {path.name for path in (here.folder / "bundles").iterdir()} - {".lock"}


def test_what_an_import_leaves(here: Zone) -> None:
    before = os.umask(0o077)
    try:
        done = import_bundle(here.settings(), here.folder / "bundle.tar")
    finally:
        os.umask(before)
    assert done.copied
    assert done.previous is None
    assert done.folder == here.folder / "bundles" / done.id
    assert names(here) == {done.id, "current"}
    assert links(here) == {"current": done.id}
    inside = {str(path.relative_to(done.folder)): stat.S_IMODE(path.stat().st_mode) for path in done.folder.rglob("*")}
    assert {name for name, mode in inside.items() if mode == 0o755} == {
        "advisories", "models", "models/injection", "models/pii", "names", "rules", "rules/more",
    }  # fmt: skip
    assert {name for name, mode in inside.items() if mode == 0o644} == {"MANIFEST.json", "MANIFEST.json.sig", *done.manifest.files}
    assert set(inside.values()) == {0o644, 0o755}
    assert stat.S_IMODE(done.folder.stat().st_mode) == stat.S_IMODE(done.folder.parent.stat().st_mode) == 0o755


def test_the_current_and_the_one_before_are_kept(imported: Zone) -> None:
    first = links(imported)["current"]
    settings = imported.settings()
    (b, b_id), (c, c_id) = small(imported, "b", "2030-01-01T00:00:00+00:00"), small(imported, "c", "2030-01-02T00:00:00+00:00")
    assert import_bundle(settings, b).previous == first
    assert names(imported) == {first, b_id, "current", "previous"}
    assert import_bundle(settings, c).previous == b_id
    assert names(imported) == {b_id, c_id, "current", "previous"}
    again = import_bundle(settings, c)
    assert (again.copied, again.previous) == (False, b_id)
    back = rollback(settings)
    assert (back.id, back.previous) == (b_id, c_id)
    assert links(imported) == {"current": b_id, "previous": c_id}
    assert rollback(settings).id == c_id
    back = import_bundle(settings, b)  # what is here already is not copied, but used
    assert (back.copied, links(imported)) == (False, {"current": b_id, "previous": c_id})
    assert "was created before the one that was in use" in back.warnings[0]


def test_a_damaged_bundle_is_replaced(imported: Zone) -> None:
    name = links(imported)["current"]
    (imported.folder / "bundles" / name / "rules/acme.yar").write_text("changed")
    done = import_bundle(imported.settings(), imported.folder / "bundle.tar")
    assert done.copied
    assert names(imported) == {name, "current"}
    assert not import_bundle(imported.settings(), imported.folder / "bundle.tar").copied


def test_a_refused_bundle_changes_nothing(imported: Zone) -> None:
    before = links(imported), names(imported)
    data = imported.folder.joinpath("bundle.tar").read_bytes().replace(b"acme-marker-7", b"acme-marker-8")
    (imported.folder / "evil.tar").write_bytes(data)
    imported.folder.joinpath("bundles", before[0]["current"], "rules/acme.yar").write_text("so that it is copied")
    with pytest.raises(BundleError, match="has changed: its SHA-256"):
        import_bundle(imported.settings(), imported.folder / "evil.tar")
    assert (links(imported), names(imported)) == before


@pytest.mark.parametrize("after", [0, 1, 6])
def test_a_killed_import_leaves_nothing_that_counts(here: Zone, after: int) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.core.config import Settings
left = [int(sys.argv[3])]
def progress(done):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
import_bundle(Settings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), progress)
"""
    arguments = [here.settings().model_dump_json(), str(here.folder / "bundle.tar"), str(after)]
    ended = subprocess.run([sys.executable, "-c", code, *arguments], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [name for name in names(here) if name.startswith(".staging-")] == list(names(here)) != []
    done = import_bundle(here.settings(), here.folder / "bundle.tar")
    assert names(here) == {done.id, "current"}


def test_one_import_at_a_time(here: Zone) -> None:
    (here.folder / "bundles").mkdir()
    with FileLock(here.folder / "bundles/.lock"), pytest.raises(CannotRunError, match="another import is running"):
        import_bundle(here.settings(), here.folder / "bundle.tar")


def test_rollback_needs_a_whole_and_trusted_bundle(imported: Zone) -> None:
    settings, first = imported.settings(), links(imported)["current"]
    with pytest.raises(BundleError, match="previous bundle"):
        rollback(settings)
    second = import_bundle(settings, small(imported, "b", "2030-01-01T00:00:00+00:00", "old", "new")[0])
    rule = imported.folder / "bundles" / first / "rules/acme.yar"
    text = rule.read_text()
    rule.write_text(text.replace("7", "8"))
    with pytest.raises(BundleError, match=r"has changed.*Import the bundle again"):
        rollback(settings)
    rule.write_text(text)
    imported.trusts("old")
    [first_key] = {key.id for key in trust_list(settings.trusted_keys).keys if key.name == "new key"}
    change(settings.trusted_keys, lambda keys: revoke(keys, first_key, "lost"))
    with pytest.raises(SignatureError, match=r"is revoked \(lost\)"):
        rollback(settings)
    assert links(imported)["current"] == second.id


def test_rollback_without_any_bundle(here: Zone) -> None:
    with pytest.raises(BundleError, match="there is no bundle in"):
        rollback(here.settings())


def test_too_old_a_bundle_is_not_brought_in(here: Zone) -> None:
    with pytest.raises(BundleError, match=r"part advisories is .* days old, more than bundle.max_days \(5\)"):
        import_bundle(here.settings(bundle={"max_days": 5}), here.folder / "bundle.tar")
    assert not (here.folder / "bundles").exists()
    assert import_bundle(here.settings(bundle={"max_days": 100_000}), here.folder / "bundle.tar").warnings


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder.write_text("a file"), "cannot be written: .*set bundle.folder"),
        (lambda folder: (folder / "current").mkdir(parents=True), "current is not a link to a bundle"),
        (lambda folder: (folder.mkdir(), (folder / "current").symlink_to("/etc")), "current points to '/etc', which is not a bundle"),
    ],
)
def test_a_folder_that_is_no_place_for_bundles(here: Zone, prepare: Callable[[Path], object], message: str) -> None:
    prepare(here.folder / "bundles")
    with pytest.raises(BundleError, match=message):
        import_bundle(here.settings(), here.folder / "bundle.tar")
