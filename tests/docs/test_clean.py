"""The blocks of docs/clean.md run here unchanged, one after the other: a chat dataset, an office folder and a bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests import s3_server
from tests.docs.blocks import ROOT, blocks, wrong_commands
from tests.docs.running import run

PAGE = ROOT / "docs" / "clean.md"
BLOCKS = blocks(PAGE)
COMMANDS = [block for block in BLOCKS if block.mark == ("test", "clean")]
SHOWN = [block for block in BLOCKS if not block.info]
MAIL = "ada.lindqvist@kaldor-mail.com"


def test_commands() -> None:
    assert len(COMMANDS) == 5
    assert not [wrong for block in COMMANDS for wrong in wrong_commands(block.text)]


@pytest.mark.slow
def test_a_chat_dataset_an_office_folder_and_a_bucket(endpoint: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    office(work / "office")
    fs = bucket(endpoint)
    store = {"endpoint": endpoint, "region": "us-east-1", "path_style": True, "key": "env:KB_KEY", "secret": "env:KB_SECRET"}
    (work / "site.yaml").write_text(json.dumps({"stores": {"s3://": store}}))
    said = run(COMMANDS, tmp_path, {"KB_KEY": "key", "KB_SECRET": "secret"})
    copied = {path.removeprefix("cleaned/kb/corpus/"): fs.cat_file(path) for path in fs.find("cleaned/kb/corpus")}
    printed = {line.strip() for line in said.splitlines()}
    assert [line for block in SHOWN for line in block.text.splitlines() if line.strip() not in printed] == []
    assert copied == {"a.txt": b"Opening hours: 9 to 5\n", "b/c.csv": b"name,mail\nAda,[EMAIL]\n"}
    assert "unchanged" in said or json.loads((work / "chats-clean" / "run.json").read_text())["verdict"] == "clean"
    people(work)
    papers(work)


def people(work: Path) -> None:
    """The pseudonyms have the form of what they replace, and no value is left."""
    text = (work / "chats-pseudonyms" / "corpus" / "train.jsonl").read_text()
    assert MAIL not in text and "4929" not in text and "@" in text
    assert [json.loads(line)["id"] for line in text.splitlines()] == [1, 2]


def papers(work: Path) -> None:
    """The documents open, without the address, the comment and the author; and so does the PDF, without the account."""
    from docx import Document
    from openpyxl import load_workbook
    from pptx import Presentation
    from pypdf import PdfReader

    copy = work / "office-clean" / "corpus"
    letter: Any = Document(str(copy / "letter.docx"))
    assert [one.text for one in letter.paragraphs] == ["Dear Sir or Madam,", "write to [EMAIL] please."]
    assert letter.core_properties.author == ""
    assert load_workbook(copy / "prices.xlsx").active["B2"].value == "[EMAIL]"
    slides: Any = Presentation(str(copy / "slides.pptx"))
    assert [shape.text_frame.text for shape in slides.slides[0].shapes] == ["Contact", "[EMAIL]"]
    assert PdfReader(copy / "statement.pdf").pages[0].extract_text().split() == ["Account", "[IBAN]", ",", "July"]
    rows = pq.read_table(work / "office-clean" / "manifest.parquet").to_pylist()
    assert {row["artifact"]: row["result"] for row in rows} == {
        "letter.docx": "cleaned",
        "prices.xlsx": "cleaned",
        "statement.pdf": "cleaned",
        "slides.pptx": "cleaned",
    }


def office(folder: Path) -> None:
    from docx import Document
    from openpyxl import Workbook
    from pptx import Presentation
    from reportlab.pdfgen.canvas import Canvas

    folder.mkdir(parents=True)
    letter: Any = Document()
    letter.core_properties.author = "Ada Lindqvist"
    letter.add_paragraph("Dear Sir or Madam,")
    paragraph = letter.add_paragraph("write to ada.lind")
    paragraph.add_run("qvist@kaldor-").bold = True
    paragraph.add_run("mail.com please.")
    letter.save(str(folder / "letter.docx"))
    prices: Any = Workbook()
    for row in (["item", "contact"], ["paint", MAIL]):
        prices.active.append(row)
    prices.save(folder / "prices.xlsx")
    slides: Any = Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    for shape, text in zip(slide.shapes, ("Contact", MAIL), strict=True):
        shape.text_frame.text = text
    slides.save(str(folder / "slides.pptx"))
    statement = Canvas(str(folder / "statement.pdf"))
    statement.drawString(72, 700, "Account DE89 3704 0044 0532 0130 00, July")
    statement.save()


def bucket(endpoint: str) -> Any:
    import fsspec

    s3_server.empty(endpoint)
    fs = fsspec.filesystem("s3", key="key", secret="secret", client_kwargs={"endpoint_url": endpoint}, skip_instance_cache=True)
    fs.mkdir("corpus", acl="")
    fs.mkdir("cleaned", acl="")
    fs.pipe_file("corpus/kb/a.txt", b"Opening hours: 9 to 5\n")
    fs.pipe_file("corpus/kb/b/c.csv", f"name,mail\nAda,{MAIL}\n".encode())
    return fs
