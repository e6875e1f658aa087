"""Files that make a canary when they are loaded go through sniffing, readers and the engine; no canary, and the audit hook sees nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest

from tests.engines.modelfiles.building import CANARY, Calls, attack, dumps, npy
from tests.pipeline.test_extract import scanned

ROOT = Path(__file__).resolve().parents[3]
CANARIES = {"posix.system", "os.system"}


def torch_zip() -> bytes:
    import torch

    out = io.BytesIO()
    torch.save({"weights": torch.ones(3), "attack": attack()}, out)
    return out.getvalue()


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in members.items():
            made.writestr(name.replace("__", "."), data)
    return out.getvalue()


def joblib_file(folder: Path, compress: object) -> bytes:
    path = folder / "made.joblib"
    joblib.dump([np.arange(100), attack()], path, compress=compress)
    data = path.read_bytes()
    path.unlink()
    return data


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every way that is tried."""
    import torch

    for protocol in range(6):
        yield f"p{protocol}.pkl", dumps(attack(), protocol)
        yield f"p{protocol}.txt", dumps({"a": ["text" * 100, attack()]}, protocol)
    yield "a.npy", npy(np.array([attack()], object))
    yield "a.npz", archive(arr_0__npy=npy(np.array([attack()], object)))
    yield "a.pt", torch_zip()
    legacy = io.BytesIO()
    torch.save({"a": torch.ones(2), "b": attack()}, legacy, _use_new_zipfile_serialization=False)
    yield "legacy.bin", legacy.getvalue()
    yield "a.joblib", joblib_file(folder, 0)
    for method in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
        yield f"{method}.joblib", joblib_file(folder, (method, 3))
    plain = dumps(attack())
    yield from (("a.pkl.gz", gzip.compress(plain, mtime=0)), ("a.pkl.bz2", bz2.compress(plain)), ("a.pkl.xz", lzma.compress(plain)))
    yield "a.z", zlib.compress(plain)
    yield "nested.zip", archive(inner__zip=archive(deep__pkl=plain))
    yield "inside.pkl", dumps(["text", dumps(attack())])
    yield "tensor.pkl", dumps(Calls(torch.storage._load_from_bytes, dumps(attack(), 2)))
    yield "broken.pkl", plain[:-1] + b"\xff" * 20
    yield "rest.pkl", dumps(1) + b"\xff" + plain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("canaries")
    for name, data in files(base):
        (base / name).write_bytes(data)
    (base / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": "{{ cycler.__init__.__globals__.os.system('touch canary') }}"})
    )
    return base


def test_every_one_is_found(folder: Path) -> None:
    missed = []
    for plan, row in scanned(folder, engines=["modelfiles"]):
        evidence = {finding["evidence"] for finding in row["findings"] if finding["severity"] in ("critical", "high")}
        if plan.artifact.endswith(".json"):
            assert "__globals__" in evidence
        elif not evidence & CANARIES and "rest" not in plan.artifact:
            missed.append((plan.artifact, row["media_type"], row["status"], row["gaps"]))
    assert missed == []


PROBE = """
import json, sys
from pathlib import Path
from tests.test_offline import Recorder
from tests.pipeline.test_extract import scanned
import h5py, joblib, numpy, torch, veritensor_ray.formats.format_registry, veritensor_ray.engines.modelfiles
scanned(Path(sys.argv[2]), engines=["modelfiles", "structure"])
recorder = Recorder()
rows = scanned(Path(sys.argv[1]), engines=["modelfiles", "structure"])
recorder.on = False
events = [event for event in recorder.events if event[0] != "write"]
written = [path for event, path in recorder.events if event == "write"]
print(json.dumps({"events": events, "written": written, "rows": len(rows)}))
"""


@pytest.mark.slow
def test_nothing_is_unpickled_or_started(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "warm").mkdir()
    (tmp_path / "warm/a.pkl").write_bytes(dumps([1]))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", PROBE, str(folder), str(tmp_path / "warm")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["rows"] > 30
    assert seen["events"] == []
    assert [path for path in seen["written"] if not Path(path).is_relative_to(tmp_path) and path != os.devnull] == []
    assert not list(tmp_path.rglob(CANARY))
    assert not list(folder.rglob(CANARY))
    assert not Path(CANARY).exists()
