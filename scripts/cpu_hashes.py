"""Put the hashes of wheels in a folder into a lock, in place of those that it has for these packages; for scripts/lock.sh.

It knows no registry: which wheels are right was decided by who put them there.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path


def main(lock: Path, wheels: Path) -> int:
    """Rewrite the lock. Exit code 1 when a wheel is no build for the CPU."""
    text = lock.read_text(encoding="utf-8")
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        release, _, build = version.partition("+")
        if build != "cpu":
            print(f"{wheel.name} is no build for the CPU. Name a place that has one: PIP_FIND_LINKS or TORCH_INDEX_URL", file=sys.stderr)
            return 1
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        block = rf"^{re.escape(name)}=={re.escape(release)}(?: ;[^\n]*)? \\\n(?:    --hash=\S+(?: \\)?\n)+"
        text, replaced = re.subn(block, f"{name}=={release} \\\\\n    --hash=sha256:{digest}\n", text, flags=re.MULTILINE)
        if replaced != 1:
            print(f"{lock} names {name}=={release} {replaced} times and not once. Run scripts/lock.sh again", file=sys.stderr)
            return 1
    lock.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
