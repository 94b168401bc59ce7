"""Parses what a person typed into a search field into a tree. Pure. No text is an error.

    words                             report 2024
    +words that must all be found     +report +2024
    a phrase                          "in succinct space"     "succinct space"~2  (up to so many words between)
    either                            report | memo
    not                               -draft   -"first draft"   -(draft | old)
    a beginning                       succ*
    any letters, in names             re*rt.pdf   *2024*
    nearly                            sucinct~   sucinct~1
    grouping                          (report | memo) 2024

A query without operators is loose: any of its words is enough, except stop words (`app.search.stop_words`), which count
only if there are no others. With any operator, or with `default_operator=and`, it is strict: every word has to be
found. `AND` and `OR` in capitals are ordinary words: they are common in titles, and as stop words they don't count.

An incomplete operator (a quote that is never closed, an operator with nothing beside it, brackets that do not match) is
ignored. A word with separators in it (`beta-report.txt`, or any text written without blanks) is a phrase of its parts.
An article before an apostrophe (`l'odeur`) and an `'s` behind one are no part of the word. An emoji between
blanks is a word.

Rejected: Elasticsearch's `simple_query_string` over the folded text. Folding must not touch the operators, so the text
would have to be parsed here anyway and put together again. It looks for all words in one field, and not for each in the
name or in the text (with `cross_fields` it does, but without beginnings). And it does not tell how it understood the
text, which highlighting needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from app.search import phrases, scripts
from app.search.stop_words import ELISIONS, is_stop_gram, stop_words
from app.search.words import content_words, fold, joints_of, query_stems, readings

#: The most words of a query; those behind them are not looked for. Each costs several clauses, and Elasticsearch takes
#: at least 1,024 (`indices.query.bool.max_clause_count`), counted after it has replaced `~` and `*` by the words that
#: match.
MAX_WORDS = 64
#: The most phrases with a beginning at their end, and words with `~`, of a query: each stands for several words.
MAX_EXPANDED = 4
#: The most single words that are beginnings.
MAX_BEGINNINGS = 16
#: The most words with `*` elsewhere than at their end: each makes Elasticsearch look through all names.
MAX_PATTERNS = 2
#: Brackets that are nested deeper are ignored.
MAX_DEPTH = 10
MAX_EDITS = 2
#: The most characters of a word with `*` elsewhere than at its end, as its cost grows with them.
LONGEST_PATTERN = 128
#: The most characters of a word. The `whitespace` analyser cuts longer words of the index into pieces of this size.
LONGEST_WORD = 255
#: A last word with so many letters is also looked for as a beginning in texts; a shorter one in names only.
SHORTEST_TYPED = 3
MAX_SLOP = 50
#: The most words of all other readings of a query (`app.search.words.readings`).
MAX_ALSO = 32
#: The most stems of a query. A word has one in each language of its letters, and two if it has accents.
MAX_STEMS = 160


Words = tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """Folded words that follow each other; usually one. At most one of `prefix` and `edits` is set.

    Two items are equal if they have the same words and operators. What only follows from these (other readings, stems,
    and so on) is not compared.
    """

    words: Words
    #: The last word stands for all words that begin with it.
    prefix: bool = False
    #: The word, which is the only one, may differ by so many edits.
    edits: int = 0
    #: Up to so many other words may stand between.
    slop: int = 0
    #: The last word may be typed on: it stands for itself and for all words that begin with it.
    typing: bool = False
    #: Other readings, each a sequence of words: the parts, written as one, umlauts written out.
    also: tuple[Words, ...] = field(default=(), compare=False)
    #: The stems of a bare word, each with its language, as the index has them.
    stems: Words = field(default=(), compare=False)
    #: The pairs of neighbouring characters of a bare word of a script without blanks, or of Korean.
    grams: Words = field(default=(), compare=False)
    #: For each two neighbouring words as they were typed, whether `standard` takes both for one word.
    joints: tuple[bool, ...] = field(default=(), compare=False)
    #: A phrase in quotes: found in this form and order alone.
    quoted: bool = field(default=False, compare=False)
    #: A stop word beside other words: it need not be there, and is not marked.
    stop: bool = field(default=False, compare=False)

    @property
    def readings(self) -> tuple[Words, ...]:
        """All sequences of words that it is found by; the first one is what was typed."""
        return (self.words, *self.also)

    @property
    def typed_on(self) -> bool:
        """Whether it is also looked for as a beginning in texts. A short beginning is in nearly every text."""
        return self.typing and (len(self.words) > 1 or len(self.words[0]) >= SHORTEST_TYPED)


@dataclass(frozen=True)
class Group:
    """Several nodes. If `every`, all of `members` have to be found, otherwise one of them. None of `excluded` may be
    found. If `loose`, one member that is no stop word is enough, and hits with all members come first."""

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
    """`*` alone, which finds everything."""


@dataclass(frozen=True)
class Pattern:
    """A name, or a word of a name, folded. Each `*` in it stands for any letters, or none."""

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
    """A word and the operator at its end. `text`: the word alone. `stars`: the stars behind it. `edits`: the digits
    behind a tilde; None if there is no tilde."""

    text: str
    stars: str = ""
    edits: str | None = None

    @classmethod
    def of(cls, text: str) -> Ending:
        # One expression for both would take time by the square of the number of stars elsewhere in the word.
        plain = text.rstrip("*")
        if plain != text:
            return cls(plain, stars=text[len(plain) :])
        nearly = _NEARLY.search(text)
        return cls(text) if nearly is None else cls(text[: nearly.start()], edits=nearly[1])


@dataclass
class _Level:
    """The state of one bracket: the alternatives that are complete, and the members of the one being read."""

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
        #: Whether there was any operator, so that the query is strict.
        self.strict = False
        self.stems_left = MAX_STEMS
        #: How many words of other readings there may still be.
        self.also_left = MAX_ALSO
        #: Open brackets that are ignored.
        self.ignored = 0

    def run(self, text: str) -> Node | None:
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or ""
            if kind == "blank":
                # A sign with a blank behind it is ignored.
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
            return self._emoji(text)
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
            return self._emoji(text) or (Everything() if "*" in text else None)
        item = self._item(words, ending)
        if "*" in ending.text:
            pattern = re.sub(r"\*+", "*", fold(ending.text + ending.stars))
            self.strict = True
            if len(pattern) <= LONGEST_PATTERN and self.patterns_left:
                self.patterns_left -= 1
                # The words may also be in a text, with a star between them or without.
                return Group((Pattern(pattern), item), every=False)
        return item

    def _emoji(self, text: str) -> Node | None:
        """The emoji of a text without words; beside words they are left out."""
        found = list(dict.fromkeys(each for each, _ in scripts.emoji(text)))[: self.words_left]
        self.words_left -= len(found)
        items = tuple(Item((each,)) for each in found)
        return Group(items) if len(items) > 1 else next(iter(items), None)

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
        """The other readings of `text`, whose words are `words`, while there is room for them."""
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
    """`text`, a word, without an article before an apostrophe and without an `'s`."""
    before, apostrophe, word = text.replace("\u2019", "'").partition("'")
    if apostrophe and word and before.lower() in ELISIONS:
        return word
    return before if word.lower() == "s" and before else text


def _grams(text: str) -> Words:
    found = list(dict.fromkeys(scripts.grams(fold(text))))
    return tuple([each for each in found if not is_stop_gram(each)] or found)[:MAX_WORDS]


@lru_cache(maxsize=64)
def parse(text: str, *, every: bool = False) -> Node | None:
    """The tree of `text`; None if there is nothing to look for in it. `every`: the query is strict even without an
    operator (`default_operator=and`)."""
    text = _closed(text)
    parser = _Parser()
    node = parser.run(text)
    # The last word may not be typed to its end, if it is bare and stands at the very end.
    if node is not None and text and _ends_bare(text):
        node = _typing(node, parser.expanded_left > 0)
    return node if every or parser.strict or node is None else _loosened(node)


def _closed(text: str) -> str:
    """`text` without a quote that is never closed: a phrase that is still being typed is found by its words."""
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
    # `|` does not make a query strict, and is an operator all the same.
    return isinstance(node, Item) or (isinstance(node, Group) and node.every and not node.excluded)


@lru_cache(maxsize=64)
def coded(text: str) -> bool:
    """Whether each of its words is one that words alone find: a number, a code, an address, the name of a file."""
    found = text.split()
    return bool(found) and all(_CODE.search(each) and not scripts.has_grams(fold(each)) for each in found)


def _loosened(node: Node) -> Node:
    """`node`, a tree of bare words, as a loose group in which stop words are marked as such."""
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
    """`node` with its last item marked as one that may be typed on. `expandable`: this is still allowed for a
    phrase."""
    if isinstance(node, Item):
        simple = not (node.prefix or node.edits or node.slop)
        return replace(node, typing=simple and (len(node.words) == 1 or expandable))
    if isinstance(node, Group) and node.members and not node.excluded:
        return replace(node, members=(*node.members[:-1], _typing(node.members[-1], expandable)))
    return node


def leaves(node: Node | None) -> Iterator[Node]:
    """All nodes of a tree that are no groups, the excluded ones as well."""
    if isinstance(node, Group):
        for each in (*node.members, *node.excluded):
            yield from leaves(each)
    elif node is not None:
        yield node


def positive(node: Node | None) -> Iterator[Item]:
    """The items of a tree by which a hit may have been found: all but the excluded ones."""
    if isinstance(node, Item):
        yield node
    elif isinstance(node, Group):
        for member in node.members:
            yield from positive(member)


def marked(node: Node | None) -> Iterator[Item]:
    """The items of a tree that are marked in a hit: those of `positive` without stop words."""
    return (item for item in positive(node) if not item.stop)
