"""Functions for mails of all formats: headers and texts in the charsets that they name, and one text made of two."""

from __future__ import annotations

import codecs
import contextlib
import email.errors
import email.header
import encodings.aliases
import os
import re
import sys
import textwrap

from app.extraction.readers import encoding, html
from app.extraction.readers.reader import Unreadable

#: The most characters of a header that are read, and of a line of it in which encoded words are decoded: the library takes
#: quadratic time for that.
MOST_HEADER = 64 * 1024
_MOST_LINE = 2000

# Codecs that are not the charset of a text, or that take quadratic time.
_NO_CHARSET = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs"}
# Programs name the older charset and write the one that contains it.
_WIDER = {
    "gb2312": "gb18030", "gbk": "gb18030", "hz_gb_2312": "hz", "euc_kr": "cp949", "johab": "johab", "shift_jis": "cp932",
    "big5": "cp950", "latin_1": "cp1252", "iso8859_9": "cp1254", "iso2022_jp": "iso2022_jp_ext", "tis_620": "cp874",
}  # fmt: skip
# Names that Python does not know.
_ALSO = {
    "ks_c_5601_1987": "cp949", "ks_c_5601_1989": "cp949", "x_euc_jp": "euc_jp", "x_sjis": "cp932", "x_gbk": "gb18030",
    "x_mac_roman": "mac_roman", "x_big5": "cp950", "unicode_1_1_utf_7": "utf_7", "iso_8859_8_i": "iso8859_8",
    "iso_8859_6_i": "iso8859_6", "windows_874": "cp874", "windows_31j": "cp932", "windows_949": "cp949", "utf8": "utf_8",
    "x_windows_949": "cp949", "macintosh": "mac_roman", "koi8": "koi8_r", "x_cp1251": "cp1251", "x_cp1252": "cp1252",
    "x_user_defined": "",
}  # fmt: skip
_FAR_EAST = {"gb18030", "hz", "cp949", "johab", "cp932", "cp950", "big5hkscs", "euc_jp", "euc_jis_2004", "utf_7"}
#: Python's name for each name of a charset; and those of Python's names that are loaded.
_python: dict[str, str] = {}
_loaded: set[str] = set()
#: The charset of a mail that names none, except for file names.
_COMMON = ("ascii", "utf_8", "cp1252", "iso8859_15", "gb18030", "iso2022_jp_ext")
#: The most bytes of a mail whose charsets are looked for (RFC 2045, 2047, 2231): with a longer one the saving does not
#: matter.
_LOOKED_AT = 1024 * 1024
_CHARSET = re.compile(rb"charset\*?=", re.IGNORECASE)
_TEXT = re.compile(rb"content-type:\s*text/", re.IGNORECASE)
_NAMED = re.compile(
    rb"charset\*?=[\s\"']*([^\s\"';>]{1,40})"
    rb"|=\?([^?*\s]{1,40})(?:\*[^?\s]{0,20})?\?[bq]\?"
    rb"|\*=[\"]?([\w.:-]{1,40})'",
    re.IGNORECASE,
)

_FOLD = re.compile(r"[\r\n]+[ \t]*")
_SURROGATE = re.compile("[\udc80-\udcff]")
# In scripts without blanks each character counts as a word, because line ends say nothing there.
_NO_BLANKS = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_NO_BLANKS}]|[^\\W{_NO_BLANKS}]+")


def load(size: int | None = None) -> None:
    """Load the charsets, and what detects one that is not named. `size`: the size of a mail, when only the charsets that it
    needs are to be loaded: in most mails each text names a common one, and loading all takes twice the time."""
    # `html.text_of` needs it.
    import selectolax.lexbor  # noqa: F401

    # Modules that the library loads late.
    codecs.lookup("raw-unicode-escape")
    names = set(encodings.aliases.aliases.items()) | {
        (each, each) for each in (*_WIDER.values(), *_ALSO.values()) if each
    }
    for alias, name in names:
        if name not in _NO_CHARSET:
            _python[alias] = _python[name] = name
    needed = None if size is None else _named(size)
    if needed is None:
        encoding.load_all()
        _loaded.update(name for name in _python.values() if _found(name))
    else:
        encoding.load(0)
        _loaded.update(name for name in {*_COMMON, *needed} if _found(name))


def _found(name: str) -> bool:
    """Whether this interpreter has the codec: there are names of codecs that only other systems have."""
    with contextlib.suppress(LookupError):
        codecs.lookup(name)
        return True
    return False


def _named(size: int) -> set[str] | None:
    """The charsets that the mail names; None when that is not enough: a text names none or an unknown one, or there are
    bytes outside any charset."""
    content = os.pread(0, _LOOKED_AT, 0)
    said = [found[1] or found[2] or found[3] for found in _NAMED.finditer(content)]
    found = {_codec_of(each.decode("ascii", "replace")) for each in set(said)}
    texts = len(_TEXT.findall(content))
    try:
        content.decode()
    except UnicodeDecodeError:
        return None
    if size > _LOOKED_AT or b"\x1b$" in content or texts > len(_CHARSET.findall(content)) or None in found:
        return None
    return {each for each in found if each is not None}


def text_of(content: bytes, charset: str | None) -> str:
    """`content` decoded by the charset that a mail names, or by one detected from the bytes when it names none, an
    unknown one, or a wrong one."""
    name = _codec(charset)
    if name is None or name == "ascii":
        return _detected(content)
    if name not in _FAR_EAST and not name.startswith(("iso2022", "utf_16", "utf_32")):
        # Valid UTF-8 is UTF-8, whatever is named.
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode()
    try:
        return content.decode(name)
    except UnicodeDecodeError:
        found = content.decode(name, errors="replace")
    # A few invalid characters are damage; more of them mean another charset.
    return found if found.count("\ufffd") * 20 < len(found) else _detected(content)


def html_text_of(content: bytes, charset: str | None) -> str:
    """The text of HTML in a mail."""
    return html.text_of(text_of(content, charset))


def _codec(charset: str | None) -> str | None:
    """Python's name of a charset if it is loaded, otherwise None."""
    name = _codec_of(charset or "")
    return name if name in _loaded else None


def _codec_of(charset: str) -> str | None:
    """Python's name of a charset, None when it is unknown."""
    alias = re.sub(r"[^a-z0-9]+", "_", charset[:80].lower().partition("*")[0]).strip("_")
    name = _ALSO.get(alias) or _python.get(alias)
    return _WIDER.get(name, name) if name else None


def _detected(content: bytes) -> str:
    # Not loaded when every text names a charset, and this one is not in it.
    if "app.extraction.readers.guess" in sys.modules:
        with contextlib.suppress(Unreadable):
            return encoding.decoded(content)
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode("cp1252", errors="replace")


def repaired(value: str, charset: str | None = None) -> str:
    """A header of the library, in one line, with bytes outside any charset decoded by detection."""
    value = _FOLD.sub(" ", value[:MOST_HEADER])
    if _SURROGATE.search(value):
        return text_of(value.encode("ascii", errors="surrogateescape"), charset)
    return value


def shown(value: str) -> str:
    """A header as a person sees it, with its encoded words decoded (RFC 2047)."""
    if "=?" not in value:
        return value.strip()
    # It takes quadratic time in the length of a line.
    lines = textwrap.fill(value, _MOST_LINE, break_long_words=False, break_on_hyphens=False)
    if max(map(len, lines.split("\n"))) > _MOST_LINE:
        return value.strip()
    try:
        found = email.header.decode_header(lines)
    except (email.errors.HeaderParseError, ValueError):
        return value.strip()
    return _FOLD.sub(" ", "".join(_word(*each) for each in found)).strip()


def _word(content: bytes | str, charset: str | None) -> str:
    if isinstance(content, str):
        return content
    # The library returns characters between encoded words in this form.
    return content.decode("raw-unicode-escape") if charset is None else text_of(content, charset)


def words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def merged(plain: str, markup: str) -> str:
    """One text made of the plain form of a mail and the text of its HTML: the one that has all words of the other, or
    otherwise the plain one followed by the lines of the HTML that have further words."""
    first, second = words(plain), words(markup)
    if second <= first:
        return plain
    if first <= second:
        return markup
    return "\n".join([plain, *(line for line in markup.splitlines() if words(line) - first)])
