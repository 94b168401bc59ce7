"""Real files of the documents, by the kind that their names end in."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import PurePath

import docx
import openpyxl
import pptx
from fpdf import FPDF
from openpyxl.worksheet.worksheet import Worksheet

from benchmarks.judged.collection import Document
from tests.integration.extraction.documents import open_document

#: Taken as they stand.
TEXTS = (".txt", ".csv", ".md", ".py")


@dataclass(frozen=True)
class Heading:
    """`depth`: from 1, which is the title."""

    depth: int
    text: str


#: A heading, a paragraph, or a row of a table.
Block = Heading | str | list[str]


def blocks(text: str) -> list[Block]:
    """The parts of a text in their order."""
    found: list[Block] = []
    for part in text.strip().split("\n\n"):
        if part.startswith("|"):
            found += [[cell.strip() for cell in row.strip("|").split("|")] for row in part.splitlines()]
        elif part.startswith("#"):
            mark, _, title = part.partition(" ")
            found.append(Heading(len(mark), title))
        else:
            found.append(part)
    return found


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def _word(document: Document) -> bytes:
    made, rows = docx.Document(), None
    for block in blocks(document.text):
        if isinstance(block, list):
            rows = rows or made.add_table(0, len(block))
            for cell, text in zip(rows.add_row().cells, block, strict=True):
                cell.text = text
            continue
        rows = None
        if isinstance(block, Heading):
            made.add_heading(block.text, block.depth)
        else:
            made.add_paragraph(block)
    return _saved(made.save)


def _sheet(document: Document) -> bytes:
    made = openpyxl.Workbook()
    assert isinstance(made.active, Worksheet)
    for block in blocks(document.text):
        made.active.append(block if isinstance(block, list) else [block.text if isinstance(block, Heading) else block])
    return _saved(made.save)


def _slides(document: Document) -> bytes:
    made = pptx.Presentation()
    for part in document.text.split("\n\n---\n\n"):
        title, *rest = blocks(part)
        assert isinstance(title, Heading)
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = title.text
        slide.placeholders[1].text = "\n".join(map(str, rest))
    return _saved(made.save)


def _pdf(document: Document) -> bytes:
    """With a font that each reader of PDF has: the characters of Latin-1 alone."""
    made = FPDF()
    made.add_page()
    for block in blocks(document.text):
        made.set_font("helvetica", size=16 - 2 * block.depth if isinstance(block, Heading) else 10)
        if isinstance(block, list):
            for column, cell in enumerate(block):
                made.cell(90 if column == 0 else 100 / (len(block) - 1), 6, cell)
            made.ln()
        else:
            made.multi_cell(0, 5, block.text if isinstance(block, Heading) else block, new_x="LMARGIN", new_y="NEXT")
            made.ln(3)
    return bytes(made.output())


def _open_text(document: Document) -> bytes:
    elements = (
        f'<text:h text:outline-level="{block.depth}">{html.escape(block.text)}</text:h>'
        if isinstance(block, Heading)
        else "".join(f"<text:p>{html.escape(line)}</text:p>" for line in "\n".join(block).splitlines())
        if isinstance(block, list)
        else f"<text:p>{'<text:line-break/>'.join(map(html.escape, block.splitlines()))}</text:p>"
        for block in blocks(document.text)
    )
    return open_document("text", f"<office:text>{''.join(elements)}</office:text>")


def _page(document: Document) -> bytes:
    found = blocks(document.text)
    title = found[0]
    assert isinstance(title, Heading)
    body = []
    for block in found:
        if isinstance(block, list):
            body.append(f"<table><tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in block)}</tr></table>")
        elif isinstance(block, Heading):
            body.append(f"<h{block.depth}>{html.escape(block.text)}</h{block.depth}>")
        else:
            body.append(f"<p>{html.escape(block)}</p>")
    head = f'<head><meta charset="utf-8"><title>{html.escape(title.text)}</title></head>'
    return f"<!DOCTYPE html>\n<html>{head}<body>\n{chr(10).join(body)}\n</body></html>\n".encode()


def _mail(document: Document) -> bytes:
    head, _, body = document.text.partition("\n\n")
    made = EmailMessage()
    for line in head.splitlines():
        name, value = line.split(": ", 1)
        made[name] = value
    made.set_content(body)
    return bytes(made)


_MAKERS: dict[str, Callable[[Document], bytes]] = {
    ".docx": _word,
    ".xlsx": _sheet,
    ".pptx": _slides,
    ".pdf": _pdf,
    ".odt": _open_text,
    ".html": _page,
    ".eml": _mail,
    **dict.fromkeys(TEXTS, lambda document: document.text.encode(document.encoding)),
}


def made(document: Document) -> bytes:
    """The file. Raises KeyError where the name ends in nothing that is made here."""
    return _MAKERS[PurePath(document.name).suffix](document)
