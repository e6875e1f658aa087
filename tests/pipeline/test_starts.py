"""What a process of a run imports before it has seen a file: not what only some files need, which is most of what there is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

READERS = {"PIL", "h5py", "ijson", "jinja2", "msoffcrypto", "pypdfium2", "tinycss2", "xlrd", "veritensor_ray.formats.markup.html"}
NETWORKS = {"torch", "torchvision", "transformers", "gliner", "easyocr", "cv2", "scipy", "skimage"}
ENGINES = {"onnxruntime", "phonenumbers", "stdnum", "yara"}
LOAD = """
from veritensor_ray.core.config import Settings
from veritensor_ray.pipeline.context import load
load(Settings(), {names})
"""


def imported(code: str) -> set[str]:
    """Names of all modules that a fresh process has after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps([*sys.modules]))"], capture_output=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "needs", "without"),
    [
        ("import veritensor_ray.pipeline.shard", {"pyarrow", "veritensor_ray.formats.format_registry"}, READERS | NETWORKS | ENGINES),
        (LOAD.format(names=("signatures", "secrets", "structure")), {"yara"}, READERS | NETWORKS),
        pytest.param(LOAD.format(names=("injection", "pii")), {"onnxruntime", "phonenumbers"}, READERS | NETWORKS, marks=pytest.mark.slow),
        pytest.param(LOAD.format(names=("ocr",)), {"torch", "cv2"}, NETWORKS - {"torch", "cv2"} | ENGINES, marks=pytest.mark.slow),
    ],
    ids=["extraction", "signatures", "injection and pii", "ocr"],
)
def test_what_is_imported(code: str, needs: set[str], without: set[str]) -> None:
    found = imported(code)
    assert needs <= found
    assert sorted(without & found) == []


def test_a_reader_comes_with_its_first_file() -> None:
    code = """
from veritensor_ray.core import media_types
from veritensor_ray.formats.format_registry import import_all, reader_for
from veritensor_ray.formats.common.kind import Kind
{}
"""
    assert "veritensor_ray.formats.rtf.read" not in imported(code.format(""))
    one = imported(code.format("assert reader_for(Kind(media_types.RTF, None)) is reader_for(Kind(media_types.RTF, None))"))
    assert ("veritensor_ray.formats.rtf.read" in one, "veritensor_ray.formats.pdf.read" in one) == (True, False)
    assert imported(
        code.format("import_all(); assert all(reader_for(Kind(name, None)) for name in (media_types.PDF, media_types.XLS))")
    ) >= {
        "PIL",
        "pypdfium2",
        "tinycss2",
        "xlrd",
    }


@pytest.mark.parametrize("missing", ["pypdfium2", "xlrd"])
def test_a_library_that_is_missing_is_told_before_a_file_comes(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
from veritensor_ray.core.config import Settings
from veritensor_ray.jobs.doctor import _readers
from veritensor_ray.pipeline.machine_report import examine
print([*_readers(Settings())], examine(Settings(engines=["structure"], sources=["/"], output="/tmp/x")).problems)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count(f"import of {missing} halted") == 2, done.stdout
