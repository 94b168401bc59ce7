"""The document of an attachment: its fields are those of the table, each with its value."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.extraction.record import Extraction
from app.index.source import source_of
from app.model.attachment import Attachment
from app.model.schema import DIALECT_FIELDS, FIELDS
from app.passages.keeping import Kept
from app.search.analysis import content_fields, name_fields
from app.search.collation import order_key
from app.services.indexing import DERIVED_FIELDS, TEXT_FIELDS, visible_source
from app.services.passages import fields_of

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ATTACHMENT = Attachment(
    id="a",
    created=MOMENT,
    updated=MOMENT,
    name="Product_Sheet.PDF",
    size=3,
    sha256="0" * 64,
    media_type="application/pdf",
    tenant="t",
    owner="o",
    dialect="kore",
    session="s",
    fields={"app": "shop"},
)
BELOW = {each.name for each in FIELDS if "." in each.name}
PASSAGES = Kept("0" * 64, 9, 1, "model", "1.0", 8, False, ((0, 9),), b"\x01" * 8)


def test_the_document() -> None:
    assert list(source_of(ATTACHMENT).items()) == [
        ("id", "a"),
        ("created", "2026-01-31T12:00:00.000000+00:00"),
        ("updated", "2026-01-31T12:00:00.000000+00:00"),
        ("session", "s"),
        ("name", "Product_Sheet.PDF"),
        ("icon", "pdf"),
        ("url", "/attachment/a"),
        ("size", 3),
        ("tenant", "t"),
        ("owner", "o"),
        ("dialect", "kore"),
        ("media_type", "application/pdf"),
        ("sha256", "0" * 64),
        ("extension", "pdf"),
        ("name_words", "product sheet pdf productsheet"),
        ("name_text", "product sheet pdf / productsheet /"),
        ("name_exact", ["product_sheet.pdf", "product_sheet"]),
        ("name_order", order_key("Product_Sheet.PDF")),
        ("name_stems", name_fields(ATTACHMENT.name)["name_stems"]),
        ("app", "shop"),
    ]
    unread = source_of(replace(ATTACHMENT, session=None, unread="unsupported"))
    assert unread["session"] is None
    assert unread["extraction"] == {"state": "failed", "size": 0, "cut": False, "reason": "unsupported"}


def test_a_document_has_the_fields_of_the_table() -> None:
    attachment = replace(ATTACHMENT, fields=dict.fromkeys(DIALECT_FIELDS, "x"))
    extraction = Extraction(MOMENT, 1, "damaged", size=1, sha256="0" * 64)
    source = {**visible_source(attachment, extraction), **content_fields("text"), **fields_of(PASSAGES)}
    below = {f"extraction.{name}" for name in source["extraction"]}
    inside = {f"passages.{name}" for each in source["passages"] for name in each}
    assert {*source, *below, *inside} == {each.name for each in FIELDS}
    assert {*below, *inside} == BELOW


def test_passages_are_told_of_their_own_text_alone() -> None:
    of_it = Extraction(MOMENT, 1, size=PASSAGES.size, sha256=PASSAGES.text)
    assert visible_source(ATTACHMENT, of_it, PASSAGES)["passages_model"] == "model 1.0"
    for other in (None, replace(of_it, sha256="1" * 64), replace(of_it, size=0, sha256=None)):
        assert "passages_model" not in visible_source(ATTACHMENT, other, PASSAGES)
    # Of any size: what an index can't have is left out where it is written.
    small = fields_of(replace(PASSAGES, dimensions=2, vectors=b"\x01\x7f"))
    assert small == {"passages_model": "model 1.0", "passages": [{"vector": "017f"}]}
    assert fields_of(replace(PASSAGES, places=(), vectors=b"")) == {"passages_model": "model 1.0"}


def test_what_is_derived_is_made_again() -> None:
    assert set(content_fields("text")) == set(TEXT_FIELDS)
    derived = {*content_fields("text"), *name_fields("name"), *fields_of(PASSAGES)}
    assert derived == {each for each in DERIVED_FIELDS if "." not in each}
    assert {each.name for each in FIELDS if not each.stored} == {*TEXT_FIELDS, "passages"}


@pytest.mark.parametrize("name", ["", "tenant", "id", "content", "App", "app.x", "__class__"])
def test_a_dialect_adds_only_fields_that_are_a_dialects(name: str) -> None:
    with pytest.raises(ValueError, match="unknown dialect fields"):
        replace(ATTACHMENT, fields={name: "x"})
