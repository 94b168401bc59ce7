"""What is kept of thumbnails, and what is believed of those who draw them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from app.extraction.readers.reader import Inner
from app.extraction.thumbnail import MOST_BYTES, MOST_HEAD, SIZES, Thumbnail, dimensions, drawn, listed
from app.model.attachment import now


def webp(width: int, height: int, **more: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "WEBP", **{"quality": 80, **more})
    return buffer.getvalue()


GOOD = webp(160, 90)


def test_the_dimensions_are_those_of_the_picture() -> None:
    for size in ((1, 1), (160, 53), (640, 1), (16383, 1)):
        assert dimensions(webp(*size)) == size


def moving() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), each) for each in ("red", "blue")]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


OTHERS = {
    "nothing": b"",
    "a head": GOOD[:30],
    "a byte less": GOOD[:-1],
    "a byte more": GOOD + b"x",
    "too much": GOOD + bytes(MOST_BYTES),
    "lossless": webp(9, 9, lossless=True),
    "a profile": webp(9, 9, icc_profile=b"x" * 200),
    "metadata": webp(9, 9, exif=b"Exif\0\0x"),
    "moving": moving(),
    "another container": GOOD.replace(b"RIFF", b"RIFX"),
    "another form": GOOD.replace(b"WEBP", b"WAVE"),
    "no key frame": GOOD[:20] + bytes([GOOD[20] | 1]) + GOOD[21:],
    "another mark": GOOD.replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b"),
    "another size of the whole": GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:],
    "another size of the frame": GOOD[:16] + b"\0\0\0\0" + GOOD[20:],
    "HTML": b"<script>alert(1)</script>" * 20,
}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_is_taken(name: str) -> None:
    with pytest.raises(ValueError, match=r"thumbnail|WebP|frame"):
        dimensions(OTHERS[name])


def handed(*names: str, small: bytes = GOOD, large: bytes = b"") -> list[Inner]:
    return [Inner(name, content) for name, content in zip(names, (small, large or webp(640, 360), small), strict=False)]


def test_one_of_each_size_is_taken_and_nothing_else() -> None:
    good = handed("160", "640")
    assert drawn(good) == tuple(each.content for each in good)
    for other in (
        [],
        good[:1],
        good[::-1],
        [*good, good[0]],
        handed("160", "160"),
        handed("0160", "640"),
        handed("../160", "640"),
        handed("160", "640", small=webp(161, 1)),
        handed("160", "640", large=webp(1, 641)),
    ):
        with pytest.raises(ValueError, match="thumbnail"):
            drawn(other)


def test_what_is_written_is_read() -> None:
    pictures = drawn(handed("160", "640"))
    for known in (
        Thumbnail(now(), 1, pictures=listed(pictures)),
        Thumbnail(now(), 3, "crashed", "\U0001d11e" * 300),
        Thumbnail(now(), 0, "too-large"),
    ):
        head = known.to_head()
        assert len(head) <= MOST_HEAD
        assert Thumbnail.from_head(head + b"".join(pictures)) == (known, len(head))
    assert [each.size for each in listed(pictures)] == list(SIZES)


def test_a_line_that_is_none_is_refused() -> None:
    good = json.loads(Thumbnail(now(), 1, pictures=listed(drawn(handed("160", "640")))).to_head())
    one, two = good["pictures"]
    pictures: tuple[Any, ...] = ([], [one], [two, one], [one, two, two], [one, {}], None, "x", [[]])
    others: tuple[Any, ...] = (
        *({**good, "format": each} for each in (2, "1", None)),
        *({**good, "reason": each} for each in ("unknown", 1, "empty")),
        *({**good, "at": each} for each in ("yesterday", None)),
        *({**good, "pictures": each} for each in pictures),
        *({**good, "pictures": [one, {**two, "length": each}]} for each in (0, -1, "1", 1.5, True, MOST_BYTES + 1)),
        *({**good, "pictures": [one, {**two, "sha256": each}]} for each in (None, 1)),
        {name: value for name, value in good.items() if name != "pictures"},
        [],
        None,
    )
    for other in others:
        with pytest.raises(ValueError, match=r".+"):
            Thumbnail.from_head(json.dumps(other).encode() + b"\n")
    for content in (b"", json.dumps(good).encode(), b"[" * MOST_HEAD, b"[" * 4000 + b"\n", b"\n", b"\xff\n"):
        with pytest.raises(ValueError, match=r".+"):
            Thumbnail.from_head(content)
