"""The encoding of a text, detected from its bytes.

It is detected, in this order, by a byte order mark, by the NULs of UTF-16 and UTF-32, by the escapes of ISO 2022, as
UTF-8, by the letters that all encodings of Latin letters share (`app.extraction.readers.latin`), and finally by
`app.extraction.readers.guess`, which is only loaded for the remaining texts.
"""

from __future__ import annotations

import codecs
import contextlib
import os

#: Bytes by which the encoding of a text is detected.
SAMPLE = 256 * 1024
PIECE = 1024 * 1024

_MARKS: tuple[tuple[bytes, str], ...]
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_MARKS += ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# The places of NUL in each unit of four bytes, in encodings without a byte order mark.
_WIDE: tuple[tuple[tuple[int, ...], str], ...]
_WIDE = (((1, 2, 3), "utf-32-le"), ((0, 1, 2), "utf-32-be"), ((1, 3), "utf-16-le"), ((0, 2), "utf-16-be"))
#: Begins each two-byte sequence in ISO 2022.
_ESCAPE = b"\x1b$"
_ESCAPED = ("iso2022_kr", "iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_jp_2004")


def load(most: int) -> None:
    """Load what decoding the document needs, of which `most` bytes are read. (Whether it is in UTF-8, or has only those
    letters, is checked before the process is confined, by Python's own decoder and expressions, because it decides what has
    to be loaded.)"""
    in_utf8, escaped = _seen(most)
    names = (*(each for _, each in _MARKS), *(each for _, each in _WIDE), *(_ESCAPED if escaped else ()))
    for name in names:
        codecs.lookup(name)
    if not in_utf8 and _by_mark(os.pread(0, min(SAMPLE, most), 0)) is None:
        from app.extraction.readers import latin

        if most <= latin.MOST and latin.shared(_beginning_of_document(most)):
            codecs.lookup(latin.ENCODING)
            return
        from app.extraction.readers import guess

        guess.load()


def load_all() -> None:
    """Load what decoding any text needs."""
    from app.extraction.readers import guess, latin  # noqa: F401

    for name in (*(each for _, each in _MARKS), *(each for _, each in _WIDE), *_ESCAPED):
        codecs.lookup(name)
    guess.load()


def _beginning_of_document(most: int) -> bytes:
    pieces, place = [], 0
    while place < most and (piece := os.pread(0, most - place, place)):
        pieces.append(piece)
        place += len(piece)
    return b"".join(pieces)


def _seen(most: int) -> tuple[bool, bool]:
    """Whether the first `most` bytes of the document are valid UTF-8, and whether they contain escapes of ISO 2022. The last
    character may be cut off, unless it is the only one beyond ASCII: then it may be a letter in any encoding."""
    decoder, place, characters, escaped, last = codecs.getincrementaldecoder("utf-8")(), 0, 0, False, b""
    while place < most and (piece := os.pread(0, min(PIECE, most - place), place)):
        escaped = escaped or _ESCAPE in piece or (last == _ESCAPE[:1] and piece[:1] == _ESCAPE[1:])
        try:
            characters += len(decoder.decode(piece))
        except UnicodeDecodeError:
            return False, escaped
        place += len(piece)
        last = piece[-1:]
    cut_off = len(decoder.getstate()[0])
    return not cut_off or characters < place - cut_off, escaped


def wide(sample: bytes) -> str | None:
    """The UTF-16 or UTF-32 encoding of `sample`, as its NULs show; None when it is another encoding.

    NULs in a quarter of the places are enough: Chinese text has them only in blanks and punctuation.
    """
    units = len(sample) // 4
    nuls = [sample[: 4 * units][place::4].count(0) for place in range(4)]
    for places, encoding in _WIDE:
        if all(nuls[place] > units / 4 if place in places else nuls[place] == 0 for place in range(4)):
            return encoding
    return None


def _by_mark(sample: bytes) -> str | None:
    """The encoding that a byte order mark or NULs in the first bytes show; None when they show none."""
    marked = (encoding for mark, encoding in _MARKS if sample.startswith(mark))
    return next(marked, None) or wide(sample)


def beginning(content: bytes, encoding: str = "utf-8") -> str:
    """The decoded beginning of a text; `content` may end within a character. Raises UnicodeDecodeError."""
    return codecs.getincrementaldecoder(encoding)().decode(content)


def decoded(content: bytes, claimed: str = "") -> str:
    """The decoded text. `claimed`: an encoding that was named elsewhere; it counts like a declaration in the text.
    Raises Unreadable when it is not text."""
    if (found := _by_mark(content[:SAMPLE])) is not None:
        return content.decode(found, errors="replace")
    if (escaped := _with_escapes(content)) is not None:
        return escaped
    with contextlib.suppress(UnicodeDecodeError):
        text = beginning(content)
        if len(text) == len(content) or not text.isascii():
            return text
    from app.extraction.readers import latin

    if latin.shared(content):
        return content.decode(latin.ENCODING)
    from app.extraction.readers import guess

    return content.decode(guess.told(content, claimed), errors="replace")


def _with_escapes(content: bytes) -> str | None:
    """The text decoded by ISO 2022, which is valid UTF-8 too; None when that fails, as terminal programs write escapes
    too."""
    if _ESCAPE in content and content.isascii():
        for encoding in _ESCAPED[0 if b"\x1b$)C" in content else 1 :]:
            with contextlib.suppress(UnicodeDecodeError):
                text = beginning(content, encoding)
                return None if text.isascii() else text
    return None
