"""Check that the working tree can be released, and name what the release consists of.

    python -m tools.release            # refuses, with every reason at once
    python -m tools.release --names    # prints the tag of the commit and of each container image

The version comes from pyproject.toml and from nowhere else. `make release` runs this before and after it builds.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ("head", "worker-cpu", "worker-gpu")
_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")  # semver.org, without build metadata


def version(root: Path = ROOT) -> str:
    """Return the version in pyproject.toml."""
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def objections(number: str, changelog: str, changed: Collection[str], tags: Collection[str]) -> list[str]:
    """Return every reason not to release: the version, its section in the changelog, uncommitted files, an existing tag."""
    found = []
    if not _SEMANTIC.fullmatch(number):
        found.append(f"{number} is not a semantic version (MAJOR.MINOR.PATCH). Change it in pyproject.toml")
    section = re.search(rf"^## \[{re.escape(number)}\] - (.*)$", changelog, re.MULTILINE)
    if section is None:
        found.append(f"CHANGELOG.md has no section '## [{number}] - YYYY-MM-DD'. Move the entries under Unreleased into one")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", section[1]):
        found.append(f"CHANGELOG.md gives {number} the date {section[1]!r}. Write it as YYYY-MM-DD")
    if changed:
        found.append(
            f"the working tree is not clean ({sorted(changed)[0]}{', …' if len(changed) > 1 else ''}). Commit or remove what is in it"
        )
    if f"v{number}" in tags:
        found.append(f"the tag v{number} exists. Raise the version in pyproject.toml")
    return found


def _git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the objections, or with --names the names; the exit code is 1 if there is an objection."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--names", action="store_true", help="print the tags instead")
    number = version()
    if parser.parse_args(arguments).names:
        print(f"git tag --sign v{number}")
        print(*(f"veritensor-ray-{image}:{number}" for image in IMAGES), sep="\n")
        return 0
    changed = [line[3:] for line in _git("status", "--porcelain")]
    found = objections(number, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), changed, _git("tag", "--list"))
    for one in found:
        print(f"release: {one}", file=sys.stderr)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
