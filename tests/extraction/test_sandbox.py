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
from pathlib import Path

import pytest

from app.attachment import extension
from app.extraction import child, sandbox
from app.extraction.kinds import Way, way_of
from app.extraction.sandbox import Limits, Verdict
from app.mediatype import HEAD_SIZE, detect
from tests.extraction.documents import DOCUMENTS, PHRASE, open_document, pdf, picture, word

LIMITS = Limits(60, 1 << 30, 1 << 20)


def way_for(name: str, content: bytes) -> Way:
    way = way_of(detect(content[:HEAD_SIZE], name), extension(name), recognition=True)
    assert way is not None
    return way


def read(name: str, content: bytes, limits: Limits = LIMITS, way: Way | None = None) -> tuple[Verdict, str]:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(content)
        document.seek(0)
        verdict = sandbox.run(way or way_for(name, content), document, output, limits)
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
    assert verdict.reason == "unreadable"
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
    # 200 MiB of blanks, which an archive holds in a fraction of one.
    body = "<office:presentation><text:p>" + " " * (200 * 1024 * 1024) + "</text:p></office:presentation>"
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
    assert verdict.reason in ("memory", "crashed", "unreadable", "timeout"), verdict
    assert text == ""
    assert time.monotonic() - began < 100


def test_entities_that_grow_are_survived() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    content = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "lollollol">{levels}]><a>&e9;</a>'.encode()
    verdict, text = read("bomb.xml", content, Limits(20, 512 << 20, 1 << 20))
    assert len(text) < 100_000
    assert verdict.reason in (None, "unreadable", "memory", "crashed", "timeout")


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the library, as if a document had taken it over right after the limits are in force."""
    program = Path(child.__file__).read_text()
    path = tmp_path / "child.py"
    path.write_text(
        program.replace(
            "        text, whole = extracted(", "        text, whole = (takeover(), True) if 1 else ("
        ).replace(
            "def main() -> None:",
            "def takeover() -> str:\n    exec(sys.stdin.read())\n    return ''\n\n\ndef main() -> None:",
        )
    )
    tmp_path.chmod(0o755)
    monkeypatch.setattr(sandbox, "_CHILD", path)
    return path


def taken_over(code: str, limits: Limits = LIMITS) -> tuple[Verdict, str]:
    return read("x.txt", code.encode(), limits, Way("text", "text/plain"))


@pytest.mark.usefixtures("hostile")
def test_what_a_taken_over_process_can_do() -> None:
    assert taken_over("x = bytearray(2 << 30)", LIMITS)[0].reason == "memory"
    assert taken_over("while True: pass", Limits(1, 1 << 30, 1000))[0].reason == "timeout"
    assert taken_over("import os; os.kill(os.getpid(), 11)")[0].reason == "crashed"
    assert taken_over("import os; os._exit(0)")[0].reason == "crashed"
    assert taken_over('import os; os.write(3, b\'{"reason": "invented"}\'); os._exit(0)')[0].reason == "crashed"
    verdict, text = taken_over("import os\nwhile True: os.write(1, b'x' * 65536)", Limits(20, 1 << 30, 1000))
    assert verdict.reason == "crashed"
    assert len(text) <= 1000 + 65536


@pytest.mark.usefixtures("hostile")
def test_nothing_that_it_starts_outlives_it() -> None:
    verdict, text = taken_over(
        "import os, time\npid = os.fork()\nif pid: print(pid, flush=True); os._exit(0)\nelse: time.sleep(60)"
    )
    assert verdict.reason == "crashed"
    deadline = time.monotonic() + 30
    # It is gone at the latest when it was looked at in vain.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{int(text)}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.usefixtures("hostile")
def test_it_knows_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    _, text = taken_over("import os; print(dict(os.environ), os.listdir('/proc/self/fd'), flush=True)")
    assert "secret" not in text
    assert "PATH" in text


@pytest.mark.usefixtures("hostile")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_it_is_nobody_and_has_no_network(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o640)
    assert taken_over("import os; print(os.getuid(), os.getgid(), os.getgroups(), flush=True)")[1] == "65534 65534 []\n"
    assert taken_over(f"open({str(secret)!r}).read()")[0].reason == "crashed"
    # Its only interface is a loopback of its own, which is down.
    text = taken_over("print(open('/proc/net/dev').read(), flush=True)")[1]
    assert [line.split(":")[0].strip() for line in text.splitlines() if ":" in line] == ["lo"]


def test_it_runs_with_this_interpreter() -> None:
    assert Path(sys.executable).exists()
