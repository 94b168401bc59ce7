"""Which files have text to extract, and how. Without side effects; the child process gets the answer as arguments."""

from __future__ import annotations

from typing import Literal, NamedTuple

from app.contents.extensions import ODF, OFFICE, PACKED

#: text: its own bytes, decoded. html: the text that is shown. xml: its text and attributes. json, properties: decoded,
#: with escapes replaced by their characters. folded: calendars, cards and directories, unfolded. office: Office Open
#: XML. opendocument: OpenDocument. document: formats that the library reads by their media type. pdf: page by page.
#: image: optical character recognition. mail, msg, tnef: mails and mailboxes; Outlook's files; Outlook's packed mails.
#: signed: a signature that carries the signed content. archive: zip, tar and compressed files. sevenzip, rar: archives
#: of 7-Zip and RAR. scan: one page of a PDF, as a picture. doc, xls, ppt: Office until 2003. iwork: Apple's programs.
#: visio: Visio 2013 and later. thumbnail_...: no text is extracted, but thumbnails are drawn: of a picture, of the
#: first page of a PDF, of the preview that a package carries.
Kind = Literal[
    "text", "html", "xml", "json", "properties", "folded", "office", "opendocument", "document", "pdf", "image",
    "mail", "msg", "tnef", "signed", "archive", "sevenzip", "rar", "scan",
    "doc", "xls", "ppt", "rtf", "epub", "iwork", "visio",
    "thumbnail_image", "thumbnail_pdf", "thumbnail_package",
]  # fmt: skip

#: Increased when the readers of a release read more than those before: files without a text are read again then.
READERS = 3

#: Kinds of documents that may have files inside.
HOLDERS: frozenset[Kind] = frozenset((
    "office", "opendocument", "pdf", "mail", "msg", "tnef", "signed", "archive", "sevenzip", "rar", "doc", "xls", "ppt",
    "rtf",
))  # fmt: skip
#: Kinds that draw, and from what.
DRAWERS: dict[Kind, frozenset[Kind]] = {
    "thumbnail_image": frozenset({"image"}),
    "thumbnail_pdf": frozenset({"pdf"}),
    "thumbnail_package": frozenset({"office", "opendocument", "epub", "iwork", "visio"}),
}
#: Where packages have their preview, in the order in which they are tried.
PREVIEWS = (
    *(f"docProps/thumbnail.{each}" for each in ("jpeg", "jpg", "png")),
    "Thumbnails/thumbnail.png",
    *("preview.jpg", "preview-web.jpg", "preview-micro.jpg"),
    *(f"QuickLook/{name}.{each}" for name in ("Preview", "Thumbnail") for each in ("jpg", "png")),
)
#: Kinds whose process passes on files.
GIVERS: frozenset[Kind] = HOLDERS | DRAWERS.keys()
#: Kinds whose text is recognized, for which the data of recognition has to be there.
RECOGNIZED: frozenset[Kind] = frozenset({"image", "scan"})
#: Kinds whose pictures are passed on, so that text is recognized in them.
PICTURED: frozenset[Kind] = frozenset({"office", "opendocument"})
#: Kinds that are read so quickly that starting a process takes most of the time: small files of these kinds in one archive
#: or mail are read together.
BATCHED: frozenset[Kind] = frozenset({"text", "html", "xml", "json", "properties", "folded"})

_MS = "application/vnd.ms-{}.macroEnabled.12"
_SUN = "application/vnd.sun.xml"
_ODF_FORMS = ("text", "text-master", "text-web", "spreadsheet", "presentation", "graphics", "chart", "formula")
_SUN_FORMS = ("writer", "writer.global", "calc", "impress", "draw", "math")

_KINDS: dict[str, Kind] = {
    "application/pdf": "pdf",
    **dict.fromkeys((f"{OFFICE}.wordprocessingml.{each}" for each in ("document", "template")), "office"),
    **dict.fromkeys((f"{OFFICE}.spreadsheetml.{each}" for each in ("sheet", "template")), "office"),
    **dict.fromkeys(
        (f"{OFFICE}.presentationml.{each}" for each in ("presentation", "slideshow", "template", "slide")), "office"
    ),
    **dict.fromkeys((_MS.format(f"word.{each}") for each in ("document", "template")), "office"),
    **dict.fromkeys((_MS.format(f"excel.{each}") for each in ("sheet", "sheet.binary", "template", "addin")), "office"),
    **dict.fromkeys(
        (_MS.format(f"powerpoint.{each}") for each in ("presentation", "slideshow", "template", "slide", "addin")),
        "office",
    ),
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.ms-outlook": "msg",
    **dict.fromkeys((f"{ODF}.{each}" for each in _ODF_FORMS), "opendocument"),
    **dict.fromkeys((f"{ODF}.{each}-template" for each in _ODF_FORMS), "opendocument"),
    **dict.fromkeys((f"{ODF}.{each}-flat-xml" for each in _ODF_FORMS), "opendocument"),
    **dict.fromkeys((f"{_SUN}.{each}" for each in _SUN_FORMS), "opendocument"),
    **dict.fromkeys((f"{_SUN}.{each}.template" for each in _SUN_FORMS), "opendocument"),
    # Office Open XML that needs a password; the type says no more.
    "application/encrypted": "office",
    "application/epub+zip": "epub",
    "message/rfc822": "mail",
    "message/x-emlx": "mail",
    "application/mbox": "mail",
    "multipart/related": "mail",
    "application/vnd.ms-tnef": "tnef",
    "application/pkcs7-mime": "signed",
    "application/x-pkcs7-mime": "signed",
    "application/pkcs7-signature": "signed",
    "application/x-pkcs7-signature": "signed",
    "application/zip": "archive",
    "application/x-tar": "archive",
    "application/gzip": "archive",
    "application/x-bzip2": "archive",
    "application/x-xz": "archive",
    "application/x-lzma": "archive",
    "application/zstd": "archive",
    "application/x-7z-compressed": "sevenzip",
    "application/vnd.rar": "rar",
    "application/x-rar": "rar",
    "application/x-rar-compressed": "rar",
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "application/xml": "xml",
    "text/xml": "xml",
    "text/calendar": "folded",
    "text/x-vcalendar": "folded",
    "text/vcard": "folded",
    "text/x-vcard": "folded",
    "text/directory": "folded",
    "text/x-ldif": "folded",
    "text/x-java-properties": "properties",
    "application/vnd.apple.pages": "iwork",
    "application/vnd.apple.numbers": "iwork",
    "application/vnd.apple.keynote": "iwork",
    "application/vnd.visio": "visio",
    "application/vnd.ms-visio.drawing.main+xml": "visio",
    "application/vnd.wordperfect": "document",
    "application/x-hwp": "document",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/json": "json",
    "application/yaml": "text",
    "application/toml": "text",
    "application/x-ndjson": "json",
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
    "application/x-subrip": "text",
    "image/x-xpmi": "text",
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "image/tiff": "image",
    "image/bmp": "image",
    "image/x-ms-bmp": "image",
    "image/heic": "image",
    "image/heif": "image",
    "image/heic-sequence": "image",
    "image/heif-sequence": "image",
    "image/avif": "image",
    "image/jp2": "image",
    "image/jpx": "image",
    "image/jpm": "image",
    "image/x-portable-bitmap": "image",
    "image/x-portable-greymap": "image",
    "image/x-portable-graymap": "image",
    "image/x-portable-pixmap": "image",
    "image/x-portable-anymap": "image",
    "image/x-pcx": "image",
    "image/vnd.zbrush.pcx": "image",
    "image/x-tga": "image",
    "image/vnd.adobe.photoshop": "image",
    "image/vnd.microsoft.icon": "image",
    "image/x-icon": "image",
}

_COMPOUND = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
}
_NAMES: dict[str, str] = {"eml": "message/rfc822", "html": "text/html", "htm": "text/html"}
# Extensions of files that people read as they are, so everything in them is text.
_NOTES = {"txt", "text", "csv", "tsv", "md", "markdown", "rst", "log", "srt", "vtt", "tex", "diff", "patch"}
_VALUES = {"json", "jsonl", "ndjson", "yaml", "yml", "toml", "ini", "conf", "cfg"}
_SCRIPTS = {"sh", "bat", "py", "rb", "php", "pl", "sql"}
_SOURCES = {"js", "ts", "tsx", "jsx", "css", "vue", "c", "h", "cpp", "hpp", "cs", "java", "go", "rs"}
_PLAIN = frozenset(_NOTES | _VALUES | _SCRIPTS | _SOURCES)
_NAMES |= dict.fromkeys(_PLAIN, "text/plain")
# Text formats that escape some characters.
_NAMES |= dict.fromkeys(("json", "geojson", "ipynb", "har", "boxnote", "webmanifest"), "application/json")
_NAMES |= {"jsonl": "application/x-ndjson", "ndjson": "application/x-ndjson", "properties": "text/x-java-properties"}
_NAMES |= {"ics": "text/calendar", "vcs": "text/x-vcalendar", "vcf": "text/vcard", "ldif": "text/x-ldif"}
#: By the suffix of the media type, for types that are not listed.
_SUFFIXES: dict[str, Kind] = {"json": "json", "xml": "xml"}
#: Types that say only what the outer form is, so that the extension decides: text in an unknown encoding, damaged
#: containers. (Earlier versions stored the last two for all compound files over 16 KiB.)
_OUTER: dict[str, dict[str, str]] = {
    "application/octet-stream": PACKED | _NAMES,
    "application/zip": PACKED,
    "text/plain": _NAMES,
    "application/x-ole-storage": _COMPOUND,
    "application/CDFV2": _COMPOUND,
    "application/vnd.ms-office": _COMPOUND,
}
#: Formats that are recognised by how a text begins, which says nothing about the rest: a note about HTML, a template, a chat
#: that begins with `From:`. Read as that format, parts that are not text there (scripts, comments, headers) would be lost.
_MARKUP = {"text/html", "application/xhtml+xml", "text/xml", "application/xml", "image/svg+xml"}
_MARKUP |= {"message/rfc822", "application/mbox", "message/x-emlx"}


class Way(NamedTuple):
    """How text is extracted: the kind, the media type that the library is told, and the page, from 1, when only one page is
    read."""

    kind: Kind
    media_type: str
    page: int = 0


def way_of(media_type: str, extension: str, *, recognition: bool) -> Way | None:
    """How the text of such a file is extracted; None when no reader reads it. `recognition`: whether images are read."""
    if media_type in _MARKUP and extension in _PLAIN:
        media_type = "text/plain"
    media_type = _OUTER.get(media_type, {}).get(extension, media_type)
    kind = _KINDS.get(media_type) or _SUFFIXES.get(media_type.partition("+")[2])
    if kind is None and media_type.startswith("text/"):
        kind = "text"
    if kind == "image" and not recognition:
        kind = None
    if kind is None and extension in _PLAIN:
        # It begins like a picture or a program, but is named as a text: the child process finds out whether it is one.
        kind = "text"
    return None if kind is None else Way(kind, media_type)


def drawing_of(media_type: str, extension: str) -> Way | None:
    """How thumbnails of such a file are drawn; None when none are."""
    way = way_of(media_type, extension, recognition=True)
    kind = None if way is None else next((each for each, drawn in DRAWERS.items() if way.kind in drawn), None)
    return None if way is None or kind is None else Way(kind, way.media_type)


def forms() -> str:
    """A digest of the types and extensions that are read: it changes when they do."""
    # Imported here, not above: this module is loaded for each document, and that import takes milliseconds.
    import hashlib

    tables = (sorted(_KINDS.items()), sorted(_PLAIN), sorted((form, sorted(_OUTER[form].items())) for form in _OUTER))
    return hashlib.sha256(repr(tables).encode()).hexdigest()[:16]
