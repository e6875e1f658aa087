"""`veritensor-ray models`: what it shows, and that it fails when a model does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from veritensor_ray.cli import main
from veritensor_ray.models import model_store


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["veritensor-ray", "models", *arguments])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main()
        sys.exit(0)
    return int(ended.value.code or 0)


def table(capsys: pytest.CaptureFixture[str], key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in json.loads(capsys.readouterr().out)}


@pytest.fixture
def only_injection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog with the one role whose embedded model is always here."""
    entry = model_store.catalog()["injection"]
    monkeypatch.setattr(model_store, "catalog", lambda: {"injection": entry})


@pytest.mark.parametrize("command", [(), ("list",), ("verify",), ("selftest",), ("calibrate",)])
def test_help(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    assert call(monkeypatch, *command, "--help") == 0
    assert capsys.readouterr().out == snapshot


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = "import sys, veritensor_ray.cli.setup.models_command; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "yaml", "veritensor_ray.models.model_store"} & set(loaded)


def test_list_names_every_role(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("veritensor_ray.models.lock.digest", lambda *_: pytest.fail("a file was read"))
    assert call(monkeypatch, "list", "--json") == 0
    rows = table(capsys, "role")
    assert set(rows) == {"injection", "pii", "ocr"}
    assert rows["injection"]["state"] == rows["ocr"]["state"] == "ready"
    assert rows["injection"]["size"] > 20_000_000
    assert call(monkeypatch, "list", "--profile", "standard", "--json") == 0
    rows = table(capsys, "role")
    assert rows["pii"]["model"] == "urchade/gliner_multi_pii-v1@1fcf13e85f4e"
    assert rows["pii"]["state"].startswith("fails: the pii model of profile standard is missing")
    assert call(monkeypatch, "list") == 0
    assert "Apache-2.0" in capsys.readouterr().out


@pytest.mark.usefixtures("only_injection")
def test_verify_reports_every_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(monkeypatch, "verify") == 0
    assert "ok" in capsys.readouterr().out
    embedded = tmp_path / "embedded"
    shutil.copytree(Path(model_store.__file__).parent / "embedded/injection", embedded / "injection")
    (embedded / "injection/tokenizer.json").write_text("{}")
    (embedded / "injection/linear.safetensors").unlink()
    monkeypatch.setattr(model_store.ModelStore.__init__, "__defaults__", (embedded,))
    assert call(monkeypatch, "verify", "--json") == 4
    faults = table(capsys, "role")["injection"]["faults"]
    assert [("linear.safetensors is missing" in fault, "tokenizer.json has changed" in fault) for fault in faults] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.usefixtures("only_injection")
def test_verify_of_what_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert call(monkeypatch, "verify", "--profile", "standard") == 4
    assert "download_models.py" in capsys.readouterr().out


class Fake:
    """An engine whose model is what the test says."""

    version = "1"

    def __init__(self, name: str, error: Exception | None) -> None:
        from veritensor_ray.engines.base import Needs

        self.name, self._error, self.needs = name, error, Needs(model="injection")

    def load(self, models: model_store.ModelStore) -> None:
        if self._error is not None:
            raise self._error


def test_selftest_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fakes = {"broken": Fake("broken", RuntimeError("no such layer")), "whole": Fake("whole", None)}
    monkeypatch.setattr("veritensor_ray.engines.registry.available", lambda settings: fakes)
    monkeypatch.setattr("veritensor_ray.engines.registry.create", lambda settings, names: [fakes[name] for name in names])
    assert call(monkeypatch, "selftest", "--json") == 4
    rows = table(capsys, "engine")
    assert (rows["broken"]["state"], rows["broken"]["detail"], rows["whole"]["state"]) == ("fails", "no such layer", "ok")
    del fakes["broken"]
    assert call(monkeypatch, "selftest") == 0
    assert "whole" in capsys.readouterr().out
