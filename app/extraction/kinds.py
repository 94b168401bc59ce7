"""Which files have text to take out, and how. Pure; the child process gets the answer as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: text: its own bytes, decoded. html: decoded, then without its tags. document: what the library reads by its media
#: type. odp: the one OpenDocument form that the library does not read. image: optical character recognition.
Kind = Literal["text", "html", "document", "odp", "image"]

_OFFICE = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"

_KINDS: dict[str, Kind] = {
    "application/pdf": "document",
    f"{_OFFICE}.wordprocessingml.document": "document",
    f"{_OFFICE}.spreadsheetml.sheet": "document",
    f"{_OFFICE}.presentationml.presentation": "document",
    "application/msword": "document",
    "application/vnd.ms-excel": "document",
    "application/vnd.ms-powerpoint": "document",
    "application/vnd.ms-outlook": "document",
    f"{_ODF}.text": "document",
    f"{_ODF}.spreadsheet": "document",
    f"{_ODF}.presentation": "odp",
    "application/epub+zip": "document",
    "message/rfc822": "document",
    "application/rtf": "document",
    "text/rtf": "document",
    "application/xml": "document",
    "text/xml": "document",
    "image/svg+xml": "document",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/json": "text",
    "application/yaml": "text",
    "application/toml": "text",
    "application/x-ndjson": "text",
    "application/javascript": "text",
    "application/sql": "text",
    "application/postscript": "text",
    "application/pgp-encrypted": "text",
    "application/pgp-keys": "text",
    "application/pgp-signature": "text",
    "application/x-dxf": "text",
    "application/x-setupscript": "text",
    "application/x-wine-extension-ini": "text",
    "application/x-mswinurl": "text",
    "image/x-xpmi": "text",
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "image/tiff": "image",
    "image/bmp": "image",
}

# By name, where libmagic knows no more than the outer form: text in an encoding that it takes for binary data, office
# files whose parts come in an unusual order, mails that begin with an unusual header.
_OUTER = {"application/octet-stream", "application/zip", "text/plain"}
_NAMES: dict[str, str] = {
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "odt": f"{_ODF}.text",
    "ods": f"{_ODF}.spreadsheet",
    "odp": f"{_ODF}.presentation",
    "epub": "application/epub+zip",
    "eml": "message/rfc822",
    "html": "text/html",
    "htm": "text/html",
}
# Names of files that people read as they are, so all that stands in them is text.
_NOTES = {"txt", "text", "csv", "tsv", "md", "markdown", "rst", "log", "srt", "vtt", "tex", "diff", "patch"}
_VALUES = {"json", "jsonl", "ndjson", "yaml", "yml", "toml", "ini", "conf", "cfg"}
_SCRIPTS = {"sh", "bat", "py", "rb", "php", "pl", "sql"}
_SOURCES = {"js", "ts", "tsx", "jsx", "css", "vue", "c", "h", "cpp", "hpp", "cs", "java", "go", "rs"}
_PLAIN = frozenset(_NOTES | _VALUES | _SCRIPTS | _SOURCES)
_NAMES |= dict.fromkeys(_PLAIN, "text/plain")
#: Forms that are recognised by how a text begins, which says nothing of the rest of it: a note about HTML, a template, a
#: chat that begins with `From:`. Read as that form, what is no text there (scripts, comments, headers) would be lost.
_MARKUP = {"text/html", "application/xhtml+xml", "text/xml", "application/xml", "image/svg+xml", "message/rfc822"}


#: Where the library looks for the data of recognition.
RECOGNITION_DATA = tuple(
    Path(folder)
    for folder in (
        "/usr/share/tesseract-ocr/5/tessdata",
        "/usr/share/tesseract-ocr/4/tessdata",
        "/usr/share/tessdata",
        "/usr/local/share/tessdata",
    )
)


@dataclass(frozen=True)
class Way:
    """How text is taken out: the kind, and the media type that the library is told."""

    kind: Kind
    media_type: str


def way_of(media_type: str, extension: str, *, recognition: bool) -> Way | None:
    """How the text of such a file is taken out; None when there is none. `recognition`: whether images are read."""
    if media_type in _OUTER or (media_type in _MARKUP and extension in _PLAIN):
        media_type = _NAMES.get(extension, media_type)
    kind = _KINDS.get(media_type, "text" if media_type.startswith("text/") or media_type.endswith("+json") else None)
    if kind is None and extension in _PLAIN:
        # Begins like a picture or a program, and is called a text: the child process sees whether it is one.
        kind = "text"
    return None if kind is None or (kind == "image" and not recognition) else Way(kind, media_type)


def recognition_installed() -> bool:
    """Whether the data that recognition needs is installed on this machine. The program itself is in the library."""
    return any((folder / "eng.traineddata").is_file() for folder in RECOGNITION_DATA)
