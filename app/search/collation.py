"""Makes a key from a name. The index sorts by these keys, which puts names in the order that a person expects. Pure.

The application makes the key, as it makes words, so that every cluster has the same order. The key is what the Unicode
Collation Algorithm (UTS #10) compares first: the primary weights of the letters in its default table (DUCET 10). Case
and accents make no difference there, and each script has its own order. Before that, three things are done:

- Numbers are compared by value: leading zeros are removed, and each number gets the count of its digits in front.
- The extension is compared last, as in GNU's version sort and natsort: `report.pdf` comes before `report 2.pdf`.
- Compatibility forms are unified (NFKC), so that full-width letters and digits are ordinary ones.

Names that differ only in case, accents or leading zeros, or behind the end of a very long key, have equal keys. The
search orders them by the name itself, as the second criterion. So the key needs no further levels, which would make it
three times as long.

docs/adr/0023-order-of-names.md says what was rejected.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from pyuca.collator import Collator_10_0_0 as Collator

#: The most weights in a key, four characters each. The rest of a longer name does not count.
MOST_WEIGHTS = 512

# Its weight is lower than that of any other character, a blank included.
_BEFORE_EXTENSION = "\t"
_NUMBER = re.compile(r"\d+")
#: The count of at most so many digits is written as one digit. A higher count is a 9 and four digits; no name has
#: 10,000.
_FEW = 8


@functools.cache
def load() -> Collator:
    """The collation table. Loading takes a tenth of a second and 12 MB, so a process that forks calls this before."""
    return Collator()


def order_key(name: str) -> str:
    """The key of `name`: printable ASCII of at most `4 * MOST_WEIGHTS` characters, to be compared character by
    character."""
    text = unicodedata.normalize("NFKC", name)
    stem, dot, suffix = text.rpartition(".")
    if dot and stem:
        text = f"{stem}{_BEFORE_EXTENSION}{suffix}"
    text = _NUMBER.sub(_number, text)[:MOST_WEIGHTS]
    weights = [element[0] for element in load().collation_elements(unicodedata.normalize("NFD", text)) if element[0]]
    return "".join(f"{weight:04x}" for weight in weights[:MOST_WEIGHTS])


def _number(match: re.Match[str]) -> str:
    digits = "".join(str(unicodedata.decimal(each)) for each in match[0]).lstrip("0") or "0"
    count = len(digits)
    return f"{count}{digits}" if count <= _FEW else f"9{count:04d}{digits}"
