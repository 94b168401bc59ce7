"""How deeply decoded JSON is nested. Pure."""

from __future__ import annotations

from typing import Any


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects in `value` are nested more than `levels` deep. It looks no deeper than that."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deeper(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deeper(each, levels - 1) for each in value)
    return False
