"""Characters that are written with a backslash: JSON (RFC 8259, 7), Java's properties."""

from __future__ import annotations

import re

_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": "\n"}
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([nrtbf\"\\/':=#! ]))"
)


def undone(text: str) -> str:
    """`text` with escapes replaced by their characters. An invalid escape stays as it is."""
    return _ESCAPE.sub(_meant, text) if "\\" in text else text


def _meant(found: re.Match[str]) -> str:
    high, low, single, other = found.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if single:
        character = chr(int(single, 16))
        return "\ufffd" if "\ud800" <= character <= "\udfff" else character
    return _NAMED.get(other, other)
