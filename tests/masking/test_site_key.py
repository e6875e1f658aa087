"""The site key: named, or made once for this user."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.masking.site_key import given_key, key_id, site_key


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "veritensor-ray"


def test_made_once_and_for_its_owner_only(home: Path) -> None:
    key = site_key(None)
    assert len(key) == 64
    assert site_key(None) == key
    assert [path.name for path in home.iterdir()] == ["site.key"]
    assert stat.S_IMODE((home / "site.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_without_a_configuration_folder_it_is_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert site_key(None).decode() == (tmp_path / ".config/veritensor-ray/site.key").read_text()


def test_named_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("SITE", "from the environment")
    (tmp_path / "key").write_text("from a file of mine\n", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    assert site_key("env:SITE") == b"from the environment"
    assert site_key(f"file:{tmp_path}/key") == b"from a file of mine"
    assert not home.exists(), "no key is made where one is named"


@pytest.mark.parametrize(("key", "characters"), [("", 0), ("k", 1), ("fifteen letters", 15)])
def test_a_key_that_can_be_guessed_is_refused(
    key: str, characters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("SITE", key)
    home.mkdir(parents=True)
    for path in (tmp_path / "key", home / "site.key"):
        path.write_text(f"{key}\n", encoding="utf-8")
        path.chmod(0o600)
    for named, place in (("env:SITE", "env:SITE"), (f"file:{tmp_path}/key", "key"), (None, "site.key")):
        with pytest.raises(CannotRunError, match=rf"{place} has {characters} characters. Use at least 16 random characters"):
            site_key(named)


def test_a_message_says_which_key_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("short", encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(CannotRunError, match="the pseudonym key in file:"):
        given_key(f"file:{path}", "pseudonym key")
    path.chmod(0o644)
    with pytest.raises(CannotRunError, match="can read or write the pseudonym key"):
        given_key(f"file:{path}", "pseudonym key")


@pytest.mark.parametrize(("mode", "usable"), [(0o600, True), (0o640, True), (0o440, True), (0o644, False), (0o604, False), (0o602, False)])
def test_a_key_that_everybody_can_reach_is_refused(mode: int, usable: bool, tmp_path: Path, home: Path) -> None:
    """A group may read it: a pod's secrets are mounted so."""
    home.mkdir(parents=True)
    for path, named in ((tmp_path / "key", f"file:{tmp_path}/key"), (home / "site.key", None)):
        path.write_text("0123456789abcdef")
        path.chmod(mode)
        if usable:
            assert site_key(named) == b"0123456789abcdef"
        else:
            with pytest.raises(CannotRunError, match=f"chmod o-rwx {path}"):
                site_key(named)


def test_a_key_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SITE", raising=False)
    with pytest.raises(UsageError, match="env:SITE is not set"):
        site_key("env:SITE")


def test_a_folder_that_cannot_be_written_has_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file, where a folder should be", encoding="utf-8")
    with pytest.raises(CannotRunError, match="Set site_key to env:NAME or file:/path"):
        site_key(None)


def test_two_processes_that_race_get_the_same_key(home: Path) -> None:
    context = multiprocessing.get_context("spawn")  # a process that is forked beside threads may wait for their locks for ever
    for _ in range(5):
        with context.Pool(4, context.Barrier(4).wait) as pool:  # all begin at once
            keys = pool.map(site_key, [None] * 16, chunksize=1)
        assert len(set(keys)) == 1
        assert [path.name for path in home.iterdir()] == ["site.key"]
        (home / "site.key").unlink()


def test_a_key_is_named_without_telling_it() -> None:
    assert key_id(b"one") == key_id(b"one") != key_id(b"two")
    assert len(key_id(b"one")) == 12
