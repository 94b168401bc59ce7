"""Where the pages of a document begin: kept with its text, through everything that keeps that."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from app.coordination.local import Local
from app.extraction import reading
from app.extraction.kinds import Way
from app.extraction.parts import Part
from app.extraction.queue import Queue, Stage
from app.extraction.sandbox import Limits
from tests.integration.extraction.documents import PHRASE, pdf
from tests.integration.extraction.hostile import LIMITS, in_place, program, taken_over
from tests.integration.extraction.test_server import decided, outcome, store_command
from tests.support.app import ServerFactory


def pages_of(text: bytes, found: list[dict[str, Any]]) -> list[str]:
    ends = [*(each["at"] for each in found[1:]), len(text)]
    return [text[each["at"] : end].decode() for each, end in zip(found, ends, strict=True)]


def test_a_pdf_says_where_each_page_begins() -> None:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(pdf(pages=12, phrase_on=7))
        document.seek(0)
        verdict = reading.read(Way("pdf", "application/pdf"), document, output, LIMITS)
        output.seek(0)
        text = output.read()
    assert [each.page for each in verdict.parts] == list(range(1, 13))
    shown = pages_of(text, [each.to_record() for each in verdict.parts])
    assert [PHRASE in each for each in shown] == [number == 7 for number in range(1, 13)]


def test_pages_behind_the_cut_are_not_told() -> None:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(pdf(pages=60))
        document.seek(0)
        verdict = reading.read(Way("pdf", "application/pdf"), document, output, Limits(60, 1 << 30, 200))
    assert verdict.cut
    assert 0 < len(verdict.parts) < 10
    assert verdict.parts[-1].at < 200


def test_they_are_kept_on_disk_and_checked(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    (attachment_id,) = server.upload(("report.pdf", pdf(pages=3, phrase_on=2)))
    decided(server, attachment_id)
    record = outcome(server, attachment_id)
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.extraction")
    text = path.with_suffix(".text").read_bytes()
    assert record["format"] == 2
    assert [each["page"] for each in record["parts"]] == [1, 2, 3]
    assert PHRASE in pages_of(text, record["parts"])[1]
    assert server.stop() == 0
    places = [each["at"] for each in record["parts"]]
    for at in (10_000, places[0]):
        record["parts"][2]["at"] = at
        record["parts"][0]["at"] = at + 1
        path.write_text(json.dumps(record))
        assert "damaged-text" in store_command(server, "verify", "--json").stdout
    # An earlier version's outcome: it is read, and taken out again where that is asked for.
    record["format"] = 1
    del record["parts"]
    path.write_text(json.dumps(record))
    assert "damaged-text" not in store_command(server, "verify", "--read-data", "--json").stdout
    counts = json.loads(store_command(server, "extract", "--outdated", "--json").stdout)
    assert counts == {"queued": 1, "completed": 1, "failed": 0}
    assert outcome(server, attachment_id)["format"] == 2
    assert [each["at"] for each in outcome(server, attachment_id)["parts"]] == places
    assert json.loads(store_command(server, "extract", "--outdated", "--json").stdout)["queued"] == 0


@pytest.mark.parametrize(("left", "is_told"), [("thumbnail", True), ("text", False)])
def test_a_damaged_text_is_told_unless_it_is_to_be_taken_out_again(
    start_server: ServerFactory, left: Stage, is_told: bool
) -> None:
    server = start_server(EXTRACTION="on", THUMBNAILS="off")
    (attachment_id,) = server.upload(("report.pdf", pdf(pages=3, phrase_on=2)))
    decided(server, attachment_id)
    assert server.stop() == 0
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.text")
    path.write_bytes(path.read_bytes()[1:])
    Queue(Local(server.data).claims).add(attachment_id, left=(left,))
    assert ("damaged-text" in store_command(server, "verify", "--json").stdout) is is_told


@pytest.mark.parametrize("part", [Part(-1, 1), Part(10_000, 1)])
def test_what_a_process_says_of_them_is_not_believed(part: Part, tmp_path: Path) -> None:
    with in_place(program(tmp_path / "program")):
        record = json.dumps({"cut": False, "characters": 1, "parts": [part.to_record()]})
        code = f"os.write(1, b'x'); os.write(int(sys.argv[7]), {record!r}.encode()); os._exit(0)"
        verdict, text = taken_over(code)
    assert (verdict.reason, text) == ("crashed", "")


def test_what_a_process_writes_is_not_believed_to_be_text(tmp_path: Path) -> None:
    with in_place(program(tmp_path / "program")):
        code = "os.write(1, b'\\xff'); os.write(int(sys.argv[7]), b'{}'); os._exit(0)"
        verdict, text = taken_over(code)
    assert (verdict.reason, text) == ("crashed", "")
