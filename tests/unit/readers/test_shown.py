"""Which pictures of documents may have text in them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from app.extraction.readers import shown
from app.extraction.readers.package import Broken
from app.extraction.readers.reader import Inner, Omitted


def made(form: str, width: int, height: int, **more: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 80).save(buffer, form, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_screenshot_of_any_form(form: str) -> None:
    assert shown.may_have_text(made(form, 300, 200))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (2000, 20), (39, 1000), (1, 1)])
def test_an_icon_and_a_line(form: str, width: int, height: int) -> None:
    assert not shown.may_have_text(made(form, width, height))


def test_a_photo_with_much_before_its_size() -> None:
    assert shown.may_have_text(made("JPEG", 300, 200, exif=b"Exif\0\0" + bytes(60_000), progressive=True))
    assert shown.may_have_text(made("JPEG", 300, 200).replace(b"\xff\xd8", b"\xff\xd8\xff\xff", 1)[:1000])


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xd8", b"\xff\xd8" + b"\xff\xe0\0\0" * 1000, b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 5000),
        *(
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"<svg/>",
            b"\x01\0\0\0" * 99,
            b"RIFF",
            b"\xd7\xcd\xc6\x9a" + bytes(99),
        ),
    ],
)
def test_what_is_broken_or_no_such_form(content: bytes) -> None:
    assert not shown.may_have_text(content)


def test_each_picture_once_and_not_too_many() -> None:
    parts = {
        f"{number}": made("BMP", 300, 110) + number.to_bytes(2, "big") for number in range(shown.MOST_PICTURES + 5)
    }
    parts |= {"copy": parts["0"], "icon": made("PNG", 16, 16), "large": b"BM" + bytes(shown.MOST_BYTES)}

    def content_of(name: str) -> Iterator[bytes]:
        if name == "broken":
            raise Broken("it is")
        yield parts[name]

    names = ["0", "copy", "icon", "large", "broken", "absent", "0", "1"]
    found = list(shown.pictures([(name, 3) for name in names], content_of, lambda name: name != "absent"))
    assert found == [Inner("", parts["0"], page=3), Inner("", parts["1"], page=3)]
    found = list(shown.pictures([(name, 0) for name in parts], content_of, parts.__contains__))
    assert len(found) == shown.MOST_PICTURES + 1
    assert found[-1] == Omitted()
