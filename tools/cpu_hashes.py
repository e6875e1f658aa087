"""Replace the hashes of packages in a lock with those of the wheels in a folder; used by tools/lock.sh.

It does not access a registry: whoever filled the folder decided which wheels are right.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path


def main(lock: Path, wheels: Path) -> int:
    """Rewrite the lock. Exit code 1 if a wheel is not a CPU build, or if there is no wheel."""
    text, found = lock.read_text(encoding="utf-8"), sorted(wheels.glob("*.whl"))
    digests: dict[tuple[str, str], list[str]] = {}
    for wheel in found:
        name, version = wheel.name.split("-")[:2]
        release, _, build = version.partition("+")
        if build != "cpu":
            return _fail(f"{wheel.name} is not a CPU build. Set PIP_FIND_LINKS or TORCH_INDEX_URL to a source of CPU builds")
        with wheel.open("rb") as file:
            digests.setdefault((name, release), []).append(hashlib.file_digest(file, "sha256").hexdigest())
    if {name for name, _ in digests} != {"torch", "torchvision"}:
        return _fail(f"there are wheels of {sorted(digests)} instead of torch and torchvision. Choose a source that has both")
    for (name, release), hashes in digests.items():
        block = rf"^{re.escape(name)}=={re.escape(release)}(?: ;[^\n]*)? \\\n(?:    --hash=\S+(?: \\)?\n)+"
        lines = " \\\n".join(f"    --hash=sha256:{one}" for one in sorted(hashes))
        text, replaced = re.subn(block, lambda _: f"{name}=={release} \\\n{lines}\n", text, flags=re.MULTILINE)  # noqa: B023  # called at once
        if replaced != 1:
            return _fail(f"{lock} names {name}=={release} {replaced} times instead of once. Run tools/lock.sh again")
    lock.write_text(text, encoding="utf-8")
    return 0


def _fail(why: str) -> int:
    print(f"lock: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
