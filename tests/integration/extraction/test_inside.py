"""Files inside of documents, to any depth: what is bounded, who reads them, and that one takes nothing from another."""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.extraction import child, reading, sandbox
from app.extraction.kinds import Way
from app.extraction.sandbox import Limits, Stopped, Verdict
from tests.integration.extraction.hostile import LIMITS, in_place, program
from tests.integration.extraction.test_archives import told, zipped


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Of each process that is started: the kind, and the number of documents, 0 for one alone."""
    started: list[tuple[str, int]] = []
    run, run_batch = sandbox.run, sandbox.run_batch

    def one(way: Way, *rest: object) -> Verdict:
        started.append((way.kind, 0))
        return run(way, *rest)  # type: ignore[arg-type]

    def many(kind: str, documents: list[tuple[str, bytes]], *rest: object) -> list[tuple[Verdict, bytes]]:
        started.append((kind, len(documents)))
        return run_batch(kind, documents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sandbox, "run", one)
    monkeypatch.setattr(sandbox, "run_batch", many)
    return started


def test_many_small_texts_are_read_together(processes: list[tuple[str, int]]) -> None:
    files = {f"folder/{each}.txt": b"number %d, gr\xf6\xdfer" % each for each in range(250)}
    files["page.html"] = b"<p>a page"
    files["large.txt"] = b"long " * reading.BATCH_FILE
    verdict, text = told(zipped(files))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert processes == [("archive", 0), ("text", 100), ("text", 100), ("text", 50), ("html", 0), ("text", 0)]
    # In the order of the archive.
    assert [each.file[0] for each in verdict.parts if each.file] == list(files)
    assert all(f"folder/{each}.txt\nnumber {each}, größer\n" in text for each in range(250))


def test_a_file_that_ends_the_process_of_many_takes_only_itself(
    tmp_path: Path, processes: list[tuple[str, int]]
) -> None:
    broken = program(tmp_path / "program", free=False)
    text = Path(child.__file__).read_text()
    assert text.count("    assembly = Assembly()\n") == 1
    ends = '    if b"ends it" in content:\n        os._exit(3)\n    assembly = Assembly()\n'
    broken.write_text(text.replace("    assembly = Assembly()\n", ends))
    files = {f"{each}.txt": b"number %d" % each for each in range(4)} | {"bad.txt": b"ends it"}
    with in_place(broken):
        verdict, found = told(zipped(files))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert all(f"{each}.txt\nnumber {each}\n" in found for each in range(4))
    assert "bad.txt" in found
    # Not once more together.
    assert processes == [("archive", 0), ("text", 5), *[("text", 0)] * 5]


@pytest.mark.parametrize("claim", ['{"reason": "environment"}', '{"parts": [{"at": 9, "page": 1}]}', "[]", "{"])
def test_what_a_process_says_of_many_is_not_believed(tmp_path: Path, claim: str) -> None:
    broken = program(tmp_path / "program")
    text = Path(child.__file__).read_text()
    assert text.count("told = json.dumps(result_of(read)).encode()") == 1
    broken.write_text(text.replace("told = json.dumps(result_of(read)).encode()", f"told = {claim!r}.encode()"))
    with in_place(broken):
        found = sandbox.run_batch("text", [("text/plain", b"one"), ("text/plain", b"two")], LIMITS, lambda: False)
    assert [(verdict.reason, content) for verdict, content in found] == [("crashed", b"")] * 2


def test_documents_in_each_other_end_at_a_depth(processes: list[tuple[str, int]]) -> None:
    content = b"the innermost"
    name = "note.txt"
    for _ in range(10):
        content, name = zipped({name: content, "beside.txt": b"x"}), "within.zip"
    verdict, text = told(content)
    assert (verdict.reason, verdict.cut) == (None, True)
    assert len(processes) < 2 * reading.MOST_DEPTH
    assert max(len(each.file) for each in verdict.parts) == reading.MOST_DEPTH
    assert "innermost" not in text


def test_all_files_in_all_archives_are_counted_together(processes: list[tuple[str, int]]) -> None:
    """A zip of zips starts no more processes than one."""
    small = zipped({f"{each}.bin": b"PK" for each in range(400)})
    verdict, text = told(zipped({f"{each}.zip": small for each in range(10)} | {"last.txt": b"is read too"}))
    assert (verdict.reason, verdict.cut) == (None, True)
    files = [each for each in verdict.parts if each.file]
    assert len(files) <= reading.MOST_FILES
    assert len(processes) <= reading.MOST_FILES
    # What lies beside them has its place before what is inside of them.
    assert text.endswith("last.txt\nis read too")


def test_all_bytes_in_all_archives_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 3 << 20)
    # Nothing of it is text, of which there is an end sooner.
    large = zipped({f"{each}.bin": bytes(1 << 20) for each in range(4)})
    given: list[int] = []
    run = sandbox.run

    def counted(way: Way, *rest: object) -> Verdict:
        verdict = run(way, *rest)  # type: ignore[arg-type]
        given.extend(len(each.content) for each in verdict.files)
        return verdict

    monkeypatch.setattr(sandbox, "run", counted)
    verdict, _ = told(zipped({f"{each}.zip": large for each in range(10)}))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert sum(given) <= 3 << 20


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[None]:
    """A process that reads a PDF does not come to an end."""
    broken = program(tmp_path / "program")
    text = Path(child.__file__).read_text()
    hangs = '    while content.startswith(b"%PDF"):\n        pass\n    assembly = Assembly()\n'
    broken.write_text(text.replace("    assembly = Assembly()\n", hangs))
    # Its own small document is read before.
    samples = broken.parent / "samples.py"
    samples.write_text(samples.read_text().replace('content, places = b"%PDF-1.4', 'content, places = b" %PDF-1.4'))
    with in_place(broken):
        yield


@pytest.mark.usefixtures("hanging")
def test_one_file_leaves_time_to_the_others() -> None:
    files = {"first.pdf": b"%PDF-1.4", "second.pdf": b"%PDF-1.4", "note.txt": b"is read"}
    verdict, found = told(zipped(files), limits=Limits(16, 1 << 30, 1 << 20))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "note.txt\nis read" in found
    assert "second.pdf" in found


@pytest.mark.usefixtures("hanging")
def test_every_name_is_told_when_the_time_is_over() -> None:
    verdict, found = told(
        zipped({f"{each}.pdf": b"%PDF-1.4" for each in range(20)}), limits=Limits(6, 1 << 30, 1 << 20)
    )
    assert (verdict.reason, verdict.cut) == (None, True)
    assert found.split() == [f"{each}.pdf" for each in range(20)]
    assert [each.file for each in verdict.parts] == [(f"{each}.pdf",) for each in range(20)]


def test_who_has_to_stop_stops_between_files() -> None:
    """So that another tenant's document is read, however many files are inside of this one."""
    content = zipped({f"{each}.zip": zipped({"a.txt": b"x"}) for each in range(500)})
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(content)
        document.seek(0)
        began = time.monotonic()
        with pytest.raises(Stopped):
            reading.read(Way("archive", ""), document, output, LIMITS, stopping)
    assert time.monotonic() - began < 60


def test_a_zip_that_contains_itself_ends() -> None:
    """As good as: each of them has the next one, and the names are all that is inside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("itself.zip", zipped({"itself.zip": zipped({"itself.zip": zipped({"end.txt": b"end"})})}))
    verdict, text = told(buffer.getvalue())
    assert verdict.reason is None
    assert text.count("itself.zip") == 3
    assert text.endswith("end.txt\nend")
