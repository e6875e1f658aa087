"""Measure the engine `secrets`.

It covers speed and false positives on installed code, examples of providers, files labeled by others, and planted secrets compared with
detect-secrets.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import string
import subprocess
import sysconfig
import tempfile
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from bench.secrets_sets import IDENTIFIERS, Labelled, f1, labelled, scan_folder
from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.secrets import Secrets
from veritensor_ray.models.model_store import ModelStore

KINDS = (".py", ".js", ".ts", ".json", ".md", ".txt", ".rst", ".c", ".h", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".html", ".css", ".sh")
DATA = Path(__file__).parents[2] / "shared" / "data" / "secrets"
_WIDE = Limits(segment_chars=1 << 30)
_ALNUM = string.ascii_letters + string.digits
_WORDS = [
    "river",
    "maple",
    "copper",
    "falcon",
    "winter",
    "marble",
    "orchid",
    "thunder",
    "velvet",
    "harbor",
    "meadow",
    "silver",
    "comet",
    "lantern",
    "pepper",
]


def sample_files(megabytes: float, seed: int) -> list[Path]:
    """Return files of the installed packages in random order."""
    found = [path for path in Path(sysconfig.get_path("purelib")).rglob("*") if path.suffix in KINDS and path.is_file()]
    found = sorted(path for path in found if 0 < path.stat().st_size < 1_000_000)
    random.Random(seed).shuffle(found)
    taken, size = [], 0.0
    for path in found:
        if size >= megabytes * 1e6:
            break
        taken.append(path)
        size += path.stat().st_size
    return taken


def batches(texts: dict[str, str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of many files, each file as one segment."""
    parts: list[pa.RecordBatch] = []
    for path, text in texts.items():
        parts.append(to_batch(Block([text], line=1), Identity(0, path, "text/plain"), _WIDE))
        if len(parts) == 256:
            yield from pa.Table.from_batches(parts).unify_dictionaries().combine_chunks().to_batches()
            parts = []
    if parts:
        yield from pa.Table.from_batches(parts).unify_dictionaries().combine_chunks().to_batches()


def scanned(engine: Secrets, texts: dict[str, str]) -> tuple[list[tuple[str, Hit]], float]:
    """Return hits with their files, and CPU seconds."""
    made, names = list(batches(texts)), list(texts)
    found, base, start = [], 0, time.process_time()
    for batch in made:
        found += [(names[base + (hit.row or 0)], hit) for hit in engine.scan_text(batch)]
        base += batch.num_rows
    return found, time.process_time() - start


def speed(engine: Secrets, megabytes: float, show: int) -> None:
    """Measure speed. The code contains hardly any secrets, so every hit counts as a false positive."""
    texts = {str(path): path.read_text("utf-8", "replace") for path in sample_files(megabytes, 3)}
    size = sum(len(text.encode()) for text in texts.values()) / 1e6
    found, seconds = scanned(engine, texts)
    print(f"speed: {size:.1f} MB in {seconds:.2f} CPU seconds: {size / seconds:.1f} MB/s")
    print(
        f"false positives: {len(found)}, {len(found) / size:.2f} per MB; {dict(Counter(hit.severity or 'of the rule' for _, hit in found))}"
    )
    for path, hit in random.Random(1).sample(found, min(show, len(found))):
        print(f"  {hit.rule} {hit.score} {path[-60:]}: {texts[path][max(0, hit.start - 40) : hit.end + 5]!r}")


def examples(engine: Secrets) -> None:
    """Count how many secrets in collected examples of providers' tokens are found, and how many false positives there are.

    Each text is scanned alone.
    """
    import pyarrow.parquet as pq

    for name in ("kingfisher", "detect_secrets_tests"):
        rows = pq.read_table(DATA / f"{name}.parquet").to_pylist()
        block = to_batch(Block([row["text"] for row in rows], line=1), Identity(0, "example.txt", "text/plain"), _WIDE)
        hit = {one.row for one in engine.scan_text(block)}
        wanted, benign = ([i for i, row in enumerate(rows) if row["label"] == label] for label in (1, 0))
        missed, wrong = (Counter(rows[i]["kind"] for i in some) for some in (set(wanted) - hit, hit.intersection(benign)))
        origins = {rows[i]["origin"] for i in wanted}
        whole = sum(all(i in hit for i in wanted if rows[i]["origin"] == origin) for origin in origins)
        print(
            f"{name}: recall {1 - missed.total() / len(wanted):.3f} of {len(wanted)}, {whole} of {len(origins)} origins in full;", end=" "
        )
        print(f"false {wrong.total()} of {len(benign)}: {dict(wrong)}")
        print(f"  most missed: {missed.most_common(8)}")


def labelled_files() -> None:
    """Measure files of repositories, read as the product reads them, by severity, half and kind of file, and name the worst repository."""
    rows, elsewhere = labelled(DATA)
    repos = sorted({row.repo for row in rows})
    print(
        f"labeled files: {len(repos)} repositories; the engine was tuned on every second one. A secret counts as found if a finding overlaps its value"
    )
    halves = {"all": set(repos), "tuned on": set(repos[::2]), "left out": set(repos[1::2])}
    for least in ("info", "low", "medium", "high"):
        for name, half in halves.items():
            _row(f"{name}, {least} or worse", [row for row in rows if row.repo in half], least)
    for kind in IDENTIFIERS:
        print(
            f"  {kind}: {sum(row.kind == kind and row.label == 1 for row in rows)} labeled secrets, {sum(row.kind == kind and row.label == 1 and row.severity >= 0 for row in rows)} found"
        )
    _row("all except identifiers, low or worse", [row for row in rows if row.kind not in IDENTIFIERS], "low")
    for suffix, count in Counter(row.suffix for row in rows if row.label == 1).most_common(12):
        _row(f".{suffix} ({count})", [row for row in rows if row.suffix == suffix], "info")
    for repo in sorted(repos, key=lambda repo: f1([row for row in rows if row.repo == repo], "info")[2])[:5]:
        _row(f"among the worst: {repo}", [row for row in rows if row.repo == repo], "info")
    found = Counter(one.severity for some in elsewhere.values() for one in some)
    print(f"  findings where nothing was labelled: {dict(found)}")


def _row(name: str, rows: list[Labelled], least: str) -> None:
    precision, recall, score = f1(rows, least)
    print(f"  {name}: precision {precision:.3f}, recall {recall:.3f}, F1 {score:.3f}")


def alarms(folder: Path, show: int) -> None:
    """Count findings in a megabyte of each kind of clean document, one folder per kind."""
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        found = [one for some in scan_folder(kind).values() for one in some]
        size = sum(path.stat().st_size for path in kind.rglob("*") if path.is_file()) / 1e6
        print(f"{kind.name}: {size:.1f} MB, {dict(Counter(one.severity for one in found))}")
        for one in random.Random(1).sample(found, min(show, len(found))):
            print(f"  {one.rule} {one.severity} {one.confidence} {one.text[:80]!r}")


class Generator:
    """A seeded generator of secrets and look-alikes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self, letters: str, size: int) -> str:
        return "".join(self.random.choice(letters) for _ in range(size))

    def hexadecimal(self, size: int) -> str:
        return self.text("0123456789abcdef", size)

    def password(self) -> str:
        word, number = self.random.choice(_WORDS), self.random.randrange(10, 9999)
        return self.random.choice(
            [
                self.text(_ALNUM + "!#%+-.", self.random.randint(8, 16)),
                f"{word.capitalize()}{number}{self.random.choice('!#+.')}",
                f"{word}{number}",
                self.text(string.ascii_lowercase, self.random.randint(7, 11)),
                self.text(string.ascii_lowercase, 6) + self.text(string.digits, 3),
            ]
        )

    def token(self) -> str:
        return self.random.choice(
            [
                "AKIA" + self.text(string.ascii_uppercase + "234567", 16),
                self._checked("ghp_"),
                self._checked("npm_"),
                "glpat-" + self.text(_ALNUM, 20),
                f"xoxb-{self.text(string.digits, 12)}-{self.text(string.digits, 12)}-{self.text(_ALNUM, 24)}",
                "AIza" + self.text(_ALNUM, 35),
                "hf_" + self.text(string.ascii_letters, 34),
                "sk_live_" + self.text(_ALNUM, 24),
                "SG." + self.text(_ALNUM, 22) + "." + self.text(_ALNUM, 43),
            ]
        )

    def _checked(self, prefix: str) -> str:
        body, digits = self.text(_ALNUM, 30), string.digits + string.ascii_uppercase + string.ascii_lowercase
        number, check = zlib.crc32(body.encode()), ""
        for _ in range(6):
            number, digit = divmod(number, 62)
            check = digits[digit] + check
        return prefix + body + check

    def key(self) -> str:
        sizes = [32, 40, 64]
        return self.random.choice(
            [self.hexadecimal(self.random.choice(sizes)), self.text(_ALNUM, self.random.randint(20, 48)), self.text(_ALNUM + "-_", 43),
             base64.b64encode(self.random.randbytes(32)).decode(), str(uuid.UUID(bytes=self.random.randbytes(16)))]
        )  # fmt: skip

    def pem(self) -> str:
        body = base64.b64encode(self.random.randbytes(600)).decode()
        return (
            "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(body[i : i + 64] for i in range(0, 800, 64)) + "\n-----END RSA PRIVATE KEY-----"
        )

    def secret_line(self, suffix: str) -> str:
        """Return a line with a secret that suits the kind of file."""
        name, password, key, token = self._name(), self.password(), self.key(), self.token()
        url = f"postgresql://app:{self.text(_ALNUM, 12)}@db.internal:5432/main"
        if suffix in (".json",):
            return self.random.choice(
                [f'  "password": "{password}",', f'  "{name}": "{key}",', f'  "token": "{token}",', f'  "url": "{url}",']
            )
        if suffix in (".yaml", ".yml", ".ini", ".cfg", ".toml", ".sh", ".txt", ".md", ".rst"):
            upper, mark = name.upper(), "=" if suffix not in (".yaml", ".yml") else ": "
            return self.random.choice(
                [f"password{mark}{password}", f"{upper}{mark}{key}", f'{name}{mark}"{key}"', f"DB_PASS{mark}'{password}'", f"TOKEN{mark}{token}",
                 f"DATABASE_URL{mark}{url}", self.pem()]
            )  # fmt: skip
        return self.random.choice(
            [f'password = "{password}"', f"{name} = '{key}'", f'login(user, password="{password}")', f'auth.{name} = "{key}"', f'TOKEN = "{token}"',
             f'db = connect("{url}")', f'headers = {{"Authorization": "Bearer {key}"}}', f'config["{name}"] = "{key}"', f'{{"passwd": "{password}"}}']
        )  # fmt: skip

    def benign_line(self, suffix: str) -> str:
        """Return a line that only looks like one."""
        name, mark = self._name(), " = " if suffix not in (".json", ".yaml", ".yml") else ": "
        return self.random.choice(
            [f'sha256{mark}"{self.hexadecimal(64)}"', f'commit{mark}"{self.hexadecimal(40)}"', f'request_id{mark}"{uuid.UUID(bytes=self.random.randbytes(16))}"',
             f'{name}{mark}"your-{name}-here"', f'password{mark}"changeme"', f'{name}{mark}os.environ["{name.upper()}"]', f"{name}{mark}${{{name.upper()}}}",
             f"password{mark}get_password(user)", f'"password"{mark}"Passwort eingeben"', f'{name}{mark}"<{name}>"', f'token_type{mark}"bearer"',
             f"# the {name} is read from {name}.txt", f'integrity{mark}"sha512-{base64.b64encode(self.random.randbytes(64)).decode()}"',
             f'{name}_path{mark}"/run/secrets/{name}"', f'data{mark}"{base64.b64encode(self.random.randbytes(48)).decode()}"', f"{name}{mark}None",
             f'password{mark}"********"', f'pad_token{mark}"<pad>"', f'public_key{mark}"{self.hexadecimal(64)}"']
        )  # fmt: skip

    def _name(self) -> str:
        return self.random.choice(
            ["api_key", "apikey", "client_secret", "secret_key", "access_token", "auth_token", "token", "app_secret", "private_key"]
        )


def planted(engine: Secrets, python: str | None, seed: int, count: int) -> None:
    """Plant one secret and two look-alikes in each of `count` real files. Results are counted by line."""
    made, truth, texts = Generator(seed), set[tuple[str, int]](), dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        hosts = [
            path for path in sample_files(200, seed) if path.suffix not in (".css", ".html", ".h", ".rst") and path.stat().st_size < 60_000
        ]
        for number, host in enumerate(hosts[:count]):
            lines = host.read_text("utf-8", "replace").splitlines()
            for make in (made.benign_line, made.benign_line, made.secret_line):
                lines.insert(made.random.randint(0, len(lines)), make(host.suffix) + ("\0" if make == made.secret_line else ""))
            path = Path(folder) / f"f{number}{host.suffix}"
            secret = next(line for line in lines if line.endswith("\0"))
            text = "\n".join(lines)
            first = text[: text.index(secret)].count("\n") + 1
            truth.update((str(path), first + i) for i in range(1))
            texts[str(path)] = text.replace("\0", "")
            path.write_text(texts[str(path)], "utf-8")
        by_place = {
            (path, texts[path].count("\n", 0, hit.start) + 1): hit.rule for path, hit in scanned(engine, texts)[0] if hit.severity != "info"
        }
        ours = set(by_place)
        _print_f1("ours", truth, ours)
        for line in sorted(truth - ours)[:15]:
            print("  missed", texts[line[0]].split("\n")[line[1] - 1][:100])
        for line in sorted(ours - truth)[:15]:
            print("  wrong", by_place[line], texts[line[0]].split("\n")[line[1] - 1].strip()[:120])
        if python:
            _print_f1("detect-secrets", truth, _detect_secrets(python, folder))


def _detect_secrets(python: str, folder: str) -> set[tuple[str, int]]:
    command = [python, "-m", "detect_secrets", "scan", "--all-files", "--no-verify", "."]
    start = time.perf_counter()
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout)
    print(f"(detect-secrets took {time.perf_counter() - start:.1f} s)")
    return {(str(Path(folder) / one["filename"]), one["line_number"]) for some in result["results"].values() for one in some}


def _print_f1(name: str, truth: set[tuple[str, int]], found: set[tuple[str, int]]) -> None:
    good = len(truth & found)
    precision, share = good / max(1, len(found)), good / len(truth)
    print(
        f"{name}: precision {precision:.3f}, recall {share:.3f}, F1 {2 * precision * share / max(1e-9, precision + share):.3f} ({len(truth)} planted)"
    )


def main() -> None:
    """Run the requested measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--files", type=int, default=1000, help="Number of files in which a secret is planted.")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--show", type=int, default=0, help="False positives to print.")
    parser.add_argument("--clean", type=Path, metavar="FOLDER", help="Documents without secrets, one folder per kind.")
    parser.add_argument("--detect-secrets", metavar="PYTHON", help="Interpreter that has detect-secrets.")
    options = parser.parse_args()
    engine = Secrets(Settings())
    engine.load(ModelStore("embedded"))
    steps: list[Callable[[], None]] = [
        lambda: speed(engine, options.megabytes, options.show),
        lambda: examples(engine) if DATA.exists() else print("examples: the shared data is missing"),
        lambda: labelled_files() if DATA.exists() else print("labeled files: the shared data is missing"),
        lambda: alarms(options.clean, options.show) if options.clean else None,
        lambda: planted(engine, options.detect_secrets, options.seed, options.files),
    ]
    for step in steps:
        step()


if __name__ == "__main__":
    main()
