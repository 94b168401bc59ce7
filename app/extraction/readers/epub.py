"""EPUB books (2, 3): the chapters in reading order, each with its title from the table of contents.

xberg reads such books too, but does not say where chapters end. A chapter is HTML, and read as such.
"""

from __future__ import annotations

import codecs
import contextlib
import posixpath
import re
import urllib.parse
from collections.abc import Iterator

from app.extraction.readers import html, markup, package
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

#: The most bytes of a part, and the most chapters.
MOST_PART = 32 * 1024 * 1024
MOST_CHAPTERS = 20_000
CONTAINER = "META-INF/container.xml"
#: Algorithms that only obfuscate fonts, and need no password.
_FONTS = re.compile(
    rb"(?i)Algorithm=[\"'](?:http://www\.idpf\.org/2008/embedding|http://ns\.adobe\.com/pdf/enc#RC)[\"']"
)
_METHOD = re.compile(rb"(?i)<[^<>]*EncryptionMethod[^<>]*>")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding=[\"']([\w.-]{1,40})")
_ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1252",
    "latin-1",
    "cp1251",
    "iso8859-2",
    "cp1250",
)
#: The HTML title of a chapter, which readers of the book don't see: mostly it is that of the book.
_TITLE = re.compile(r"<title\b[^<>]*>[^<>]*</title>", re.IGNORECASE)
_TITLES = ("title", "creator", "subject", "description", "publisher")

_NAMES = markup.Names(
    {
        "urn:oasis:names:tc:opendocument:xmlns:container": "c",
        "http://www.idpf.org/2007/opf": "o",
        "http://purl.org/dc/elements/1.1/": "dc",
        "http://www.daisy.org/z3986/2005/ncx/": "n",
        "http://www.w3.org/1999/xhtml": "h",
    }
)


def load(options: Options) -> None:
    from xml.parsers import expat  # noqa: F401

    import selectolax.lexbor  # noqa: F401

    package.load()
    for name in _ENCODINGS:
        codecs.lookup(name)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    book = package.Package(content)
    if _protected(book):
        raise Unreadable("it is encrypted for one reader", "encrypted")
    try:
        root = Root()
        _told(book, CONTAINER, root)
        listed = Contents()
        _told(book, root.path, listed)
    except package.Broken as error:
        if not (chapters := [each for each in book.names() if each.endswith((".xhtml", ".html", ".htm"))]):
            raise Unreadable(str(error)) from None
        listed, root = Contents(), Root()
    else:
        chapters = [listed.chapter(each, root.path) for each in listed.order]
    if listed.about:
        yield "\n".join(listed.about)
    titles = _titles(book, listed, root.path)
    found = False
    for path in dict.fromkeys(chapters[:MOST_CHAPTERS]):
        try:
            shown = html.text_of(_TITLE.sub("", _decoded(_part(book, path)), count=1))
        except package.Broken:
            continue
        found = True
        title = titles.get(path.lower(), "")
        # Most chapters have it as their heading.
        if shown.startswith(title):
            shown = shown[len(title) :].lstrip("\n")
        yield Page(shown, title)
    if not found:
        raise Unreadable("there is no chapter in it")


def cover(book: package.Package) -> str | None:
    """The path of the cover picture; None when the book does not name one. Raises Broken, Unreadable."""
    root, listed = Root(), Contents()
    _told(book, CONTAINER, root)
    _told(book, root.path, listed)
    if listed.cover:
        return _path(root.path, listed.cover)
    return listed.chapter(listed.cover_name, root.path) if listed.cover_name else None


def _part(book: package.Package, path: str) -> bytes:
    """The content of a part. Raises Broken, Unreadable."""
    return b"".join(book.pieces(path, MOST_PART))


def _told(book: package.Package, path: str, handler: markup.Handler) -> None:
    for _ in markup.read([_part(book, path)], handler, _NAMES):
        pass


def _protected(book: package.Package) -> bool:
    try:
        content = _part(book, "META-INF/encryption.xml")
    except package.Broken:
        return False
    return any(not _FONTS.search(each) for each in _METHOD.findall(content))


def _decoded(content: bytes) -> str:
    """The text of a part: in UTF-8 or UTF-16 by the standard; otherwise in the encoding that it declares, if that is
    known."""
    said = _ENCODING.match(content)
    for name in (
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig",
        said and said[1].decode("latin-1"),
    ):
        try:
            if name:
                return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            pass
    return content.decode("cp1252", errors="replace")


def _path(base: str, link: str) -> str:
    """The path in the archive to which `link` in the part `base` leads."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), urllib.parse.unquote(link.partition("#")[0])))


def _titles(book: package.Package, listed: Contents, base: str) -> dict[str, str]:
    """The titles in the table of contents, by path in lower case: the first one for each chapter."""
    found: dict[str, str] = {}
    for link in (listed.navigation, listed.outline):
        if link:
            path = _path(base, link)
            entries = Entries()
            # Up to where it is damaged.
            with contextlib.suppress(package.Broken):
                _told(book, path, entries)
            for target, title in entries.found:
                found.setdefault(_path(path, target).lower(), " ".join(title.split()))
    return found


class Root(markup.Nothing):
    """Finds the path of the package document."""

    path = ""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "c:rootfile" and not self.path:
            self.path = attributes.get("full-path", "")
        return False


class Contents(markup.Collecting):
    """Reads the package document."""

    def __init__(self) -> None:
        super().__init__()
        self.about: list[str] = []
        #: Paths of chapters, in reading order.
        self.order: list[str] = []
        self.navigation = self.outline = ""
        #: The file of the cover (EPUB 3), and the name of its entry (EPUB 2).
        self.cover = self.cover_name = ""
        self._links: dict[str, str] = {}

    def chapter(self, name: str, base: str) -> str:
        return _path(base, self._links.get(name, name))

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "o:item":
            identifier, link = attributes.get("id", ""), attributes.get("href", "")
            self._links[identifier] = link
            properties = attributes.get("properties", "").split()
            if "cover-image" in properties:
                self.cover = link
            if "nav" in properties:
                self.navigation = link
            elif attributes.get("media-type") == "application/x-dtbncx+xml":
                self.outline = link
        elif name == "o:meta" and attributes.get("name") == "cover":
            self.cover_name = attributes.get("content", "")
        elif name == "o:itemref":
            self.order.append(attributes.get("idref", ""))
        elif name.removeprefix("dc:") in _TITLES and name.startswith("dc:"):
            self.collect()
        return False

    def end(self, name: str) -> None:
        if name.startswith("dc:") and (said := self.collected()) is not None:
            # A description may be a page of its own.
            self.about.append(html.text_of(said.strip()) if "<" in said else said.strip())


class Entries(markup.Collecting):
    """The table of contents, of EPUB 2 or 3: the target and the title of each entry."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._link = ""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "h:a":
            self._link = attributes.get("href", "")
            self.collect()
        elif name == "n:text":
            self.collect()
        elif name == "n:content" and (said := self.collected()) is not None:
            self.found.append((attributes.get("src", ""), said))
        return False

    def end(self, name: str) -> None:
        if name == "h:a" and (said := self.collected()) is not None:
            self.found.append((self._link, said))
