"""Objects that are put into office files: the file in each, with the name that a person knows it by.

Most are files as they are. Others are compound files, which hold a file in a stream ([MS-OLEDS]), or are one in an old form.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.extraction.readers import compound
from app.extraction.readers.base import Inner
from app.extraction.readers.package import OLE


def load() -> None:
    compound.load()


def files(name: str, content: bytes) -> Iterator[Inner]:
    """What the part `name` of a package holds; nothing where it is an object that no other program knows."""
    # Programs call a part as its kind is called, with `_` for what such names can't have.
    name = name.replace("\\", "/").rpartition("/")[2].replace("_", " ").strip()
    if not content.startswith(OLE):
        yield Inner(name, content)
    elif (found := compound.of_content(name.rpartition(".")[0] or name, content)) is not None:
        yield found
