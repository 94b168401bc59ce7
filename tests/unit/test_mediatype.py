"""The types of contents, told in a moment whatever they are."""

from __future__ import annotations

import random
import time

import pytest

from app.contents.mediatype import detect
from app.contents.window import Held

#: Processor time for a hundred heads, the files of one request: half a second, and half a minute for most of these before it
#: was bounded.
MOST_SECONDS = 10.0


def told(content: bytes, name: str = "x", times: int = 1, most: float = MOST_SECONDS) -> str:
    """What is told of it, each of so many times, and in at most so many seconds of processor time."""
    began = time.process_time()
    (found,) = {detect(Held(content), name) for _ in range(times)}
    assert time.process_time() - began < most
    return found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\n" * 1000 + b"<html><body>x</body></html>", "text/html"),
        (b"%PDF-1.7\n" + b" " * 1000 + b"\n1 0 obj", "application/pdf"),
        (b"plain" + b" " * 1000 + b"text", "text/plain"),
    ],
)
def test_blanks_hide_nothing(head: bytes, found: str) -> None:
    assert told(head) == found


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (b"", "a.docx", "application/octet-stream"),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0L\x01", "x", "application/vnd.microsoft.portable-executable"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(100), "x", "application/vnd.rar"),
        (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(100), "x", "application/x-7z-compressed"),
        (b"\x78\x9f\x3e\x22" + bytes(100), "winmail.dat", "application/vnd.ms-tnef"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "x", "image/heic"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(50), "x", "image/avif"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + bytes(50), "x", "audio/mp4"),
        (b"ITSF\x03\0\0\0" + bytes(100), "x", "application/vnd.ms-htmlhelp"),
        (bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(100), "x", "application/onenote"),
        (b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(50), "x", "application/pkcs7-mime"),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(50), "a.p7s", "application/pkcs7-signature"),
        (b"name,value\na,1\n", "a.csv", "text/csv"),
        (b"x", "a.bin", "application/octet-stream"),
        (b"import os\nimport sys\n\ndef f():\n    pass\n", "a.md", "text/markdown"),
        (b"import os\nimport sys\n\ndef f():\n    pass\n", "a.py", "text/x-python"),
        ("Größe".encode("utf-16-be"), "a.txt", "text/plain"),
        ("\ufeffplain letters".encode("utf-16-le"), "a", "text/plain"),
    ],
)
def test_names_are_registered_and_one_for_each_thing(content: bytes, name: str, found: str) -> None:
    assert told(content, name) == found


def test_whatever_comes_is_of_some_type() -> None:
    """Bytes by chance behind the beginnings of all forms: an answer, and no error."""
    chance = random.Random(1)
    begins = (
        *(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"{",
            b'[{"',
            b"From a 10:00 2024\n",
            b"From: a\n",
        ),
        *(
            b"<?xml",
            b"<!DOCTYPE [",
            b"<svg",
            b"\xff\xfe",
            b"\xfe\xff<\0",
            b"\xef\xbb\xbf{",
            b"12\n",
            b"<!--",
            b"1\r\n00:00:0",
        ),
    )
    for _ in range(300):
        content = chance.choice(begins) + chance.randbytes(chance.choice((0, 1, 30, 600, 20_000)))
        if chance.random() < 0.3:
            content += b"PK\x05\x06" + chance.randbytes(18)
        assert "/" in told(content, chance.choice(("a.docx", "a.eml", "a.key", "a")))


def test_bytes_that_look_like_a_picture_without_a_signature_are_none() -> None:
    content = Held(bytes(range(256)) * 4)
    assert detect(content, "a.bin") == detect(content, "a") == "application/octet-stream"
    assert detect(content, "a.tga") == "image/x-tga"
