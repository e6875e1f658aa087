"""A whole audit under strace: no process of it tries an address outside loopback and unix sockets.

The audit is `veritensor-ray submit` over the sample corpus (texts, images, model files, manifests, archives) with all engines and the
embedded models, as it is: in no namespace, so that an attempt shows whether or not it would succeed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.checks import Checks
from tests.e2e.strace import EXPECTED, ROOT, Seen, control, outside, read, traced

TIMEOUT = 600  # seconds for the audit


@pytest.mark.e2e
def test_an_audit_tries_nothing_outside(tmp_path: Path, option: Callable[[str], Any]) -> None:
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed: install the package strace", pytrace=False)
    with Checks() as check:
        reported = control(tmp_path)
        check("each attempt of a child that tries to get out is reported", reported == EXPECTED, sorted(reported))
        seen, about = audit(tmp_path)
        looped = any(call == "connect" and address for call, _, address, _ in seen)
        check("strace saw the audit: the connections of Ray on loopback", looped)
        bad = outside(seen)
        keep(option("evidence"), tmp_path / "audit.strace", evidence(seen, bad, about))
        report(seen, about)
        check("nothing outside loopback and unix sockets was tried", not bad, dict(bad) or "")


def audit(folder: Path) -> tuple[Seen, dict[str, Any]]:
    """Make the corpus, audit it under strace; what was seen, and what the run says of itself."""
    subprocess.run([sys.executable, str(ROOT / "scripts/make_demo_corpus.py"), str(folder / "corpus")], check=True, capture_output=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_", "HF_", "TRANSFORMERS_"))}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [
        sys.executable,
        "-m",
        "veritensor_ray",
        "submit",
        str(folder / "corpus"),
        "--output",
        str(folder / "audit"),
        "--address",
        "embedded",
    ]
    began = time.monotonic()
    done = traced([*command, "--allow-partial"], folder / "audit.strace", kept | home, TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"the audit ended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    run = json.loads((folder / "audit/run.json").read_text(encoding="utf-8"))
    about = {name: run[name] for name in ("package_version", "profile", "totals", "status")}
    about |= {"engines": sorted(run["engines"]), "seconds": round(time.monotonic() - began, 1)}
    return read(folder / "audit.strace"), about


def keep(path: Path, trace: Path, content: dict[str, object]) -> None:
    """The evidence, and the trace beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(trace, f"{path}.strace")
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def evidence(seen: Seen, bad: Seen, about: dict[str, Any]) -> dict[str, Any]:
    """What the file of evidence holds."""
    names = ("call", "family", "address", "port")
    rows = {
        key: [dict(zip(names, one, strict=True), count=n) for one, n in sorted(which.items())]
        for key, which in (("seen", seen), ("outside", bad))
    }
    return {"run": about, **rows}


def report(seen: Seen, about: dict[str, Any]) -> None:
    """Counts by call, family and address; ports of loopback change with every run and are left out."""
    places: Counter[tuple[str, str, str]] = Counter()
    for (call, family, address, _), count in seen.items():
        places[call, family, address] += count
    for (call, family, address), count in sorted(places.items()):
        print(f"{count:6} {call:8} {family:10} {address}")
    print(f"{len(about['engines'])} engines, {about['totals']}, {about['seconds']} s under strace", flush=True)
