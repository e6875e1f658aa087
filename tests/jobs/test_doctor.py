"""`doctor` looks at stores and engines, and decodes nothing of a corpus."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.jobs import doctor
from veritensor_ray.jobs.doctor import _ray, checks

SCRIPT = """
import json, sys
from veritensor_ray.core.config import Settings
from veritensor_ray.jobs import doctor
settings = Settings.model_validate({"sources": [sys.argv[1]], "stores": {sys.argv[1]: {}}, "engines": ["signatures", "structure"]})
found = [(check.name, check.state) for step in (doctor._engines, doctor._stores) for check in step(settings)]
print(json.dumps([found, sorted({"h5py", "pypdfium2", "pyarrow.parquet"} & set(sys.modules))]))
"""


def test_a_store_is_tried_with_a_byte_and_nothing_is_decoded(tmp_path: Path) -> None:
    for name, head in (("a.pdf", b"%PDF-1.7\n"), ("b.h5", b"\x89HDF\r\n\x1a\n"), ("c.parquet", b"PAR1")):
        (tmp_path / name).write_bytes(head + bytes(100))
    uri = tmp_path.as_uri()
    done = subprocess.run([sys.executable, "-c", SCRIPT, uri], capture_output=True, check=True, timeout=120)
    found, decoders = json.loads(done.stdout)
    assert found == [["engine signatures", "ok"], ["engine structure", "ok"], [f"store {uri}", "ok"]]
    assert set(decoders) <= {"pyarrow.parquet"}  # the plan is one


@pytest.mark.parametrize(
    ("key", "mode", "state", "says"),
    [
        ("0123456789abcdef", 0o600, "ok", "id "),
        ("0123456789abcdef", 0o644, "fails", "Restrict it: chmod o-rwx"),
        ("k", 0o600, "fails", "Use at least 16 random characters"),
    ],
)
def test_a_site_key_that_is_none_is_told(key: str, mode: int, state: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key)
    (tmp_path / "key").chmod(mode)
    found = {
        one.name: one for one in checks(Settings(site_key=f"file:{tmp_path}/key", engines=["structure"], address="http://127.0.0.1:9"))
    }
    assert found["site key"].state == state
    assert says in found["site key"].detail


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"engines": ["signatures"]}, r"^\d+ CPUs?: up to \d+ extractions? at once$"),
        ({"engines": ["signatures"], "resources": {"max_cpus": 1}}, r"^1 CPU: up to 1 extraction at once$"),
        ({"resources": {"max_cpus": 1}}, r"^1 CPU, shared by up to 1 extraction and 1 model actor as work arrives$"),
    ],
)
@pytest.mark.usefixtures("local_ray")
def test_what_would_work_at_once_is_told(given: dict[str, Any], says: str) -> None:
    found = {one.name: one for one in _ray(Settings.model_validate(given))}
    assert found["resources"].state == "ok"
    assert re.search(says, found["resources"].detail), found["resources"].detail


@pytest.mark.usefixtures("local_ray")
def test_what_would_wait_for_ever_is_refused() -> None:
    with pytest.raises(ResourceError, match="5000 extractions need 5000 CPUs"):
        list(_ray(Settings.model_validate({"engines": ["signatures"], "resources": {"cpus": 5000}})))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "brought", "state", "remedy"),
    [
        (1e9, True, "ok", ""),
        (0.0, False, "warning", "possible causes are a busy machine, a slow disk"),
        (0.0, True, "warning", "makes Ray import rfc3987_syntax: install this package in a separate environment"),
    ],
)
def test_what_makes_the_import_of_ray_slow(
    bound: float, brought: bool, state: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if brought:
        (tmp_path / "rfc3987_syntax.py").write_text("def is_valid_syntax(rule, value): return True\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(doctor, "_SLOW_IMPORT", bound)
    (check,) = doctor._import_ray(Settings())
    assert check.state == state
    assert remedy in check.remedy
    assert "CPU seconds in each process of a run" in check.detail
    assert ("ray " in check.detail.partition("most of it is ")[2]) is (state == "warning")


def test_a_ray_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('a library that it needs is missing')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (check,) = doctor._import_ray(Settings())
    assert (check.state, check.detail) == ("fails", "ImportError: a library that it needs is missing")
