"""Download the models of profile standard into HF_HOME, on a machine with a network. This script does not need the package.

To build a container image, copy this file and catalog.yaml, run the script, and only then copy the code. Afterwards
$HF_HOME/veritensor holds one flat folder per role, without pickles, and models.lock.json with the SHA-256 of every file: carry all of it
across the air gap.

Exit codes: 0 done, or nothing to do; 2 usage error; 3 the hub has no such repository, commit or file; 4 the hub refuses access;
5 the hub limits the rate; 6 no network, or too many broken connections; 7 the disk is full or cannot be written; 8 a file differs from
the expected one; 9 a model fails its self-test.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import yaml

if TYPE_CHECKING:
    import httpx
    import torch

USAGE, NOT_FOUND, REFUSED, RATE, NETWORK, DISK, MISMATCH, SELFTEST = range(2, 10)
LOCK = "models.lock.json"
AGAIN = "Run the same command again to resume"
TRIES = 5
LONGEST_WAIT = 300
LARGEST_MEMBER = 1 << 30


class Failed(Exception):
    """Ends the download with an exit code, and a message with the remedy."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def note(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Download, convert, lock and test the models."""
    options = _options(argv)
    try:
        catalog = _catalog(options.catalog)
        wanted = _wanted(catalog, options.only, options.profile)
        home = options.home.expanduser() / "veritensor"
        if options.offline_selftest:
            _refuse_sockets()
            return selftest_all(home, {role: catalog[role] for role in wanted}, options.profile)
        with _alone(home):
            for role in wanted:
                provide(home, role, catalog[role][options.profile], options.easyocr_mirror)
        if options.selftest:
            _selftest_apart(options, wanted)
    except Failed as failed:
        note(f"download_models: {failed}")
        return failed.code
    except KeyboardInterrupt:
        note(f"download_models: interrupted. {AGAIN}")
        return 130
    except OSError as error:
        note(f"download_models: {_about_disk(error)}")
        return DISK
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--profile", default="standard", choices=["standard"], help="Profile to download. The embedded models come with the package."
    )
    parser.add_argument(
        "--only", action="append", metavar="ROLE", help="Download only this role. May be repeated. Default: all roles of the catalog."
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(os.environ.get("HF_HOME") or "~/.cache/huggingface"),
        help="Folder for the models. Default: HF_HOME.",
    )
    parser.add_argument("--catalog", type=Path, help="The catalog of models. Default: catalog.yaml beside this script, else the package's.")
    parser.add_argument(
        "--easyocr-mirror",
        default=os.environ.get("EASYOCR_MIRROR"),
        metavar="ADDRESS",
        help="Folder on a web server with EasyOCR's zip files. Default: EASYOCR_MIRROR, else the addresses that easyocr itself uses.",
    )
    parser.add_argument("--no-selftest", dest="selftest", action="store_false", help="Do not load the models at the end.")
    parser.add_argument("--offline-selftest", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _catalog(given: Path | None) -> dict[str, Any]:
    path = given or _default_catalog()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Failed(USAGE, f"the catalog {path} cannot be read: {error}. Give another one with --catalog") from None
    if not isinstance(data, dict):
        raise Failed(USAGE, f"{path} is not a catalog of models. Give another one with --catalog")
    return data


def _wanted(catalog: dict[str, Any], only: list[str] | None, profile: str) -> list[str]:
    roles = only or list(catalog)
    if unknown := [role for role in roles if profile not in catalog.get(role, {})]:
        raise Failed(USAGE, f"the catalog has no {unknown[0]!r} in profile {profile}; choose from {', '.join(catalog)}")
    return list(dict.fromkeys(roles))


def _default_catalog() -> Path:
    here = Path(__file__).resolve().parent
    beside = here / "catalog.yaml"
    return beside if beside.exists() else here.parent / "veritensor_ray/models/catalog.yaml"


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Lock the home folder: two downloads into it would move each other's folders."""
    staging = home / ".staging"
    staging.mkdir(parents=True, exist_ok=True)
    with (staging / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(DISK, f"another download is running in {home}. Wait for it, or choose another --home") from None
        yield
    (staging / "lock").unlink()
    with suppress(OSError):  # an unfinished role keeps its files
        staging.rmdir()


# ---- one role


def provide(home: Path, role: str, entry: dict[str, Any], mirror: str | None) -> None:
    """Make the folder of a role match the catalog; nothing is fetched if it already does."""
    folder, name = home / role, _name(entry)
    if _is_locked(home, role, name):
        note(f"{role}: {name} is present and unchanged, nothing to download")
        return
    staging = home / ".staging" / f"{role}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    ready = staging / "ready"
    for made in (ready, staging / "replaced"):
        shutil.rmtree(made, ignore_errors=True)
    ready.mkdir(parents=True)
    note(f"{role}: {name}")
    if "repository" not in entry:
        _make_ocr(entry, staging, ready, mirror)
    elif "backbone" in entry:
        _make_gliner(entry, staging, ready)
    else:
        for path in _fetch_repository(entry, staging / "model"):
            _link(path, ready / path.name)
    _place(home, role, ready, folder, name)
    shutil.rmtree(staging)
    note(f"{role}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:,.1f} MB in {folder}")


def _link(path: Path, target: Path) -> None:
    """Put the file in a second place: the first one stays, in case this run ends before the lock is written."""
    try:
        target.hardlink_to(path)
    except OSError:  # not every file system has hard links
        shutil.copy(path, target)


def _name(entry: dict[str, Any]) -> str:
    """Returns `id@revision`, as the package expects it in the lock."""
    if "repository" in entry:
        return f"{entry['repository']}@{entry['revision'][:12]}"
    files = entry["files"]
    return f"easyocr/{'+'.join(Path(name).stem for name in files)}@{'-'.join(md5[:12] for md5 in files.values())}"


def _read_lock(home: Path) -> dict[str, Any]:
    try:
        data = json.loads((home / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _is_locked(home: Path, role: str, name: str) -> bool:
    try:
        about = _read_lock(home)[role]
        return bool(about["name"] == name and about["files"] == _contents(home / role))
    except (TypeError, KeyError, OSError):
        return False


def _contents(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.name: {"sha256": digest(path), "size": path.stat().st_size} for path in sorted(folder.iterdir())}


def _place(home: Path, role: str, ready: Path, folder: Path, name: str) -> None:
    """Swap the folder, then write the lock: even if this is interrupted, the lock never lists a folder that differs from it."""
    ready.chmod(0o755)
    for path in ready.iterdir():
        path.chmod(0o644)  # the container image is built and run by different users
    lock = _read_lock(home)
    if lock.pop(role, None):
        _write_lock(home, lock)
    if folder.exists():
        folder.rename(ready.parent / "replaced")
    ready.rename(folder)
    _write_lock(home, lock | {role: {"name": name, "files": _contents(folder)}})


def _write_lock(home: Path, lock: dict[str, Any]) -> None:
    temporary = home / f".{LOCK}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(lock, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(home / LOCK)


def digest(path: Path, algorithm: str = "sha256", before: bytes = b"") -> str:
    """Returns the hexadecimal digest of a file, or of a file with something before it."""
    with path.open("rb") as file:

        def begun() -> Any:
            return hashlib.new(algorithm, before, usedforsecurity=False)

        return hashlib.file_digest(file, begun).hexdigest()


# ---- the network


def _fetch_repository(entry: dict[str, Any], folder: Path) -> list[Path]:
    """Fetch the files of a pinned commit, and compare each with the hub's digest."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise Failed(NETWORK, f"HF_HUB_OFFLINE is set, and {entry['repository']} has not been downloaded. Unset it for this command")
    from huggingface_hub import constants, get_token, hf_hub_url

    repository, revision = entry["repository"], entry["revision"]
    headers = {"authorization": f"Bearer {token}"} if (token := get_token()) else {}
    folder.mkdir(parents=True, exist_ok=True)
    about = _listing(f"{constants.ENDPOINT}/api/models/{repository}/tree/{revision}", f"{repository}@{revision}", headers)
    if missing := [name for name in entry["files"] if name not in about]:
        raise Failed(NOT_FOUND, f"{repository}@{revision} has no file {missing[0]}. Correct `files` in the catalog")
    _room(folder, sum(about[name]["size"] for name in entry["files"]) * (2 if "backbone" in entry else 1))
    for name in entry["files"]:
        path = folder / name
        if not path.exists():
            _download(hf_hub_url(repository, name, revision=revision), path, about[name]["size"], f"{repository} {name}", headers)
        _compare(path, about[name], f"{repository} {name}")
    return [folder / name for name in entry["files"]]


def _listing(url: str, what: str, headers: dict[str, str]) -> dict[str, Any]:
    """Returns the files of a commit by name, with size and digest."""
    import httpx

    for attempt in range(1, TRIES + 1):
        try:
            with _answer(url, what, headers) as response:
                response.read()
                return {one["path"]: one for one in response.json()}
        except httpx.TransportError as error:
            if attempt == TRIES:
                raise Failed(NETWORK, _unreachable(url, what, error)) from None
            time.sleep(0.2 * attempt)
        except (ValueError, KeyError, TypeError):
            raise Failed(
                NETWORK, f"{urlsplit(url).hostname} gives an answer for {what} that is not a hub's. Check proxy and HF_ENDPOINT"
            ) from None
    raise AssertionError(what)


def _compare(path: Path, about: dict[str, Any], what: str) -> None:
    """Compare a file with the hub's digest: SHA-256 for large files, git's blob id for small ones."""
    if lfs := about.get("lfs"):
        same = digest(path) == lfs["oid"]
    else:
        same = digest(path, "sha1", b"blob %d\0" % path.stat().st_size) == about["oid"]
    if not same or path.stat().st_size != about["size"]:
        path.unlink()
        raise Failed(
            MISMATCH, f"{what} differs from the file at the hub: its digest is wrong. Run the same command again, or use another mirror"
        )


def _room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Failed(DISK, f"{folder} has {free / 1e6:,.0f} MB left and needs {size / 1e6:,.0f} MB. Make room, or choose another --home")


@contextmanager
def _answer(url: str, what: str, headers: dict[str, str], start: int = 0) -> Iterator[httpx.Response]:
    """Yields a successful response; waits a limited number of times if the server asks for it."""
    import httpx

    asked = headers | {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
    for attempt in range(1, TRIES + 1):
        with httpx.stream("GET", url, headers=asked, follow_redirects=True, timeout=30) as response:
            if response.status_code < 400:
                yield response
                return
            wait = _wait(response)
            if wait is None:
                raise _refusal(response, what)
        if attempt < TRIES:
            note(f"  the server asks to wait {wait} s ({attempt} of {TRIES - 1})")
            time.sleep(wait)
    raise Failed(
        RATE, f"the server still limits the rate after {TRIES} attempts to fetch {what}. Wait, set HF_TOKEN, or use a mirror (HF_ENDPOINT)"
    )


def _wait(response: httpx.Response) -> int | None:
    if response.status_code not in (429, 503):
        return None
    asked = response.headers.get("retry-after", "")
    return min(int(asked), LONGEST_WAIT) if asked.isdigit() else 10


def _refusal(response: httpx.Response, what: str) -> Failed:
    status, why = response.status_code, response.headers.get("x-error-code", "")
    host = urlsplit(str(response.url)).hostname
    if why == "GatedRepo":
        return Failed(REFUSED, f"{what} is gated ({status} from {host}). Accept its terms on the hub and set HF_TOKEN")
    if status in (401, 403):
        return Failed(
            REFUSED, f"{host} refuses {what} ({status}): it is private, gated or missing. Set HF_TOKEN to a token that may read it"
        )
    if status == 404:
        lacks = {"RepoNotFound": "repository", "RevisionNotFound": "commit", "EntryNotFound": "file"}.get(why, "such address")
        return Failed(NOT_FOUND, f"{host} has no {lacks}: {what} (404). Correct the catalog, or check HF_ENDPOINT or the mirror")
    return Failed(NETWORK, f"{host} answers {status} to {what}. {AGAIN}")


def _download(url: str, path: Path, size: int | None, what: str, headers: dict[str, str]) -> None:
    """Download into NAME.part, resuming at its end if the connection or the previous run broke off.

    hf_hub_download is not used: it loses an unfinished file when its process ends, and this file may be a gigabyte in size.
    """
    import httpx

    part = path.with_name(f"{path.name}.part")
    left = TRIES
    while True:
        start = part.stat().st_size if part.exists() else 0
        note(f"  {what}: {f'{size / 1e6:,.1f} MB' if size is not None else ''}{f', resuming at {start / 1e6:,.1f} MB' if start else ''}")
        try:
            if start != size or not start:
                _append(url, part, what, headers, start)
            break
        except httpx.TransportError as error:
            left = TRIES if part.exists() and part.stat().st_size > start else left - 1
            if not left:
                raise Failed(NETWORK, _cut_off(url, what, part, error)) from None
            time.sleep((TRIES - left) ** 2 / 4)
    part.rename(path)


def _append(url: str, part: Path, what: str, headers: dict[str, str], start: int) -> None:
    with _answer(url, what, headers, start) as response, part.open("ab") as file:
        if start and response.status_code != 206:
            file.truncate(0)  # a server without support for ranges sends everything again
        for chunk in response.iter_bytes():  # written as they arrive: buffered data would be lost with the connection
            file.write(chunk)


def _cut_off(url: str, what: str, part: Path, error: Exception) -> str:
    host = urlsplit(url).hostname
    if part.exists() and part.stat().st_size:
        return f"the connection to {host} broke too often; {what} is only partly downloaded. {AGAIN}"
    return _unreachable(url, what, error)


def _unreachable(url: str, what: str, error: Exception) -> str:
    host = urlsplit(url).hostname
    return f"cannot reach {host} for {what} ({error}). Check the network, the proxy (HTTPS_PROXY) and the mirror (HF_ENDPOINT, --easyocr-mirror). {AGAIN}"


def _about_disk(error: OSError) -> str:
    if error.errno is None:  # not the disk, but the dynamic linker, through ctypes
        return f"a library cannot be loaded: {error}. Install builds for this system"
    where = error.filename or "the disk"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room left for {where}. Make room, or choose another --home. {AGAIN}"
    return f"{where}: {error.strerror or error}. Choose a writable --home"


# ---- making folders without pickles


def _weights(path: Path) -> dict[str, torch.Tensor]:
    import pickle

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise Failed(MISMATCH, f"{path.name} contains more than weights and is not loaded: {str(error).splitlines()[0]}") from None
    if not isinstance(loaded, dict) or not all(isinstance(one, torch.Tensor) for one in loaded.values()):
        raise Failed(MISMATCH, f"{path.name} is not a plain mapping of names to tensors. Correct the catalog")
    return loaded


def _save(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Save weights as safetensors. Tensors that share memory are written once each, since the format has no aliases."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    seen: set[int] = set()
    apart: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        memory = tensor.untyped_storage()
        whole = tensor.is_contiguous() and memory.nbytes() == tensor.nbytes and memory.data_ptr() not in seen
        seen.add(memory.data_ptr())
        apart[name] = tensor if whole else tensor.contiguous().clone()
    try:
        save_file(apart, path, metadata={"format": "pt"})
    except SafetensorError as error:  # an OSError in disguise
        raise Failed(DISK, f"{path} cannot be written: {error}. Make room, or choose another --home. {AGAIN}") from None


def _make_gliner(entry: dict[str, Any], staging: Path, ready: Path) -> None:
    """Build a folder that GLiNER loads without requesting its backbone: weights, configuration with encoder_config, tokenizer."""
    from transformers import AutoTokenizer

    backbone = staging / "backbone"
    _fetch_repository(entry["backbone"], backbone)
    _fetch_repository(entry, staging / "model")
    weights = _weights(staging / "model/pytorch_model.bin")
    config = json.loads((staging / "model/gliner_config.json").read_text(encoding="utf-8"))
    encoder = json.loads((backbone / "config.json").read_text(encoding="utf-8"))
    note("  converting pytorch_model.bin to safetensors")
    tokenizer = AutoTokenizer.from_pretrained(backbone, local_files_only=True, trust_remote_code=False)
    marks = ["[FLERT]", config.get("ent_token", "<<ENT>>"), config.get("sep_token", "<<SEP>>")]  # in the order in which GLiNER adds them
    tokenizer.add_tokens(marks, special_tokens=True)
    rows = next((tensor.shape[0] for name, tensor in weights.items() if name.endswith("word_embeddings.weight")), 0)
    mark, known = tokenizer.convert_tokens_to_ids(marks[1]), config.get("class_token_index", -1)
    if known not in (-1, mark) or rows < len(tokenizer) or (known == -1 and rows > len(tokenizer)):
        raise Failed(
            MISMATCH,
            f"the tokenizer of {entry['backbone']['repository']} does not belong to {entry['repository']}: {len(tokenizer)} tokens for {rows} "
            f"rows, {marks[1]} is {mark} and not {known}. Correct the backbone in the catalog, or install the package's version of transformers",
        )
    for key in ("auto_map", "_name_or_path", "name_or_path", "architectures"):
        encoder.pop(key, None)
    config |= {"class_token_index": mark, "vocab_size": rows, "encoder_config": encoder | {"vocab_size": rows}}
    config["model_name"] = entry["backbone"]["repository"]  # never a path: nothing uses it for a lookup any more
    (ready / "gliner_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(ready)
    _save(weights, ready / "model.safetensors")


def _make_ocr(entry: dict[str, Any], staging: Path, ready: Path, mirror: str | None) -> None:
    """Convert the OCR weights. Names lose the prefix `module.`, so that the networks accept them unchanged."""
    for name, md5 in entry["files"].items():
        url = _easyocr_address(name, mirror)
        archive, pickled = staging / url.rpartition("/")[2], staging / name
        if not archive.exists():
            _download(url, archive, None, archive.name, {})
        _extract(archive, name, pickled)
        if digest(pickled, "md5") != md5:
            archive.unlink()
            raise Failed(MISMATCH, f"{name} in {archive.name} is not the file that EasyOCR expects: its MD5 differs. Use another mirror")
        note(f"  converting {name} to safetensors")
        weights = {key.removeprefix("module."): tensor for key, tensor in _weights(pickled).items()}
        _save(weights, ready / f"{pickled.stem}.safetensors")


def _easyocr_config() -> dict[str, Any]:
    """Returns EasyOCR's tables, without importing EasyOCR."""
    spec = importlib.util.find_spec("easyocr")
    if spec is None or not spec.submodule_search_locations:
        raise Failed(USAGE, "easyocr is not installed, and only it defines where its weights are. Install it: pip install easyocr")
    return runpy.run_path(str(Path(spec.submodule_search_locations[0]) / "config.py"))


def _easyocr_address(name: str, mirror: str | None) -> str:
    config = _easyocr_config()
    models = [*config["detection_models"].values(), *(one for group in config["recognition_models"].values() for one in group.values())]
    url = next((str(one["url"]) for one in models if one["filename"] == name), None)
    if url is None:
        raise Failed(USAGE, f"this easyocr does not list {name}. Install the version that the catalog was made for")
    if mirror is None:
        return url
    if urlsplit(mirror).scheme not in ("http", "https"):
        raise Failed(USAGE, f"--easyocr-mirror takes an http or https address, not {mirror!r}")
    return f"{mirror.rstrip('/')}/{quote(url.rpartition('/')[2])}"


def _extract(archive: Path, name: str, target: Path) -> None:
    """Extract one member under its own name; no path inside the archive is followed."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(name) as source, target.open("wb") as file:
            _copy(source, file)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        archive.unlink()
        raise Failed(
            MISMATCH, f"{archive.name} does not hold {name} ({error}). Run the same command again, or use another mirror"
        ) from None


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    left = LARGEST_MEMBER
    while chunk := source.read(1 << 20):
        left -= len(chunk)
        if left < 0:
            raise ValueError("it is larger than any of EasyOCR's files")
        target.write(chunk)


# ---- the self-test, in a process without a network


def _selftest_apart(options: argparse.Namespace, wanted: list[str]) -> None:
    """Test the models offline, and with the package too if it is installed and has the same catalog."""
    catalog = (options.catalog or _default_catalog()).resolve()
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
    environment["HF_HOME"] = str(options.home.expanduser().resolve())
    roles = [argument for role in wanted for argument in ("--only", role)]
    own = [__file__, "--offline-selftest", "--profile", options.profile, "--catalog", str(catalog), "--home", str(options.home), *roles]
    if subprocess.run([sys.executable, *own], env=environment, check=False).returncode:
        raise Failed(SELFTEST, "a model fails its self-test, see above. Remove its folder and run the same command again")
    spec = importlib.util.find_spec("veritensor_ray")
    places = list(spec.submodule_search_locations or ()) if spec else []
    theirs = Path(places[0]) / "models/catalog.yaml" if places else None
    if theirs is None or not theirs.exists() or theirs.read_bytes() != catalog.read_bytes():
        return
    if options.only:
        return  # the package tests a profile as a whole
    command = [sys.executable, "-m", "veritensor_ray", "models", "selftest", "--profile", options.profile]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise Failed(SELFTEST, "an engine of veritensor_ray fails its self-test, see above")


def _refuse_sockets() -> None:
    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname") or (event == "socket.connect" and isinstance(arguments[1], tuple)):
            raise ConnectionRefusedError(f"the self-test is offline: {event}")

    sys.addaudithook(refuse)


def selftest_all(home: Path, catalog: dict[str, Any], profile: str) -> int:
    """Test all roles, one line each. Returns the exit code of the last failure, 0 if all pass."""
    code = 0
    for role, entry in catalog.items():
        started = time.monotonic()
        try:
            _tests(entry[profile])(home / role, entry[profile], entry.get("selftest", {}))
            note(f"self-test {role}: ok ({time.monotonic() - started:.1f} s)")
        except Failed as failed:
            code = failed.code
            note(f"self-test {role} fails: {failed}")
        except Exception as error:  # noqa: BLE001  # libraries raise any kind of error for an invalid file
            code = SELFTEST
            note(f"self-test {role} fails: {home / role} does not load: {type(error).__name__}: {error}")
    return code


def _tests(entry: dict[str, Any]) -> Callable[[Path, dict[str, Any], dict[str, str]], None]:
    if "repository" not in entry:
        return _test_ocr
    return _test_pii if "backbone" in entry else _test_injection


def _finite(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns shapes by name; NaN and infinity in the file are an error."""
    import torch
    from safetensors import safe_open

    shapes = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118  # the file is not a mapping
            tensor = file.get_tensor(name)
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise Failed(SELFTEST, f"{path} holds NaN or infinity in {name}")
            shapes[name] = tuple(tensor.shape)
    return shapes


def _tokenizer_fits(path: Path, tokenizer: Any, rows: int, texts: list[str]) -> None:
    """Check the tokenizer: one that belongs to another model has tokens without a row, or does not know plain words."""
    if len(tokenizer) > rows:
        raise Failed(SELFTEST, f"{path} belongs to another model: it has {len(tokenizer)} tokens, but the weights have {rows}")
    ids = [one for text in texts for one in tokenizer(text)["input_ids"]]
    if ids.count(tokenizer.unk_token_id) * 5 > len(ids):
        raise Failed(SELFTEST, f"{path} belongs to another model: its vocabulary lacks most of the test words")


def _test_injection(folder: Path, entry: dict[str, Any], answers: dict[str, str]) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    _finite(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels = {label: int(index) for index, label in config.get("id2label", {}).items()}
    if labels != entry["labels"]:
        raise Failed(SELFTEST, f"{folder / 'config.json'} has the labels {labels}, but the catalog has {entry['labels']}")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, dtype=torch.float32
    ).eval()
    texts = [answers["attack"], answers["harmless"]]
    _tokenizer_fits(folder / "tokenizer.json", tokenizer, model.config.vocab_size, texts)
    with torch.inference_mode():
        scores = [float(model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0, labels["INJECTION"]]) for text in texts]
    if not scores[0] >= entry["thresholds"]["medium"] > scores[1]:
        raise Failed(
            SELFTEST,
            f"{folder} scores {scores[0]:.3f} for an attack and {scores[1]:.3f} for a harmless text, but the threshold is "
            f"{entry['thresholds']['medium']}: model.safetensors or tokenizer.json belongs to another model",
        )


def _test_pii(folder: Path, entry: dict[str, Any], answers: dict[str, str]) -> None:
    from gliner import GLiNER

    shapes = _finite(folder / "model.safetensors")
    model = GLiNER.from_pretrained(str(folder), local_files_only=True, map_location="cpu")
    if lacking := sorted(dict(model.model.named_parameters()).keys() - shapes.keys()):
        raise Failed(SELFTEST, f"{folder / 'model.safetensors'} lacks {len(lacking)} weights, including {lacking[0]}")
    text, label, span = answers["text"], answers["label"], answers["span"]
    tokenizer = model.data_processor.transformer_tokenizer
    _tokenizer_fits(folder / "tokenizer.json", tokenizer, model.config.vocab_size, [text])
    found = model.predict_entities(text, [label], threshold=entry["thresholds"]["medium"])
    if not any(one["text"] == span and one["label"] == label for one in found):
        raise Failed(SELFTEST, f"{folder} does not find the {label} {span!r}: model.safetensors or tokenizer.json belongs to another model")


def _test_ocr(folder: Path, entry: dict[str, Any], answers: dict[str, str]) -> None:
    import torch
    from easyocr.craft import CRAFT
    from easyocr.model.vgg_model import Model

    characters = _easyocr_config()["recognition_models"]["gen2"]["english_g2"]["characters"]
    with torch.device("meta"):
        networks = {entry["detector"]: CRAFT(), entry["recognizer"]: Model(1, 256, 256, len(characters) + 1)}
    for name, network in networks.items():
        wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        shapes = _finite(folder / name)
        if wrong := sorted(key for key in wanted.keys() | shapes.keys() if wanted.get(key) != shapes.get(key)):
            raise Failed(SELFTEST, f"{folder / name} does not fit EasyOCR's network: {len(wrong)} weights differ, including {wrong[0]}")


if __name__ == "__main__":
    sys.exit(main())
