"""`doctor` looks at stores and engines, and decodes nothing of a corpus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from veritensor_ray.config import Settings
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
