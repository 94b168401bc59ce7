"""The encoding of a text that is not in UTF-8 and has no byte order mark.

Chardet lists the possible encodings. Of these, the one that the text itself declares is used, or otherwise the one in
which the characters make plausible words: a table of names is too short for chardet's statistics, but nobody writes
`£ukasz`.

Of 93 short texts in 40 encodings chardet alone detects 87, with that 90, and charset-normalizer 43. UTF-7 and HZ are not
detected: any text may look like them.
"""

from __future__ import annotations

import codecs
import contextlib
import encodings.aliases
import re

import chardet
from chardet import EncodingEra

from app.extraction.readers import encoding
from app.extraction.readers.reader import Unreadable

#: Bytes that are checked, from the first character beyond ASCII on; and bytes with which possible encodings are
#: compared.
_TOLD = 32 * 1024
_COMPARED = 4 * 1024
#: Declarations in XML, HTML, CSS, PO files, editors' lines (PEP 263) and headers of mails.
_DECLARATION = re.compile(rb"(?:encoding|charset|coding)\s{0,9}[=: ]\s{0,9}[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_DECLARED_WITHIN = 2048
_BEYOND = re.compile(rb"[\x80-\xff]")
#: Bytes before the first character beyond ASCII that are checked too.
_BEFORE = 1024
#: What some names mean: https://encoding.spec.whatwg.org/#names-and-labels, and supersets of encodings.
_MEANT = {
    "ascii": "cp1252", "latin_1": "cp1252", "iso8859_1": "cp1252", "iso8859_9": "cp1254", "iso8859_11": "cp874",
    "tis_620": "cp874", "gb2312": "gb18030", "gbk": "gb18030", "x_gbk": "gb18030", "euc_kr": "cp949",
    "ks_c_5601_1987": "cp949", "shift_jis": "cp932", "x_sjis": "cp932", "windows_31j": "cp932", "macintosh": "mac_roman",
}  # fmt: skip
#: Codecs of Python that are not encodings of texts.
_NO_ENCODINGS = frozenset((
    "utf_7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "base64_codec", "bz2_codec",
    "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
))  # fmt: skip
#: Multi-byte encodings, in which a text of another encoding is hardly ever valid.
_MULTIBYTE = ("gb", "big5", "euc", "shift", "cp932", "cp949", "johab", "utf", "iso2022", "hz")
#: Encodings that texts hardly ever have without declaring it, while many short texts look as if they did.
_RARE = (
    "mac_iceland", "mac_turkish", "hp_roman8", "iso8859_3", "iso8859_4", "iso8859_10", "iso8859_14", "iso8859_16", "kz1048",
    "ptcp154",
)  # fmt: skip
#: How much likelier than another possible encoding the first must be for the other to be left out.
_RANGE = 6
#: How much likelier than its statistics the most common encoding beside UTF-8 is.
_COMMON = ("cp1252", 1.3)
# Characters that hardly ever stand before a letter or within a word: most signs, except marks of scripts that use them;
# controls; capital letters after small ones.
_USUAL = "\\x00-\\x7f\\w\\s‘’“”„‚«»‹›–—…·¿¡°§\u0300-\u036f\u0590-\u10ff"  # noqa: RUF001
_ODD = re.compile(
    f"[^{_USUAL}\u2500-\u259f](?=[^\\W\\d_])|(?<=[^\\W\\d_])[^{_USUAL}](?=[^\\W\\d_])"
    "|[\\x80-\\x9f]|(?<=[a-z])[À-ÖØ-ÞĄĆĘŁŃŚŹŻŠŽ]"
)


def load() -> None:
    """Load the codecs, and chardet's statistics, which it would load with the first texts."""
    for name in set(encodings.aliases.aliases.values()) - _NO_ENCODINGS:
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
    for text, name in (("Größe", "cp1252"), ("привет мир", "cp1251"), ("予算の会議", "cp932")):
        chardet.detect_all(text.encode(name), ignore_threshold=True)


def told(content: bytes, claimed: str) -> str:
    """The encoding of a text that is not in UTF-8. Raises Unreadable."""
    if _damaged_utf8(content[: encoding.SAMPLE]):
        return "utf-8"
    first = _BEYOND.search(content)
    place = max(0, first.start() - _BEFORE) if first is not None else 0
    sample = content[place : place + _TOLD]
    era = EncodingEra.ALL & ~EncodingEra.MAINFRAME
    # It would not say anything else about a declared encoding.
    alone = _DECLARATION.sub(lambda found: b" " * len(found[0]), sample[:_DECLARED_WITHIN])
    candidates = [
        (str(each["encoding"]), each["confidence"])
        for each in chardet.detect_all(
            alone + sample[_DECLARED_WITHIN:],
            ignore_threshold=True,
            max_bytes=_TOLD,
            compat_names=False,
            encoding_era=era,
            exclude_encodings=_RARE,
        )
        if each["encoding"] is not None
    ]
    if not candidates:
        raise Unreadable("not a text in any known encoding")
    best, likely = candidates[0]
    if (declared := _declared(content, sample, claimed)) is not None:
        shares = [share for name, share in candidates if _meant(name) == declared]
        if not shares or shares[0] * _RANGE >= likely:
            return declared
    if best.startswith(_MULTIBYTE):
        return _meant(best)
    compared = sample[:_COMPARED]
    near = {name: share * (1 - _odd(compared, name)) ** 4 for name, share in candidates if share * _RANGE >= likely}
    common, factor = _COMMON
    return max(near, key=lambda name: near[name] * (factor if name == common else 1))


def _damaged_utf8(sample: bytes) -> bool:
    """Whether it is mostly UTF-8, like a log that was cut or two files put together."""
    text = sample.decode(errors="replace")
    broken = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) > 10 * broken


def _declared(content: bytes, sample: bytes, claimed: str) -> str | None:
    """The encoding that the text declares; None when it declares none, or is not valid in it."""
    said = [found[1].decode("ascii", "replace") for found in _DECLARATION.finditer(content[:_DECLARED_WITHIN])]
    for each in [claimed, *said] if claimed else said:
        name = _meant(each)
        if name not in encodings.aliases.aliases.values() or name in _NO_ENCODINGS:
            continue
        try:
            encoding.beginning(sample, name)
        except (UnicodeError, LookupError):
            continue
        if _odd(sample[:_COMPARED], name) < 0.1:
            return name
    return None


def _meant(name: str) -> str:
    python = encodings.normalize_encoding(name).lower()
    python = _MEANT.get(python, encodings.aliases.aliases.get(python, python))
    return _MEANT.get(python, python)


def _odd(sample: bytes, name: str) -> float:
    """The share of characters beyond ASCII that, in that encoding, stand where nobody writes them; from 0 to 1."""
    try:
        text = encoding.beginning(sample, name)
    except UnicodeError:
        return 1.0
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return min(1.0, len(_ODD.findall(text)) / max(1, beyond))
