"""Archives: each file in them is found by its name and its text, and none of them takes what others need."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
import rars
from backports import zstd

from app.extraction import inner
from app.extraction.kinds import Kind, Way
from app.extraction.readers import sevenzip as reader
from app.extraction.readers.reader import Inner, Omitted
from app.extraction.sandbox import Limits, Verdict
from tests.integration.extraction.documents import PHRASE, pdf
from tests.integration.extraction.test_sandbox import read


def told(content: bytes, kind: Kind = "archive", limits: Limits | None = None) -> tuple[Verdict, str]:
    return read("x", content, way=Way(kind, ""), **({} if limits is None else {"limits": limits}))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link-to-it")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def sevenzip(files: dict[str, bytes], **more: object) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", **more) as archive:  # type: ignore[arg-type]
        for name, content in files.items():
            archive.writestr(content, name)
    return buffer.getvalue()


def rar(files: dict[str, bytes], **more: object) -> bytes:
    made = rars.RarBuilder(**more)
    for name, content in files.items():
        made.add_bytes(content, name)
    return bytes(made.to_bytes())


FILES = {"folder/größer.txt": b"words of the first", "report.pdf": pdf(2, 1), "folder/empty": b""}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress,
}  # fmt: skip


def check(verdict: Verdict, text: str) -> None:
    assert verdict.reason is None, verdict
    assert not verdict.cut
    assert [
        each for each in ("folder/größer.txt\nwords of the first", PHRASE, "folder/empty") if each not in text
    ] == []
    assert text.count("report.pdf") == 1
    # In the order of the archive, with the pages of what has some.
    assert [each.file or each.page for each in verdict.parts] == [
        ("folder/größer.txt",),
        ("report.pdf",),
        1,
        2,
        ("folder/empty",),
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_files_in_a_zip(method: int) -> None:
    check(*told(zipped(FILES, method)))


@pytest.mark.parametrize("packer", PACKERS)
def test_files_in_a_tar(packer: str) -> None:
    verdict, text = told(PACKERS[packer](tar(FILES)))
    check(verdict, text.replace("\n\nlink-to-it", ""))
    assert "link-to-it" in text
    assert "root:" not in text


@pytest.mark.parametrize("packer", [each for each in PACKERS if each != "tar"])
def test_one_file_that_is_compressed(packer: str) -> None:
    verdict, text = told(PACKERS[packer](b"words of the one"))
    assert (verdict.reason, text, verdict.parts) == (None, "words of the one", ())


def test_the_name_in_a_gzip() -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("notes.csv", "wb", fileobj=buffer) as packed:
        packed.write(b"a,b")
    assert told(buffer.getvalue())[1] == "notes.csv\na,b"


METHODS = {
    "lzma": py7zr.FILTER_LZMA, "lzma2": py7zr.FILTER_LZMA2, "bzip2": py7zr.FILTER_BZIP2, "deflate": py7zr.FILTER_DEFLATE,
    "zstd": py7zr.FILTER_ZSTD, "brotli": py7zr.FILTER_BROTLI, "copy": py7zr.FILTER_COPY,
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_files_in_a_7z(method: str) -> None:
    check(*told(sevenzip(FILES, filters=[{"id": METHODS[method]}]), "sevenzip"))


def test_a_7z_whose_reader_wants_a_thread_has_its_names() -> None:
    verdict, text = told(sevenzip(FILES, filters=[{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}]), "sevenzip")
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "folder/größer.txt" in text


#: What the name of a version says it is called by; in those before 3, names are in the charset of a machine.
@pytest.mark.parametrize("solid", [False, True])
@pytest.mark.parametrize("version", ["rar30", "rar40", "rar50", "rar70"])
def test_files_in_a_rar(version: str, solid: bool) -> None:
    check(*told(rar(FILES, format=version, solid=solid), "rar"))
    check(*told(rar(FILES, format=version, store=True), "rar"))


@pytest.mark.parametrize("version", ["rar13", "rar15", "rar20", "rar29"])
@pytest.mark.parametrize("solid", [False, True])
def test_files_in_a_rar_of_another_time(version: str, solid: bool) -> None:
    verdict, text = told(
        rar({"A.TXT": b"words of the first " * 9, "B.TXT": b"second"}, format=version, solid=solid), "rar"
    )
    assert (verdict.reason, verdict.cut) == (None, False)
    assert text.startswith("A.TXT\nwords of the first words")
    assert text.endswith("B.TXT\nsecond")


def test_a_part_of_a_rar_has_the_files_that_are_whole_in_it(tmp_path: Path) -> None:
    made = rars.RarBuilder(store=True, volume_size=1500)
    made.add_bytes(b"whole in it", "first.txt")
    made.add_bytes(bytes(range(256)) * 12, "across.bin")
    made.add_bytes(b"at the end", "last.txt")
    made.write_volumes(str(tmp_path / "a.rar"))
    parts = sorted(tmp_path.iterdir())
    assert len(parts) == 3
    found = [told(each.read_bytes(), "rar") for each in parts]
    assert [verdict.reason for verdict, _ in found] == [None] * 3
    assert [verdict.cut for verdict, _ in found] == [True] * 3
    # What is not there whole comes first.
    assert found[0][1] == "across.bin\n\nfirst.txt\nwhole in it"
    assert "at the end" in found[2][1]


def test_a_rar_that_is_called_otherwise_is_told_by_its_content() -> None:
    for version in ("rar40", "rar50"):
        verdict, text = read("comic.cbr", rar({"a.txt": b"words"}, format=version))
        assert (verdict.reason, text) == (None, "a.txt\nwords")


def test_names_of_files_are_shown_and_go_nowhere() -> None:
    names = ("../../etc/passwd", "/root/x", "C:\\docs\\y", "a//b/./z")
    text = told(zipped(dict.fromkeys(names, b"")))[1]
    assert text.split() == ["etc/passwd", "root/x", "C:/docs/y", "a/b/z"]


def test_names_in_the_charset_of_a_machine() -> None:
    for charset, names in (("cp932", ("議事録", "会議資料")), ("utf-8", ("größer", "straße"))):
        raw = [each.encode(charset) for each in names]
        content = zipped({str(number) * len(each): b"" for number, each in enumerate(raw)})
        for number, each in enumerate(raw):
            content = content.replace(str(number).encode() * len(each), each)
        assert told(content)[1].split() == list(names)


@pytest.mark.parametrize(
    ("charset", "names"), [("cp866", ("Отчёт за год", "Договор поставки")), ("cp932", ("議事録", "会議資料"))]
)
def test_names_in_an_old_rar_in_the_charset_of_a_machine(charset: str, names: tuple[str, ...]) -> None:
    raw = [each.encode(charset) for each in names]
    content = bytearray(
        rar({str(number) * len(each): b"" for number, each in enumerate(raw)}, format="rar29", store=True)
    )
    for number, each in enumerate(raw):
        begin = content.index(str(number).encode() * len(each)) - 32
        content[begin + 32 : begin + 32 + len(each)] = each
        (size,) = struct.unpack_from("<H", content, begin + 5)
        struct.pack_into("<H", content, begin, zlib.crc32(content[begin + 2 : begin + size]) & 0xFFFF)
    assert [each for each in told(bytes(content), "rar")[1].split("\n") if each] == list(names)


def _encrypted(content: bytes, count: int) -> bytes:
    """With the mark of the first so many files set."""
    found, place = bytearray(content), -1
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        for _ in range(count):
            place = found.index(signature, place + 1)
            found[place + offset] |= 1
    return bytes(found)


def test_what_is_encrypted_is_said_or_named() -> None:
    content = zipped({"secret.txt": b"hidden", "open.txt": b"visible"})
    verdict, text = told(_encrypted(content, 1))
    assert (verdict.reason, text) == (None, "secret.txt\n\n\nopen.txt\nvisible".replace("\n\n\n", "\n\n"))
    assert told(_encrypted(content, 2))[0].reason == "encrypted"
    for more in ({"password": "x"}, {"password": "x", "header_encryption": True}):
        verdict, text = told(sevenzip({"a.txt": b"x"}, **more), "sevenzip")
        assert (verdict.reason, text) == ("encrypted", "")
    for more in ({"password": "x"}, {"password": "x", "encrypt_headers": True}):
        for version in ("rar40", "rar50"):
            verdict, text = told(rar({"a.txt": b"x"}, format=version, **more), "rar")
            assert (verdict.reason, text) == ("encrypted", "")


def test_what_is_broken_is_read_as_far_as_it_goes() -> None:
    content = zipped({"first.txt": b"whole", "second.txt": b"broken"}, zipfile.ZIP_STORED)
    verdict, text = told(content.replace(b"broken", b"bRoken"))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "first.txt\nwhole" in text
    assert "second.txt" in text
    packed = gzip.compress(tar({"first.txt": b"whole" * 1000, "second.txt": b"x"}), 0)
    verdict, text = told(packed[: len(packed) - 3000])
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "first.txt\nwhole" in text
    for solid in (False, True):
        packed = rar({f"{each}.txt": f"words {each}".encode() for each in range(4)}, solid=solid, store=True)
        verdict, text = told(packed.replace(b"words 2", b"wOrds 2"), "rar")
        assert (verdict.reason, verdict.cut) == (None, True), verdict
        assert "0.txt\nwords 0\n" in text
        assert ("3.txt\nwords 3" in text) is not solid
        assert "ords 2" not in text
    for broken, kind in (
        (content[:-30], "archive"),
        (b"\x1f\x8b" + bytes(50), "archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), "sevenzip"),
        (b"Rar!\x1a\x07\x00" + bytes(50), "rar"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(50), "rar"),
    ):
        assert told(broken, kind)[0].reason == "damaged"  # type: ignore[arg-type]
    assert told(b"Rar!\x1a\x07\x00" + bytes(50))[0].reason == "unsupported"


MIB = 1 << 20


def _overlapping(count: int) -> bytes:
    """Entries of the directory that all are the same 40 MiB."""
    content = zipped({"a": bytes(40 * MIB)})
    begin = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    directory = content[begin:end] * count
    tail = bytearray(content[end:])
    struct.pack_into("<HHII", tail, 8, count, count, len(directory), begin)
    return content[:begin] + directory + bytes(tail)


def _lying(content: bytes, size: int) -> bytes:
    """A zip that says another size of its files."""
    found, place = bytearray(content), 0
    while (place := found.find(b"PK\1\2", place)) >= 0:
        struct.pack_into("<I", found, place + 24, size)
        place += 4
    return bytes(found)


def _endless_tar() -> bytes:
    entry = tarfile.TarInfo("endless")
    entry.size = 1 << 40
    return entry.tobuf() + bytes(5000)


def _repeated(pack: Callable[[bytes], bytes]) -> bytes:
    """Members one behind the other, of which all are one."""
    return pack(bytes(MIB)) * 700


BOMBS: dict[str, tuple[Kind, Callable[[], bytes]]] = {
    **{each: ("archive", functools.partial(_repeated, PACKERS[each])) for each in ("gzip", "bzip2", "xz", "zstd")},
    "zip": ("archive", lambda: zipped(dict.fromkeys(map(str, range(8)), bytes(50 * MIB)))),
    "overlapping": ("archive", lambda: _overlapping(2000)),
    "lying": ("archive", lambda: _lying(zipped({"a.bin": bytes(200 * MIB)}), 1000)),
    "endless tar": ("archive", _endless_tar),
    "entries": ("archive", lambda: zipped({f"{each}": b"" for each in range(60_000)}, zipfile.ZIP_STORED)),
    "rar": ("rar", lambda: rar(dict.fromkeys(map(str, range(8)), bytes(50 * MIB)), compression=1)),
    "solid rar": ("rar", lambda: rar(dict.fromkeys(map(str, range(4)), bytes(30 * MIB)), solid=True, compression=1)),
    "7z": ("sevenzip", lambda: sevenzip({f"{each}.bin": bytes(60 * MIB) for each in range(2)})),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_bounded(name: str) -> None:
    """Each in its time and memory: a quarter of what a process may have beyond the files that are given on."""
    kind, make = BOMBS[name]
    verdict, text = told(make(), kind, Limits(60, 768 * MIB, 1 << 20))
    # The beginning of what is compressed alone is of no form, as all of it is.
    unread = name == "entries" or name in PACKERS
    assert (verdict.reason, verdict.cut) == (("unsupported", False) if unread else (None, True)), verdict
    assert len(text) <= 1 << 20


def test_what_lies_behind_too_much_is_not_unpacked() -> None:
    buffer, content = io.BytesIO(), bytes(50 * MIB)
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, size in [*((f"{each}.bin", len(content)) for each in range(11)), ("last.txt", 5)]:
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(content))
    verdict, text = told(buffer.getvalue())
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "9.bin" in text
    assert "last.txt" not in text


def test_what_lies_behind_too_much_in_a_7z_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: to make a large one takes long."""
    monkeypatch.setattr(reader, "MOST_UNPACKED", MIB)
    content = sevenzip({"small.txt": b"x", "large.bin": bytes(2 * MIB), "last.txt": b"y"})
    assert list(reader.read(content, "")) == [Inner("small.txt", b"x"), "large.bin", "last.txt", Omitted()]


def test_no_more_is_given_on_than_may_be() -> None:
    content = zipped({"large.txt": b"x" * (inner.MOST_BYTES + 1), "small.txt": b"still here"})
    verdict, text = told(content)
    assert (verdict.reason, verdict.cut) == (None, True)
    assert "large.txt" in text
    assert "small.txt\nstill here" in text
