"""HTML, as a person reads it: everything that is shown, words apart where they are shown apart.

Lexbor, the HTML parser of selectolax, tells tags, attributes and entities. A tree of them is not needed for text, and its
building takes time by the square of the depth: 200,000 tags within each other take minutes. So each tag is given the name
of an element without content first: one for where a line ends, one for a cell, one for what divides no word. That takes
time by the length alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.extraction.readers import encoding
from app.extraction.readers.base import Options, Piece

#: Elements that begin and end a line. What is not in here, or has a hyphen in its name (an element of the page's own), is
#: part of the line.
_BLOCKS = frozenset((
    "address", "article", "aside", "audio", "blockquote", "body", "button", "canvas", "caption", "center", "dd",
    "desc", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
    "foreignobject", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html",
    "legend", "li", "main", "marquee", "menu", "nav", "noframes", "noscript", "object", "ol", "optgroup", "option",
    "p", "pre", "search", "section", "select", "summary", "svg", "table", "tbody", "text", "tfoot", "thead", "tr",
    "ul", "video", "br",
))  # fmt: skip
_CELLS = frozenset(("td", "th"))
#: Elements that keep their name: without content, or with nothing but text. Of the latter, the ones that a person sees.
_KEPT = frozenset(
    ("area", "img", "input", "meta", "track", "script", "style", "textarea", "title", "iframe", "template")
)
_TEXTS = frozenset(("textarea", "title"))
_LINE, _CELL, _PART = "br", "hr", "wbr"

#: What became of tags where they are none, in an attribute or in a `textarea`.
_NO_TAG = re.compile(rf"<(?:{_LINE}|{_CELL}|{_PART})\b[^<>]*>?")
_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
#: `template` is the one kept element that may have others in it.
_MOST_TEMPLATES = 100
#: Attributes of a tag take time by the square of their number.
_LONG = re.compile(r"(<[a-zA-Z][^\s/<>]*)([^<>]{16000,})")
_ATTRIBUTE = re.compile(r"""[^\s"'=/]+\s*=?\s*("[^"]*"|'[^']*')?""")
_MOST_ATTRIBUTES = 1000

_DATA = re.compile(r"data:[a-zA-Z0-9.+/-]*[^\"'\s<>)]{100,}")
_BLANKS = re.compile(r"[^\S\n\t]+")
_AROUND_BREAKS = re.compile(r"[^\S\t]*\n\s*")
# Of XHTML: what has no content there would have the rest of the page as its content in HTML.
_EMPTY = re.compile(r"<(script|style|textarea|title|iframe|template)\b(?:[^<>]*[^<>/])?/>", re.IGNORECASE)
_SECTION = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
#: Frames within frames whose text is within an attribute.
_MOST_FRAMES = 3
#: Titles of elements in one line that are compared with it.
_MOST_TITLES = 100

_UNSHOWN = frozenset(("script", "style", "iframe"))
#: Of an `input` whose value nobody sees.
_UNSEEN = frozenset(("hidden", "password", "checkbox", "radio", "file", "image", "color", "range"))
_DESCRIPTIONS = frozenset(("description", "keywords", "author", "subject", "dc.title", "dc.description", "dc.subject"))


def load(options: Options) -> None:
    import selectolax.lexbor  # noqa: F401

    encoding.load(options.size)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield text_of(encoding.decoded(content))


def text_of(markup: str) -> str:
    """The text that a person sees on the page, and what describes it: its title, `description` and `keywords`, the
    `title` of elements (in a line of its own below the one that the element is in, unless its words are there) and `alt`.
    Hidden elements are shown by something in most pages, so they are text too; scripts, styles, comments and templates are
    none. Bounded in time by the length."""
    return _text_of(markup, _MOST_FRAMES)


def _text_of(markup: str, frames: int) -> str:
    from selectolax.lexbor import LexborHTMLParser

    page = _Page()
    root = LexborHTMLParser(_flat(markup)).root
    inside = ""
    for node in root.traverse(include_text=True) if root is not None else ():
        name = node.tag or ""
        if name == "-text":
            # Without content, an element has what follows it beside it.
            if inside in _TEXTS | _UNSHOWN and (node.parent is None or node.parent.tag != inside):
                inside = ""
            if inside in _TEXTS:
                page.add(_NO_TAG.sub(" ", node.text_content or ""))
                page.end_line()
            elif inside not in _UNSHOWN:
                page.add(node.text_content or "")
            continue
        inside = name
        if name == _LINE:
            page.end_line()
        elif name == _CELL:
            page.add("\t")
        elif name in _TEXTS:
            page.end_line()
        attributes = node.attributes if name not in _UNSHOWN or name == "iframe" else {}
        if attributes:
            _add_attributes(page, name, attributes)
            if name == "iframe" and frames and (within := attributes.get("srcdoc")):
                page.end_line()
                page.add(_text_of(within, frames - 1))
                page.end_line()
    page.end_line()
    return "\n".join(page.lines)


def _flat(markup: str) -> str:
    """The same page for a reader, without elements in each other."""
    if markup[:200].lstrip("\ufeff \t\r\n").startswith("<?xml"):
        markup = _SECTION.sub(lambda found: _escaped(found[1]), _EMPTY.sub("", markup))
    kept = _KEPT if markup.lower().count("<template") <= _MOST_TEMPLATES else _KEPT - {"template"}
    known: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        whole = found[0]
        if whole not in known:
            name = found[2].lower()
            if name in kept:
                return whole
            line = name in _BLOCKS or "-" in name
            known[whole] = "<" + (_LINE if line else _PART if found[1] or name not in _CELLS else _CELL)
        return known[whole]

    return _NAME.sub(renamed, _LONG.sub(_without_attributes, _DATA.sub("data:", markup)))


def _without_attributes(found: re.Match[str]) -> str:
    return found[0] if sum(1 for _ in _ATTRIBUTE.finditer(found[2])) <= _MOST_ATTRIBUTES else found[1]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _add_attributes(page: _Page, name: str, attributes: dict[str, str | None]) -> None:
    if name == "meta":
        if (attributes.get("name") or "").lower() in _DESCRIPTIONS:
            page.add(attributes.get("content") or "")
            page.end_line()
        return
    shown = ["alt", "label", "placeholder"]
    if name == "input" and (attributes.get("type") or "").lower() not in _UNSEEN:
        shown.append("value")
    for each in shown:
        if value := attributes.get(each):
            page.add(f" {_NO_TAG.sub(' ', value)} ")
    if title := attributes.get("title"):
        page.titles.append(_NO_TAG.sub(" ", title))


class _Page:
    """Lines of text, and the one that is being written with its `titles`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.titles: list[str] = []
        self._line: list[str] = []

    def add(self, text: str) -> None:
        self._line.append(text)

    def end_line(self) -> None:
        line = tidy("".join(self._line))
        self._line.clear()
        if line:
            self.lines.append(line)
        if self.titles:
            # Comparing takes time by the length of the line for each title.
            told = line.casefold() if len(self.titles) <= _MOST_TITLES else ""
            for title in dict.fromkeys(map(tidy, self.titles)):
                if title and title.casefold() not in told:
                    self.lines.append(title)
            self.titles.clear()


def tidy(text: str) -> str:
    """Without soft hyphens and blanks that nobody sees. The line breaks of the source are kept: in preformatted text they
    are seen, elsewhere they divide words as blanks do."""
    # Runs of blanks first: where no break follows them, looking for one would take as long as their square.
    return _AROUND_BREAKS.sub("\n", _BLANKS.sub(" ", text.replace("\xad", ""))).strip()
