"""File names in headers: read from those of a form or a request, and written into those of a response.

Sources: RFC 7578 and the WHATWG's encoding of form data (what browsers and curl send), RFC 6266 and RFC 8187
(Content-Disposition and its `filename*`), RFC 2231 (a value in several parts) and RFC 2047 (encoded words), which
clients that were made for mail send.
"""

from __future__ import annotations

import bisect
import contextlib
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import quote, unquote_to_bytes

from app.errors import InvalidName

MAX_NAME_BYTES = 1024

# A parameter of a Content-Disposition, up to its value. A quoted value ends at a quote that the next parameter or the
# end follows: senders write a quote within a name as %22, and a backslash is a character like any other. Those quotes
# are found once: a search from each parameter on would take quadratic time.
_PARAMETER = re.compile(r";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*")
_CLOSING = re.compile(r'"(?=\s*(?:;|$))')
_UNQUOTED = re.compile(r'[^\s";]*')
_WIRE_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_WIRE_ESCAPE = re.compile("|".join(_WIRE_ESCAPES))
_EXTENDED = re.compile(r"([A-Za-z0-9-]+)'[^']*'(.*)", re.DOTALL)
# A value of nothing but encoded words.
_ENCODED_WORD = r"=\?[\w-]{1,40}\?[bBqQ]\?[!->@-~]*\?="
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD}(?:\s+{_ENCODED_WORD})*")
# What aiohttp makes of any name, unless it is told not to; then it escapes quotes and backslashes with backslashes.
_PERCENT_ENCODED = re.compile(r"(?:[\w.~-]|%[0-9A-F]{2})+", re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_AIOHTTP = re.compile(r"\baiohttp/")
#: The most parts of a value (RFC 2231).
_MOST_PARTS = 100
# attr-char of RFC 8187, without letters and digits, which `quote` never escapes.
_ATTR_CHARS = "!#$&+-.^_`|~"
_PLAIN = re.compile(r"[ !#-\[\]-~]+")


def disposition_parameters(header: str) -> dict[str, str]:
    """The parameters of a Content-Disposition by lower-case name, not decoded; the first of several counts."""
    found: dict[str, str] = {}
    closing = [match.start() for match in _CLOSING.finditer(header)]
    position = 0
    while match := _PARAMETER.search(header, position):
        begin = match.end()
        after = bisect.bisect_right(closing, begin)
        if header.startswith('"', begin) and after < len(closing):
            value, position = header[begin + 1 : closing[after]], closing[after] + 1
        else:
            unquoted = _UNQUOTED.match(header, begin)
            assert unquoted is not None
            value, position = unquoted[0], unquoted.end()
        found.setdefault(match[1].lower(), value)
    return found


def decode_extended(value: str) -> str | None:
    """The text of an RFC 8187 `ext-value` such as `UTF-8''na%C3%AFve`; None when it is not one."""
    match = _EXTENDED.fullmatch(value)
    if match is None or match[1].lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeDecodeError:
        return None


def form_filename(header: str, user_agent: str = "") -> str | None:
    """The file name in the Content-Disposition of a form part, decoded; None when the part is not a file. `user_agent`:
    that of the request, as aiohttp escapes names in ways of its own, which look like names with other characters."""
    parameters = disposition_parameters(header)
    extended = parameters.get("filename*", _joined(parameters))
    if extended is not None and (decoded := decode_extended(extended)) is not None:
        return decoded
    if "filename" not in parameters:
        return None
    value = parameters["filename"]
    if _ENCODED_WORDS.fullmatch(value) and (decoded := _decode_words(value)) is not None:
        return decoded
    return _decode_of_aiohttp(value) if _AIOHTTP.search(user_agent) else decode_form_text(value)


def _decode_of_aiohttp(value: str) -> str:
    if _PERCENT_ENCODED.fullmatch(value):
        with contextlib.suppress(UnicodeDecodeError):
            return unquote_to_bytes(value).decode()
    return _QUOTED_PAIR.sub(r"\1", value)


def _joined(parameters: dict[str, str]) -> str | None:
    """The `ext-value` of a `filename` in parts: `filename*0*=UTF-8''Gr%C3%B6; filename*1=ss.txt`. None if there is none."""
    parts = []
    for number in range(_MOST_PARTS):
        if (part := parameters.get(f"filename*{number}*")) is None:
            if (plain := parameters.get(f"filename*{number}")) is None:
                break
            part = quote(plain) if number else "UTF-8''" + quote(plain)
        parts.append(part)
    return "".join(parts) or None


def _decode_words(value: str) -> str | None:
    """The text of encoded words; None if it can't be decoded."""
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return None


def decode_form_text(text: str) -> str:
    """A name in a form part's header, with the three escapes decoded that browsers write, and no others."""
    return _WIRE_ESCAPE.sub(lambda match: _WIRE_ESCAPES[match[0]], text)


def checked_name(name: str) -> str:
    """The name under which a file is stored: `name` after its last `/`, otherwise unchanged.

    Raises InvalidName for an empty name, `.`, `..`, NUL, lone surrogates, or more than 1,024 bytes of UTF-8.
    """
    base = name.rpartition("/")[2]
    if base in ("", ".", ".."):
        raise InvalidName("Invalid file name: it is empty or stands for a folder")
    if "\0" in base:
        raise InvalidName("Invalid file name: it contains NUL")
    try:
        size = len(base.encode())
    except UnicodeEncodeError:
        raise InvalidName("Invalid file name: it is not valid Unicode") from None
    if size > MAX_NAME_BYTES:
        raise InvalidName(f"Invalid file name: longer than {MAX_NAME_BYTES} bytes")
    return base


def encode_extended(name: str) -> str:
    """`name` as an RFC 8187 `ext-value`."""
    return "UTF-8''" + quote(name.encode(), safe=_ATTR_CHARS)


def header_value(name: str) -> str:
    """`name` as the value of a header of its own: itself when it is plain ASCII, otherwise an `ext-value`."""
    plain = _PLAIN.fullmatch(name) and name == name.strip() and not name.startswith("UTF-8''")
    return name if plain else encode_extended(name)


def content_disposition(kind: str, name: str) -> str:
    """A Content-Disposition of `kind` (`inline` or `attachment`) that gives every client `name` or the nearest name
    that it can read."""
    fallback = name
    if "%" in name or not _PLAIN.fullmatch(name):
        fallback = "".join(c if _PLAIN.fullmatch(c) and c != "%" else "_" for c in name)
    value = f'{kind}; filename="{fallback}"'
    return value if fallback == name else f"{value}; filename*={encode_extended(name)}"
