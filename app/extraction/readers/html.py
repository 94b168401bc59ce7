"""HTML as a person reads it: everything that is shown, with words separated where they are shown apart.

Lexbor, the HTML parser of selectolax, parses tags, attributes and entities. Text does not need a tree, and building one
takes quadratic time in the depth: 200,000 nested tags take minutes. So each tag is first renamed to an element without
content: one for line ends, one for cells, one for tags within a line. The time is then linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.extraction.readers import encoding
from app.extraction.readers.reader import Options, Piece

#: Elements that begin and end a line. Others, and those with a hyphen in their name (custom elements), are part of a line.
_BLOCKS = frozenset((
    "address", "article", "aside", "audio", "blockquote", "body", "button", "canvas", "caption", "center", "dd",
    "desc", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
    "foreignobject", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html",
    "legend", "li", "main", "marquee", "menu", "nav", "noframes", "noscript", "object", "ol", "optgroup", "option",
    "p", "pre", "search", "section", "select", "summary", "svg", "table", "tbody", "text", "tfoot", "thead", "tr",
    "ul", "video", "br",
))  # fmt: skip
_CELLS = frozenset(("td", "th"))
#: Elements that keep their name: those without content, and those with nothing but text; and the visible ones of the latter.
_KEPT = frozenset(
    ("area", "img", "input", "meta", "track", "script", "style", "textarea", "title", "iframe", "template")
)
_TEXTS = frozenset(("textarea", "title"))
_LINE, _CELL, _PART = "br", "hr", "wbr"

#: Renamed tags that are not real tags, because they are in an attribute or in a `textarea`.
_NO_TAG = re.compile(rf"<(?:{_LINE}|{_CELL}|{_PART})\b[^<>]*>?")
_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
#: `template` is the only kept element that may contain others.
_MOST_TEMPLATES = 100
#: The most attributes of a tag: they take quadratic time.
_LONG = re.compile(r"(<[a-zA-Z][^\s/<>]*)([^<>]{16000,})")
_ATTRIBUTE = re.compile(r"""[^\s"'=/]+\s*=?\s*("[^"]*"|'[^']*')?""")
_MOST_ATTRIBUTES = 1000

_DATA = re.compile(r"data:[a-zA-Z0-9.+/-]*[^\"'\s<>)]{100,}")
_BLANKS = re.compile(r"[^\S\n\t]+")
_AROUND_BREAKS = re.compile(r"[^\S\t]*\n\s*")
# In XHTML: an empty element there would, in HTML, contain the rest of the page.
_EMPTY = re.compile(r"<(script|style|textarea|title|iframe|template)\b(?:[^<>]*[^<>/])?/>", re.IGNORECASE)
_SECTION = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
#: The deepest nesting of frames whose text is in an attribute.
_MOST_FRAMES = 3
#: The most `title` attributes in one line that are compared with it.
_MOST_TITLES = 100

_UNSHOWN = frozenset(("script", "style", "iframe"))
#: Types of `input` whose value is not shown.
_UNSEEN = frozenset(("hidden", "password", "checkbox", "radio", "file", "image", "color", "range"))
_DESCRIPTIONS = frozenset(("description", "keywords", "author", "subject", "dc.title", "dc.description", "dc.subject"))


def load(options: Options) -> None:
    import selectolax.lexbor  # noqa: F401

    encoding.load(options.size)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield text_of(encoding.decoded(content))


def text_of(markup: str) -> str:
    """The text that a person sees on the page, and its descriptions: title, `description` and `keywords`, the `title` of
    elements (in a line below that of the element, unless its words are there) and `alt`. Hidden elements count as text,
    because something shows them in most pages; scripts, styles, comments and templates do not. Linear time in the length."""
    return _text_of(markup, _MOST_FRAMES)


def _text_of(markup: str, frames: int) -> str:
    from selectolax.lexbor import LexborHTMLParser

    page = _Page()
    root = LexborHTMLParser(_flat(markup)).root
    inside = ""
    for node in root.traverse(include_text=True) if root is not None else ():
        name = node.tag or ""
        if name == "-text":
            # An element without content has its former content as following siblings.
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
    """The same page without nested elements."""
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
    """Lines of text, and the current line with its `titles`."""

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
            # Comparing takes linear time in the length of the line for each title.
            told = line.casefold() if len(self.titles) <= _MOST_TITLES else ""
            for title in dict.fromkeys(map(tidy, self.titles)):
                if title and title.casefold() not in told:
                    self.lines.append(title)
            self.titles.clear()


def tidy(text: str) -> str:
    """The text without soft hyphens and invisible blanks. Line breaks of the source are kept: they are visible in
    preformatted text, and separate words like blanks elsewhere."""
    # Runs of blanks first: looking for a break after each of them would take quadratic time.
    return _AROUND_BREAKS.sub("\n", _BLANKS.sub(" ", text.replace("\xad", ""))).strip()
