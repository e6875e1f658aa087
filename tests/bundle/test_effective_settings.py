"""The effective settings: each value with its source, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.bundle.active_bundle import Active
from veritensor_ray.bundle.effective_settings import effective
from veritensor_ray.core.config import Settings

CONFIG = """\
# a comment
engines: [signatures, pii]
profile: standard
limits: &limits
  depth: 3
  members: 7
pii:
  thresholds: {person: 0.6}
  custom:
    - {name: badge, pattern: "B-[0-9]{6}"}
stores:
  "s3://kb":
    key: env:KEY
    endpoint: https://user:hunter2@store.internal
notify:
  url: https://chat.internal/hooks/hunter2
  command: /opt/tell --token hunter2
  secret: file:/run/secrets/notify
site_key: env:SITE_KEY
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def found(path: str | None = None, **environ: str) -> dict[str, tuple[Any, str]]:
    return {one.key: (one.value, one.source) for one in effective(path, environ)}


def test_each_value_names_its_source(folder: Path) -> None:
    Path("own.yaml").write_text(CONFIG)
    seen = found("own.yaml", VERITENSOR_PROFILE="embedded", VERITENSOR_LIMITS__MEMBERS="9", VERITENSOR_PII__THRESHOLDS__EMAIL="0.9")
    expected = {
        "engines": (["signatures", "pii"], "own.yaml:2"),
        "profile": ("embedded", "VERITENSOR_PROFILE"),  # the environment wins
        "limits.depth": (3, "own.yaml:5"),
        "limits.members": (9, "VERITENSOR_LIMITS__MEMBERS"),
        "limits.json_depth": (200, "default"),
        "pii.thresholds.person": (0.6, "own.yaml:8"),
        "pii.thresholds.email": (0.9, "VERITENSOR_PII__THRESHOLDS__EMAIL"),
        "stores.s3://kb.key": ("env:KEY", "own.yaml:13"),
        "stores.s3://kb.region": (None, "default"),
        "site_key": ("env:SITE_KEY", "own.yaml:19"),
        "output": (None, "default"),
    }
    assert {key: seen[key] for key in expected} == expected


def test_no_secret_is_shown(folder: Path) -> None:
    Path("own.yaml").write_text(CONFIG)
    seen = found("own.yaml", VERITENSOR_SOURCES="https://user:hunter2@files.internal/a.md?sig=hunter2")
    assert (seen["notify.url"], seen["notify.command"]) == (("(set)", "own.yaml:16"), ("(set)", "own.yaml:17"))
    assert seen["notify.secret"][0] == "file:/run/secrets/notify"
    assert "hunter2" not in str(seen)
    assert found(None, VERITENSOR_NOTIFY__URL="env:HOOK")["notify.url"] == ("env:HOOK", "VERITENSOR_NOTIFY__URL")


def test_files_of_the_working_directory_are_named(folder: Path) -> None:
    Path("veritensor-ray.yaml").write_text("fail_on: high\n")
    seen = found()
    assert seen["fail_on"] == ("high", f"{folder / 'veritensor-ray.yaml'}:1")


def test_keys_of_a_merged_mapping_name_the_line_where_they_are_written(folder: Path) -> None:
    Path("own.yaml").write_text("limits: &shared\n  depth: 3\ninjection: {cascade: false}\n")
    assert found("own.yaml")["limits.depth"] == (3, "own.yaml:2")
    Path("own.yaml").write_text('stores:\n  "s3://a": &a\n    region: x\n  "s3://b":\n    <<: *a\n    account: y\n')
    seen = found("own.yaml")
    assert (seen["stores.s3://b.region"], seen["stores.s3://b.account"]) == (("x", "own.yaml:3"), ("y", "own.yaml:6"))


def test_values_of_the_bundle_in_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    active = Active("0123456789abcdef", folder, (), "2026-11-01", (), ())

    def activated(settings: Settings, *, thorough: bool) -> tuple[Settings, Active]:
        assert not thorough, "a command that only lists reads no file of the bundle"
        return settings.model_copy(update={"models": "/bundles/0123/models"}), active

    monkeypatch.setattr("veritensor_ray.bundle.effective_settings.activate", activated)
    seen = found()
    assert seen["models"] == ("/bundles/0123/models", "bundle 0123456789abcdef")
    assert seen["engines"] == (None, "default")
