"""Which reader reads which text."""

from __future__ import annotations

import pytest

from app.extraction.kinds import Way, way_of


@pytest.mark.parametrize(
    ("media_type", "extension", "kind"),
    [
        ("application/json", "", "json"),
        ("application/geo+json", "geojson", "json"),
        ("text/plain", "ipynb", "json"),
        ("text/plain", "ndjson", "json"),
        ("application/octet-stream", "properties", "properties"),
        ("text/plain", "ics", "folded"),
        ("text/vcard", "vcf", "folded"),
        ("text/plain", "vcs", "folded"),
        ("text/xml", "", "xml"),
        ("image/svg+xml", "svg", "xml"),
        ("application/x-fictionbook+xml", "fb2", "xml"),
        ("application/xhtml+xml", "xhtml", "html"),
        ("text/html", "md", "text"),
        ("text/x-c", "", "text"),
        # A text that begins like a picture.
        ("image/gif", "txt", "text"),
    ],
)
def test_the_reader_of_a_text(media_type: str, extension: str, kind: str) -> None:
    way = way_of(media_type, extension, recognition=False)
    assert isinstance(way, Way)
    assert way.kind == kind
