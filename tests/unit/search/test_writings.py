"""What makes no difference in each writing, and what keeps a word whole: of what is indexed and of what is asked alike."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.analysis import BORDER, content_fields, name_fields
from app.search.syntax import MAX_WORDS, Item, parse, positive
from app.search.words import (
    RUN,
    content_words,
    fold,
    parts,
    query_stems,
    readings,
)

ROOT = Path(__file__).parents[3]


def held(text: str, language: str | None = None) -> tuple[list[str], set[str]]:
    fields = content_fields(text, language)
    return fields["content_words"].split(), set(fields["content_stems"].split())


def indexed_words(text: str) -> str:
    found: str = content_fields(text)["content_words"]
    return found


def content_stems(text: str, language: str | None) -> str:
    found: str = content_fields(text, language)["content_stems"]
    return found


def stands(words: tuple[str, ...], within: list[str]) -> bool:
    """Whether the words follow each other there: what a phrase finds."""
    return any(tuple(within[at : at + len(words)]) == words for at in range(len(within)))


def finds(typed: str, text: str, language: str | None = None) -> bool:
    """Whether every word typed is found in a text, in any of its forms."""
    within, stems = held(text, language)
    items = list(positive(parse(typed)))
    assert items
    return all(
        any(stands(words, within) for words in item.readings)
        or not stems.isdisjoint(item.stems)
        or (len(item.words) == 1 and bool(item.grams) and stems.issuperset(item.grams))
        for item in items
    )


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("Gruesse ", "Viele Grüße aus Fürth"),
        ("fuerth ", "Viele Grüße aus Fürth"),
        ("furth ", "Viele Grüße aus Fürth"),
        ("Fürth ", "Stadt Fuerth"),
        ('"stadt fuerth" ', "die Stadt Fürth"),
        ('"Stadt Fürth" ', "die Stadt Fuerth"),
        ("lask ", "Łask"),
        ("tønder ", "TONDER"),
        ("toender ", "Tønder"),
        ("aeble ", "Æble"),
        ("thor ", "Þór"),
        ("gudrun ", "Guðrún"),
        ("kislar ", "KIŞLAR"),
        ("kışlar ", "kislar"),
        ("istanbul ", "İSTANBUL"),
        ("soeur ", "sœur"),
        ("ＡＢＣ１２ ", "abc12"),
        ("カメラ ", "ｶﾒﾗ"),
        ("grundstücksverkehr ", "Grund\u00adstücks\u00adverkehr"),
        ("oneword ", "one\u200bword"),
        ("one\u2060word ", "oneword"),
        ("می\u200cروم ", "میروم"),
        ("كتب ", "كَتَبَ"),
        ("امين ", "أمين"),
        ("إسلام ", "اسلام"),
        ("ירושלים ", "יְרוּשָׁלַיִם"),
        ("विद्यालय ", "यह विद्यालय है"),
        ("பள்ளி ", "இது பள்ளி"),
        ("โรงเรียน", "ที่โรงเรียนใหม่"),
        ("ໂຮງຮຽນ", "ຢູ່ໂຮງຮຽນໃໝ່"),
        ("សាលា", "នៅសាលាថ្មី"),
        ("ကျောင်း", "ဒီကျောင်းမှာ"),
        ("น้ำ", "แม่น้ำโขง"),
        ("학교 ", "학교에서 만나요"),
        ("학교", "우리학교를"),
        ("京都 ", "東京都"),
    ],
)
def test_what_makes_no_difference(typed: str, text: str) -> None:
    assert finds(typed, text)
    assert finds(typed, f"before {text}, behind")
    # In names as well.
    fields = name_fields(f"{text}.txt")
    within, stems = fields["name_text"].split(), set(fields["name_stems"].split())
    for item in positive(parse(typed)):
        assert any(stands(words, within) for words in item.readings) or stems.issuperset(item.grams) and item.grams


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("poet ", "pot"),
        ("blue ", "blu"),
        ("neuer ", "nur"),
        ("विद ", "विद्यालय"),
        ("கல ", "கலை"),
        ("كتاب ", "كتب"),
        ("ประตู", "ประชุม"),
        ("東都 ", "東京都"),
        ("교육 ", "학교"),
    ],
)
def test_what_makes_a_difference(typed: str, text: str) -> None:
    assert not finds(typed, text)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("3.10 ", "python-v3.10.tar"),
        ("3.10.2 ", "release v3.10.2 is out"),
        ('"out of v3.10" ', "made out of v3.10 here"),
        ("Q3 ", "Sales2025Q3"),
        ('"sales 2025" ', "Sales2025Q3"),
        ("dark mode ", "enableDarkMode"),
        ('"enable dark mode" ', "enableDarkMode"),
        ('"the enable dark" ', "the enableDarkMode flag"),
        ("enabledarkmode ", "enableDarkMode"),
        ("EnableDarkMode ", "enable-dark-mode"),
        ("enabledarkmode ", "enable-dark-mode"),
        ("json parser ", "JSONParser"),
        ("iphone ", "iPhone15"),
        ('"iphone 15 pro" ', "the iphone 15 pro"),
        ('"javascript code" ', "some JavaScript code"),
        ("INV-2031/0004 ", "see INV-2031/0004 for it"),
        ("9,876.50 ", "a sum of 9876.50 only"),
        ("9876.50 ", "a sum of 9,876.50 only"),
        ("9876,50 ", "Summe 9.876,50 EUR"),
        ("1250000 ", "1 250 000 pieces"),
        ("email ", "your e-mail"),
        ("ohara ", "Mr O'Hara"),
        ("01234567890 ", "call 01234 / 567-890"),
        ("ops@example.net ", "write to ops@example.net"),
        ("192.0.2.7 ", "host 192.0.2.7:80"),
    ],
)
def test_parts_and_what_is_written_as_one(typed: str, text: str) -> None:
    assert finds(typed, text)


def test_words_in_their_order_come_first_and_windows_do_not_touch() -> None:
    text = "The enableDarkMode flag of iPhone15, not of others; e-mail 1,234.50"
    within = indexed_words(text)
    assert within.startswith(content_words(text) + f" {BORDER} ")
    for window in within.split(f" {BORDER} ")[1:]:
        assert window
    # Nobody can ask for the border.
    assert BORDER not in "".join(word for words in readings(f"a {BORDER} b") for word in words)
    # Words far apart are no neighbours behind the text either.
    assert not finds('"flag of" ', "flagOne " + "x " * 20 + "ofTwo")


def test_plain_prose_costs_nothing() -> None:
    text = "Nothing in here has any parts. It is a text as people write it, with Names and ABBREVIATIONS.\n" * 50
    assert indexed_words(text) == content_words(text)


@pytest.mark.parametrize(
    "typed", ["🚀", "🚀 ", "🚀 launch ", '"🚀"', "+🚀 +launch", "🚀📌", "(📌 | plan)", "☀️", "-x 🚀"]
)
def test_an_emoji_by_itself_is_a_word(typed: str) -> None:
    text = "🚀 launch plan 📌 of☀\ufe0fJuly"
    assert finds(typed, text)
    assert not finds(typed, "ship leave plan")
    assert set(name_fields(text)["name_words"].split()) >= {"🚀", "📌", "☀"}


def test_an_emoji_beside_words_changes_nothing() -> None:
    for typed, same in [
        ("launch🚀 ", "launch "),
        ('"launch 🚀 plan"', '"launch plan"'),
        ("🏽 plan ", "plan "),
        ("*", "🏽*"),
    ]:
        assert parse(typed) == parse(same)
    assert finds('"launch plan" ', "launch 🚀 plan")
    assert content_words("launch 🚀 plan") == "launch plan"
    # As many as there may be words.
    assert len(list(positive(parse(" ".join(map(chr, range(0x1F300, 0x1F390))))))) == MAX_WORDS


@given(st.text(alphabet="abAB12 .-_'é\u0301üßłअि한국東京กิ\u200d\u00ad/", max_size=30))
def test_what_is_typed_as_it_is_written_is_found(text: str) -> None:
    within, _ = held(text)
    for word in text.split():
        found = readings(word)
        assert not found or any(stands(words, within) for words in found), (word, found, within)
        # Its parts by themselves as well.
        assert all(stands((part,), within) for run in RUN.findall(word) for part in parts(run))


@given(st.text(max_size=20))
def test_the_first_reading_is_that_of_a_phrase(text: str) -> None:
    found = readings(text)
    assert found[:1] == ((tuple(content_words(text).split()),) if content_words(text) else found[:1])
    assert all(words and all(words) for words in found)


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC"]))
def test_the_form_of_unicode_makes_no_difference(text: str, form: str) -> None:
    other = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    if form != "NFKC":
        assert fold(other) == fold(text)
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "delivery", "deliveries"),
        ("en", "cancelled", "cancelling"),
        ("de", "Lieferung", "Lieferungen"),
        ("de", "Aufträge", "Auftrag"),
        ("fr", "livraison", "livraisons"),
        ("es", "entrega", "entregas"),
        ("it", "consegna", "consegne"),
        ("pt", "entrega", "entregas"),
        ("nl", "levering", "leveringen"),
        ("ru", "поставка", "поставки"),
        ("ru", "отчёт", "отчеты"),
        ("sv", "faktura", "fakturor"),
        ("da", "levering", "leveringer"),
        ("no", "levering", "leveringer"),
        ("pl", "dostawa", "dostawy"),
        ("fi", "talo", "talossa"),
        ("hu", "szállítás", "szállítást"),
        ("ro", "livrare", "livrarea"),
        ("tr", "teslimat", "teslimatlar"),
        ("el", "παράδοση", "παράδοσης"),
        ("ar", "مستند", "المستند"),
    ],
)
def test_endings(language: str, one: str, other: str) -> None:
    for typed, text in ((one, other), (other, one)):
        assert finds(f"{typed} ", f"x {text} y", language), (typed, text)
        # Without the accents as well, and not at all where the language is not known.
        assert not finds(f"{typed} ", f"x {text} y", None)
        assert set(query_stems(typed)) & set(name_fields(text)["name_stems"].split())
        # What is quoted is found as it is.
        (item,) = positive(parse(f'"{typed}"'))
        assert isinstance(item, Item)
        assert not item.stems


def test_stems_are_those_of_the_language_of_the_text() -> None:
    assert content_stems("The deliveries", "en").split() == ["en:deliveri", "en:the"]
    assert content_stems("The deliveries", None) == ""
    assert content_stems("Поставки", "en") == ""
    assert content_fields("The deliveries", "xx")["content_stems"] == ""
    assert all(stem.partition(":")[0] != "ru" for stem in query_stems("delivery"))
    # Numbers and short words have none.
    assert query_stems("2024") == query_stems("ab") == []
