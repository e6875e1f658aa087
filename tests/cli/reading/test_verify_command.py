"""`verify`: exit codes, and what it says of a signed output, a changed one and one that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.results.test_attestation import RUN, write
from veritensor_ray.core.signing import change, load_public_key, new_key, trust
from veritensor_ray.results.attestation import attest
from veritensor_ray.stores.outputs import OutputStore


def test_what_verify_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    new_key(tmp_path / "key", "night\x1b[2J audit")
    output, listed = str(tmp_path / "out"), ("--trusted-keys", str(tmp_path / "trusted.json"))
    assert call(monkeypatch, "verify", output, *listed) == 2
    assert "there is no list of trusted keys" in capsys.readouterr().err
    (tmp_path / "trusted.json").write_text('{"keys": []}')
    assert call(monkeypatch, "verify", output, *listed) == 4
    assert "no audit was written there" in capsys.readouterr().err
    attest(write(OutputStore(output)), f"file:{tmp_path / 'key'}", RUN)
    assert call(monkeypatch, "verify", output, *listed) == 4
    assert "keys trust" in capsys.readouterr().err

    change(listed[1], lambda known: trust(known, *load_public_key(tmp_path / "key.pub")))
    assert call(monkeypatch, "verify", output, *listed) == 0
    said = capsys.readouterr().out
    assert "verified: 5 objects" in said
    assert "run-1" in said
    assert "\x1b" not in said
    assert call(monkeypatch, "verify", output, *listed, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["verified"] is True
    assert about["counts"]["severity"] == {"high": 1}

    (tmp_path / "out/ledger/part-00000.parquet").write_bytes(b"")
    assert call(monkeypatch, "verify", output, *listed, "--json") == 4
    caught = capsys.readouterr()
    assert json.loads(caught.out)["verified"] is False
    assert "ledger/part-00000.parquet has changed" in caught.err
