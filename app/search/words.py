"""One function that turns text into searchable words, used for what is indexed and for what is asked alike.

The analysers of Elasticsearch's core keep `adaptive_searching_in.pdf` as one word and fold nothing, so the words are made
here and the index only splits them at blanks. It depends on Python's Unicode tables alone and behaves alike on every
cluster.
"""

from __future__ import annotations

import re
import unicodedata

# A run of letters and digits; everything else, the underscore included, separates.
_RUN = re.compile(r"[^\W_]+")
# Within a run: camelCase humps and the border between letters and digits.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

_DIACRITICS = dict.fromkeys(range(0x300, 0x370))


def fold(text: str) -> str:
    """`text` in one comparable form: compatibility forms unified, case folded, accents removed, NFC.

    Only the general diacritics (U+0300 to U+036F) go: the marks of Japanese or Devanagari make other letters.
    """
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", decomposed.translate(_DIACRITICS))


# Scripts written without blanks: each character is a word, and a query for several is a query for them in order.
_CONTENT_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_PIECE = re.compile(r".{1,16384}(?:\s|\Z)|.{1,16384}", re.DOTALL)


def content_words(text: str) -> str:
    """All words of `text`, folded, in their order and as often as they occur, separated by single blanks.

    For texts and for queries on them: unlike `words` it keeps what makes a phrase, so it neither adds parts of words nor
    drops repetitions. Works piece by piece, as nothing else runs in this process within one step.
    """
    found: list[str] = []
    for piece in _PIECE.findall(text):
        found.extend(_CONTENT_RUN.findall(piece.lower() if piece.isascii() else fold(piece)))
    return " ".join(found)


def words(text: str) -> str:
    """The words of `text`, folded, separated by single blanks; each run also as a whole, so `iPhone15` finds itself."""
    found: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFC", text)):
        parts = [part for part in _HUMP.split(run) if part]
        found.append(fold(run))
        if len(parts) > 1:
            found.extend(fold(part) for part in parts)
    return " ".join(dict.fromkeys(found))
