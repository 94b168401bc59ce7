"""The language of a text, as the process that reads the document tells it."""

from __future__ import annotations

import io

import pytest

from app.extraction.kinds import Way
from app.extraction.reading import read
from app.extraction.sandbox import Limits, memory_file

pytestmark = pytest.mark.any_user


def test_the_process_that_reads_a_document_tells_it() -> None:
    sentences = {
        "de": "Die Rechnung für die Reparatur der Heizung liegt dem Schreiben bei.",
        "ru": "Счёт за ремонт отопления приложен к этому письму.",
    }
    for language, sentence in sentences.items():
        with memory_file("document") as document, io.BytesIO() as output:
            document.write(sentence.encode())
            document.seek(0)
            verdict = read(Way("text", "text/plain"), document, output, Limits(60, 1 << 30, 1 << 20))
            assert (verdict.reason, verdict.language) == (None, language)
