"""Media types by file name extension, for formats whose content looks like another one. It imports nothing."""

from __future__ import annotations

OFFICE = "application/vnd.openxmlformats-officedocument"
ODF = "application/vnd.oasis.opendocument"

#: By extension: formats that are a zip archive.
PACKED: dict[str, str] = {
    "docx": f"{OFFICE}.wordprocessingml.document",
    "xlsx": f"{OFFICE}.spreadsheetml.sheet",
    "pptx": f"{OFFICE}.presentationml.presentation",
    "odt": f"{ODF}.text",
    "ods": f"{ODF}.spreadsheet",
    "odp": f"{ODF}.presentation",
    "epub": "application/epub+zip",
}
