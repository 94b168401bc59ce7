"""The media type of a file, from its content. The client's claim and the name only decide where the content leaves it
open.

There are three checks, and the first that finds a type decides: the contents of a container (app/contents/compound.py,
package.py), what a text says about itself (texts.py), and libmagic on the beginning of the file. The names are those
registered with IANA, or the common one where none is registered.

This runs in the server, on a stranger's file: how much of it is read is bounded (app/contents/window.py), and so is the
work on it. That is done in Python alone, except for libmagic, which gets only the beginning.
"""

from __future__ import annotations

import contextlib
import mimetypes
import re

# pylibmagic brings libmagic and its database for systems without one; it must be imported before `magic`.
import pylibmagic  # noqa: F401  isort: skip
import magic

from app.contents import compound, package, texts
from app.contents.extensions import PACKED
from app.contents.window import Readable, TooMuch, Window

#: How many of the first bytes are read, if no more are needed.
HEAD_SIZE = 16 * 1024

#: The longest run of blanks and line ends that libmagic gets: it takes quadratic time in their number, a third of a
#: second for a head of nothing else.
MOST_BLANKS = 64
_BLANKS = re.compile(rb"(\s{%d})\s+" % MOST_BLANKS)

UNKNOWN = "application/octet-stream"

# Signatures that libmagic does not know, or not from the beginning alone: where each is, and which type it means.
_SIGNATURES = (
    (0, b"ITSF\x03\0\0\0", "application/vnd.ms-htmlhelp"),
    (0, bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3"), "application/onenote"),
    (0, b"\xffWPC", "application/vnd.wordperfect"),
    (40, b" EMF", "image/emf"),
)
#: The object identifiers of PKCS #7, in DER: signed data, and enveloped data.
_PKCS7 = re.compile(rb"\x30.{1,5}\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x02\x03]", re.DOTALL)
# Where the content says no more than "some text", a more exact type is taken from the name's extension, but only one that
# means the same to a program that does not know it.
_TEXTS = {
    "text/csv",
    "text/tab-separated-values",
    "text/markdown",
    "text/calendar",
    "text/vcard",
    "text/x-python",
    "text/css",
    "application/json",
    "application/yaml",
    "application/toml",
    "application/x-ndjson",
}
_EXTENSIONS = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".pages": "application/vnd.apple.pages",
    ".numbers": "application/vnd.apple.numbers",
    ".key": "application/vnd.apple.keynote",
    ".p7s": "application/pkcs7-signature",
    ".eml": texts.MAIL,
    **{f".{name}": media_type for name, media_type in PACKED.items()},
}
#: Names of files that people write by hand, whatever the first line looks like.
_NOTES = {".txt", ".text", ".md", ".markdown", ".rst", ".log", ".csv", ".tsv", ".diff", ".patch", ".org", ".tex"}
_OFFICE = {package.WORD, package.EXCEL, package.SLIDES}
# libmagic's names for types that have another name.
_RENAMED = {
    "application/x-empty": UNKNOWN,
    "inode/x-empty": UNKNOWN,
    "text/x-script.python": "text/x-python",
    "application/x-dosexec": "application/vnd.microsoft.portable-executable",
    "application/x-rar": "application/vnd.rar",
    "audio/x-m4a": "audio/mp4",
    "audio/x-flac": "audio/flac",
    "text/x-vcard": "text/vcard",
    # Its answers for containers that it can't look into.
    "application/CDFV2": compound.UNKNOWN,
    "application/vnd.ms-office": compound.UNKNOWN,
}

# Forms that begin with no signature: other bytes may look like them, so the name has to say it too.
_GUESSED = {"image/x-tga": {".tga", ".icb", ".vda", ".vst"}, "image/x-pcx": {".pcx"}, "image/vnd.zbrush.pcx": {".pcx"}}

_names = mimetypes.MimeTypes()


def detect(content: Readable, name: str) -> str:
    """The media type of `content`, whose name is `name`; `application/octet-stream` when it is unknown.

    Raises what `content` raises when it can't be read.
    """
    window = Window(content)
    head = window.read(0, HEAD_SIZE)
    if not head:
        return UNKNOWN
    dot = name.rfind(".")
    suffix = name[dot:].lower() if dot > 0 else ""
    claimed = _EXTENSIONS.get(suffix) or _names.guess_type(f"x{suffix}", strict=False)[0]
    found = _container(window, head, claimed)
    with contextlib.suppress(TooMuch):
        found = found or _text(window, head, suffix)
    return found or _by_magic(head, suffix, claimed)


def _container(window: Window, head: bytes, claimed: str | None) -> str | None:
    """The type of a container, by what is in it."""
    if head.startswith(compound.SIGNATURE):
        found = compound.media_type(window)
        # The kind of office file can't be seen without the password.
        return claimed if found == compound.ENCRYPTED and claimed in _OFFICE else found
    if head.startswith(package.SIGNATURES):
        return package.media_type(window, head, claimed)
    for place, signature, found in _SIGNATURES:
        if head.startswith(signature, place):
            return found
    if _PKCS7.match(head):
        return claimed if claimed == "application/pkcs7-signature" else "application/pkcs7-mime"
    return None


def _text(window: Window, head: bytes, suffix: str) -> str | None:
    """The type of a text that says its own type."""
    found = texts.mail(window, head, suffix in _NOTES)
    if found:
        # One mail may begin like a file of several.
        return texts.MAIL if found == texts.MAILBOX and suffix == ".eml" else found
    # A note about a page begins like one.
    return texts.structured(window, head) or (None if suffix in _NOTES else texts.markup(head, suffix.endswith("xml")))


def _by_magic(head: bytes, suffix: str, claimed: str | None) -> str:
    try:
        found = magic.from_buffer(_BLANKS.sub(rb"\1", head), mime=True)
    except magic.MagicException:
        found = UNKNOWN
    found = _RENAMED.get(found, found)
    if found in _GUESSED and suffix not in _GUESSED[found]:
        return UNKNOWN
    if found == texts.MAIL or (found == UNKNOWN and texts.is_wide(head)):
        # It takes a first line for a mail, and letters of two bytes for no text.
        found = texts.PLAIN
    if found.startswith("text/x-") and (suffix in _NOTES or claimed in _TEXTS):
        # This is a guess at the language of a program.
        found = texts.PLAIN
    if found == texts.PLAIN and claimed in _TEXTS:
        return claimed
    return found
