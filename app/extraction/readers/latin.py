"""Single-byte texts whose letters beyond ASCII have the same code in every encoding of Latin letters.

These are the umlauts, ß and é: in ISO 8859-1, -2, -3, -4, -9, -10, -13 to -16 and in Windows' 1250, 1252, 1254, 1257 and
1258 their bytes mean the same, so it does not matter which of these a text is in, and chardet's statistics, which take 0.1 s
of processor time to load, are not needed. The letters must occur as people write them: beside letters, hardly ever beside
each other, capital ones at the beginning of words. Letters that other encodings have at these codes do not occur like that.

Rejected: more letters, which would have to be distinguished (è of Windows 1252 is č in 1250).
"""

from __future__ import annotations

import re

#: The superset by which such texts are decoded.
ENCODING = "cp1252"
#: The most bytes of a text that is checked.
MOST = 16 * 1024 * 1024

_SMALL, _LARGE, _SHARP = b"\xe4\xe9\xf6\xfc", b"\xc4\xc9\xd6\xdc", b"\xdf"
_ALL = _SMALL + _LARGE + _SHARP
_KNOWN = bytes(range(0x80)) + _ALL
# Each pattern begins with the letter, so that everything in between is skipped quickly. In this order: a capital letter
# after a small one, a small one before a capital one, two beside each other except `öß`, one beside no other letter, ß
# at the beginning of a word.
_ODD = re.compile(
    rb"[%(all)b](?:(?<=[a-z][%(large)b])|(?<=[%(small)b])(?=[A-Z])|(?=[\x80-\xde\xe0-\xff])"
    rb"|(?<!\xdf)(?<![A-Za-z][%(small)b%(large)b])(?![A-Za-z])|(?<=\xdf)(?<![A-Za-z%(small)b]\xdf))"
    % {b"all": _ALL, b"small": _SMALL, b"large": _LARGE}
)


def shared(content: bytes) -> bool:
    """Whether the only characters beyond ASCII are these letters, as people write them."""
    return len(content) <= MOST and not content.translate(None, _KNOWN) and not _ODD.search(content)
