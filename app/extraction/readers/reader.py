"""The values that readers return, and the errors that they raise."""

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
    """`limit`: bytes of text that are kept. `size`: bytes of the document. `folder`: the folder with the data of
    recognition, or ''; `languages`: those in which text is recognized, empty: all that it has data for. `page`: the
    page to read, from 1, when only one is. `pictures`: whether pictures that the document shows are passed on, because
    text can be recognized."""

    limit: int
    size: int
    folder: str = ""
    languages: tuple[str, ...] = ()
    page: int = 0
    pictures: bool = False


class Page(NamedTuple):
    """The text at the beginning of a page, slide, sheet or chapter. `title`: its title, which the text does not repeat;
    or ''. `is_picture`: whether the page is a picture, whose text another process recognizes."""

    text: str
    title: str = ""
    is_picture: bool = False


class Inner(NamedTuple):
    """A file inside the document. `name`: its name in the document, with folders only in an archive, or '' when it has none.
    `media_type`: the type that the document claims, or ''; the content decides. `page`: the page of the document that shows
    it, from 1; 0: none."""

    name: str
    content: bytes
    media_type: str = ""
    page: int = 0


class Omitted(NamedTuple):
    """A part of the document was left out because there is too much."""


#: A text at whose end a line ends, or one of the above; in reading order.
Piece = str | Page | Inner | Omitted
