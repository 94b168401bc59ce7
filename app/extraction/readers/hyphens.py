"""Words that a hyphen divides at the end of a line.

Without a dictionary of the language it is unknown whether the hyphen belongs to the word (`long-term`). So the text
stays as it is, and the joined words are added at its end: both forms are found, and a preview shows the lines as they
are on the page.
"""

from __future__ import annotations

import re

#: A letter, a hyphen (the plain one, U+2010, a soft one), the line's end, and a letter. No more than one line's end:
#: behind a blank line another paragraph begins.
_END = r"(?<=[^\W\d_].)[ \t]*\r?\n[ \t]*(?=[^\W\d_])"
#: Most texts have only the plain one, and one character is found ten times as fast as any of several.
_BREAK, _PLAIN_BREAK = re.compile(rf"[-\u2010\xad]{_END}"), re.compile(f"-{_END}")
_BEFORE = re.compile(r"[^\W\d_]+\Z")
_AFTER = re.compile(r"[^\W\d_]+")
#: The most letters of one half. Longer ones are not words.
_MOST = 60
#: As in `Ein- und Ausgang`, where the hyphen does not divide a word.
_CONJUNCTIONS = frozenset(
    ("und", "oder", "bzw", "bis", "and", "or", "to", "et", "ou", "e", "o", "y", "i", "en", "of", "och")
)


def with_joined(text: str) -> str:
    """`text`, followed by a line with the divided words: those with one half at the end of a line and the other, which
    begins with a small letter, at the beginning of the next one. Each is there once, in their order."""
    joined: dict[str, None] = {}
    pattern = _BREAK if "\u2010" in text or "\xad" in text else _PLAIN_BREAK
    for found in pattern.finditer(text):
        before = _BEFORE.search(text[max(0, found.start() - _MOST) : found.start()])
        after = _AFTER.match(text, found.end(), found.end() + _MOST)
        if before and after and after[0][0].islower() and after[0] not in _CONJUNCTIONS:
            joined[before[0] + after[0]] = None
    return f"{text.rstrip()}\n\n{' '.join(joined)}\n" if joined else text
