"""The fields of the documents in the index: one row for each field, with its uses.

Everything that lists fields reads it here: the parameters of a search and their description, its facets, what
Elasticsearch's own language may name, the document that is written, and the tables of docs/search.md. `mappings/*.json`
stay files that people read and edit; `scripts/fields` updates them and the page from the table, and tests find
differences. docs/adr/0021-table-of-fields.md gives the reasons, and what was rejected.

A new field of an attachment is one row of `FIELDS`, and its value. Its `origin` says where the value comes from:
`attachment` needs an attribute of that name, `dialect` nothing more, because a dialect gives values by name. Mappings
are strict, so an index in use has to get the field too: increase `mapping_version` by one, and run `scripts/index
migrate`. Until that is run, a server works with an index of the version `served_from` of the mapping file, or a later
one: it leaves out of documents what the index does not have, and a search has to do without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

#: A type of Elasticsearch.
Type = Literal["keyword", "date", "long", "boolean", "text", "object", "nested", "dense_vector"]
#: How Elasticsearch's own language may use a field: as its type, or `shown` if it is only in `_source`.
Kind = Literal["keyword", "date", "long", "boolean", "text", "shown", "object", "nested", "dense_vector"]
#: From what a value is made: the attachment's attribute of that name, what a dialect adds, its name, its text, the
#: outcome of the text's extraction, or the passages of the text.
Origin = Literal["attachment", "dialect", "name", "text", "extraction", "passages"]
#: How a facet counts: by value, the most frequent or those with the latest attachment; by time back from now; by size.
Counted = Literal["values", "latest", "ages", "sizes"]
#: Which words are made from a text: all words and their parts, or the words in their order (`app.search.words`).
Words = Literal["parts", "running"]

_LAST = 1000


@dataclass(frozen=True)
class Use:
    """A use of a field. `at`: its place in the lists of messages and descriptions; a field without one comes after
    those that have one, in the order of the table."""

    at: int = field(default=_LAST, kw_only=True)


@dataclass(frozen=True)
class Shown(Use):
    """In the `_source` of a hit: by `default`, or when it is requested."""

    default: bool = False


@dataclass(frozen=True)
class Filter(Use):
    """Filters by exact values, any of which may match. `what`: for the API's description. `suffix`: a value is compared
    in lower case and without a leading dot. `scored`: a single value contributes to the score."""

    what: str
    suffix: bool = False
    scored: bool = False


@dataclass(frozen=True)
class Range(Use):
    """Filters by a range, with a parameter for each end: its name, and its text for the description. Times are from the
    first to before the second; numbers include both, and have a `unit`."""

    low: tuple[str, str]
    high: tuple[str, str]
    unit: str = ""

    @property
    def parameters(self) -> tuple[str, str]:
        """Their names."""
        return self.low[0], self.high[0]


@dataclass(frozen=True)
class Facet(Use):
    """Counted in a facet; `name` if the facet does not have the name of the field."""

    counted: Counted = "values"
    name: str = ""


@dataclass(frozen=True)
class FullText(Use):
    """Searched by words: the field with the words, and the field for phrases. `default`: also searched when no field is
    named."""

    words: str
    phrases: str
    default: bool = False


@dataclass(frozen=True)
class Field:
    """One field. `name`: dotted below an object. `what`: for people. `options`: of the mapping beside the type.

    `origin`: from what its values are made. `always`: every document has one, whichever version wrote it. `stored`:
    part of the `_source` that Elasticsearch keeps. `unique`: no two documents have the same. `shown`, `filter`,
    `range`, `sort`, `facet`: what a search does with it. `sorted_by`: the fields that make its order, if not its own
    values. `nameable`: in Elasticsearch's own language, whose highlights
    may mark it (`marked`) and whose full-text queries may look into it (`full_text`). `made_of`: which words it has, if
    it has words. `note`: beside its name in the table of that language.
    """

    name: str
    type: Type
    what: str
    options: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = "attachment"
    always: bool = False
    stored: bool = True
    unique: bool = False
    shown: Shown | None = None
    filter: Filter | None = None
    range: Range | None = None
    sort: bool = False
    sorted_by: tuple[str, ...] = ()
    facet: Facet | None = None
    nameable: bool = False
    marked: Use | None = None
    full_text: FullText | None = None
    made_of: Words | None = None
    note: str = ""

    @property
    def kind(self) -> Kind:
        return "shown" if self.options.get("index") is False else self.type

    @property
    def facet_name(self) -> str:
        """The name of its facet, if it had one."""
        return (self.facet and self.facet.name) or self.name

    @property
    def mapping(self) -> dict[str, Any]:
        """Its definition in a mapping file, without the fields of an object."""
        return {} if self.type == "object" and not self.options else {"type": self.type, **self.options}


Table = Sequence[Field]

_ONLY_SHOWN: Mapping[str, Any] = {"index": False, "doc_values": False}
_AT_BLANKS: Mapping[str, Any] = {"analyzer": "whitespace"}
#: Words that are there or not: neither where nor how often, nor among how many.
_THERE: Mapping[str, Any] = {"analyzer": "whitespace", "index_options": "docs", "norms": False}
#: The mapping option from which fragments of a text are made.
_MARKED_TEXT: Mapping[str, Any] = {
    "analyzer": "standard",
    "index_options": "offsets",
    "term_vector": "yes",
    "store": True,
}
#: Vectors in whole numbers, compared by their angle (docs/adr/0027-passages.md). All options are written, as what
#: Elasticsearch adds would look like a difference, but for `dims`, how many numbers a vector has: that belongs to the model,
#: and an index has it of its first vector, or of the migration that made it (`app.index.mappings.with_dimensions`).
_VECTOR: Mapping[str, Any] = {
    "element_type": "byte",
    "index": True,
    "similarity": "cosine",
    "index_options": {"type": "hnsw", "m": 16, "ef_construction": 100},
}
_DEFAULT = Shown(default=True)

#: The fields of an attachment's document, in the order in which they are listed and written.
FIELDS: Table = (
    Field("id", "keyword", "the attachment's id", always=True, unique=True, shown=_DEFAULT, sort=True, nameable=True),
    Field(
        "created",
        "date",
        "when it was uploaded",
        always=True,
        shown=_DEFAULT,
        range=Range(
            ("created_after", "Not created before this date or time (UTC unless it says otherwise)."),
            ("created_before", "Created before this date or time."),
        ),
        sort=True,
        facet=Facet("ages", at=5),
        nameable=True,
    ),
    Field("updated", "date", "when it was last changed", always=True, shown=_DEFAULT, sort=True, nameable=True),
    Field(
        "session",
        "keyword",
        "the session that it came into",
        shown=_DEFAULT,
        filter=Filter("Only attachments of this session", scored=True, at=0),
        sort=True,
        facet=Facet("latest", at=4),
        nameable=True,
        marked=Use(at=4),
    ),
    Field(
        "name",
        "keyword",
        "the file's name",
        always=True,
        shown=_DEFAULT,
        sort=True,
        sorted_by=("name_order", "name"),
        nameable=True,
        marked=Use(at=1),
        full_text=FullText("name_words", "name_text", default=True, at=0),
    ),
    Field(
        "icon",
        "keyword",
        "the same as `extension`",
        always=True,
        shown=_DEFAULT,
        sort=True,
        nameable=True,
        marked=Use(at=6),
    ),
    Field("url", "keyword", "the path of its download", _ONLY_SHOWN, always=True, shown=_DEFAULT, nameable=True),
    Field(
        "size",
        "long",
        "bytes of the file",
        always=True,
        shown=_DEFAULT,
        range=Range(("min_size", "At least so many bytes."), ("max_size", "At most so many bytes."), "bytes"),
        sort=True,
        facet=Facet("sizes", "file_size", at=6),
        nameable=True,
    ),
    Field("tenant", "keyword", "whose it is", always=True),
    Field(
        "owner",
        "keyword",
        "the name of the token that uploaded it",
        always=True,
        shown=Shown(at=0),
        filter=Filter("Only what this token uploaded", at=4),
        sort=True,
        facet=Facet(at=3),
        nameable=True,
        marked=Use(at=8),
    ),
    Field(
        "dialect",
        "keyword",
        "the dialect that it came in through",
        always=True,
        shown=Shown(at=1),
        filter=Filter("Only what came in through this dialect", at=3),
        sort=True,
        facet=Facet(at=2),
        nameable=True,
    ),
    Field(
        "media_type",
        "keyword",
        "what the file contains, as `application/pdf`",
        always=True,
        shown=Shown(at=2),
        filter=Filter("Only files with this content, as application/pdf", at=1),
        sort=True,
        facet=Facet(at=0),
        nameable=True,
        marked=Use(at=5),
    ),
    Field(
        "sha256",
        "keyword",
        "the SHA-256 of its bytes, in lower-case hex",
        always=True,
        shown=Shown(at=4),
        nameable=True,
    ),
    Field(
        "organization",
        "keyword",
        "Coder's organization",
        origin="dialect",
        shown=Shown(at=6),
        filter=Filter("Only files of this Coder organization", at=5),
        nameable=True,
    ),
    Field(
        "app",
        "keyword",
        "Kore.ai's app",
        origin="dialect",
        shown=Shown(at=7),
        filter=Filter("Only files of this Kore.ai app", at=6),
        nameable=True,
    ),
    Field(
        "environment",
        "keyword",
        "Kore.ai's environment",
        origin="dialect",
        shown=Shown(at=8),
        filter=Filter("Only files of this Kore.ai environment", at=7),
        nameable=True,
    ),
    Field("extraction", "object", "what is known of its text", origin="extraction", shown=Shown(at=5)),
    Field("extraction.state", "keyword", "`completed` or `failed`", origin="extraction", nameable=True),
    Field("extraction.reason", "keyword", "why it failed", origin="extraction", nameable=True),
    Field("extraction.size", "long", "bytes of the text", origin="extraction", nameable=True),
    Field("extraction.cut", "boolean", "whether there was more text", origin="extraction", nameable=True),
    Field("extraction.sha256", "keyword", "the text's SHA-256", _ONLY_SHOWN, origin="extraction", nameable=True),
    Field(
        "extension",
        "keyword",
        "how the name ends, in lower case and without the dot; empty for none",
        origin="name",
        shown=Shown(at=3),
        filter=Filter("Only files whose name ends so, as pdf; empty for none", suffix=True, at=2),
        sort=True,
        facet=Facet(at=1),
        nameable=True,
        marked=Use(at=7),
    ),
    Field(
        "name_exact", "keyword", "the name, with its extension and without", origin="name", nameable=True, note="folded"
    ),
    Field(
        "name_order",
        "keyword",
        "a key of the name, by which names are in the order that people expect",
        origin="name",
        nameable=True,
        note="a key in hex, by which names are in order",
    ),
    Field(
        "name_text",
        "text",
        "the words of the name in their order",
        _AT_BLANKS,
        origin="name",
        nameable=True,
        marked=Use(at=3),
        full_text=FullText("name_text", "name_text", at=2),
        made_of="running",
    ),
    Field(
        "name_words",
        "text",
        "the words of the name and their parts",
        _AT_BLANKS,
        origin="name",
        nameable=True,
        marked=Use(at=2),
        full_text=FullText("name_words", "name_text", at=1),
        made_of="parts",
    ),
    Field("name_stems", "text", "the words of the name without endings", _THERE, origin="name", nameable=True),
    Field(
        "content",
        "text",
        "the text, which is marked",
        _MARKED_TEXT,
        origin="text",
        stored=False,
        nameable=True,
        marked=Use(at=0),
        full_text=FullText("content_words", "content_words", default=True, at=3),
    ),
    Field(
        "content_stems",
        "text",
        "the words of the text without endings",
        _THERE,
        origin="text",
        stored=False,
        nameable=True,
    ),
    Field(
        "content_words",
        "text",
        "the words of the text, which are searched",
        _AT_BLANKS,
        origin="text",
        stored=False,
        nameable=True,
        full_text=FullText("content_words", "content_words", at=4),
        made_of="running",
    ),
    Field("passages_model", "keyword", "which model made the vectors of its passages", origin="passages"),
    Field("passages", "nested", "the passages of the text", origin="passages", stored=False),
    Field("passages.vector", "dense_vector", "what a passage means", _VECTOR, origin="passages", nameable=True),
)

#: The fields of a chat's document. Chats are found by tenant and by whether they are archived, and have no search of
#: their own.
CHAT_FIELDS: Table = (
    Field("id", "keyword", "the chat's id"),
    Field("tenant", "keyword", "whose it is"),
    Field("owner", "keyword", "the name of the token that began it"),
    Field("organization", "keyword", "Coder's organization"),
    Field("created", "date", "when it began"),
    Field("updated", "date", "when it was last changed"),
    Field("archived", "boolean", "whether it is archived"),
    Field("title", "keyword", "what it is called", {"ignore_above": 1024}),
    Field("workspace", "keyword", "the folder whose git changes it shows", {"ignore_above": 4096}),
    Field("content", "object", "what was written first", {"enabled": False}),
    Field("files", "keyword", "the ids of its attachments"),
)

U = TypeVar("U", bound=Use)


def listed(use: Callable[[Field], U | None], table: Table = FIELDS) -> list[tuple[Field, U]]:
    """The fields that have this use, each with it, in the order of lists: `listed(lambda each: each.filter)`."""
    found = [(each, used) for each in table if (used := use(each)) is not None]
    return sorted(found, key=lambda pair: pair[1].at)


def existing(*names: str, table: Table = FIELDS) -> tuple[str, ...]:
    """The names themselves, for code that uses certain fields because of their meaning. Raises KeyError for one that is
    in no row."""
    for name in names:
        if not any(each.name == name for each in table):
            raise KeyError(name)
    return names


#: What a search returns by default, in the order in which it is written.
DOCUMENTED_FIELDS = tuple(each.name for each in FIELDS if each.shown and each.shown.default)
#: What a dialect may add to an attachment; each is a keyword field of the index.
DIALECT_FIELDS = tuple(each.name for each in FIELDS if each.origin == "dialect")
#: The field whose value is unique to an attachment, and which therefore ends every sort order.
(UNIQUE,) = (each.name for each in FIELDS if each.unique)
