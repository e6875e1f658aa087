"""Measure how fast a bundle is verified, imported and activated, relative to sha256sum on the same bytes.

    python -m bench.bundle [--size MB] [--rounds N] [--folder FOLDER]

A bundle with one big model of random bytes is created below FOLDER and removed afterwards. It prints JSON: MB/s of each step, and its ratio
to sha256sum.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from veritensor_ray.bundle import carrier
from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.bundle.bundle_creation import Sources, create
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.bundle.bundle_verification import contents, listed
from veritensor_ray.core.config import Bundle, Settings
from veritensor_ray.core.signing import change, load_private_key, load_public_key, new_key, trust, trust_list
from veritensor_ray.models.model_store import catalog, pinned_name


def models(home: Path, size: int) -> Path:
    """Create an HF_HOME that looks like a download. The weights are random bytes in two files, as of two models."""
    lock = {}
    for role, share in (("injection", 0.4), ("pii", 0.6)):
        folder = home / "veritensor" / role
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        with (folder / "model.safetensors").open("wb") as file:
            for _ in range(int(size * share) >> 20):
                file.write(os.urandom(1 << 20))
        about = {}
        for path in folder.iterdir():
            with path.open("rb") as file:
                about[path.name] = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": path.stat().st_size}
        lock[role] = {"name": pinned_name(catalog()[role]["standard"]), "files": about}
    (home / "veritensor/models.lock.json").write_text(json.dumps(lock))
    return home


def best(rounds: int, work: Callable[[], object]) -> float:
    """Return the seconds of the fastest round, because the others were disturbed."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def measure(folder: Path, size: int, rounds: int) -> dict[str, object]:
    """Return the MB/s of each step."""
    settings = Settings(trusted_keys=str(folder / "trusted.json"), bundle=Bundle(folder=str(folder / "bundles")))
    new_key(folder / "key")
    change(settings.trusted_keys, lambda keys: trust(keys, *load_public_key(folder / "key.pub")))
    file = folder / "bundle.tar"
    create(file, Sources(models=models(folder / "home", size)), [load_private_key(f"file:{folder / 'key'}")])
    trusted = trust_list(settings.trusted_keys)
    seconds = {"import": best(1, lambda: import_bundle(settings, file))}
    seconds["sha256sum"] = best(rounds, lambda: subprocess.run(["sha256sum", str(file)], check=True, capture_output=True))
    seconds["verify tar"] = best(rounds, lambda: contents(listed(carrier.tar(file), trusted)))
    seconds["activate"] = best(rounds, lambda: activate(settings))
    seconds["activate, names and sizes"] = best(rounds, lambda: activate(settings, thorough=False))
    total = file.stat().st_size / 1e6
    return {
        "megabytes": round(total),
        "cpus": len(os.sched_getaffinity(0)),
        "seconds": {name: round(took, 3) for name, took in seconds.items()},
        "MB/s": {name: round(total / took) for name, took in seconds.items() if name != "activate, names and sizes"},
        "times sha256sum": {name: round(seconds["sha256sum"] / seconds[name], 2) for name in ("import", "verify tar", "activate")},
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="Size of the bundle in megabytes.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="Folder to work in. Default: the system's folder for temporary files.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-bundle-") as folder:
        print(json.dumps(measure(Path(folder), options.size * 1_000_000, options.rounds), indent=2))


if __name__ == "__main__":
    main()
