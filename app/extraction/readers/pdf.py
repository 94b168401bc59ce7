"""PDF, page by page."""

from __future__ import annotations

import codecs
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.extraction.readers import pdf_annotations, pdf_calls, pdf_text, xfa
from app.extraction.readers.reader import Inner, Options, Page, Piece, Unreadable

#: A page with fewer letters, of which a picture covers a larger share, is a scanned page with a stamp on it.
FEW_LETTERS = 100
COVERED = 0.5


def load(options: Options) -> None:
    import pyexpat  # noqa: F401

    import pypdfium2  # noqa: F401

    codecs.lookup("utf-16-le")


def opened(content: bytes) -> Any:
    """The document, of pypdfium2. Raises Unreadable."""
    import pypdfium2 as pdfium2

    try:
        return pdfium2.PdfDocument(content)
    except pdfium2.PdfiumError as error:
        locked = error.err_code in (pdfium2.raw.FPDF_ERR_PASSWORD, pdfium2.raw.FPDF_ERR_SECURITY)
        raise Unreadable(str(error), "encrypted" if locked else "damaged") from None


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """Everything that a viewer shows: properties such as the title, the pages with their annotations, the files. A page that
    can't be read is empty; Unreadable is raised when none can be. Text that is on a page already is not repeated."""
    import pypdfium2.raw as raw

    reading = _Reading(raw, opened(content))
    pages = list(reading.pages())
    if len(reading.errors) == len(pages) and pages:
        raise Unreadable(reading.errors[0])
    reading.told = " ".join(" ".join(each for page in pages for each in page.texts()).split())
    yield from (
        each for each in (*pdf_calls.properties(raw, reading.document), *reading.headings[-1]) if reading.new(each)
    )
    for page in pages:
        missing = [each for each in reading.headings[page.index] if not pdf_text.says(page.flat, each)]
        yield Page("\n".join(filter(None, [*missing, page.text])), is_picture=page.is_picture)
        yield from page.more
    yield from filter(reading.new, reading.form())
    # A file attached to a page may be in the list of all files too.
    given = {each for page in pages for each in page.more if isinstance(each, Inner)}
    yield from (file for each in pdf_calls.attachments(raw, reading.document) if (file := Inner(*each)) not in given)


@dataclass
class _Page:
    """`more`: the texts of its annotations. `is_picture`: whether the page is a picture whose text has to be recognized."""

    index: int
    text: str
    more: list[str | Inner]
    is_picture: bool

    @property
    def flat(self) -> str:
        return " ".join(self.text.split())

    def texts(self) -> list[str]:
        return [self.text, *(each for each in self.more if isinstance(each, str))]


class _Reading:
    """What is read of one document. `errors`: of pages."""

    def __init__(self, raw: Any, document: Any) -> None:
        self._raw, self.document = raw, document
        self.errors: list[str] = []
        self.told = ""
        self.headings: defaultdict[int, list[str]] = defaultdict(list)
        for index, title in pdf_calls.bookmarks(raw, document):
            self.headings[index].append(" ".join(title.split()))

    def new(self, text: str) -> bool:
        """Whether no page contains that already."""
        return not pdf_text.says(self.told, text)

    def pages(self) -> Iterator[_Page]:
        import pypdfium2 as pdfium2

        with contextlib.ExitStack() as stack:
            form = None
            for index in range(len(self.document)):
                try:
                    with contextlib.closing(self.document[index]) as page:
                        text = pdf_text.of(self._raw, page)
                        more: list[str | Inner] = []
                        if self._raw.FPDFPage_GetAnnotCount(page):
                            if form is None and self._raw.FPDF_GetFormType(self.document):
                                form = stack.enter_context(pdf_calls.form_of(self._raw, self.document))
                            more = self._annotations(index, page, form, text)
                        yield _Page(index, text, more, self._is_picture(page, text))
                except pdfium2.PdfiumError as error:
                    self.errors.append(f"page {index + 1}: {error}")
                    # The other pages keep their numbers.
                    yield _Page(index, "", [], False)

    def _annotations(self, index: int, page: Any, form: Any, text: str) -> list[str | Inner]:
        found = pdf_annotations.Annotations(self._raw, page, form, text)
        more = list(found.read())
        if found.drawn:
            more.extend(self._drawn(index, page, found.other, text))
        return more

    def _drawn(self, index: int, page: Any, other: list[int], before: str) -> Iterator[str]:
        """The text of drawn annotations: the page is read again with them."""
        if pdf_annotations.draw(self._raw, page, other):
            with contextlib.closing(self.document[index]) as again:
                text = pdf_text.of(self._raw, again)
            # It comes last, unless it overlaps the page: then its lines are those that were not there before.
            known = set() if text.startswith(before) else set(before.splitlines())
            yield from (each for each in text.removeprefix(before).splitlines() if each.strip() and each not in known)

    def _is_picture(self, page: Any, text: str) -> bool:
        """Whether a page with this text is a picture whose text has to be recognized."""
        count = self._raw.FPDFPage_CountObjects(page)
        letters = len("".join(text.split()))
        if not count or letters >= FEW_LETTERS:
            return False
        return not letters or pdf_text.covered(self._raw, page) > COVERED

    def form(self) -> Iterator[str]:
        """The text of an XFA form."""
        if self._raw.FPDF_GetFormType(self.document) in (
            self._raw.FORMTYPE_XFA_FULL,
            self._raw.FORMTYPE_XFA_FOREGROUND,
        ):
            yield from dict.fromkeys(xfa.texts(pdf_calls.packets(self._raw, self.document)))
