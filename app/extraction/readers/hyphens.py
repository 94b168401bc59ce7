"""Words that a hyphen divides at the end of a line.

Whether the hyphen belongs to the word (`long-term`) nobody can tell without a dictionary of the language. So the text stays
as it is, and what the two halves make together is told once more at its end: both are found, and a preview shows the lines
as they are on the page.
"""

from __future__ import annotations

import re

#: A letter, a hyphen (the plain one, U+2010, a soft one), the line's end, and a letter. No more than one line's end:
#: behind a blank line another paragraph begins.
_END = r"(?<=[^\W\d_].)[ \t]*\r?\n[ \t]*(?=[^\W\d_])"
#: In most texts there is the plain one alone, and one character is found ten times as fast as any of several.
_BREAK, _PLAIN_BREAK = re.compile(rf"[-\u2010\xad]{_END}"), re.compile(f"-{_END}")
_BEFORE = re.compile(r"[^\W\d_]+\Z")
_AFTER = re.compile(r"[^\W\d_]+")
#: The most letters of one half. Longer ones are no words.
_MOST = 60
#: As in `Ein- und Ausgang`, where the hyphen divides no word.
_CONJUNCTIONS = frozenset(
    ("und", "oder", "bzw", "bis", "and", "or", "to", "et", "ou", "e", "o", "y", "i", "en", "of", "och")
)


def with_joined(text: str) -> str:
    """`text`, and below it in a line of its own the words whose halves stand at the end of a line and, beginning with a
    small letter, at the beginning of the next one; each once, in their order."""
    joined: dict[str, None] = {}
    pattern = _BREAK if "\u2010" in text or "\xad" in text else _PLAIN_BREAK
    for found in pattern.finditer(text):
        before = _BEFORE.search(text[max(0, found.start() - _MOST) : found.start()])
        after = _AFTER.match(text, found.end(), found.end() + _MOST)
        if before and after and after[0][0].islower() and after[0] not in _CONJUNCTIONS:
            joined[before[0] + after[0]] = None
    return f"{text.rstrip()}\n\n{' '.join(joined)}\n" if joined else text
