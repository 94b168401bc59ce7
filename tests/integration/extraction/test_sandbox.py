"""The process that reads documents: real ones of each kind, and hostile ones, within limits."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contents.mediatype import detect
from app.contents.window import Held
from app.extraction import child, reading, sandbox
from app.extraction.kinds import Way, way_of
from app.extraction.recognition_data import recognition_installed
from app.extraction.sandbox import Limits, Verdict
from app.model.attachment import extension
from tests.integration.extraction.documents import DOCUMENTS, PHRASE, open_document, pdf, picture, word
from tests.integration.extraction.hostile import LIMITS, in_place, program, taken_over

pytestmark = pytest.mark.any_user


def way_for(name: str, content: bytes) -> Way:
    way = way_of(detect(Held(content), name), extension(name), recognition=recognition_installed())
    assert way is not None
    return way


def read(name: str, content: bytes, limits: Limits = LIMITS, way: Way | None = None) -> tuple[Verdict, str]:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(content)
        document.seek(0)
        verdict = reading.read(way or way_for(name, content), document, output, limits)
        output.seek(0)
        return verdict, output.read().decode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_text_of_every_kind_is_found(name: str) -> None:
    verdict, text = read(name, DOCUMENTS[name]())
    assert verdict.reason is None, verdict
    assert not verdict.cut
    assert PHRASE in text
    assert verdict.characters == len(text)


def test_encodings_are_told_from_the_bytes() -> None:
    for name, words in (("utf16.txt", "größer"), ("latin1.txt", "Straße"), ("shift-jis.txt", "東京で桜が咲きました")):
        assert words in read(name, DOCUMENTS[name]())[1]


def test_markup_is_no_text() -> None:
    text = read("page.html", DOCUMENTS["page.html"]())[1]
    assert "<" not in text
    assert "var no" not in text


LOOKING_OTHERWISE = [
    ("note.txt", b"<!DOCTYPE html>\nwas how the page began", "was how the page began"),
    ("note.txt", b"<html><script>let one = 1</script><!-- two --><p title='three'>1 < 4", "one two three 4"),
    ("README.md", b"<html>\n# heading\n```\n<inside the=fence>\n```\n", "heading inside fence"),
    ("app.php", b"<html><?php echo 'inside'; ?>", "echo inside"),
    ("feed.txt", b"<?xml version='1.0'?>\n<feed link='outside'>within", "feed outside within"),
    ("events.log", b'{"level":"info","message":"json"}\n{"level":"debug"}\n', "message json debug"),
    ("one.log", b'{"broken": ', "broken"),
    ("sheet.csv", "größe;straße\n1;2\n".encode("cp1252"), "größe straße"),
    ("sheet.csv", ("имя;привет;как дела\n" * 20).encode("cp1251"), "имя привет дела"),
    ("sheet.csv", ("東京,さくら,咲きました\n" * 20).encode("shift_jis"), "東京 さくら 咲きました"),
    ("sheet.csv", "plain,東京\n".encode("utf-16"), "plain 東京"),
    ("sheet.csv", "plain,words\n".encode("utf-16-le"), "plain words"),
    ("sheet.csv", b"\xef\xbb\xbf" + "größe,2\n".encode(), "größe 2"),
    ("mail.txt", b"From: me\nTo: you\nfirst paragraph\n\nand the second", "me you first paragraph second"),
    ("gif.txt", b"GIF89a is how a picture begins", "how a picture begins"),
    ("table.xlsx", b"comma,separated\n1,2\n", "comma separated"),
    ("slides.odp", b"only words", "only words"),
    ("letter.docx", b"only words", "only words"),
    ("old.rtf", b"{\\rtf1 never closed", "never closed"),
    ("drawing.ps", b"%!PS-Adobe-3.0\n(shown) show", "shown"),
]


@pytest.mark.parametrize(("name", "content", "wanted"), LOOKING_OTHERWISE)
def test_a_text_is_read_whatever_it_looks_like(name: str, content: bytes, wanted: str) -> None:
    verdict, text = read(name, content)
    assert verdict.reason is None, verdict
    assert not set(wanted.split()) - set(re.findall(r"\w+", text)), text


@pytest.mark.needs("tesseract-data")
def test_text_in_images_is_recognized() -> None:
    verdict, text = read("scan.png", picture())
    assert verdict.reason is None, verdict
    assert PHRASE in text


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_read_that_ends_within_a_character(before: int) -> None:
    """Of a text that is far longer than its limit only the beginning is read, to a byte that may be anywhere."""
    content = b"x" * before + "文".encode() * 20_000
    verdict, text = read("long.txt", content, Limits(60, 1 << 30, 1000))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert text == "x" * before + "文" * ((1000 - before) // 3)


def test_a_long_text_is_cut_between_words() -> None:
    verdict, text = read("long.txt", ("größer " * 100_000).encode(), Limits(60, 1 << 30, 1000))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert 900 < len(text.encode()) <= 1000
    assert set(text.split()) == {"größer"}
    verdict, text = read("long.pdf", pdf(), Limits(60, 1 << 30, 200))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert verdict.characters is not None
    assert verdict.characters > 1000


@pytest.mark.parametrize("limit", range(1, 40))
def test_a_cut_is_within_the_limit_and_never_within_a_character(limit: int) -> None:
    for text in ("ü𝄞日" * 20, "a b c " * 10, "", "short"):
        kept, more = child.cut(text, limit)
        assert len(kept) <= limit
        assert text.startswith(kept.decode())
        assert more == (len(text.encode()) > limit)


@pytest.mark.parametrize("name", ["report.pdf", "letter.docx", "table.xlsx", "slides.odp", "book.epub"])
def test_a_truncated_document_is_unreadable(name: str) -> None:
    content = DOCUMENTS[name]()
    verdict, text = read(name, content[: len(content) // 2], way=way_for(name, content))
    assert verdict.reason == "damaged"
    assert verdict.final
    assert verdict.detail
    assert text == ""


def test_a_hanging_document_is_killed() -> None:
    began = time.monotonic()
    verdict, _ = read("report.pdf", pdf(), Limits(0.05, 1 << 30, 1000))
    assert verdict.reason == "timeout"
    assert not verdict.final
    assert time.monotonic() - began < 30


def test_a_document_that_needs_too_much_memory_is_killed() -> None:
    # An attribute of 200 MiB, which an archive holds in a fraction of one.
    body = "<office:presentation><text:p text:x='" + "x" * (200 * 1024 * 1024) + "'/></office:presentation>"
    verdict, text = read("bomb.odp", open_document("presentation", body), Limits(60, 256 << 20, 1 << 20))
    assert verdict.reason in ("memory", "crashed"), verdict
    assert not verdict.final
    assert text == ""


def test_a_zip_bomb_in_a_word_file_is_survived() -> None:
    buffer = io.BytesIO(word())
    with zipfile.ZipFile(buffer) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    start, end = files["word/document.xml"].split(b"In Word", 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if name == "word/document.xml":
                with archive.open(name, "w") as part:
                    part.write(start)
                    for _ in range(300):
                        part.write(b"A" * 1024 * 1024)
                    part.write(end)
            else:
                archive.writestr(name, content)
    began = time.monotonic()
    verdict, text = read("bomb.docx", buffer.getvalue(), Limits(20, 512 << 20, 1 << 20))
    assert (verdict.reason, verdict.cut, verdict.characters) == (None, True, None)
    assert len(text) <= 1 << 20
    assert text.endswith("A" * 1000)
    assert time.monotonic() - began < 100


def test_entities_that_grow_are_survived() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    content = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "lollollol">{levels}]><a>&e9;</a>'.encode()
    verdict, text = read("bomb.xml", content, Limits(20, 512 << 20, 1 << 20))
    assert len(text) < 100_000
    assert verdict.reason in (None, "damaged", "memory", "crashed", "timeout")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[None]:
    """Documents are executed instead of read."""
    with in_place(program(tmp_path / "program")):
        yield


@pytest.mark.usefixtures("hostile")
def test_what_a_taken_over_process_can_do() -> None:
    assert taken_over("x = bytearray(2 << 30)", LIMITS)[0].reason == "memory"
    assert taken_over("while True: pass", Limits(2, 1 << 30, 1000))[0].reason == "timeout"
    assert taken_over("time.sleep(600)", Limits(2, 1 << 30, 1000))[0].reason == "timeout"
    assert taken_over("ctypes.string_at(0)")[0].reason == "crashed"
    assert taken_over("os._exit(0)")[0].reason == "crashed"
    assert taken_over('os.write(int(sys.argv[7]), b\'{"reason": "invented"}\'); os._exit(0)')[0].reason == "crashed"
    verdict, text = taken_over("while True: os.write(1, b'x' * 65536)", Limits(20, 1 << 30, 1000))
    assert verdict.reason == "crashed"
    assert len(text) <= 1000 + 65536


ABORT = "ctypes.CDLL(None).abort()"
STOPPED = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: time.sleep(1)"


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(("code", "reason"), [(ABORT, "crashed"), (STOPPED, "timeout")])
def test_however_it_ends_it_is_gone(code: str, reason: str) -> None:
    before = set(os.listdir("/proc"))
    assert taken_over(code, Limits(2, 1 << 30, 1000))[0].reason == reason
    for each in set(os.listdir("/proc")) - before:
        with contextlib.suppress(OSError):
            assert str(sandbox._CHILD).encode() not in (Path("/proc") / each / "cmdline").read_bytes()


#: What a document may have it say of the machine, which would be tried again for ever.
CLAIMS = (
    'os.write(int(sys.argv[7]), b\'{"reason": "environment", "detail": "full"}\'); os._exit(0)',
    'os.write(int(sys.argv[8]), b"no library"); os._exit(0)',
    "raise OSError(errno.ENOSPC, 'full')",
    "raise PermissionError(errno.EACCES, 'no')",
    "raise Unfit('no library')",
)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("code", CLAIMS)
def test_a_document_can_not_blame_the_machine(code: str) -> None:
    verdict, _ = taken_over(code)
    assert (verdict.reason, verdict.final) == ("crashed", False)


def test_what_the_machine_does_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that can't be written, a document that can't be read, and a process that can't load its library."""
    with open("/dev/full", "wb") as full, open(__file__, "rb") as document:
        verdict = sandbox.run(Way("text", "text/plain"), document, full, LIMITS)
        assert verdict.reason == "environment"
        assert "No space left" in verdict.detail
    with (tmp_path / "x").open("wb") as unreadable, tempfile.TemporaryFile() as output:
        unreadable.write(b"words")
        unreadable.flush()
        verdict = sandbox.run(Way("pdf", "application/pdf"), unreadable, output, LIMITS)
        assert verdict.reason == "environment"
    broken = program(tmp_path / "broken")
    reader = broken.parent / "readers" / "pdf.py"
    reader.write_text(reader.read_text().replace("import pypdfium2 ", "import pypdfium2_missing "))
    with in_place(broken):
        verdict, _ = read("report.pdf", pdf())
    assert verdict.reason == "environment"
    assert "pypdfium2_missing" in verdict.detail


@pytest.mark.usefixtures("hostile")
def test_it_knows_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    _, text = taken_over("os.write(1, str(dict(os.environ)).encode())")
    assert "secret" not in text
    assert "PATH" in text


@pytest.mark.needs("root")
def test_as_root_it_is_nobody_without_a_network(tmp_path: Path) -> None:
    """Its only interface is a loopback of its own; looked at before it can look at nothing."""
    path = program(tmp_path / "seen")
    privileges = path.parents[1] / "confinement" / "privileges.py"
    seen = (
        "import socket; os.write(1, repr((os.getuid(), os.getgid(), os.getgroups(), socket.if_nameindex())).encode())"
    )
    confines = "    landlock.confine(read=read)\n"
    assert privileges.read_text().count(confines) == 1
    privileges.write_text(privileges.read_text().replace(confines, f"    {seen}\n{confines}"))
    with in_place(path):
        assert taken_over("")[1] == "(65534, 65534, [], [(1, 'lo')])"


def test_it_runs_with_this_interpreter() -> None:
    assert Path(sys.executable).exists()
