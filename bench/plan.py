"""Compare what `plan` predicts with what `submit` takes, in CPU seconds, over ten corpora of different kinds.

    python -m bench.plan [--only KIND ...] [--scale 1.0] [--keep FOLDER] [FOLDER ...]

The corpora are made of the texts, pictures and models of installed packages by the usual writers of each format; with FOLDER, these
folders are measured instead. What a run took is what its processes counted of their own CPU time (`utilisation` in run.json), so that
other work on the machine matters little; the processes of Ray itself and of the driver are in neither figure. Prints a line of JSON for
each corpus, and then a table.
"""

from __future__ import annotations

import argparse
import email.message
import email.policy
import functools
import io
import json
import pickle
import random
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SITE = Path(sysconfig.get_paths()["purelib"])
Maker = Callable[[Path, random.Random, float], None]
_TOLERANCE = 0.25
_PAGE = 56  # lines


@functools.cache
def _installed() -> list[tuple[Path, int]]:
    """Return the files of installed packages with their sizes."""
    return [(path, path.stat().st_size) for path in sorted(SITE.rglob("*.*")) if path.is_file()]


def _files(draw: random.Random, count: int, *suffixes: str, most: int = 200_000) -> list[Path]:
    """Return up to `count` files of installed packages."""
    found = [path for path, size in _installed() if path.suffix in suffixes and 200 < size < most]
    return draw.sample(found, min(count, len(found)))


def _texts(draw: random.Random, count: int) -> list[str]:
    return [path.read_text(errors="replace") for path in _files(draw, count, ".md", ".rst", ".txt", ".html", most=60_000)]


def _paragraphs(draw: random.Random, count: int) -> Iterator[str]:
    """Yield up to `count` paragraphs of documentation and source, each once: engines remember texts that they have seen."""
    seen = set[str]()
    for path in _files(draw, 100_000, ".md", ".rst", ".txt", ".html", ".py", most=60_000):
        for text in path.read_text(errors="replace").split("\n\n")[:20]:
            if len(seen) == count:
                return
            if 40 < len(text) < 2_000 and (one := text.strip()) not in seen:
                seen.add(one)
                yield one


def _copied(folder: Path, paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        shutil.copyfile(path, folder / f"{number:04}-{path.name}")


def mails(folder: Path, draw: random.Random, scale: float) -> None:
    """Small mails, some with an attachment."""
    for number, text in enumerate(_paragraphs(draw, int(600 * scale))):
        mail = email.message.EmailMessage(email.policy.SMTP)
        mail["From"], mail["To"], mail["Subject"] = "Ann Miller <ann@example.org>", "bob@example.com", " ".join(text.split()[:6])
        mail["Message-ID"] = f"<{number}@example.org>"
        mail.set_content(f"Dear Bob,\n\n{text}\n\nAnn\n")
        if number % 10 == 0:
            mail.add_attachment(text.encode(), maintype="text", subtype="plain", filename="notes.txt")
        (folder / f"{number:04}.eml").write_bytes(mail.as_bytes())


def code(folder: Path, draw: random.Random, scale: float) -> None:
    """Source files of installed packages."""
    _copied(folder, _files(draw, int(500 * scale), ".py", ".pyi", ".h", ".js", ".toml", ".yaml"))


def pdf(folder: Path, draw: random.Random, scale: float) -> None:
    """Printed documents of one to twelve pages."""
    from reportlab.pdfgen.canvas import Canvas

    for number in range(int(80 * scale)):
        canvas = Canvas(str(folder / f"{number:03}.pdf"))
        lines = [line[:95] for text in _texts(draw, 3) for line in text.splitlines()][: _PAGE * draw.randrange(1, 13)]
        for start in range(0, len(lines), _PAGE):
            drawn = canvas.beginText(50, 790)
            for line in lines[start : start + _PAGE]:
                drawn.textLine(line.encode("latin-1", "replace").decode("latin-1"))
            canvas.drawText(drawn)
            canvas.showPage()
        canvas.save()


def images(folder: Path, draw: random.Random, scale: float) -> None:
    """Pages of text as pictures, and pictures of installed packages."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(18)
    for number in range(int(24 * scale)):
        page = Image.new("L", (900, 700), 255)
        lines = [line[:90] for text in _texts(draw, 1) for line in text.splitlines() if line.strip()][: draw.randrange(4, 26)]
        ImageDraw.Draw(page).multiline_text((20, 20), "\n".join(lines), font=font, fill=0)
        page.save(folder / f"page-{number:03}.{('png', 'jpg')[number % 2]}")
    _copied(folder, _files(draw, int(60 * scale), ".png", ".jpg", ".gif"))


def parquet(folder: Path, draw: random.Random, scale: float) -> None:
    """Three datasets with a column of texts and columns of numbers."""
    for number in range(3):
        texts = list(_paragraphs(draw, int(9_000 * scale)))
        table = pa.table({"id": range(len(texts)), "text": texts, "score": np.random.default_rng(number).random(len(texts))})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=2_000)


def jsonl(folder: Path, draw: random.Random, scale: float) -> None:
    """One big file of conversations, a line each."""
    texts = _paragraphs(draw, int(30_000 * scale))
    with (folder / "conversations.jsonl").open("w") as file:
        for number, (asked, answered) in enumerate(zip(texts, texts, strict=False)):
            turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
            file.write(json.dumps({"id": number, "messages": turns}) + "\n")


def office(folder: Path, draw: random.Random, scale: float) -> None:
    """Documents, workbooks and presentations."""
    import docx
    import openpyxl
    import pptx

    for number in range(int(40 * scale)):
        texts = list(_paragraphs(draw, draw.randrange(5, 120)))
        document = docx.Document()
        for text in texts:
            document.add_paragraph("".join(letter for letter in text if letter.isprintable() or letter == "\n"))
        document.save(str(folder / f"{number:03}.docx"))
        book = openpyxl.Workbook()
        for row in range(draw.randrange(50, 1_500)):
            book.active.append([row, f"customer {row}", draw.random(), "paid" if row % 3 else "open"])
        book.save(folder / f"{number:03}.xlsx")
        slides = pptx.Presentation()
        for text in texts[:15]:
            slide = slides.slides.add_slide(slides.slide_layouts[1])
            slide.shapes.title.text = "".join(letter for letter in text[:40] if letter.isprintable())
            slide.placeholders[1].text = "".join(letter for letter in text if letter.isprintable())
        slides.save(str(folder / f"{number:03}.pptx"))


def html(folder: Path, draw: random.Random, scale: float) -> None:
    """Pages of installed packages, and pages made of their texts with a menu, headings, links and a table."""
    _copied(folder, _files(draw, int(60 * scale), ".html", ".htm"))
    for number in range(int(250 * scale)):
        parts = []
        for at, text in enumerate(_paragraphs(draw, draw.randrange(5, 80))):
            shown = "".join(f"<span>{escape(line)}</span><br>" for line in text.splitlines())
            parts.append(f'<h2 id="p{at}">{escape(text[:30])}</h2><p class="text">{shown} <a href="#p{at - 1}">back</a></p>')
            if at % 7 == 0:
                parts.append("<table>" + "".join(f"<tr><td>{one}</td><td>{draw.random():.3f}</td></tr>" for one in range(20)) + "</table>")
        menu = "".join(f'<li><a href="/page/{one}.html">Page {one}</a></li>' for one in range(40))
        page = f"<!DOCTYPE html><html><head><title>Page {number}</title></head><body><ul>{menu}</ul>{''.join(parts)}</body></html>"
        (folder / f"made-{number:03}.html").write_text(page)


def archives(folder: Path, draw: random.Random, scale: float) -> None:
    """Archives of two kinds with 5 to 60 files of source, text and data in each."""
    for number in range(int(24 * scale)):
        paths = _files(draw, draw.randrange(5, 60), ".py", ".md", ".txt", ".json", ".html", ".csv", most=40_000)
        if number % 2 == 0:
            with zipfile.ZipFile(folder / f"{number:03}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for place, path in enumerate(paths):
                    archive.write(path, f"{place}/{path.name}")
        else:
            with tarfile.open(folder / f"{number:03}.tar.gz", "w:gz") as tar:
                for place, path in enumerate(paths):
                    tar.add(path, f"{place}/{path.name}")


def models(folder: Path, draw: random.Random, scale: float) -> None:
    """Weights in five formats with the configurations and tokenizers beside them."""
    import torch
    from safetensors.numpy import save_file

    values = np.random.default_rng(0)
    for number in range(int(20 * scale)):
        home = folder / f"model-{number:02}"
        home.mkdir()
        tensors = {f"layer.{one}.weight": values.random((64, draw.randrange(64, 4_096)), np.float32) for one in range(12)}
        save_file(tensors, home / "model.safetensors")
        torch.save({name: torch.from_numpy(one) for name, one in tensors.items()}, home / "pytorch_model.bin")
        np.savez(home / "optimizer.npz", *tensors.values())
        (home / "state.pkl").write_bytes(pickle.dumps({"step": number, "values": tensors["layer.0.weight"].tolist()[:8]}))
        (home / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "hidden_size": 64, "vocab": list(range(500))}))
        words = {f"{word}{at}": at for at, word in enumerate(" ".join(_texts(draw, 1)).split()[:4_000])}
        (home / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": {"type": "WordPiece", "vocab": words}}))
    _copied(folder, _files(draw, int(40 * scale), ".onnx", most=2_000_000))


def mixed(folder: Path, draw: random.Random, scale: float) -> None:
    """A little of each of the others."""
    for maker in MAKERS.values():
        if maker is not mixed:
            (folder / maker.__name__).mkdir()
            maker(folder / maker.__name__, draw, scale / 12)


MAKERS: dict[str, Maker] = {
    maker.__name__: maker for maker in (mails, code, pdf, images, parquet, jsonl, office, html, archives, models, mixed)
}


def predicted(folder: Path) -> dict[str, Any]:
    """Return what `plan` says of a folder, in CPU seconds, and the CPU seconds that it took to say so."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.corpus.planning import plan_rows
    from veritensor_ray.engines.registry import create, needing_models, selected
    from veritensor_ray.jobs.cluster.slots import fit_here
    from veritensor_ray.pipeline.bounded import process
    from veritensor_ray.pipeline.estimate import calibrate, survey

    settings = load_settings(flags={"sources": [str(folder)]}, environ={})
    names = tuple(selected(settings))
    before = time.process_time()
    with process.Splitter(settings) as split:
        found = survey(plan_rows(settings, names, split), {}, settings, names)
    calibrate(found, settings, b"k" * 32)
    slots = fit_here(settings, len(needing_models(create(settings, names))))
    process.SHARED.close()
    cpu = found.cpu(slots.cpus, slots.extract, slots.actors)
    return {"predicted": cpu, "plan": time.process_time() - before, "by_type": {name: round(found.of(name), 2) for name in found.kinds}}


def taken(folder: Path, output: Path) -> dict[str, Any]:
    """Run `submit` over a folder and return the CPU seconds of its processes by what they did."""
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(folder), "--output", str(output), "--allow-partial"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        spent: dict[str, float] = json.loads((output / "run.json").read_text())["utilisation"]["cpu_seconds"]
    except OSError:
        raise SystemExit(done.stderr[-2_000:]) from None
    return {"taken": sum(spent.values()), "of_which": spent}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a table in Markdown."""
    out = io.StringIO()
    out.write("| corpus | files | MB | predicted | taken | predicted / taken |\n| --- | --- | --- | --- | --- | --- |\n")
    for row in rows:
        out.write(
            f"| {row['corpus']} | {row['files']} | {row['MB']:.1f} | {row['predicted']:.1f} | {row['taken']:.1f} | {row['ratio']:.2f} |\n"
        )
    within = sum(abs(row["ratio"] - 1) <= _TOLERANCE for row in rows)
    out.write(f"\n{within} of {len(rows)} within {_TOLERANCE:.0%}.\n")
    return out.getvalue()


def main() -> None:
    """Measure every corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--only", nargs="*", choices=MAKERS, default=list(MAKERS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        base = given.keep or Path(temporary)
        for kind in given.only if not given.folders else ():
            if not (folder := base / kind).exists():
                folder.mkdir(parents=True)
                MAKERS[kind](folder, random.Random(kind), given.scale)
            given.folders.append(folder)
        for folder in given.folders:
            sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
            row = {"corpus": folder.name, "files": len(sizes), "MB": sum(sizes) / 1e6}
            row |= predicted(folder) | taken(folder, Path(temporary) / f"out-{folder.name}")
            row["ratio"] = row["predicted"] / row["taken"]
            rows.append(row)
            print(json.dumps(row), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
