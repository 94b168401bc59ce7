"""The file name in the Content-Disposition of a request whose body is the file.

Unlike a form part's header, this one follows the RFCs exactly, as Coder's parser does: quoted-pairs, extended values,
continuations. So it is parsed strictly, and a malformed one gives no name. Sources: RFC 6266, RFC 8187 (`filename*`),
RFC 2231 section 3 (`filename*0`, `filename*1*`).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from app.errors import InvalidName
from app.web.names import checked_name

MAX_NAME_BYTES = 255

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_KIND = re.compile(rf"\s*{_TOKEN}(?:/{_TOKEN})?\s*")
_PARAMETER = re.compile(rf';\s*({_TOKEN})\s*=\s*(?:({_TOKEN})|"((?:[^"\\\r\n]|\\.)*)")\s*', re.DOTALL)
_END = re.compile(r";?\s*")
# A backslash escapes only characters that have a meaning of their own: so C:\dir\x.png stays as it is.
_QUOTED_PAIR = re.compile(r'\\([()<>@,;:\\"/\[\]?=])')
_EXTENDED = re.compile(r"([A-Za-z0-9-]+)'[A-Za-z0-9-]*'(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CHARSETS = {"utf-8", "us-ascii"}


def request_name(header: str | None) -> str | None:
    """The name in `header` (as WSGI gives it, Latin-1), of at most 255 bytes; None when it has none that can be used."""
    name = _filename(header) if header else None
    if not name:
        return None
    try:
        return checked_name(_cut(name))
    except InvalidName:
        return None


def _filename(header: str) -> str | None:
    parameters = _parameters(_as_text(header))
    if parameters is None:
        return None
    if "filename*" in parameters:
        extended = _decode(parameters["filename*"])
        if extended is not None:
            return extended
    if "filename" in parameters:
        return parameters["filename"]
    return _continued(parameters)


def _as_text(header: str) -> str:
    # Many clients put plain UTF-8 into the header; anything that is not UTF-8 stays Latin-1.
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _parameters(header: str) -> dict[str, str] | None:
    kind = _KIND.match(header)
    if kind is None:
        return None
    found: dict[str, str] = {}
    position = kind.end()
    while match := _PARAMETER.match(header, position):
        name = match[1].lower()
        if name in found:
            return None
        found[name] = match[2] if match[2] is not None else _QUOTED_PAIR.sub(r"\1", match[3])
        position = match.end()
    return found if _END.fullmatch(header, position) else None


def _decode(value: str) -> str | None:
    match = _EXTENDED.fullmatch(value)
    if match is None or match[1].lower() not in _CHARSETS or _BAD_ESCAPE.search(match[2]):
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeDecodeError:
        return None


def _continued(parameters: dict[str, str]) -> str | None:
    """The name that is divided over `filename*0`, `filename*1` ...; a piece with a final `*` is percent-encoded."""
    raw = b""
    charset = "utf-8"
    for number in range(len(parameters)):
        plain, encoded = f"filename*{number}", f"filename*{number}*"
        if encoded in parameters:
            value = parameters[encoded]
            if number == 0:
                head = _EXTENDED.fullmatch(value)
                if head is None or head[1].lower() not in _CHARSETS:
                    return None
                charset, value = head[1], head[2]
            if _BAD_ESCAPE.search(value):
                return None
            raw += unquote_to_bytes(value)
        elif plain in parameters:
            raw += parameters[plain].encode()
        else:
            break
    try:
        return raw.decode(charset) or None
    except UnicodeDecodeError:
        return None


def _cut(name: str) -> str:
    raw = name.encode(errors="surrogateescape")
    # Drops the rest of a character that was cut in two.
    return name if len(raw) <= MAX_NAME_BYTES else raw[:MAX_NAME_BYTES].decode(errors="ignore")
