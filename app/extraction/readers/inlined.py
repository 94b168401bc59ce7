"""Pictures and other files within a text, in Base64: nobody reads these, and each would count as a thousand words."""

from __future__ import annotations

import re

_DATA = re.compile(
    r"data:[a-zA-Z0-9.+/-]*(?:;[a-zA-Z0-9=.-]*)*,(?:[A-Za-z0-9+/=_%-]|\\n|\s(?=[A-Za-z0-9+/=]{40})){100,}"
)
_LETTER = "[A-Za-z0-9+/_-]"
#: One long run, or lines of it. (It is possessive and matches only from the beginning of a run, so it takes linear
#: time.)
_RUN = re.compile(rf"(?<!{_LETTER})(?:{_LETTER}{{300,}}+|(?:{_LETTER}{{50,}}+\s{{1,4}}){{3,}}+{_LETTER}*+)={{0,2}}")
_LOOKED_AT = 300


def without_data(text: str) -> str:
    """`text` without Base64 data."""
    return _RUN.sub(_told, _DATA.sub(" ", text))


def _told(found: re.Match[str]) -> str:
    """A blank for Base64; anything else, such as a gene sequence or a long name, unchanged."""
    sample = re.sub(r"\s", "", found[0][: _LOOKED_AT + 20])[:_LOOKED_AT]
    shares = [sum(map(each, sample)) / len(sample) for each in (str.isupper, str.islower, str.isdigit)]
    return " " if shares[0] > 0.15 and shares[1] > 0.15 and shares[2] > 0.03 else found[0]
