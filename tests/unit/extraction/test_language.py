"""The language of a text: how it is told, and what is believed of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.extraction.language import detected
from app.extraction.record import Extraction, language_in
from app.search.stems import LANGUAGES

SENTENCES = {
    "ar": "تم تأجيل اجتماع اللجنة إلى الأسبوع المقبل",
    "cs": "Schůze výboru byla odložena na příští týden",
    "da": "Mødet i udvalget blev udskudt til næste uge",
    "de": "Die Sitzung des Ausschusses wurde auf nächste Woche verschoben",
    "el": "Η συνεδρίαση της επιτροπής αναβλήθηκε για την επόμενη εβδομάδα",
    "en": "The meeting of the committee was postponed to next week",
    "es": "La reunión del comité fue aplazada hasta la próxima semana",
    "fi": "Valiokunnan kokous siirrettiin ensi viikolle",
    "fr": "La réunion du comité a été reportée à la semaine prochaine",
    "hi": "समिति की बैठक अगले सप्ताह तक स्थगित कर दी गई",
    "hu": "A bizottság ülését jövő hétre halasztották",
    "it": "La riunione del comitato è stata rinviata alla prossima settimana",
    "nl": "De vergadering van de commissie is uitgesteld tot volgende week",
    "pl": "Posiedzenie komisji zostało przełożone na przyszły tydzień",
    "pt": "A reunião do comité foi adiada para a próxima semana",
    "ro": "Ședința comitetului a fost amânată pentru săptămâna viitoare",
    "ru": "Заседание комитета перенесено на следующую неделю",
    "sv": "Utskottets möte sköts upp till nästa vecka",
    "tr": "Komite toplantısı gelecek haftaya ertelendi",
}


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_a_sentence_tells_its_language(language: str) -> None:
    assert detected(SENTENCES[language]) == language
    assert language in LANGUAGES
    # In capitals, beside numbers, and on several lines.
    assert detected(f"12,50 -- 7.8\n{SENTENCES[language].upper()}\n\n{SENTENCES[language]}") == language


@pytest.mark.parametrize("text", ["", "   \n", "12345 67890 3.14", "-- -- --", "\0\0", "ab"])
def test_what_tells_none(text: str) -> None:
    assert detected(text) is None


def test_only_a_part_of_a_long_text_is_looked_at() -> None:
    assert detected(f"{SENTENCES['de']}. " * 40 + "the of and " * 1_000_000) in ("de", "en")


@pytest.mark.parametrize("told", [None, 1, ["de"], "DE", "deutsch", "d", "de\n", "../x", {"de": 1}])
def test_what_is_no_code_is_not_believed(told: object) -> None:
    assert language_in(told) is None


def test_it_is_kept_and_an_outcome_without_one_is_read() -> None:
    made = Extraction(datetime.now(UTC), 1, size=3, language="de")
    record = made.to_record()
    assert Extraction.from_record(record) == made
    assert not made.written_earlier
    del record["language"]
    earlier = Extraction.from_record(record)
    assert earlier.language is None
    assert earlier.written_earlier
    assert not Extraction.from_record({**record, "language": ""}).written_earlier
