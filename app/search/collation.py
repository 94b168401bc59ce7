"""The order of names as a person expects it, as a key that an index sorts by. Pure.

The application makes the key, as it makes words, so that every cluster orders alike. It is what the Unicode Collation
Algorithm (UTS #10) compares first: the letters of a text by their primary weights of the default table (DUCET 10), in
which case and accents make no difference and each script has its order. Three things are put right before:

- Numbers are compared by their value: before the digits of each run stands how many there are, leading zeros left out.
- The extension is compared last, as GNU's version sort and natsort have it: `report.pdf` comes before `report 2.pdf`.
- Compatibility forms are unified (NFKC), so that full-width letters and digits are letters and digits.

What is equal so far (case, accents, leading zeros, the end of a very long name) is for whoever sorts to decide by the name
itself. So the key needs no further levels, which would make it three times as long.

docs/adr/0023-order-of-names.md says what was rejected.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from pyuca.collator import Collator_10_0_0 as Collator

#: Weights in a key, four characters each; of a name with more the rest does not count.
MOST_WEIGHTS = 512

# Compared before everything else that is compared, blanks included.
_BEFORE_EXTENSION = "\t"
_NUMBER = re.compile(r"\d+")
#: Digits whose number is written as one digit; of longer ones as four behind a 9, and no name has 10,000.
_FEW = 8


@functools.cache
def load() -> Collator:
    """The table. It takes a tenth of a second and 12 MB: a process that forks has it made before, once for all."""
    return Collator()


def order_key(name: str) -> str:
    """The key of `name`: printable ASCII, at most `4 * MOST_WEIGHTS` characters. Keys are in the order of the names when
    they are compared character by character."""
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
