"""What a person typed into a search field, as a tree. Pure; every text has a tree, none is an error.

    words                             report 2024
    +words that must all be found     +report +2024
    a phrase                          "in succinct space"     "succinct space"~2  (that many words between)
    either                            report | memo
    not                               -draft   -"first draft"   -(draft | old)
    a beginning                       succ*
    any letters, in names             re*rt.pdf   *2024*
    nearly                            sucinct~   sucinct~1
    grouping                          (report | memo) 2024

Where no operator says which words there have to be, any word will do that decides: stop words do not, unless there are no
others (`app.search.stop_words`). With any operator, every word has to be found, as with `default_operator=and`. `AND` and
`OR` in capitals are words like others: they are written in titles, and as stop words they decide nothing.

What is left over (a quote that is never closed, an operator with nothing beside it, brackets that do not match) is taken
as if it was not there. A word that holds separators (`beta-report.txt`, or any text written without blanks) is a phrase
of its parts; an article before an apostrophe (`l'odeur`) and an `'s` behind one are no part of the word.

Rejected: Elasticsearch's `simple_query_string` over the folded text. The folding must not touch the operators, so the
text had to be parsed here anyway and put together again; its words are not looked for in name or content each, but all in
one of them (or with `cross_fields` without prefixes); and it says nothing of what it understood, which the highlighting
needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from app.search import phrases, scripts
from app.search.stop_words import ELISIONS, is_stop_gram, stop_words
from app.search.words import content_words, fold, joints_of, query_stems, readings

#: Words of a query in all; those after them are not looked for. Each costs several clauses, and Elasticsearch takes at
#: least 1,024 (`indices.query.bool.max_clause_count`), counted after it has put in what `~` and `*` stand for.
MAX_WORDS = 64
#: Of these, how many phrases may end in a beginning and how many words may be nearly there: each stands for several.
MAX_EXPANDED = 4
#: Of these, how many single words may be a beginning.
MAX_BEGINNINGS = 16
#: How many may have `*` elsewhere than at their end: for each, all names are looked through.
MAX_PATTERNS = 2
#: Deeper brackets are taken as if they were not there.
MAX_DEPTH = 10
MAX_EDITS = 2
#: Characters of a name with `*` elsewhere than at its end: what it may cost grows with them.
LONGEST_PATTERN = 128
#: Characters: the `whitespace` analyser cuts longer words of the index into such pieces.
LONGEST_WORD = 255
#: Letters from which on the last word is taken for the beginning of one in contents, not only in names.
SHORTEST_TYPED = 3
MAX_SLOP = 50
#: Words of all other readings of those typed.
MAX_ALSO = 32
#: Stems that are looked for: a word has one in each language of its letters, two where it has accents.
MAX_STEMS = 160


Words = tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """Folded words that follow each other; usually one. At most one of `prefix` and `edits` is set.

    What follows from the words themselves is no part of their value: what else they are found by, whether they are quoted,
    and whether they decide."""

    words: Words
    #: The last word is the beginning of one.
    prefix: bool = False
    #: The (only) word may differ by so many letters.
    edits: int = 0
    #: So many other words may be between.
    slop: int = 0
    #: The last word may also be the beginning of one, as it may not be typed to its end.
    typing: bool = False
    #: Other words that follow each other and are as good: parts, written as one, umlauts written out.
    also: tuple[Words, ...] = field(default=(), compare=False)
    #: Of a bare word: its stems, each with its language, as the index has them.
    stems: Words = field(default=(), compare=False)
    #: Of a bare word of a writing without blanks, or Korean: its neighbouring characters, two by two.
    grams: Words = field(default=(), compare=False)
    #: For each border between its words as they were typed, whether `standard` takes both for one.
    joints: tuple[bool, ...] = field(default=(), compare=False)
    #: Found by the words alone, in this form and order.
    quoted: bool = field(default=False, compare=False)
    #: Says nothing of what is looked for: among others that do, it need not be there and marks nothing.
    stop: bool = field(default=False, compare=False)

    @property
    def readings(self) -> tuple[Words, ...]:
        """All that it may be found by in its order, what was typed first."""
        return (self.words, *self.also)

    @property
    def typed_on(self) -> bool:
        """Whether it is looked for as a beginning in a content too, where nearly every text has a short one."""
        return self.typing and (len(self.words) > 1 or len(self.words[0]) >= SHORTEST_TYPED)


@dataclass(frozen=True)
class Group:
    """`every`: all of `members` must be found, otherwise one. None of `excluded` may. `loose`: what has every one of them is
    found first, but any that decides will do."""

    members: tuple[Node, ...]
    excluded: tuple[Node, ...] = ()
    every: bool = True
    loose: bool = field(default=False, compare=False)

    @property
    def deciding(self) -> tuple[Node, ...]:
        """The members but for stop words."""
        return tuple(each for each in self.members if not (isinstance(each, Item) and each.stop))


@dataclass(frozen=True)
class Everything:
    """`*`, which is found everywhere."""


@dataclass(frozen=True)
class Pattern:
    """A name, or a word of one, folded; each `*` stands for any letters."""

    text: str


Node = Item | Group | Everything | Pattern

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
    | "(?P<phrase>[^"]*)(?:"(?:~(?P<slop>\d{1,9})?)?|\Z)
    | (?P<operator>[()|])
    | (?P<sign>[+-]+)
    | (?P<word>[^\s()|"]+)
    """,
    re.VERBOSE,
)
#: A digit, or what stands within addresses, paths and names of files and of what programs have, and within no word.
_CODE = re.compile(r"\d|\w[._/\\@:#]+\w")
_NEARLY = re.compile(r"~(\d{0,9})\Z")


@dataclass(frozen=True)
class Ending:
    """A word without what stands at its end: stars, or a tilde with the number behind it (None: no tilde)."""

    text: str
    stars: str = ""
    edits: str | None = None

    @classmethod
    def of(cls, text: str) -> Ending:
        # Not by one expression for both: that takes time by the square of how many stars are anywhere else.
        plain = text.rstrip("*")
        if plain != text:
            return cls(plain, stars=text[len(plain) :])
        nearly = _NEARLY.search(text)
        return cls(text) if nearly is None else cls(text[: nearly.start()], edits=nearly[1])


@dataclass
class _Level:
    """One bracket: the alternatives that are complete, and the one at hand."""

    negative: bool = False
    alternatives: list[Node] = field(default_factory=list)
    members: list[Node] = field(default_factory=list)
    excluded: list[Node] = field(default_factory=list)

    def add(self, node: Node, negative: bool) -> None:
        (self.excluded if negative else self.members).append(node)

    def close(self) -> None:
        if self.members or self.excluded:
            alone = len(self.members) == 1 and not self.excluded
            self.alternatives.append(
                self.members[0] if alone else Group(tuple(self.members), tuple(self.excluded), every=True)
            )
            self.members, self.excluded = [], []

    def node(self) -> Node | None:
        self.close()
        if len(self.alternatives) < 2:
            return self.alternatives[0] if self.alternatives else None
        return Group(tuple(self.alternatives), every=False)


class _Parser:
    def __init__(self) -> None:
        self.words_left = MAX_WORDS
        self.expanded_left = MAX_EXPANDED
        self.patterns_left = MAX_PATTERNS
        self.beginnings_left = MAX_BEGINNINGS
        self.levels = [_Level()]
        self.negative = False
        #: Whether any operator says which words there have to be.
        self.strict = False
        self.stems_left = MAX_STEMS
        #: Words of other readings.
        self.also_left = MAX_ALSO
        #: Opened brackets that count for nothing.
        self.ignored = 0

    def run(self, text: str) -> Node | None:
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or ""
            if kind == "blank":
                # A sign stands before what it is for.
                self.negative = False
            elif kind == "operator":
                self._operator(match["operator"])
            elif kind == "sign":
                self.negative = match["sign"][-1] == "-"
                self.strict |= match.end() < len(text) and not text[match.end()].isspace()
            else:
                node = self._word(match["word"]) if kind == "word" else self._phrase(match["phrase"], match["slop"])
                if node is not None:
                    self.levels[-1].add(node, self.negative)
                self.negative = False
        while len(self.levels) > 1:
            self._leave()
        return self.levels[0].node()

    def _operator(self, operator: str) -> None:
        if operator == "|":
            self.levels[-1].close()
        elif operator == "(":
            if len(self.levels) > MAX_DEPTH:
                self.ignored += 1
            else:
                self.levels.append(_Level(self.negative))
        elif self.ignored:
            self.ignored -= 1
        elif len(self.levels) > 1:
            self._leave()
        self.negative = False

    def _leave(self) -> None:
        level = self.levels.pop()
        if (node := level.node()) is not None:
            self.strict = True
            self.levels[-1].add(node, level.negative)

    def _phrase(self, text: str, slop: str | None) -> Node | None:
        words, apart = phrases.bounded(self._taken(text), min(int(slop or 0), MAX_SLOP))
        if not words:
            return None
        self.strict = True
        return Item(
            words, slop=apart, quoted=True, also=() if apart else self._also(words, text), joints=joints_of(text)
        )

    def _word(self, text: str) -> Node | None:
        if text.strip("*") == "":
            self.strict = True
            return Everything()
        ending = Ending.of(_without_elision(text))
        words, _ = phrases.bounded(self._taken(ending.text), 0)
        if not words:
            return Everything() if "*" in text else None
        item = self._item(words, ending)
        if "*" in ending.text:
            pattern = re.sub(r"\*+", "*", fold(ending.text + ending.stars))
            self.strict = True
            if len(pattern) <= LONGEST_PATTERN and self.patterns_left:
                self.patterns_left -= 1
                # A content may have these words, with a star between or not.
                return Group((Pattern(pattern), item), every=False)
        return item

    def _item(self, words: tuple[str, ...], ending: Ending) -> Item:
        if ending.stars:
            self.strict = True
            return Item(words, prefix=self._begin() if len(words) == 1 else self._expand())
        if ending.edits is not None:
            self.strict = True
            if len(words) == 1 and self._expand():
                return Item(words, edits=min(int(ending.edits or MAX_EDITS), MAX_EDITS))
        also = self._also(words, ending.text)
        stems: Words = ()
        if len(words) == 1 and len(several := query_stems(ending.text)) <= self.stems_left:
            self.stems_left -= len(several)
            stems = tuple(several)
        return Item(words, also=also, stems=stems, grams=_grams(ending.text), joints=joints_of(ending.text))

    def _also(self, words: Words, text: str) -> tuple[Words, ...]:
        """The other readings of a text whose words these are, as far as there is room for them."""
        found = []
        for each in readings(text):
            if each == words or max(map(len, each)) > LONGEST_WORD:
                continue
            if phrases.repeated(each) <= phrases.MOST_TIMES and len(each) <= self.also_left:
                self.also_left -= len(each)
                found.append(each)
        return tuple(found)

    def _begin(self) -> bool:
        self.beginnings_left -= 1
        return self.beginnings_left >= 0

    def _expand(self) -> bool:
        self.expanded_left -= 1
        return self.expanded_left >= 0

    def _taken(self, text: str) -> tuple[str, ...]:
        words = content_words(text).split()
        pieces = [word[at : at + LONGEST_WORD] for word in words for at in range(0, len(word), LONGEST_WORD)]
        taken = tuple(pieces[: self.words_left])
        self.words_left -= len(taken)
        return taken


def _without_elision(text: str) -> str:
    """A word without the article before its apostrophe, or the possessive behind it."""
    before, apostrophe, word = text.replace("\u2019", "'").partition("'")
    if apostrophe and word and before.lower() in ELISIONS:
        return word
    return before if word.lower() == "s" and before else text


def _grams(text: str) -> Words:
    found = list(dict.fromkeys(scripts.grams(fold(text))))
    return tuple([each for each in found if not is_stop_gram(each)] or found)[:MAX_WORDS]


@lru_cache(maxsize=64)
def parse(text: str, *, every: bool = False) -> Node | None:
    """The tree of `text`; None when nothing in it can be looked for. `every`: all words must be found although no operator
    says so."""
    text = _closed(text)
    parser = _Parser()
    node = parser.run(text)
    # Whoever types on: the last word, when it is one and stands bare at the very end.
    if node is not None and text and _ends_bare(text):
        node = _typing(node, parser.expanded_left > 0)
    return node if every or parser.strict or node is None else _loosened(node)


def _closed(text: str) -> str:
    """A phrase that is still being typed is found by its words."""
    if text.count('"') % 2 == 0:
        return text
    before, _, behind = text.rpartition('"')
    return f"{before} {behind}"


@lru_cache(maxsize=64)
def bare(text: str) -> bool:
    """Whether `text` has words and no operator."""
    parser = _Parser()
    node = parser.run(_closed(text))
    if parser.strict or node is None:
        return False
    # `one | other` is as loose as words alone, and an operator all the same.
    return isinstance(node, Item) or (isinstance(node, Group) and node.every and not node.excluded)


@lru_cache(maxsize=64)
def coded(text: str) -> bool:
    """Whether each of its words is one that words alone find: a number, a code, an address, the name of a file."""
    found = text.split()
    return bool(found) and all(_CODE.search(each) and not scripts.has_grams(fold(each)) for each in found)


def _loosened(node: Node) -> Node:
    """`node`, of bare words, as one of which any will do that decides."""
    if isinstance(node, Item):
        return Group((node,), loose=True) if len(node.grams) > 1 else node
    if not isinstance(node, Group) or not node.every:
        return node
    stops = stop_words(
        [each.words[0] for each in node.members if isinstance(each, Item) and len(each.words) == 1], fold
    )
    alone = len(node.members) == len(stops)
    members = tuple(
        replace(each, stop=True) if isinstance(each, Item) and each.words[0] in stops and len(each.words) == 1 else each
        for each in node.members
    )
    return replace(node, members=node.members if alone else members, loose=True)


def _ends_bare(text: str) -> bool:
    return (
        (text[-1].isalnum() or content_words(text[-1]) != "")
        and text.count('"') % 2 == 0
        and "~" not in (text.rsplit(None, 1)[-1])
    )


def _typing(node: Node, expandable: bool) -> Node:
    """`node` with its last item marked as one that may be typed on."""
    if isinstance(node, Item):
        simple = not (node.prefix or node.edits or node.slop)
        return replace(node, typing=simple and (len(node.words) == 1 or expandable))
    if isinstance(node, Group) and node.members and not node.excluded:
        return replace(node, members=(*node.members[:-1], _typing(node.members[-1], expandable)))
    return node


def leaves(node: Node | None) -> Iterator[Node]:
    """All that is looked for, or excluded."""
    if isinstance(node, Group):
        for each in (*node.members, *node.excluded):
            yield from leaves(each)
    elif node is not None:
        yield node


def positive(node: Node | None) -> Iterator[Item]:
    """The items that a hit may have been found by."""
    if isinstance(node, Item):
        yield node
    elif isinstance(node, Group):
        for member in node.members:
            yield from positive(member)


def marked(node: Node | None) -> Iterator[Item]:
    """The same without stop words: what is marked in a hit."""
    return (item for item in positive(node) if not item.stop)
