"""A copy that is what was written, signed or not, and every way in which it is not: changed, stripped, missing, extra, behind a link."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cleaning.in_process import InProcess, finish, write
from veritensor_ray.cleaning.copy_statement import verify_copy
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.core.signing import TrustList, load_public_key, new_key, trust
from veritensor_ray.stores.outputs import OutputStore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed copy, `copy`, the list of its key, and the list of another key."""
    base = tmp_path_factory.mktemp("signed")
    write(base / "corpus", {"a.txt": "one FINDME two", "b.txt": "nothing"})
    for name in ("key", "other"):
        new_key(base / name, name)
    run = InProcess(str(base / "corpus"), str(base / "copy"))
    run.scan().publish()
    shutil.rmtree(base / "copy/before/_work")
    finish(run, f"file:{base / 'key'}")
    return base


def trusting(base: Path, name: str) -> TrustList:
    return trust(TrustList(base / "none.json"), *load_public_key(base / f"{name}.pub"))


def moved(copy: Path, name: str) -> None:
    """Replace something by a link to it."""
    target = (copy / name).rename(copy.parent / f"moved-{Path(name).name}")
    (copy / name).symlink_to(target)


def edited(copy: Path, **changes: object) -> None:
    path = copy / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replaced(copy: Path) -> None:
    """Point `after` to an audit that is complete, but another one."""
    shutil.rmtree(copy / "after")
    shutil.copytree(copy / "before", copy / "after")


UNSIGNED = "has no attestation.json: the copy is not signed, or its signature was removed"
# What happens to a copy, what is said of it, and what is said of it without its signature.
CHANGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "nothing": (lambda copy: None, "signed by key", "signed by nobody"),
    "a file changed": (lambda copy: (copy / "corpus/a.txt").write_text("x"), r"corpus/a\.txt has changed", "has changed"),
    "a file is gone": (lambda copy: (copy / "corpus/a.txt").unlink(), r"corpus/a\.txt is missing", "is missing"),
    "a file is extra": (lambda copy: write(copy, {"corpus/n.txt": "x"}), r"corpus/n\.txt is extra", "is extra"),
    "a file in quarantine is extra": (lambda copy: write(copy, {"quarantine/n.txt": "x"}), r"quarantine/n\.txt is extra", "is extra"),
    "a folder is extra": (lambda copy: write(copy, {"more/n.txt": "x"}), "more is extra: no cleaning writes it", "more is extra"),
    "before is gone": (lambda copy: shutil.rmtree(copy / "before"), "before is missing", "before is missing"),
    "after is gone": (lambda copy: shutil.rmtree(copy / "after"), "after is missing", "after is missing"),
    "after is empty": (lambda copy: (copy / "after/run.json").unlink(), "after has no run.json", "after has no run.json"),
    "after has less": (lambda copy: shutil.rmtree(copy / "after/findings"), "after has changed", "after has changed"),
    "after has more": (lambda copy: write(copy, {"after/findings/deep/p.parquet": "x"}), "after has changed", "after has changed"),
    "after is another": (replaced, "after has changed: it is not the audit that run.json names", "after has changed"),
    "before changed": (lambda copy: write(copy, {"before/run.json": "{}"}), "before has changed", "before has changed"),
    "the manifest is gone": (lambda copy: (copy / "manifest.parquet").unlink(), "manifest.parquet", "is damaged or missing"),
    "run.json is gone": (lambda copy: (copy / "run.json").unlink(), "has no run.json", "has no run.json"),
    "run.json changed": (lambda copy: edited(copy, verdict="findings-left"), "run.json has changed: its SHA-256", "signed by nobody"),
    "no second audit": (lambda copy: edited(copy, after=None), "run.json has changed", "after is extra: run.json names no such"),
    "a level with markup": (lambda copy: edited(copy, level="[b]x"), "run.json of .* is damaged: level", "is damaged: level"),
    "a number is text": (lambda copy: edited(copy, left={"high": "\x1b[2J"}), "is damaged: left.high", "is damaged: left.high"),
    "an audit is text": (lambda copy: edited(copy, before="x"), "is damaged: before", "is damaged: before"),
    "the corpus is behind a link": (lambda copy: moved(copy, "corpus"), "corpus is a link", "is a link"),
    "a file is behind a link": (lambda copy: moved(copy, "corpus/a.txt"), r"corpus/a\.txt is a link", "is a link"),
    "after is behind a link": (lambda copy: moved(copy, "after"), "after is a link", "is a link"),
    "findings are behind a link": (lambda copy: moved(copy, "after/findings"), "after/findings is a link", "is a link"),
    "the signature is behind a link": (lambda copy: moved(copy, "attestation.json"), "attestation.json is a link", "signed by nobody"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_differs_is_found(made: Path, tmp_path: Path, case: str) -> None:
    change, signed, stripped = CHANGES[case]
    copy, store = tmp_path / "copy", OutputStore(str(tmp_path / "copy"))
    shutil.copytree(made / "copy", copy)
    change(copy)
    assert re.search(signed, told(store, trusting(made, "key")))
    (copy / "attestation.json").unlink()
    assert re.search(stripped, told(store, None))
    assert re.search(f"{UNSIGNED}|{stripped}", found := told(store, trusting(made, "key")))
    assert "signed by" not in found


def told(store: OutputStore, trusted: TrustList | None) -> str:
    """Return whose key signed a copy, or the error."""
    try:
        return f"signed by {' '.join(key.name for key in verify_copy(store, trusted).keys) or 'nobody'}"
    except VeritensorError as error:
        assert error.exit_code == 4
        return str(error)


def test_who_must_have_signed_it(made: Path) -> None:
    store = OutputStore(str(made / "copy"))
    assert "no list of trusted keys to check it with" in told(store, None)
    assert "has no valid signature" in told(store, trusting(made, "other"))
    assert "has no valid signature" in told(store, TrustList(made / "none.json"))
