"""XML of office files, parsed as a stream: the names of its elements, and the text between.

Spreadsheets often have parts of hundreds of megabytes, so no tree is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from app.extraction.readers.package import Broken
from app.extraction.readers.reader import Piece

#: The deepest nesting of elements.
MOST_DEPTH = 10_000


class Names(dict[str, str]):
    """Short names of elements and attributes, such as `w:p`, by expat's name for them, `namespace name`. `prefixes`: by
    namespace. A name without a namespace stays as it is; one of an unknown namespace becomes `?:name`."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        super().__init__()
        self._prefixes = prefixes

    def __missing__(self, said: str) -> str:
        namespace, blank, local = said.rpartition(" ")
        name = f"{self._prefixes.get(namespace, '?')}:{local}" if blank else local
        # A document may have any number of names.
        if len(self) < 10_000:
            self[said] = name
        return name


class Handler(Protocol):
    """Handles the elements and texts of a part, by short names."""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        """An element begins. Returns whether it is left out with everything in it: then neither its end nor its text
        follows."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text, in pieces of any length."""

    def taken(self, *, last: bool) -> list[Piece]:
        """The result since the last call; `last`: nothing more follows."""


class Nothing:
    """A handler that yields nothing; subclasses look for something."""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        return False

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass

    def taken(self, *, last: bool) -> list[Piece]:
        return []


class Collecting(Nothing):
    """Collects the text of one or more elements; subclasses say where it begins and ends."""

    def __init__(self) -> None:
        self._text: list[str] | None = None

    def collect(self) -> None:
        """Begin to collect text."""
        self._text = []

    def collected(self) -> str | None:
        """The collected text, which ends here; None when none was being collected."""
        if self._text is None:
            return None
        found, self._text = "".join(self._text), None
        return found

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


def read(pieces: Iterable[bytes], handler: Handler, names: Names) -> Iterator[Piece]:
    """The results of `handler` for the XML in `pieces`, up to where it is not well formed. Raises Broken there, MemoryError,
    and the errors of `pieces`."""
    from xml.parsers import expat

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = left_out = 0

    def start(said: str, attributes: dict[str, str]) -> None:
        nonlocal depth, left_out
        depth += 1
        if depth > MOST_DEPTH:
            raise Broken(f"elements in more than {MOST_DEPTH} elements")
        if not left_out and handler.start(
            names[said], {names[each]: value for each, value in attributes.items()} if attributes else attributes
        ):
            left_out = depth

    def end(said: str) -> None:
        nonlocal depth, left_out
        if not left_out:
            handler.end(names[said])
        elif left_out == depth:
            left_out = 0
        depth -= 1

    def text(data: str) -> None:
        if not left_out:
            handler.text(data)

    def entity(name: str, *rest: object) -> None:
        raise Broken(f"it declares an entity, {name}, which no program does that writes such files")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            yield from handler.taken(last=False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]:
            raise MemoryError from None
        yield from handler.taken(last=True)
        raise Broken(str(error)) from None
    # An encoding that is not loaded, or an invalid character.
    except (LookupError, ValueError) as error:
        yield from handler.taken(last=True)
        raise Broken(str(error)) from None
    except Broken:
        yield from handler.taken(last=True)
        raise
    yield from handler.taken(last=True)
