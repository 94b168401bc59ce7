"""Texts in the encodings that people's programs write, each a few words long."""

from __future__ import annotations

import sys

import pytest

from app.extraction import readers
from app.extraction.readers.encoding import decoded
from app.extraction.readers.latin import shared

CZECH = "Žádost byla schválena, údržba začíná příští týden ve středu."
POLISH = "Zażółć gęślą jaźń; książka leży na półce, łąka jest sucha."
HUNGARIAN = "A következő közgyűlés őszre tolódik, köszönjük a türelmet."
TURKISH = "Şirket ağı yenilenecek, görüşme tutanağı ektedir, iyi çalışmalar."
GREEK = "Η επόμενη συνάντηση της ομάδας θα γίνει την Πέμπτη το πρωί."
RUSSIAN = "Следующее собрание состоится в четверг, бюджет утверждён."
GERMAN = "Die Prüfung ist gültig, übermorgen müssen die Pläne größer sein."
JAPANESE = "会議の議事録です。予算は承認されました。次回は木曜日です。"
KOREAN = "다음 회의는 목요일입니다. 예산이 승인되었습니다."


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (CZECH, "cp1250 iso-8859-2 cp852"),
        (POLISH, "cp1250 iso-8859-2 cp852"),
        (HUNGARIAN, "cp1250 iso-8859-2 cp852"),
        (TURKISH, "cp1254 iso-8859-9 cp857"),
        ("Ačiū visiems už pastangas, posėdis įvyks šeštadienį, rašykite laiškus.", "cp1257 iso-8859-13"),
        (GREEK, "cp1253 iso-8859-7"),
        (RUSSIAN, "cp1251 koi8-r cp866 iso-8859-5 mac-cyrillic"),
        ("הפגישה הבאה תתקיים ביום חמישי בבוקר, התקציב אושר.", "cp1255 iso-8859-8"),
        ("الاجتماع القادم يوم الخميس صباحا في المكتب الرئيسي", "cp1256"),
        (GERMAN, "cp1252 iso-8859-15 cp850 cp437 mac-roman"),
        ("“Quoted” – the committee’s budget is €7…", "cp1252"),
        ("Müller;Größe;5\nSchäfer;Maß;7\n", "cp1252"),
        ("café", "cp1252"),
        (JAPANESE, "shift_jis euc_jp iso2022_jp utf-16 utf-32 utf-8-sig"),
        (KOREAN, "euc_kr iso2022_kr utf-16-be utf-32-le"),
        ("下次会议在星期四举行，预算已批准。", "gb18030"),
        ("下次會議在星期四舉行，預算已批准。", "big5"),
    ],
    ids=lambda value: value[:9],
)
def test_short_texts(text: str, encodings: str) -> None:
    assert {each: decoded(text.encode(each)) for each in encodings.split()} == dict.fromkeys(encodings.split(), text)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<?xml version="1.0" encoding="{}"?>\n<a>', "iso-8859-2"),
        ("<meta http-equiv=Content-Type content='text/html; charset={}'>", "cp1250"),
        ("<meta charset={}>", "cp1250"),
        ("# -*- coding: {} -*-\n# ", "iso-8859-16"),
        ('"Content-Type: text/plain; charset={}\\n"\n', "cp852"),
    ],
)
def test_what_a_text_declares_decides(head: str, encoding: str) -> None:
    """Of a text so short that nothing else tells."""
    text = head.format(encoding) + "Łódź"
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("claimed", ["iso-8859-1", "shift_jis", "utf-7", "rot13", "no-such", "utf-8"])
def test_a_declaration_that_does_not_fit_is_none(claimed: str) -> None:
    text = f"<meta charset={claimed}>{RUSSIAN}"
    assert decoded(text.encode("cp1251")) == text


def test_utf_8_with_a_broken_character_is_utf_8() -> None:
    content = "\n".join([CZECH] * 20).encode()
    assert CZECH in decoded(content[1:] + b"\xff\n" + content)


def test_what_a_terminal_was_told_is_no_iso_2022() -> None:
    assert decoded("\x1b[1m\x1b(B größer \x1b$x".encode()) == "\x1b[1m\x1b(B größer \x1b$x"
    assert decoded(b"\x1b[1m\x1b(B plain \x1b$\x01") == "\x1b[1m\x1b(B plain \x1b$\x01"


def test_a_text_that_was_cut_within_a_character() -> None:
    assert decoded("größer 日".encode()[:-1]) == "größer "
    assert decoded("日本語".encode("iso2022_jp")[:-4]) == "日本"


@pytest.fixture
def without_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks for them can't be loaded, whoever has loaded it before."""
    monkeypatch.setitem(sys.modules, "app.extraction.readers.guess", None)
    monkeypatch.delattr(readers, "guess", raising=False)


@pytest.mark.usefixtures("without_statistics")
@pytest.mark.parametrize("encoding", [*(f"cp{each}" for each in (1250, 1252, 1254, 1257, 1258)), "latin-1"])
@pytest.mark.parametrize("text", [GERMAN, "GRÖSSE, Ärger und Öl; übel, Maß", "café", "École", "résumé"])
def test_letters_that_all_encodings_share_need_no_statistics(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.usefixtures("without_statistics")
def test_other_texts_need_them() -> None:
    with pytest.raises(ImportError):
        decoded(RUSSIAN.encode("cp1251"))


@pytest.mark.parametrize("number", [2, 3, 4, 9, 10, 13, 14, 15, 16])
def test_they_are_the_same_in_all_of_iso_8859_too(number: int) -> None:
    assert GERMAN.encode(f"iso-8859-{number}") == GERMAN.encode("cp1252")


@pytest.mark.parametrize(
    "content",
    [
        *(b"\xe4", b"\xdf \xfc", b"a \xdfa", b"a\xc4", b"A\xe4A", b"a\xe4\xe4", b"a\xe4\xf6a", b"\xc4\xdf", b"a\xe8"),
        *(b"1\xe91", b"A\xc4\xdf", b"a\xa7a", b"\xe4\xdfe"),
        *(CZECH.encode("cp1250"), RUSSIAN.encode("cp1251"), RUSSIAN.encode("koi8-r"), GREEK.encode("cp1253")),
        *(GERMAN.encode("cp850"), GERMAN.encode("mac-roman"), "сад".encode("cp1251"), "Ж. ж".encode("koi8-r")),
        *("日".encode("euc_jp"), JAPANESE.encode("shift_jis"), KOREAN.encode("euc_kr"), "“ä”".encode("cp1252")),
    ],
)
def test_other_letters_do(content: bytes) -> None:
    assert not shared(content)
