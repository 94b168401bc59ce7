"""What readers give and raise."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Unreadable(Exception):
    """Why the document can't be read, now and later. `reason`: `damaged` (or not what its media type says), `encrypted`, or
    `unsupported` (a form of it that no reader knows)."""

    def __init__(self, detail: str, reason: Literal["damaged", "encrypted", "unsupported"] = "damaged") -> None:
        super().__init__(detail)
        self.reason = reason


class Unfit(Exception):
    """This machine can't read such documents: a library or its data is missing."""


class Options(NamedTuple):
    """`limit`: bytes of text that are kept. `size`: of the document. `folder`: with the data of recognition, or '', and
    `languages`: what text is recognized in, empty: all of which it has data. `page`: the one of the document that is to be
    read, from 1, where it is one. `pictures`: whether those that it shows are given on: text can be recognized in them."""

    limit: int
    size: int
    folder: str = ""
    languages: tuple[str, ...] = ()
    page: int = 0
    pictures: bool = False


class Page(NamedTuple):
    """Text with which a page begins, or a slide, a sheet, a chapter. `title`: what that is called, which is not told again
    in the text; or ''. `is_picture`: what is to be read on it is a picture, whose text is recognized by another process."""

    text: str
    title: str = ""
    is_picture: bool = False


class Inner(NamedTuple):
    """A file inside of the document. `name`: as the document says it, without a folder but in an archive, or '' when it has
    none. `media_type`: what the document claims of it, or ''; its content decides. `page`: the one of the document that it
    is shown on, from 1; 0: on none."""

    name: str
    content: bytes
    media_type: str = ""
    page: int = 0


class Omitted(NamedTuple):
    """Something of the document was left out: it is too much."""


#: Text of which a line ends with it; or one of the above. In the order in which a person reads them.
Piece = str | Page | Inner | Omitted
