"""The values of settings: what a text in the environment may be, and what it stands for.

Each function takes the text and raises ValueError with the rest of a sentence about it ("is not a whole number ...").
Digits are those of ASCII, and blanks around a number are none of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")

KIB, MIB, GIB = 1024, 1024**2, 1024**3

#: Largest size: what a file, and the kernel's limits, can count.
MOST_BYTES = 2**63 - 1
_SIZE = re.compile(r"([0-9]{1,30})\s*(|B|KiB|MiB|GiB|TiB)", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")
_UNITS = {"": 1, "b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024 * GIB}
_INDEX_NAME = re.compile(r"[a-z][a-z0-9_.]{0,99}")


def size(text: str) -> int:
    """Bytes from `1048576`, `512MiB`, `1 GiB`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a size such as 1048576 or 512MiB")
    found = int(match[1]) * _UNITS[match[2].lower()]
    if found > MOST_BYTES:
        raise ValueError(f"is a size of more than {MOST_BYTES} bytes")
    return found


def count(most: int) -> Callable[[str], int]:
    """A whole number from 1 to `most`, both of which can be had."""

    def parse(text: str) -> int:
        text = text.strip()
        if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"is not a whole number from 1 to {most}")
        return int(text)

    return parse


def optional(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    """`parse`, or None for an empty text."""
    return lambda text: parse(text) if text else None


def seconds(text: str) -> float:
    """Seconds, more than none and less than a day."""
    text = text.strip()
    if not _SECONDS.fullmatch(text) or not 0 < float(text) < 86_400:
        raise ValueError("is not a number of seconds between 0 and 86400")
    return float(text)


def url(text: str) -> str:
    """An HTTP URL without user and query, and without a slash at its end."""
    if "@" in text:
        raise ValueError("has a user in it: that is what ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD are for")
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text) or not _names_a_server(text):
        raise ValueError("is not a URL such as http://127.0.0.1:9200")
    return text.rstrip("/")


def embeddings(text: str) -> str:
    """`builtin`, `off`, or a URL as `url` has it."""
    if text in ("builtin", "off"):
        return text
    if "@" in text:
        raise ValueError("has a user in it: that is what EMBEDDINGS_KEY is for")
    try:
        return url(text)
    except ValueError:
        raise ValueError("is neither builtin nor off, nor a URL such as http://127.0.0.1:11434/v1") from None


def _names_a_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def index_name(text: str) -> str:
    """The name of an alias of Elasticsearch."""
    if not _INDEX_NAME.fullmatch(text):
        raise ValueError("is not an alias name: a lower-case letter, then letters, digits, '_' or '.'")
    return text


def printable(text: str) -> str | None:
    """Any text on one line; None for an empty one."""
    # RFC 7617, 2: no control characters. Mostly it is the line feed of the file that it was read from.
    if not text.isprintable():
        raise ValueError("has characters that are not printable")
    return text or None


def user(text: str) -> str | None:
    """A user of HTTP's basic authentication (RFC 7617); None for an empty text."""
    if ":" in text:
        raise ValueError("has a colon in it, which HTTP's basic authentication takes for the beginning of the password")
    return printable(text)


def token(text: str) -> str | None:
    """What a header carries unchanged; None for an empty text."""
    # Of a client's token the rest could never be shown; of a key it would end the header.
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("has characters other than visible ASCII")
    return text or None


def path(text: str) -> Path:
    """A file or folder. An empty one would be whatever folder the process was started in."""
    if not text:
        raise ValueError("is empty")
    return Path(text)


def internal_prefix(text: str) -> str | None:
    """A path that begins and ends with a slash; None for an empty text."""
    if text and not re.fullmatch(r"/(?:[A-Za-z0-9_-]+/)+", text):
        raise ValueError("is not a path prefix such as /_attachments/")
    return text or None


def addresses(text: str) -> str:
    """IP addresses, networks or `*`, by comma."""
    for each in text.split(","):
        if each.strip() not in ("", "*"):
            try:
                ipaddress.ip_network(each.strip())
            except ValueError:
                raise ValueError("is not a list of addresses or networks, by comma") from None
    return text


def languages(text: str) -> tuple[str, ...]:
    """Names of languages as tesseract's files have them, by comma."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", each) for each in found):
        raise ValueError("is not a list of languages as tesseract names them, by comma")
    return found


def yes(text: str) -> bool:
    """`yes` or `no`."""
    if text not in ("yes", "no"):
        raise ValueError("is not one of: yes, no")
    return text == "yes"


def choice(*allowed: str) -> Callable[[str], str]:
    """One of `allowed`, as it stands there."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text

    return parse
