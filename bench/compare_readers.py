"""Compare the text that our readers extract from real documents with that of a second extractor.

python -m bench.compare_readers FOLDER     needs pdftotext (poppler) and soffice (LibreOffice) on the path; writes nothing to FOLDER

It prints a line for each document in which our readers miss words, most common words first, and totals per format. Documents that the
second extractor cannot open are counted separately.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.base import Hit, Onlooker
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.run_description import local_context, planned_shards

_WORD = re.compile(r"[^\W\d_]{3,}")
_AS_TEXT = (".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".docm", ".dotx", ".ott")
_AS_PDF = (".pptx", ".ppt", ".odp", ".xlsx", ".xls", ".ods", ".xlsm", ".pptm", ".otp", ".ots")
_BATCH = 40


@dataclass
class Format:
    """The totals of one format."""

    files: int = 0
    failed: int = 0
    words: int = 0
    missing: int = 0
    examples: list[str] = field(default_factory=list)


def words_of(text: str) -> Counter[str]:
    """Count words in the same way for both sides, ignoring soft hyphens and ligatures."""
    plain = text.replace("\u00ad", "").replace("\ufb01", "fi").replace("\ufb02", "fl").replace("\ufb00", "ff").replace("\ufb03", "ffi")
    return Counter(word.casefold() for word in _WORD.findall(plain))


def ours(folder: Path) -> tuple[dict[str, Counter[str]], Counter[str], list[str]]:
    """Return words by artifact, statuses, and the reasons for what was not read."""
    context = local_context(Settings(sources=[str(folder)], engines=[]), b"k")
    found: dict[str, Counter[str]] = defaultdict(Counter)
    status: Counter[str] = Counter()
    reasons: list[str] = []
    for shard in planned_shards(context):
        recording = _Recording(found)
        extraction = Extraction(context, shard.rows, Workbench((recording,), {}), ())
        for _ in extraction.batches():
            pass
        for outcome in extraction.outcomes:
            outcome.settle()
            status[outcome.status or ""] += 1
            if outcome.status != "scanned":
                reasons.append(f"{outcome.artifact}: {outcome.status}: {outcome.reason}")
    return found, status, reasons


class _Recording(Onlooker):
    """An engine that only counts words."""

    name = "words"

    def __init__(self, found: dict[str, Counter[str]]) -> None:
        self._found = found

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Count words and return no hits."""
        columns = (texts.column(name).to_pylist() for name in ("path", "text", "owned"))
        for path, text, owned in zip(*columns, strict=True):
            self._found[path.partition("!/")[0]] += words_of((text or "")[:owned])
        return []


def theirs(files: list[Path]) -> Iterator[tuple[Path, str | None]]:
    """Yield the text from the second extractor, or None if it gives none."""
    for file in files:
        if file.suffix.lower() == ".pdf":
            done = subprocess.run(["pdftotext", "-q", str(file), "-"], capture_output=True, timeout=120, check=False)
            yield file, done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
    office = [file for file in files if file.suffix.lower() in (*_AS_TEXT, *_AS_PDF)]
    for suffixes, target in ((_AS_TEXT, "txt:Text (encoded):UTF8"), (_AS_PDF, "pdf")):
        chosen = [file for file in office if file.suffix.lower() in suffixes]
        for start in range(0, len(chosen), _BATCH):
            yield from _converted(chosen[start : start + _BATCH], target)


def _converted(files: list[Path], target: str) -> Iterator[tuple[Path, str | None]]:
    with tempfile.TemporaryDirectory() as folder:
        copies = {file: Path(folder) / f"{number}{file.suffix}" for number, file in enumerate(files)}
        for file, copy in copies.items():
            shutil.copy(file, copy)
        profile = f"-env:UserInstallation=file://{folder}/profile"
        command = ["soffice", profile, "--headless", "--convert-to", target, "--outdir", f"{folder}/out", *map(str, copies.values())]
        subprocess.run(command, capture_output=True, timeout=1800, check=False)
        for file, copy in copies.items():
            out = Path(folder) / "out" / f"{copy.stem}.{target[:3]}"
            if not out.exists():
                yield file, None
            elif target == "pdf":
                yield from ((file, text) for _, text in theirs([out]))
            else:
                yield file, out.read_text(encoding="utf-8", errors="replace")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=5, help="Documents to show per format.")
    arguments = parser.parse_args()
    found, status, reasons = ours(arguments.folder)
    print(f"{status.total()} artifacts: {dict(status)}")
    print("\n".join(reasons))
    totals: dict[str, Format] = defaultdict(Format)
    files = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    for file, text in theirs(files):
        total = totals[file.suffix.lower()]
        total.files += 1
        if text is None:
            total.failed += 1
            continue
        known = found.get(str(file.relative_to(arguments.folder)), Counter())
        their = words_of(text)
        missing = Counter({word: count for word, count in their.items() if word not in known})
        total.words += their.total()
        total.missing += missing.total()
        if missing:
            share = missing.total() / max(1, their.total())
            total.examples.append(f"{share:6.1%} {file.relative_to(arguments.folder)}: {' '.join(w for w, _ in missing.most_common(12))}")
    print("| format | documents | not opened by the second extractor | words | missing in ours |\n| --- | --- | --- | --- | --- |")
    for suffix, total in sorted(totals.items()):
        print(f"| {suffix[1:]} | {total.files} | {total.failed} | {total.words} | {total.missing} |")
    for total in totals.values():
        print("\n".join(sorted(total.examples, reverse=True)[: arguments.examples]))


if __name__ == "__main__":
    main()
