"""Objects in office files: the file in each, with the name by which a person knows it.

Most are plain files. Others are compound files, which hold a file in a stream ([MS-OLEDS]) or are one in an old format.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.extraction.readers import compound
from app.extraction.readers.package import OLE
from app.extraction.readers.reader import Inner


def load() -> None:
    compound.load()


def files(name: str, content: bytes) -> Iterator[Inner]:
    """The files in the part `name` of a package; none when it is an object of an unknown program."""
    # Programs name a part after its type, with `_` for characters that such names can't have.
    name = name.replace("\\", "/").rpartition("/")[2].replace("_", " ").strip()
    if not content.startswith(OLE):
        yield Inner(name, content)
    elif (found := compound.of_content(name.rpartition(".")[0] or name, content)) is not None:
        yield found
