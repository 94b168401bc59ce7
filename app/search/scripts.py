"""The scripts of the world, as the search needs them: which characters are marks, which make no difference, and which
scripts have no blanks between words. These are tables, made from Python's Unicode tables on import, and small functions
over them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise


def _ranges(codes: Iterable[int]) -> str:
    """The content of a character class of `codes`, which are in ascending order."""
    found: list[tuple[int, int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1] = found[-1][0], code
        else:
            found.append((code, code))
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in found)


def _all(first: int, last: int) -> dict[int, None]:
    return dict.fromkeys(range(first, last + 1))


#: Characters that make no difference: accents; the vowel marks, hamzas and tatweel of Arabic; the points and accents of
#: Hebrew; invisible characters (soft hyphens, joiners, zero-width spaces, marks of direction, variation selectors).
_REMOVED: dict[int, str | None] = {
    **_all(0x300, 0x36F),
    **_all(0x591, 0x5BD),
    **dict.fromkeys((0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7)),
    **_all(0x610, 0x61A),
    **_all(0x64B, 0x65F),
    **_all(0x6D6, 0x6DC),
    **_all(0x6DF, 0x6E4),
    **dict.fromkeys((0x640, 0x670, 0x6E7, 0x6E8)),
    **_all(0x6EA, 0x6ED),
    **dict.fromkeys((0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF)),
    **_all(0x200B, 0x200F),
    **_all(0x202A, 0x202E),
    **_all(0x2060, 0x2064),
    **_all(0x2066, 0x206F),
    **_all(0xFE00, 0xFE0F),
}
#: Letters that Unicode does not decompose, as people write them on a keyboard without them; Arabic letters of which
#: keyboards have variants, and Arabic digits.
_WRITTEN = {
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "ƶ": "z",
    "æ": "ae", "œ": "oe", "þ": "th",
    "ٱ": "ا", "ی": "ي", "ې": "ي", "ک": "ك", "ۀ": "ه",
    **{chr(first + digit): str(digit) for first in (0x660, 0x6F0) for digit in range(10)},
}  # fmt: skip
#: For `str.translate`, on text that is decomposed and in lower case.
FOLDED: dict[int, str | None] = {**_REMOVED, **{ord(letter): written for letter, written in _WRITTEN.items()}}

_FOLDED = re.compile(f"[{_ranges(sorted(FOLDED))}]")

#: Umlauts and the like as people write them on a keyboard without them.
WRITTEN_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe"}
)
#: Two letters that may stand for an umlaut. The first group is its letter.
MAY_BE_UMLAUT = re.compile("([aou])e")

_CODES = (*range(0x300, 0x3100), *range(0xA000, 0x12000), *range(0x16000, 0x17000), *range(0x1B000, 0x1F000))
_MARK_CODES = sorted(
    {code for code in _CODES if unicodedata.category(chr(code)).startswith("M")} | (_REMOVED.keys() - {0x640})
)
#: The content of a character class: marks that belong to the letter before them, and characters invisible within a
#: word.
MARKS = _ranges(_MARK_CODES)
#: Those of the Basic Multilingual Plane. `re` looks a character up in a class of this plane, and compares one with each
#: range beyond it: so texts without characters beyond it (`is_basic`) take a fifth of the time with this class.
BASIC_MARKS = _ranges(code for code in _MARK_CODES if code < 0x10000)
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
#: Letters of Thai, Lao, Burmese and Khmer, without their digits and marks.
_LETTERS = "".join(
    _ranges(code for code in range(first, last + 1) if unicodedata.category(chr(code)) in ("Lo", "Lm"))
    for first, last in ((0xE01, 0xE4E), (0xE81, 0xEDF), (0x1000, 0x103F), (0x1050, 0x109F), (0x1780, 0x17DC))
)
#: The content of a character class: characters of scripts without blanks between words.
UNSPACED = _CJK + _LETTERS
#: The content of a character class: the syllables of Korean, whose particles stand at the end of a word.
HANGUL = r"\uac00-\ud7a3"

#: A capital at a hump: camelCase, also behind an abbreviation (`HTTPResponse`, but not `PDFs`). It begins with a class,
#: so that it is quickly searched for.
HUMP_CAPITAL = re.compile(r"[A-Z](?:(?<=[a-z].)|(?<=[A-Z].)(?=[a-z]{2}))")
#: The places before these capitals, and the borders between letters and digits.
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
#: The borders between letters and digits alone.
DIGITS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

# A superset of `_SPECIAL` that is quick to search: it has few ranges, the other has hundreds.
_MAY_BE_SPECIAL = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u00ad\u0591-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff\u2c00-\U0010ffff]"
)
_SPECIAL, _BASIC_SPECIAL = (re.compile(rf"[{marks}{UNSPACED}]") for marks in (MARKS, BASIC_MARKS))
_UNSPACED_RUN, _BASIC_UNSPACED_RUN = (
    re.compile(rf"(?:[{UNSPACED}][{marks}]*){{2,}}|[{HANGUL}]{{2,}}") for marks in (MARKS, BASIC_MARKS)
)
# The same for a text without marks, where it takes a third of the time.
_UNMARKED_RUN = re.compile(rf"[{UNSPACED}]{{2,}}|[{HANGUL}]{{2,}}")
_MARK, _BASIC_MARK = (re.compile(rf"[{marks}]") for marks in (MARKS, BASIC_MARKS))
_GRAMMED_OR_HANGUL = re.compile(rf"[{UNSPACED}{HANGUL}]")
_CHARACTER, _BASIC_CHARACTER = (re.compile(rf"[{UNSPACED}{HANGUL}][{marks}]*") for marks in (MARKS, BASIC_MARKS))
_GRAMMED = re.compile(rf"[{UNSPACED}]")
HANGUL_SYLLABLE = re.compile(f"[{HANGUL}]")
#: Between the clusters (a letter with its marks) of Thai, Lao, Burmese and Khmer: a word may begin at each of them.
CLUSTER_BORDER = re.compile(rf"(?<=[{_LETTERS}{MARKS}])(?=[{_LETTERS}])")
_SOUTHEAST = re.compile(rf"[{_LETTERS}]")


# Pictures among the characters, without tones of skin. The first class is quick to search for, as it has few ranges.
_MAY_BE_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_EMOJI_CODES = (*range(0x2600, 0x27C0), *range(0x2B00, 0x2C00), *range(0x1F000, 0x1FB00))
_EMOJI = re.compile(f"[{_ranges(code for code in _EMOJI_CODES if unicodedata.category(chr(code)) == 'So')}]")


def emoji(text: str) -> Iterator[tuple[str, int]]:
    """The emoji in `text` (symbols that are pictures, each character by itself), each with where it begins."""
    if not text.isascii() and _MAY_BE_EMOJI.search(text):
        for match in _EMOJI.finditer(text):
            yield match[0], match.start()


def is_plain(text: str) -> bool:
    """Whether `text` has neither marks nor characters of scripts without blanks."""
    if text.isascii() or _MAY_BE_SPECIAL.search(text) is None:
        return True
    return (_BASIC_SPECIAL if is_basic(text) else _SPECIAL).search(text) is None


def is_basic(text: str) -> bool:
    """Whether `text` has no characters beyond the Basic Multilingual Plane."""
    return text.isascii() or _BEYOND.search(text) is None


def has_clusters(text: str) -> bool:
    """Whether `text` has letters of Thai, Lao, Burmese or Khmer, which `CLUSTER_BORDER` divides."""
    return not text.isascii() and _SOUTHEAST.search(text) is not None


def without_differences(decomposed: str) -> str:
    """A text that is decomposed and in lower case, without what makes no difference (`FOLDED`)."""
    # Translating takes its time for each character, searching hardly any.
    return decomposed.translate(FOLDED) if _FOLDED.search(decomposed) else decomposed


def recomposed(text: str) -> str:
    """`text` in which the vowel AM of Thai and of Lao, which NFKC takes apart, is one character again."""
    if "\u0e4d" in text:
        text = text.replace("\u0e4d\u0e32", "\u0e33")
    return text.replace("\u0ecd\u0eb2", "\u0eb3") if "\u0ecd" in text else text


def has_grams(folded: str) -> bool:
    """Whether a folded word has characters of a script without blanks."""
    return _GRAMMED.search(folded) is not None


def characters(folded: str) -> list[str]:
    """The characters of scripts without blanks, and of Korean, in `folded`, each with its marks."""
    return (_BASIC_CHARACTER if is_basic(folded) else _CHARACTER).findall(folded)


def grams(folded: str) -> list[str]:
    """The pairs of neighbouring characters in each run of a script without blanks, or of Korean, in a folded text, as
    often as they occur."""
    if folded.isascii():
        return []
    found: list[str] = []
    if _GRAMMED_OR_HANGUL.search(folded) is None:
        return found
    basic = is_basic(folded)
    if (_BASIC_MARK if basic else _MARK).search(folded) is None:
        for run in _UNMARKED_RUN.findall(folded):
            found += map("".join, pairwise(run))
        return found
    of_character = _BASIC_CHARACTER if basic else _CHARACTER
    for run in (_BASIC_UNSPACED_RUN if basic else _UNSPACED_RUN).findall(folded):
        found += map("".join, pairwise(of_character.findall(run)))
    return found
