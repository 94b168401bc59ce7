"""Words without their endings, by the Snowball algorithm of a language. Pure.

The language of a text is known: it was detected when the text was extracted. The language of a query is not. So the
index holds the stems of a text in its own language, each with the language before it (`en:invoic`), and a query asks
for the stems of its words in every language that uses their letters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import Stemmer

_LATIN = {
    "cs": "czech", "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
#: The first and the last character of a block of letters, and the languages that are written with it.
_WRITINGS: tuple[tuple[int, int, dict[str, str]], ...] = (
    (0x61, 0x24F, _LATIN),
    (0x1E00, 0x1EFF, _LATIN),
    (0x370, 0x3FF, {"el": "greek"}),
    (0x1F00, 0x1FFF, {"el": "greek"}),
    (0x400, 0x52F, {"ru": "russian", "sr": "serbian"}),
    (0x530, 0x58F, {"hy": "armenian"}),
    (0x600, 0x6FF, {"ar": "arabic", "fa": "persian"}),
    (0x900, 0x97F, {"hi": "hindi", "ne": "nepali"}),
    (0xB80, 0xBFF, {"ta": "tamil"}),
)
_ALGORITHMS = {code: name for _, _, each in _WRITINGS for code, name in each.items()}
#: ISO 639-1 codes of the languages whose endings are known.
LANGUAGES = frozenset(_ALGORITHMS)
#: A word with fewer or more characters has no stem.
_SHORTEST, _LONGEST = 3, 40

_of_this_thread = threading.local()


def _algorithm(language: str) -> Stemmer.Stemmer:
    """The stemmer of a language, one for each thread, as stemmers are not thread-safe. Its cache is off: a look-up
    costs more than the stem."""
    known: dict[str, Stemmer.Stemmer] = _of_this_thread.__dict__
    if language not in known:
        known[language] = Stemmer.Stemmer(_ALGORITHMS[language], 0)
    return known[language]


def languages_of(word: str) -> Iterable[str]:
    """The languages that `word` (in lower case) may be of, by its first letter. None of them if it is too short or too
    long for a stem."""
    if _SHORTEST <= len(word) <= _LONGEST:
        first = ord(word[0])
        for begin, end, languages in _WRITINGS:
            if begin <= first <= end:
                return languages
    return ()


def stem(word: str, language: str) -> str:
    """The stem of `word` (in lower case) in `language`, one of `LANGUAGES`."""
    found: str = _algorithm(language).stemWord(word)
    return found


def stems(words: Sequence[str], language: str) -> list[str]:
    """For each of `words` (in lower case), its stem in `language`, one of `LANGUAGES`."""
    found: list[str] = _algorithm(language).stemWords(words)
    return found
