"""RTF."""

from __future__ import annotations

import struct

import pytest

from app.extraction.readers import rtf
from app.extraction.readers.reader import Inner, Options, Unreadable
from tests.support.old_office import word

FONTS = (
    r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset128{\*\panose 020206}{\*\falt x}B;}{\f2\fcharset204 C;}{\f3\fcharset238 D;}"
    r"{\f4\fcharset134 E;}}"
)


def text_of(source: str, begin: str = r"{\rtf1\ansi\ansicpg1252\deff0" + FONTS) -> str:
    rtf.load(Options(1000, 1000))
    content = f"{begin}{source}}}".encode("latin-1")
    return "\n".join(each for each in rtf.read(content, "application/rtf") if isinstance(each, str))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"Gr\'f6\'dfe", "Größe"),
        (r"{\f1 \'97\'5c\'8e\'5a} {\f2 \'cf\'f0} {\f3 \'8a\'b3} {\f4\'bb\'e1\'d2\'e9} \'e9", "予算 Пр Šł 会议 é"),
        (r"{\f1 \'83e\'83X}", "テス"),
        (r"\u321?\u243?d\u378\'9f \uc2\u26085ab\u26412ab\uc0\u33?", "Łódź 日本!?"),
        (r"\u-10179?\u-9203? {\uc0\u960}r", "\U0001f40d πr"),
        (r"\u8212\emdash x\u8212{y}", "—x—y"),
        (r"one\tab two\line three\par four\page five\cell six\row", "one\ttwo\nthree\nfour\nfive\tsix"),
        ("one\\\ntwo wo\r\nrd", "one\ntwo word"),
        (r"op\-tional hard\_hyphen no\~break \{\\\}", "optional hard-hyphen no break {\\}"),
        (r"pro{\b je}{\i ct}", "project"),
        (
            r'{\field{\*\fldinst HYPERLINK "http://x/"}{\fldrslt the page}} {\field{\fldinst PAGE}{\fldrslt 7}}',
            "the page 7",
        ),
        (r"word{\footnote a note} goes on", "word goes on\na note"),
        (r"a{\*\atnid MM}{\*\atnauthor Ada L}\chatn{\*\annotation said}b", "ab\nAda L\nsaid"),
        (r"{\header top\par}{\headerf first}{\footer top\par}x", "x\ntop\nfirst"),
        (r"a{\shp{\*\shpinst{\sp{\sn wzName}{\sv no}}{\shptxt boxed}}{\shprslt{\*\do boxed}}}b", "ab\nboxed"),
        (r"{\shp{\*\shpinst{\sp{\sn wzDescription}{\sv a barn}}{\sp{\sn x}{\sv no}}}}", "a barn"),
        (r"{\upr{no}{\*\ud{\u26085?}}}", "日"),
        (r"{\info{\title T\'e9}{\author A}{\operator no}{\keywords k}}x", "Té\nA\nk\nx"),
        (r"{\*\unknown no {\footnote no}}{\pict\pngblip 89504e47}{\stylesheet{\s1 no;}}x{\xe no}", "x"),
        (r"{\pict\bin7 }}}{{{\ }x", "x"),
        (r"a\bin9999999999 b", "a"),
        (r"{\mmath{\*\moMath{\mr formula}}}", "formula"),
        (r"{\f9 \'e9}{\fs24\plain\'e9}", "éé"),
    ],
)
def test_what_is_shown(source: str, shown: str) -> None:
    assert text_of(source) == shown


@pytest.mark.parametrize(
    ("begin", "source", "shown"),
    [
        (r"{\rtf1\ansi\ansicpg1251", r"\'cf\'f0", "Пр"),
        (r"{\rtf1\ansi\ansicpg1251\deff0{\fonttbl\f0\fcharset204 A;\f1\fcharset238 B;}", r"\'cf\f1\'b3", "Пł"),
        (r"{\rtf1\mac", r"\'8a", "ä"),
        (r"{\rtf1\pc", r"\'84", "ä"),
        (r"{\rtf1\ansi\ansicpg932\deff0{\fonttbl{\f0\fcharset0 A;}}", r"{\info{\title \'97\'5c}}\'e9", "予\né"),
        (r"{\rtf1\ansi{\fonttbl{\f0\cpg1253 A;}}", r"\f0\'e1", "α"),
        (r"{\rtf1\ansi\ansicpg99999", r"\'e9", "é"),
    ],
)
def test_encodings(begin: str, source: str, shown: str) -> None:
    assert text_of(source, begin) == shown


def hexadecimal(name: bytes, data: bytes) -> str:
    said = struct.pack("<II", 0x501, 2) + b"".join(
        struct.pack("<I", len(each)) + each for each in (name + b"\0", b"", b"")
    )
    return (said + struct.pack("<I", len(data)) + data).hex(" ", 40)


def test_files_in_it() -> None:
    inside = word(body="inside\r")
    dropped = struct.pack("<H", 2) + b"list.txt\0C:\\x\0" + struct.pack("<HHI", 0, 3, 5) + b"C:\\x\0"
    dropped += struct.pack("<I", 5) + b"words"
    source = "".join(
        rf"{{\object\objemb{{\*\objclass no}}{{\*\objdata {hexadecimal(name, data)}}}{{\result shown}}}}"
        for name, data in ((b"Word.Document.8", inside), (b"Package", dropped), (b"Unknown", b"x"))
    )
    rtf.load(Options(1000, 1000))
    assert list(rtf.read(rf"{{\rtf1 {source}}}".encode(), "")) == [
        "shownshownshown", Inner("object 1.doc", inside), Inner("list.txt", b"words"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"no RTF", b"{\\rtf1" + b"{" * 20_000, b"{\\rtf1\\ansi"])
def test_what_is_broken_is_damaged(content: bytes) -> None:
    rtf.load(Options(1000, 1000))
    with pytest.raises(Unreadable) as raised:
        list(rtf.read(content, ""))
    assert raised.value.reason == "damaged"


def test_what_is_cut_off_is_read_so_far() -> None:
    rtf.load(Options(1000, 1000))
    assert list(rtf.read(rb"{\rtf1\ansi {\b as far as", "")) == ["as far as"]
