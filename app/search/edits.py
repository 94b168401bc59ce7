"""The edit distance of two words. Pure."""

from __future__ import annotations


def within(one: str, other: str, edits: int) -> bool:
    """Whether at most `edits` (0 to 2) insertions, deletions, replacements and swaps of neighbours turn `one` into
    `other`.

    The common beginning is passed over at once, and the four edits are tried only where the words differ. So two words
    cost at most 21 such comparisons, however long they are. (A table of all places costs the product of their lengths:
    65,000 steps for two words of 255 letters.)
    """
    if abs(len(one) - len(other)) > edits:
        return False
    same = _common(one, other)
    one, other = one[same:], other[same:]
    if not one or not other:
        return len(one) + len(other) <= edits
    if not edits:
        return False
    left = edits - 1
    return (
        within(one[1:], other[1:], left)
        or within(one[1:], other, left)
        or within(one, other[1:], left)
        or (one[:2] == other[1::-1] and len(one) > 1 and within(one[2:], other[2:], left))
    )


def _common(one: str, other: str) -> int:
    """The length of the common beginning of both words."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low
