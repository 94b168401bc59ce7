"""RTF (Microsoft's specification 1.9.1): everything that a person sees, each character in the encoding of its font.

xberg leaves out comments, boxes and headers, uses the first encoding for everything, and takes quadratic time. striprtf
distinguishes neither notes nor the encodings of fonts. So the control words are read here, in linear time.
"""

from __future__ import annotations

import binascii
import codecs
import contextlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from app.extraction.readers import compound
from app.extraction.readers.reader import Inner, Options, Piece, Unreadable

MOST_DEPTH = 10_000
#: The most digits of a number.
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|([^\\{}]+)|\\", re.DOTALL
)

_CHARSETS = {
    0: 1252, 77: 10000, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255,
    178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850,
}  # fmt: skip
_CHARACTERS = {
    **dict.fromkeys(("par", "line", "page", "sect", "column", "row", "nestrow", "softline", "softpage"), "\n"),
    **dict.fromkeys(("tab", "cell", "nestcell"), "\t"), **dict.fromkeys(("emspace", "enspace", "qmspace"), " "),
    "emdash": "\u2014", "endash": "\u2013", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d",
}  # fmt: skip
_SYMBOLS = {b"\\": "\\", b"{": "{", b"}": "}", b"~": " ", b"_": "-", b"\n": "\n", b"\r": "\n", b"\t": "\t"}
#: Parts that stand on their own, after the text.
_STORIES = {"footnote", "annotation", "atnauthor", "shptxt", "dptxbxtext"}
_HEADINGS = {f"{what}{which}" for what in ("header", "footer") for which in ("", "l", "r", "f")}
_PROPERTIES = {"title", "subject", "author", "keywords", "doccomm"}
#: Destinations that a reader may skip when it does not know them, but that are read here.
_ENTERED = {"shpinst", "do", "moMath", "moMathPara", "shppict", "shpgrp"}
_SKIPPED = {
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "fldinst", "xe", "tc", "tcn", "filetbl", "revtbl", "shprslt",
    "nonshppict", "bkmkstart", "bkmkend", "pntxta", "pntxtb", "sp", "upr", "listpicture", "falt", "panose", "objclass",
    "rxe", "txe", "atnid", "datafield", "formfield", "themedata", "colorschememapping",
}  # fmt: skip
_DESCRIBING = ("wzDescription", "gtextUNICODE")


class Buffer:
    """The text found so far, and the bytes that are not decoded yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._text: list[str] = []
        self._bytes = bytearray()
        self._encoding = "cp1252"

    def add_bytes(self, content: bytes, encoding: str) -> None:
        if encoding != self._encoding:
            self._decode()
            self._encoding = encoding
        self._bytes += content

    def add(self, text: str) -> None:
        self._decode()
        self._text.append(text)

    def _decode(self) -> None:
        if self._bytes:
            self._text.append(bytes(self._bytes).decode(self._encoding, errors="replace"))
            self._bytes.clear()

    def text(self) -> str:
        self._decode()
        # Characters beyond 16 bits are written as two units.
        whole = "".join(self._text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return re.sub("[ \t]*\n", "\n", whole.replace("\xad", "").replace("\0", "")).strip()


@dataclass
class Group:
    """`buffer`: where text goes; None when the text is not shown. `around`: the buffer of the group around an `upr`."""

    buffer: Buffer | None
    encoding: str = ""
    unicode: int = 1
    within: str = ""
    around: Buffer | None = None


@dataclass
class Parts:
    properties: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    objects: list[Inner] = field(default_factory=list)


def load(options: Options) -> None:
    compound.load()
    for number in (437, 850, 1361):
        codecs.lookup(f"cp{number}" if number != 1361 else "johab")


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    begin = content[:1024].find(b"{\\rt")
    if begin < 0:
        raise Unreadable("it does not begin as RTF does")
    reader = Reader()
    body = reader.read(content[begin:])
    parts = reader.parts
    if not body and not reader.closed:
        raise Unreadable("it is cut off")
    yield from (each for each in (*parts.properties, body, *parts.stories) if each)
    yield from dict.fromkeys(filter(None, parts.headings))
    yield from parts.objects


class Reader:
    def __init__(self) -> None:
        self.parts = Parts()
        self.closed = False
        self._fonts: dict[int, str] = {}
        self._font = self._default = 0
        self._ansi = "cp1252"
        self._property = ""

    def read(self, content: bytes) -> str:
        """Everything that a person sees. Raises Unreadable."""
        body = Buffer("")
        groups: list[Group] = []
        now = Group(body)
        place = skip = 0
        star = False
        while token := _TOKEN.match(content, place):
            place = token.end()
            word, number, code, symbol, brace, text = token.groups()
            if brace == b"{":
                if len(groups) >= MOST_DEPTH:
                    raise Unreadable(f"it has groups deeper than {MOST_DEPTH} within each other")
                groups.append(now)
                now = replace(now)
                skip, star = 0, False
            elif brace:
                if not groups:
                    break
                ended, now, skip = now, groups.pop(), 0
                if ended.buffer is not None and ended.buffer is not now.buffer and ended.buffer is not body:
                    self._end(ended.buffer)
                if ended.within == "fonttbl" != now.within:
                    now.encoding = self._fonts.get(self._default, "")
                if not groups:
                    self.closed = True
                    break
            elif word:
                name, value = word.decode(), int(number) if number else None
                if name == "bin":
                    place += max(0, value or 0)
                elif skip:
                    skip -= 1
                elif name == "u":
                    if now.buffer is not None and value is not None:
                        now.buffer.add(chr(value & 0xFFFF))
                    skip = now.unicode
                else:
                    self._word(name, value, now, star=star)
                star = False
            elif code:
                if skip:
                    skip -= 1
                elif now.buffer is not None:
                    now.buffer.add_bytes(bytes.fromhex(code.decode()), now.encoding or self._ansi)
            elif symbol:
                if symbol == b"*":
                    star = True
                elif skip:
                    skip -= 1
                elif now.buffer is not None and symbol in _SYMBOLS:
                    now.buffer.add(_SYMBOLS[symbol])
            elif text and now.buffer is not None:
                text = text.replace(b"\r", b"").replace(b"\n", b"")
                if skip:
                    text, skip = text[skip:], max(0, skip - len(text))
                now.buffer.add_bytes(text, now.encoding or self._ansi)
        return body.text()

    def _word(self, name: str, value: int | None, now: Group, *, star: bool) -> None:
        if name in _CHARACTERS:
            if now.buffer is not None:
                now.buffer.add(_CHARACTERS[name])
        elif name == "f" and value is not None:
            self._font = value
            now.encoding = self._fonts.get(value, "")
        elif name == "fcharset" and value is not None:
            if value in _CHARSETS:
                self._fonts[self._font] = _encoding(_CHARSETS[value])
        elif name == "cpg" and value:
            self._fonts[self._font] = _encoding(value)
        elif name == "plain":
            now.encoding = self._fonts.get(self._default, "")
        elif name == "ansicpg" and value:
            self._ansi = _encoding(value)
        elif name == "mac":
            self._ansi = "mac-roman"
        elif name == "pc":
            self._ansi = "cp437"
        elif name == "deff" and value is not None:
            self._default = value
        elif name == "uc" and value is not None:
            now.unicode = min(max(0, value), 100)
        else:
            self._destination(name, now, star=star)

    def _destination(self, name: str, now: Group, *, star: bool) -> None:
        if name == "ud" and now.within == "upr":
            now.buffer = now.around
        elif now.within == "info" and name in _PROPERTIES:
            # No font is chosen there.
            now.buffer, now.encoding = Buffer("info"), ""
        elif name in ("sn", "sv") and now.within == "sp" or name == "objdata":
            now.buffer = Buffer(name)
        # A group within one that is not shown is not shown either.
        elif now.buffer is None:
            pass
        elif name in _STORIES or name in _HEADINGS:
            now.buffer = Buffer(name)
        elif name in _SKIPPED or (star and name not in _ENTERED):
            now.around, now.buffer, now.within = now.buffer, None, name

    def _end(self, buffer: Buffer) -> None:
        if buffer.name == "objdata":
            if (found := _object(buffer.text(), len(self.parts.objects) + 1)) is not None:
                self.parts.objects.append(found)
        elif buffer.name == "info":
            self.parts.properties.append(buffer.text())
        elif buffer.name == "sn":
            self._property = buffer.text()
        elif buffer.name in _HEADINGS:
            self.parts.headings.append(buffer.text())
        elif buffer.name != "sv" or self._property in _DESCRIBING:
            self.parts.stories.append(buffer.text())


def _encoding(number: int) -> str:
    return "johab" if number == 1361 else compound.code_page(number)


def _object(digits: str, number: int) -> Inner | None:
    """The file in an object ([MS-OLEDS] 2.2.5), which is written in hexadecimal digits; None when its program is unknown."""
    with contextlib.suppress(binascii.Error, struct.error, ValueError):
        content = binascii.unhexlify(re.sub(r"[^0-9a-fA-F]", "", digits))
        place = 8
        names = []
        for _ in range(3):
            (size,) = struct.unpack_from("<I", content, place)
            names.append(content[place + 4 : place + 4 + size].rstrip(b"\0"))
            place += 4 + size
        (size,) = struct.unpack_from("<I", content, place)
        data = content[place + 4 : place + 4 + size]
        if names[0] == b"Package":
            return compound.dropped(len(data).to_bytes(4, "little") + data)
        return compound.of_content(f"object {number}", data)
    return None
