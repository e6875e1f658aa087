"""Outputs of an earlier schema: `python -m tests.jobs.earlier_schema` packs those of the present one, before it changes.

It knows nothing of columns. Every archive has the corpus of the first, so that one set of tests reads them all.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.signing import new_key
from veritensor_ray.findings.schema import SCHEMA_VERSION
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.sweep_run import sweep

OUTPUTS = Path(__file__).parent / "outputs"
_KEY = "5c" * 32  # of the site that made them
_YEAR = re.compile(r"20\d\d(?=(-?)\d\d\1\d\dT\d\d)")


def settings(folder: Path, job: str, **options: Any) -> Settings:
    """What the outputs in `folder` are made with."""
    key = folder / "site.key"
    key.write_text(_KEY)
    key.chmod(0o600)
    made = {"sources": [str(folder / "corpus")], "engines": ["signatures"], "exclude": ["*.tmp"], "site_key": f"file:{key}"}
    return load_settings(flags=made | {"job": job, "output": str(folder / job)} | options, environ={})


def unpack(archive: Path, folder: Path) -> Path:
    """`audit`, the state `sweep`, their `corpus` and the public key that verifies them, as they were made."""
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="tar")
    return folder


def moved_here(folder: Path) -> None:
    """Where the corpus is, and on what day it was scanned, is another matter here than there, so the signatures no longer fit and are removed."""
    for path in folder.rglob("attestation.json"):
        path.unlink()
    made_in = json.loads((folder / "audit/run.json").read_text())["output"].removesuffix("/audit")
    for path in (*folder.rglob("run.json"), *folder.rglob("request.json"), folder / "sweep/latest.json"):
        path.write_text(_YEAR.sub("2020", path.read_text().replace(made_in, str(folder))))
    for path in (folder / "sweep/sweeps").iterdir():
        path.rename(path.with_name(_YEAR.sub("2020", path.name)))


def pack(archive: Path) -> None:
    """Audit and sweep that corpus with what is checked out, and sign both. Raises FileExistsError where there is such an archive."""
    with tarfile.open(archive, "x:gz") as packed, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with tarfile.open(OUTPUTS / "schema-1.tar.gz") as first:
            first.extractall(folder, [one for one in first if one.name.startswith("corpus")], filter="tar")
        new_key(folder / "signer", "signer")
        signed = {"sign_key": f"file:{folder / 'signer'}"}
        audit(settings(folder, "audit", **signed))
        sweep(settings(folder, "sweep", **signed))
        for name in ("audit", "sweep", "corpus", "signer.pub"):
            packed.add(folder / name, name, filter=_of_nobody)


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without who made it, and without the lease, which says on what machine."""
    return None if entry.name.endswith("/.lease") else entry.replace(uid=0, gid=0, uname="", gname="", deep=False)


if __name__ == "__main__":
    pack(OUTPUTS / f"schema-{SCHEMA_VERSION}.tar.gz")
