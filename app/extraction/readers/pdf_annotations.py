"""Annotations of a PDF: fields of forms, notes, stamps, files.

The text of an annotation is a string, which is read whole, although the page may show only the part that fits. The library
draws annotations without a string (a stamp, a button, a signature) on the page, and they are read from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.extraction.readers import pdf_calls, pdf_text
from app.extraction.readers.reader import Inner

#: The most annotations of one page, and the most options of one field.
MOST = 10_000
MOST_OPTIONS = 1000

_HIDDEN = 1 << 1
_PASSWORD = 1 << 13


class Annotations:
    """The annotations of one page. `form`: the form of the document, or None. `shown`: the text of the page, which
    contains what a highlight covers. The text of drawn annotations is not returned: `drawn` says that there are
    some."""

    def __init__(self, raw: Any, page: Any, form: Any, shown: str) -> None:
        self._raw, self._page, self._form = raw, page, form
        self._shown = " ".join(shown.split())
        self._told: set[str] = set()
        self._boxes = {raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON}
        self._choices = {raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX}
        self._marks = {
            raw.FPDF_ANNOT_HIGHLIGHT,
            raw.FPDF_ANNOT_UNDERLINE,
            raw.FPDF_ANNOT_SQUIGGLY,
            raw.FPDF_ANNOT_STRIKEOUT,
            raw.FPDF_ANNOT_POPUP,
        }
        self._pictured = {
            raw.FPDF_ANNOT_WIDGET,
            raw.FPDF_ANNOT_STAMP,
            raw.FPDF_ANNOT_FREETEXT,
            raw.FPDF_ANNOT_WATERMARK,
        }
        #: The indexes of the annotations whose text was read, or that have none.
        self.other: list[int] = []
        self.drawn = False

    def read(self) -> Iterator[str | Inner]:
        """Their texts in their order, and the files among them."""
        raw = self._raw
        for index in range(min(raw.FPDFPage_GetAnnotCount(self._page), MOST)):
            annotation = raw.FPDFPage_GetAnnot(self._page, index)
            if not annotation:
                continue
            try:
                kind = raw.FPDFAnnot_GetSubtype(annotation)
                found: list[str | Inner] = []
                if kind != raw.FPDF_ANNOT_LINK and not raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                    found = list(self._one(annotation, kind))
                yield from found
                if kind in self._pictured and not found and raw.FPDFAnnot_GetObjectCount(annotation):
                    self.drawn = True
                else:
                    self.other.append(index)
            finally:
                raw.FPDFPage_CloseAnnot(annotation)

    def _one(self, annotation: Any, kind: int) -> Iterator[str | Inner]:
        raw = self._raw
        if kind == raw.FPDF_ANNOT_WIDGET:
            yield from self._field(annotation)
            return
        if kind == raw.FPDF_ANNOT_FILEATTACHMENT:
            handle = raw.FPDFAnnot_GetFileAttachment(annotation)
            found = pdf_calls.attachment(raw, handle) if handle else None
            if found is not None:
                yield Inner(*found)
        said = self._string(annotation, b"Contents")
        flat = " ".join(said.split())
        if flat and not (kind in self._marks and (flat in self._told or pdf_text.says(self._shown, flat))):
            self._told.add(flat)
            author = self._string(annotation, b"T")
            yield f"{author}: {said}" if author else said

    def _field(self, annotation: Any) -> Iterator[str]:
        raw, form = self._raw, self._form
        kind = raw.FPDFAnnot_GetFormFieldType(form, annotation) if form else -1
        if kind in self._boxes:
            # Its name says what it means; a person sees it as a tooltip.
            name = self._asked(raw.FPDFAnnot_GetFormFieldAlternateName, annotation)
            name = name or self._asked(raw.FPDFAnnot_GetFormFieldName, annotation)
            if name and name not in self._told:
                self._told.add(name)
                yield name
            return
        if kind in (raw.FPDF_FORMFIELD_PUSHBUTTON, raw.FPDF_FORMFIELD_SIGNATURE):
            return
        if kind > 0 and raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD and kind not in self._choices:
            return
        value = self._asked(raw.FPDFAnnot_GetFormFieldValue, annotation) if kind > 0 else self._string(annotation, b"V")
        options = list(self._options(annotation)) if kind in self._choices else []
        yield from ([value] if value and value not in options else []) + options

    def _options(self, annotation: Any) -> Iterator[str]:
        raw, form = self._raw, self._form
        for index in range(min(raw.FPDFAnnot_GetOptionCount(form, annotation), MOST_OPTIONS)):
            label = pdf_calls.string(
                lambda buffer, size, index=index: raw.FPDFAnnot_GetOptionLabel(form, annotation, index, buffer, size)  # type: ignore[misc]
            )
            if label:
                yield label

    def _asked(self, call: Any, annotation: Any) -> str:
        return pdf_calls.string(lambda buffer, size: call(self._form, annotation, buffer, size))

    def _string(self, annotation: Any, key: bytes) -> str:
        return pdf_calls.string(lambda buffer, size: self._raw.FPDFAnnot_GetStringValue(annotation, key, buffer, size))


def draw(raw: Any, page: Any, other: list[int]) -> bool:
    """Make the drawn annotations, without those in `other`, a part of the page for when it is loaded again; returns whether
    there are any. The document is changed in memory."""
    for index in reversed(other):
        raw.FPDFPage_RemoveAnnot(page, index)
    return bool(raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS)
