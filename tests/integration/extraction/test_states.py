"""What is said of each file that could not be read: the true reason, by the route, the index and the page."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from typing import get_args

import py7zr
import pytest
from fpdf import FPDF

from app.extraction.record import Reason
from tests.integration.extraction.documents import PHRASE, endless_pdf, pdf, word
from tests.integration.extraction.test_environment import state
from tests.integration.extraction.test_server import decided, found, outcome
from tests.support.app import ROOT, ServerFactory


def _encrypted() -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", password="x") as made:
        made.writestr(b"hidden", "a.txt")
    return buffer.getvalue()


def _blank() -> bytes:
    made = FPDF()
    made.add_page()
    return bytes(made.output())


def _large() -> bytes:
    """One element with more text than a process may have memory for."""
    return b"<a>" + b"x" * 90_000_000 + b"</a>"


FILES: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "read.pdf": (pdf, None),
    "secret.7z": (_encrypted, "encrypted"),
    "data.bin": (lambda: bytes(range(256)) * 9, "unsupported"),
    "nothing.txt": (lambda: b"", "empty"),
    "blank.pdf": (_blank, "empty"),
    "blank.txt": (lambda: b" \n\t\n", "empty"),
    "broken.docx": (lambda: word()[:2000], "damaged"),
    "broken.pdf": (lambda: pdf()[:3000], "damaged"),
    "endless.pdf": (endless_pdf, "timeout"),
    "large.xml": (_large, "memory"),
    "unknown.gz": (lambda: gzip.compress(bytes(range(256)) * 9), "unsupported"),
}


def test_each_state_is_the_true_one(start_server: ServerFactory) -> None:
    """`completed` is said where there is a text, and nowhere else. (`environment` is in test_environment.py.)"""
    server = start_server(EXTRACTION="on", EXTRACTION_MEMORY="256MiB", EXTRACTION_TIMEOUT="30", EXTRACTION_ATTEMPTS="1")
    ids = dict(zip(FILES, server.upload(*((name, make()) for name, (make, _) in FILES.items())), strict=True))
    decided(server, *ids.values())
    wanted = {name: ("completed" if reason is None else "failed", reason) for name, (_, reason) in FILES.items()}
    assert {name: state(server, each) for name, each in ids.items()} == wanted
    hits = server.hits("size=50&_source=extraction")
    sources = {hit["_id"]: hit["_source"]["extraction"] for hit in hits}
    for name, each in ids.items():
        told = sources[each]
        assert (told["state"], told.get("reason")) == wanted[name]
        assert (told["size"] > 0) is (FILES[name][1] is None)
        assert server.get(f"/attachment/{each}/text").status_code == (200 if FILES[name][1] is None else 404)
        assert server.get(f"/attachment/{each}").status_code == 200
    assert found(server, {"match_phrase": {"content_words": PHRASE}}) == [ids["read.pdf"]]
    assert outcome(server, ids["read.pdf"])["size"] > 0


@pytest.mark.parametrize("reason", get_args(Reason))
def test_the_page_has_a_sentence_for_each_reason(reason: str) -> None:
    texts = (ROOT / "app/web/page/static/js/texts.js").read_text()
    (listed,) = re.findall(r"reasons: new Map\(\[(.*?)\]\),", texts, re.DOTALL)
    assert re.search(rf'\["{reason}", "[a-z ,:;’\']{{10,}}"\]', listed)
