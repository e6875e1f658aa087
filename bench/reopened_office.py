"""Write office documents of real text with findings in varied places, for `bench.reopened`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Say = Callable[[], str]


def write_docx(path: Path, paragraphs: list[str], sentence: Say, email: Say, number: int) -> None:
    """Write a document with findings in a paragraph, across runs, in a table, a header, a comment and the properties."""
    from docx import Document

    document = Document()
    document.add_heading("Notes", 1)
    for text in paragraphs:
        document.add_paragraph(text)
    paragraph = document.add_paragraph("Before ")
    for at, piece in enumerate(_pieces(sentence())):
        paragraph.add_run(piece).bold = at % 2 == 0
    table = document.add_table(rows=2, cols=3)
    for at, cell in enumerate(table.rows[1].cells):
        cell.text = sentence() if at == number % 3 else "empty"
    document.sections[0].header.paragraphs[0].text = f"To {email()}"
    document.core_properties.author = email()
    if number % 2:
        document.add_comment(paragraph.runs, text=sentence(), author="A. Uthor")
    document.save(str(path))


def write_xlsx(path: Path, paragraphs: list[str], sentence: Say, email: Say, number: int) -> None:
    """Write a workbook with findings in shared strings, a comment, a header and a formula."""
    from openpyxl import Workbook
    from openpyxl.comments import Comment

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["id", "text", "contact"])
    for at, text in enumerate(paragraphs):
        sheet.append([at, text, email() if at % 3 == 0 else None])
    sheet["E2"] = sentence()
    sheet["E3"] = '=CONCATENATE("a", B2)'
    sheet["E4"] = 12.50
    if number % 2:
        sheet["A2"].comment = Comment(sentence(), "A. Uthor")
    if number % 3 == 0:
        sheet.oddHeader.center.text = f"To {email()}"
    other = book.create_sheet("Other")
    other["B2"] = sentence()
    book.properties.creator = email()
    book.save(path)


def write_pptx(path: Path, paragraphs: list[str], sentence: Say, email: Say, number: int) -> None:
    """Write slides with findings in a title, across runs, in a table and in the notes."""
    from pptx import Presentation
    from pptx.util import Inches

    slides = Presentation()
    for at, text in enumerate(paragraphs[:4]):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = sentence() if at == number % 4 else f"Slide {at}"
        frame = slide.placeholders[1].text_frame
        frame.text = text
        if at == 1:
            for piece in _pieces(sentence()):
                frame.paragraphs[0].add_run().text = piece
        if at == 2:
            slide.notes_slide.notes_text_frame.text = sentence()
        if at == 3:
            table = slide.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(5), Inches(1)).table
            table.cell(1, 1).text = f"To {email()}"
    slides.core_properties.author = email()
    slides.save(str(path))


def _pieces(text: str) -> list[str]:
    """Cut a text into three, so that a value lies across the cuts."""
    third = max(1, len(text) // 3)
    return [text[:third], text[third : 2 * third], text[2 * third :]]
