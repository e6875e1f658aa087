"""Measure injection, secrets, pii and ocr: quality and speed, against alternatives in the same run. It writes docs/models.md.

    python -m bench.models --data ../shared/data [--presidio PYTHON]

PYTHON is an interpreter that has presidio-analyzer and a spaCy model; without one, that row is left out. Needs the extras `bench` and
`train`: their packages hold clean documents and the alternatives to injection, with their weights (stackone-defender and NanoGuard), and to
secrets (CredSweeper and detect-secrets).
Sections: --only injection|strangers|speed|secrets|pii|ocr. The README's figures are written too. --sample N is a quick look at injection and its
speed: at most N texts of each set and kind of document, printed to standard output, and no file is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Ray sets it for a worker: a second numpy thread would be counted while it waits

from bench import injection, injection_page, pii, pii_page, readme, secrets_peers, strangers
from bench.injection_page import table
from bench.injection_texts import DATA, SEED
from bench.prose import wrapped

ROOT = Path(__file__).parent.parent
# ---------------------------------------------------------------- report


def ocr() -> dict[str, Any]:
    from bench.ocr import measure

    return dict(measure(SEED))


def report(results: dict[str, Any]) -> str:
    """Return docs/models.md."""
    parts = [
        "# Quality and speed of the models",
        "",
        "This page shows how much the models of the `embedded` profile and the engine `secrets` find, how often they are wrong, and how fast they are. "
        f"`make bench-models` writes it. It was measured on {results['machine']}.",
        "",
    ]
    if "injection" in results:
        parts += injection_page.section(results["injection"])
    if "strangers" in results:
        parts += strangers.section(results["strangers"])
    if "injection speed" in results:
        parts += injection_page.speed_section(results["injection speed"])
    if "secrets" in results:
        parts += secrets_peers.section(results["secrets"])
    if "pii" in results:
        parts += pii_page.section(results["pii"])
    if "ocr" in results:
        shown = ("recall", "plain_recall", "seconds", "plain_seconds")
        parts += ["## Text in images", "", "The share of words that are read, and the CPU seconds per page. `plain` is EasyOCR alone, with the same weights and its default settings.", "",
                  table(("pages", *(name.replace("_", " ") for name in shown)), ([_PAGES.sub(_page, name), *(row.get(k) for k in shown)] for name, row in results["ocr"].items())), ""]  # fmt: skip
    return "\n".join(part if part[:1] in ("|", "#") else wrapped(part) for part in parts).rstrip() + "\n"


def _page(found: re.Match[str]) -> str:
    return f"turned by {found[1]}°" if found[1] else f"JPEG, quality {found[2]}"


_PAGES = re.compile(r"^turned (\d+)$|^JPEG (\d+)$")


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {__import__('torch').__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--presidio", metavar="PYTHON", help="Interpreter that has presidio-analyzer and a spaCy model.")
    parser.add_argument("--only", action="append", choices=["injection", "strangers", "speed", "secrets", "pii", "ocr"])
    parser.add_argument("--sample", type=int, metavar="N", help="A quick look at injection with at most N texts of a kind. Writes nothing.")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if args.sample:
        looked = {"injection": injection.measure(args.data, args.sample), "injection speed": injection.speed(args.data, args.sample)}
        print(report({"machine": machine()} | looked))
        return
    store = ROOT / "bench" / "models.json"
    results = json.loads(store.read_text()) if args.only and store.exists() else {}
    results["machine"] = machine()
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "injection": ("injection", lambda: injection.measure(args.data)),
        "strangers": ("strangers", lambda: strangers.measure(args.data)),
        "speed": ("injection speed", lambda: injection.speed(args.data)),
        "secrets": ("secrets", lambda: secrets_peers.measure(args.data)),
        "pii": ("pii", lambda: pii.measure(args.data, args.presidio)),
        "ocr": ("ocr", ocr),
    }
    for name in args.only or steps:
        key, step = steps[name]
        began = time.time()
        results[key] = step()
        sys.stderr.write(f"{name}: {time.time() - began:.0f} s\n{json.dumps(results[key], indent=1)}\n")
        store.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "docs" / "models.md").write_text(report(results))
    readme.main()


if __name__ == "__main__":
    main()
