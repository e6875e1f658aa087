"""`bundle` and `keys` as they are typed, from making a key to a run that refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

import veritensor_ray as vr
from tests.bundle.building import Zone
from veritensor_ray.cli import main
from veritensor_ray.core.errors import BundleError


class Typed:
    """Commands in a zone, with what they said last."""

    def __init__(self, here: Zone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.here, self._patch, self._capture, self.out, self.err = here, monkeypatch, capsys, "", ""
        monkeypatch.chdir(here.folder)
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setenv("VERITENSOR_TRUSTED_KEYS", here.flags["trusted_keys"])
        monkeypatch.setenv("VERITENSOR_BUNDLE__FOLDER", here.flags["bundle"]["folder"])

    def __call__(self, *arguments: str) -> int:
        self._patch.setattr(sys, "argv", ["veritensor-ray", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        self.out, self.err = self._capture.readouterr()
        return int(ended.value.code or 0)

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(here: Zone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(here, monkeypatch, capsys)


@pytest.mark.parametrize(
    "command",
    [
        ("bundle",),
        ("keys",),
        *(
            (group, one)
            for group, ones in (("bundle", "create verify import rollback status"), ("keys", "new trust revoke list"))
            for one in ones.split()
        ),
    ],
)
def test_help(command: tuple[str, ...], run: Typed, snapshot: SnapshotAssertion) -> None:
    assert run(*command, "--help") == 0
    assert run.out == snapshot


@pytest.mark.parametrize("module", ["bundle_command", "keys_command"])
def test_importing_the_commands_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, veritensor_ray.cli.setup.{module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "cryptography", "yaml", "pydantic", "yara", "tarfile"} & set(loaded)


def test_over_the_gap(run: Typed) -> None:
    assert run("keys", "new", "release", "--name", "release 2026") == 0
    name = re.search("key ([0-9a-f]{16})", run.out)
    assert name
    sources = [
        "--models",
        "home",
        "--rules",
        "rules",
        "--advisories",
        "advisories.sqlite",
        "--names",
        "pypi=pypi.txt",
        "--names",
        "npm=npm.txt",
    ]
    assert run("bundle", "create", "out.tar", *sources, "--sign-key", "file:release", "--licence", "rules=MIT", "--json") == 0
    made = run.json()
    assert (made["signed_by"], made["files"], len(made["parts"])) == ([name[1]], 12, 6)
    assert run("bundle", "verify", "out.tar") == 4
    assert f"key {name[1]} is not in" in run.err
    assert run("keys", "trust", "release.pub") == 0
    assert f"key {name[1]} (release 2026) is trusted" in run.out
    assert run("bundle", "verify", "out.tar", "--json") == 0
    assert run.json()["signed_by"] == [{"id": name[1], "name": "release 2026"}]
    assert run("bundle", "status") == 0
    assert "no bundle in" in run.out
    assert run("bundle", "verify") == 4
    assert "veritensor-ray bundle import FILE.tar" in run.err
    assert run("bundle", "import", "bundle.tar", "--json") == 0
    first = run.json()["bundle"]
    assert run("bundle", "import", "out.tar") == 0
    assert run.out == f"bundle {made['bundle']} is imported and in use; {first} is kept for `veritensor-ray bundle rollback`\n"
    assert run("bundle", "import", "out.tar") == 0
    assert "was already imported and is now in use" in run.out
    assert run("bundle", "status", "--json") == 0
    assert [run.json()[which]["bundle"] for which in ("current", "previous")] == [made["bundle"], first]
    assert {part["name"]: part["age_days"] for part in run.json()["current"]["parts"]}["rules"] in (0, 1)
    assert run("bundle", "verify") == 0
    assert re.search(r"is intact: 12 files, .* at .*/s\nsigned by .* \(release 2026\)", run.out)
    assert run("keys", "revoke", name[1], "--reason", "lost") == 0
    assert run("bundle", "status") == 4
    assert f"current: {made['bundle']} · refused: " in run.out
    assert run("bundle", "rollback") == 0
    assert run.out.startswith(f"bundle {first} is in use again")
    assert run("bundle", "status") == 0
    assert run("keys", "list") == 0
    assert "is revoked (lost)" in run.out


def test_what_is_listed_comes_from_the_bundle(run: Typed) -> None:
    assert run("bundle", "import", "bundle.tar") == 0
    assert run("rules", "signatures.user-acme-marker") == 0
    assert run("models", "list", "--profile", "standard", "--json") == 0
    folder = str((run.here.folder / "bundles/current").resolve())
    assert {row["role"]: row["folder"] for row in run.json()}["injection"] == f"{folder}/models/injection"
    assert run("plan", "rules", "--no-estimate") == 0
    with pytest.warns(UserWarning, match=r"part (advisories|names/pypi) is .* days old"):
        found = vr.inspect("acme-marker-7", engines=["signatures"]).findings
    assert [finding["bundle_id"] for finding in found] == [Path(folder).name]
    assert vr.inspect("acme-marker-7", engines=["signatures"]), "a second call says and verifies nothing again"


def test_a_flipped_bit_ends_every_command_before_anything_is_written(run: Typed) -> None:
    assert run("bundle", "import", "bundle.tar") == 0
    rule = run.here.folder / "bundles/current/rules/acme.yar"
    rule.write_text(rule.read_text().replace("7", "6"))
    for command in (("submit", "rules", "--output", "out"), ("plan", "rules"), ("models", "verify"), ("bundle", "verify")):
        assert run(*command) == 4
        assert "acme.yar has changed: its SHA-256" in run.err
    assert not (run.here.folder / "out").exists()
    with pytest.raises(BundleError, match="has changed"):
        vr.inspect("acme-marker-7", engines=["signatures"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("create", "x.tar", "--rules", "rules"), 2, "Name a key with --sign-key file:PATH"),
        (("create", "x.tar", "--rules", "rules", "--sign-key", "new"), 2, "write --sign-key file:new"),
        (("create", "x.tar", "--rules", "rules", "--sign-key", "file:none"), 2, "cannot be read"),
        (("create", "x.tar", "--rules", "rules", "--sign-key", "file:new.pub"), 2, "is not a private key in PEM format"),
        (("create", "x.tar", "--names", "pypi", "--sign-key", "file:new"), 2, "--names pypi is not understood; write NAME=VALUE"),
        (("verify", "none.tar"), 2, "none.tar cannot be read"),
        (("import",), 2, "Missing argument"),
    ],
)
def test_refusals(run: Typed, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert run("bundle", *arguments) == code
    assert message in run.err


def test_required_and_absent(run: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERITENSOR_BUNDLE__REQUIRED", "yes")
    assert run("submit", "rules", "--output", "out") == 4
    assert "bundle.required is set" in run.err
    assert run("engines") == 4
