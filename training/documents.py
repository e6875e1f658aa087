"""Clean documents of this machine, each with the licence of the package that it came with; it knows no labels and no model.

A document is read from what Debian and Python packages install. Its package decides its licence (DEP-5 `Files: *`, or the
metadata of the wheel) and whether it is held out: packages are held out whole, so that calibration sees text that no
training saw. Only permissively licensed packages may be trained on; to calibrate on, any will do.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import os
import random
import re
import sysconfig
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PERMISSIVE = re.compile(
    r"^(mit|expat|x11|isc|zlib|bsd|apache|psf|python|postgresql|public.domain|cc0|cc-by-[0-9]|unlicense|mpl|0bsd|hpnd|ncsa|boost|bsl|unicode|curl|ftl)", re.I
)  # fmt: skip
COPYLEFT = re.compile(r"gpl|gfdl|cc-by-sa|cc-by-n|proprietary|artistic", re.I)
TEXT_ENDINGS = {".py", ".md", ".rst", ".txt", ".json", ".html", ".gz", ".lua", ".nse", ".conf", ".toml", ".yaml", ".cfg", ".page", ".asciidoc", ".sgml", ""}  # fmt: skip
MOST_OF = {"documentation": 300, "manual pages": 4, "help": 700}  # documents of one package; 100 of any other
HELD_OUT = 0.25  # of the packages
NEVER_TRAINED = ("games", "manual pages")  # kinds kept out whole: what a model does on text of a kind that it never saw
BY_LINE = ("ui-strings", "sentences", "dialogue", "quotes")  # gathered kinds in which every line stands alone
# Kinds of the shared real documents that no training sees: by licence, because they hold orders to models, or to stand for strangers.
REAL_NEVER_TRAINED = ("prose", "web", "pdf", "multilang", "chat", "spam", "promptguide", "legal", "office", "medical")
# A clean document that quotes an attack word by word is neither trained on nor counted.
QUOTED_ATTACK = re.compile(
    r"\b(ignore|disregard|forget|override)\s+(all\s+|any\s+|the\s+|your\s+|my\s+|of\s+)*(previous|prior|above|preceding)"
    r"\s+(instruction|prompt|direction)|jailbreak|\bDAN mode", re.I)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """`may_train`: neither held out nor under a licence that asks for more than attribution. `segments`: as a reader of the product cuts it."""

    group: str
    package: str
    licence: str
    text: str
    may_train: bool
    segments: tuple[str, ...] = ()

    def windows(self, size: int = 480, step: int = 400) -> Iterator[str]:
        """All of it, in overlapping pieces."""
        for segment in self.segments or (self.text,):
            for start in range(0, max(1, len(segment) - (size - step)), step):
                yield segment[start : start + size]


def share(text: str) -> float:
    """A number in [0, 1) that depends on the text alone: splits stay the same from run to run."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


def collect(extra: Iterable[Path], rng: random.Random) -> list[Document]:
    """Every package's documents, at most `MOST_OF` of each, none twice, none that quotes an attack."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    licences = _Licences()
    for group, root in _roots(extra):
        for path in sorted(p for p in root.rglob("*") if p.suffix in TEXT_ENDINGS or group in ("manual pages", "extra")):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                files[group, _package_of(group, path, root)].append(path)
    documents, seen = [], set()
    for (group, package), paths in sorted(files.items()):
        for path in sorted(rng.sample(paths, min(MOST_OF.get(group, 100), len(paths)))):
            licence = licences.of(path)
            trained = (
                group not in NEVER_TRAINED
                and bool(PERMISSIVE.match(licence))
                and not COPYLEFT.search(licence)
                and share(package) >= HELD_OUT
            )
            whole = read_text(path, rng)
            pieces = re.split(r"\n%\n", whole)[:40] if "fortunes" in path.parts else [whole]
            for text in (p for p in pieces if len(p) >= 60 and not QUOTED_ATTACK.search(p)):
                digest = hashlib.sha256(re.sub(r"\W+", " ", text[:3000]).encode()).digest()
                if digest not in seen:
                    seen.add(digest)
                    documents.append(Document(group, package, licence, text, trained))
    return documents


def gathered(folder: Path) -> list[Document]:
    """What `python -m training.corpora` left in a folder: kind/package/files. Packages are held out whole, as elsewhere."""
    licences = {}
    for line in (folder / "SOURCES.tsv").read_text("utf-8").splitlines()[1:]:
        kind, _, package, _, licence, *_ = line.split("\t")
        licences[kind, package] = licence
    documents = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and len(p.relative_to(folder).parts) > 2):
        kind, package = path.relative_to(folder).parts[:2]
        text = path.read_text("utf-8", "replace").replace("\r", "")
        if QUOTED_ATTACK.search(text):
            continue
        segments = tuple(line for line in text.split("\n") if line.strip()) if kind in BY_LINE else ()
        licence = licences.get((kind, package), "unknown")
        trained = bool(PERMISSIVE.match(licence)) and not COPYLEFT.search(licence) and share(package) >= HELD_OUT
        documents.append(Document(kind, package, licence, text, trained, segments))
    return documents


def may_train(kind: str, artifact: str) -> bool:
    """Whether training may read a document of the shared real ones."""
    return kind not in REAL_NEVER_TRAINED and share(f"{kind}/{artifact}") < 0.5


def real(folder: Path) -> list[Document]:
    """Real documents, packed by kind, as the product's readers see them: all segments of each. Half of those of most kinds may be trained on."""
    from training.reading import read_folder, unpacked

    documents = []
    for kind, place in unpacked(folder):
        rows, batches = read_folder(place)
        segments: list[list[str]] = [[] for _ in rows]
        for batch in batches:
            for owner, text in zip(batch.column("artifact").to_pylist(), batch.column("text").to_pylist(), strict=True):
                segments[owner] += [text] if text else []
        for row, found in zip(rows, segments, strict=True):
            group, trained = f"real: {kind}", may_train(kind, row.artifact)
            documents.append(
                Document(
                    group,
                    row.artifact,
                    "MIT, Apache-2.0, CC0, CC BY 4.0, BSD or public domain, by kind",
                    "\n".join(found),
                    trained,
                    tuple(found),
                )
            )
    return documents


def _roots(extra: Iterable[Path]) -> list[tuple[str, Path]]:
    """The folders that are there, each with the group that its documents count under."""
    usr, python = Path("/usr/share"), sysconfig.get_paths()
    helps = usr / "libreoffice/help"
    found = [("documentation", usr / "doc"), ("manual pages", usr / "man"), ("games", usr / "games"), ("scripts", usr / "nmap"),
             ("scripts", usr / "perl"), ("configuration", Path("/etc")), ("python packages", Path(python["purelib"])),
             ("python library", Path(python["stdlib"])), *(("extra", folder) for folder in extra),
             *(("help", folder) for folder in (sorted(helps.iterdir()) if helps.is_dir() else []) if folder.is_dir())]  # fmt: skip
    return [(group, root) for group, root in found if root.is_dir()]


def _package_of(group: str, path: Path, root: Path) -> str:
    """What is held out together: a page in all its languages, a folder of a game, all of another package."""
    name = path.relative_to(root).parts[0]
    if group == "manual pages":
        name = path.name
    elif group == "help":
        name = "/".join(path.relative_to(root).parts[-2:])  # the same page in all languages
    elif group == "games":
        name = str(path if "fortunes" in path.parts else path.parent)
    name = name.split(".")[0].lower()
    return group[:4] + ":" + re.sub(r"-(de|fr|es|it|ja|pl|ru|pt|zh|nl|en|doc|html|common|dev|[0-9.]+)\b", "", name)


class _Licences:
    """The licence of the package that owns a file, as its packager states it; `unknown` where nobody does."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}
        for listing in Path("/var/lib/dpkg/info").glob("*.list"):
            package = listing.stem.partition(":")[0]
            self._owner |= dict.fromkeys(listing.read_text("utf-8", "replace").split("\n"), package)
        self._debian: dict[str, str] = {}
        self._python: dict[str, str] = {}
        for distribution in metadata.distributions():
            top = {Path(str(file)).parts[0] for file in distribution.files or () if ".." not in str(file)}
            self._python |= dict.fromkeys(top, _of_distribution(distribution))
        self._purelib = Path(sysconfig.get_paths()["purelib"])
        self._stdlib = Path(sysconfig.get_paths()["stdlib"])

    def of(self, path: Path) -> str:
        if path.is_relative_to(self._purelib):
            return self._python.get(path.relative_to(self._purelib).parts[0], "unknown")
        if path.is_relative_to(self._stdlib):
            return "PSF-2.0"
        package = self._owner.get(str(path), "")
        if package not in self._debian:
            self._debian[package] = _of_debian(package)
        return self._debian[package]


def _of_distribution(distribution: metadata.Distribution) -> str:
    about = distribution.metadata
    trove = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    stated = about["License-Expression"] or " ".join(trove) or (about["License"] or "unknown").splitlines()[0]
    return re.sub(r"^The | License.*| Software.*", "", stated)[:60]


def _of_debian(package: str) -> str:
    try:
        text = (Path("/usr/share/doc") / package / "copyright").read_text("utf-8", "replace")
    except OSError:
        return "unknown"
    stanza = re.search(r"^Files:\s*\*\s*\n(?:.+\n)*?License:\s*(.+)", text, re.M)
    return stanza[1].strip()[:60] if stanza else "unknown"


def read_text(path: Path, rng: random.Random) -> str:
    """The beginning of a text file, sometimes without its markup; empty if it is not text."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(48_000)
    except (OSError, EOFError, zlib.error):
        return ""  # a broken test file of some package
    text = raw.decode("utf-8", "ignore").replace("\r", "")
    if "\0" in text or (len(text) < 0.9 * len(raw) and not re.search(r"[^\x00-\x7f]", text)):
        return ""
    if re.search(r"<(html|page|\?xml)\b", text[:600].lower()) and rng.random() < 0.85:
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", "", text)
        text = re.sub(r"\n\s*\n+", "\n\n", html.unescape(text))
    elif re.match(r"(?s).{0,600}^\.(TH|Dd) ", text, re.M) and rng.random() < 0.7:
        text = re.sub(r'^[.\'](\\"|[A-Za-z]{2}\b).*?( |$)|\\f[A-Z]|\\\(..|\\', "", text, flags=re.M)
    return text.strip()


def excerpt(rng: random.Random, text: str, full: bool = False) -> str:
    """A raw window that starts at a word; `full`: as long as a window can be."""
    length = 620 if full or rng.random() < 0.2 else min(620, int(rng.lognormvariate(5.2, 0.7)) + 20)
    start = rng.randrange(max(1, len(text) - length))
    start = 0 if rng.random() < 0.1 else max(text.find(" ", start), 0)
    return text[start : start + length].strip()


def sentences(documents: Iterable[Document]) -> Iterator[str]:
    """Sentences of 25 to 320 characters, white space made one."""
    for document in documents:
        for sentence in re.split(r"(?<=[.!?。！？])\s*|\n\s*\n", document.text[:20_000]):
            if 25 < len(sentence) < 320:
                yield " ".join(sentence.split())
