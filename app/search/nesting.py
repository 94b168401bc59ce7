"""How deep decoded JSON is."""

from __future__ import annotations

from typing import Any


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep in `value`. Looks no deeper than that."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deeper(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deeper(each, levels - 1) for each in value)
    return False
