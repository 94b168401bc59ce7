"""What an answer tells about a hit: its `_source`, its highlights and its group."""

from __future__ import annotations

from typing import Any

from app.model.schema import existing, listed
from app.search.language import limits
from app.search.language.fields import (
    EXACT,
    FIELDS,
    NUMERIC,
    SOURCE,
    SOURCE_LEAVES,
    field_of,
    matching,
    refuse_field,
)
from app.search.language.order import sort
from app.search.language.queries import query
from app.search.language.reading import (
    Check,
    Dsl,
    Where,
    boolean,
    choice,
    given_name,
    mapping,
    number,
    record,
    several,
    text,
    whole,
)
from app.search.language.tenant import owned

_NOTHING = "-"


def source(where: Where, value: Any) -> Any:
    """The fields of `_source` in the answer: False, or a list of names among those that an answer may have."""
    if value is None or value is True or value == "true":
        return list(SOURCE)
    if value is False or value == "false":
        return False
    options = value if isinstance(value, dict) else {"includes": value}
    table: dict[str, Check] = dict.fromkeys(("include", "includes", "exclude", "excludes"), _source_names)
    made = record(table)(where, options)
    included = made.get("includes") or made.get("include") or list(SOURCE)
    excluded = {*made.get("excludes", ()), *made.get("exclude", ())}
    # An object of which some leaves are excluded becomes the list of its other leaves.
    found: list[str] = []
    for name in included:
        leaves = [leaf for leaf in SOURCE_LEAVES if leaf.startswith(f"{name}.")]
        if leaves and excluded & {name, *leaves}:
            found += [] if name in excluded else [leaf for leaf in leaves if leaf not in excluded]
        elif name not in excluded and name.partition(".")[0] not in excluded:
            found.append(name)
    # An empty list would mean everything. This is a name that no field has.
    return list(dict.fromkeys(found)) or [_NOTHING]


def _source_names(where: Where, value: Any) -> list[str]:
    """Names in `_source`. A name that is unknown, or may not be in an answer, counts as a field that no document
    has."""
    allowed = list(dict.fromkeys((*SOURCE, *SOURCE_LEAVES)))
    found: list[str] = []
    for each in several(text(limits.MAX_PATTERN), limits.MAX_FIELDS)(where, value):
        found += matching(where, each, allowed) if "*" in each else [each] if each in allowed else []
    # An empty list of the caller names nothing to keep or to leave out.
    return found or ([] if value == [] else [_NOTHING])


def fields(where: Where, value: Any) -> list[Dsl]:
    """The fields that come beside `_source`, each with its name and, for dates, a format."""
    check = record({"field": text(limits.MAX_PATTERN), "format": text(limits.MAX_NAME)}, "field")
    found: list[Dsl] = []
    for each in several(lambda inner, item: item, limits.MAX_FIELDS)(where, value):
        made = check(where, each if isinstance(each, dict) else {"field": each})
        for name in matching(where, made["field"], SOURCE_LEAVES):
            if FIELDS[name] == "date" and "format" in made:
                found.append({"field": name, "format": made["format"]})
            else:
                found.append({"field": name})
    return _each_once(found)


def _each_once(found: list[Dsl]) -> list[Dsl]:
    """`found` without repetitions, as each entry is looked up for each hit."""
    return [dict(each) for each in dict.fromkeys(tuple(entry.items()) for entry in found)]


def docvalue_fields(where: Where, value: Any) -> list[Dsl]:
    """The same for exact fields, with the values that they are sorted by."""
    exact = [name for name, kind in FIELDS.items() if kind in EXACT]
    check = record({"field": text(limits.MAX_PATTERN), "format": text(limits.MAX_NAME)}, "field")
    found: list[Dsl] = []
    for each in several(lambda inner, item: item, limits.MAX_FIELDS)(where, value):
        made = check(where, each if isinstance(each, dict) else {"field": each})
        formatted = {"format": made["format"]} if "format" in made else {}
        for name in matching(where, made["field"], exact):
            found.append({"field": name, **(formatted if FIELDS[name] in NUMERIC else {})})
    return _each_once(found)


def rescore(where: Where, value: Any) -> list[Dsl]:
    """A second query, by which the best hits are ordered again."""
    inner = record(
        {
            "rescore_query": owned(query),
            "query_weight": number(0, 1e6),
            "rescore_query_weight": number(0, 1e6),
            "score_mode": choice("total", "multiply", "avg", "max", "min"),
        },
        "rescore_query",
    )
    return list(
        several(record({"window_size": whole(1, limits.MAX_RESCORED), "query": inner}, "query"), 4)(where, value)
    )


# The text, and the fields by which a name may be found.
HIGHLIGHTED = tuple(each.name for each, _ in listed(lambda each: each.marked))
(_CONTENT,) = existing("content")

_tags = several(text(limits.MAX_NAME), 5)
_HIGHLIGHT: dict[str, Check] = {
    "type": choice("unified"),
    "fragment_size": whole(0, limits.MAX_FRAGMENT),
    "number_of_fragments": whole(1, limits.MAX_FRAGMENTS),
    "no_match_size": whole(0, limits.MAX_FRAGMENT),
    "pre_tags": _tags,
    "post_tags": _tags,
    "order": choice("score", "none"),
    "require_field_match": boolean,
    "highlight_query": lambda where, value: query(where.for_marks(), value),
    "boundary_scanner": choice("sentence", "word"),
    "boundary_scanner_locale": text(20),
}


def highlight(where: Where, value: Any) -> Dsl:
    """A `highlight`. `body` adds what is marked if there is no `highlight_query`, and how much of a text is read."""
    found = dict(mapping(where, value))
    named = found.pop("fields", None)
    table = {**_HIGHLIGHT, "encoder": choice("default", "html"), "tags_schema": choice("styled")}
    made = record(table)(where, found)
    entries = named if isinstance(named, list) else [{name: options} for name, options in mapping(where, named).items()]
    built: dict[str, Dsl] = {}
    for entry in several(mapping, limits.MAX_FIELDS)(where, entries):
        for name, options in entry.items():
            own = record(_HIGHLIGHT)(where.inside(f"highlight.fields.{name}"), options)
            for field in matching(where, name, HIGHLIGHTED):
                built[field] = dict(own)
    if not built:
        where.refuse("requires [fields]", "parsing_exception")
    return {
        **made,
        "type": "unified",
        "fields": [{field: options} for field, options in built.items()],
    }


def most_marked(asked: Dsl, longest: int) -> int:
    """The most characters that the highlight `asked` may return of one hit's `content`, if every other character is a
    word to be marked. `longest`: the most characters of a fragment without a limit."""
    options = next((each[_CONTENT] for each in asked["fields"] if _CONTENT in each), None)
    if options is None:
        return 0
    made = {"fragment_size": 100, "number_of_fragments": 5, "no_match_size": 0, **asked, **options}
    tags = sum(max(map(len, made.get(name, ["</em>"]))) for name in ("pre_tags", "post_tags"))
    if "tags_schema" in asked:
        tags = max(tags, len('<em class="hlt10"></em>'))
    fragments: int = made["number_of_fragments"] * (made["fragment_size"] or longest)
    return max(fragments, int(made["no_match_size"])) * (tags + 2) // 2


_INNER: dict[str, Check] = {
    "size": whole(0, limits.MAX_INNER_HITS),
    "from": whole(0, limits.MAX_INNER_HITS),
    "sort": sort,
    "_source": source,
    "fields": fields,
    "docvalue_fields": docvalue_fields,
    "version": boolean,
    "track_scores": boolean,
}


def inner_hits(where: Where, value: Any, **more: Check) -> Dsl:
    """The hits within a bucket or a group. `more`: further keys and their checks."""
    made: Dsl = record({**_INNER, **more})(where, value)
    if made.get("size", 3) + made.get("from", 0) > limits.MAX_INNER_HITS:
        where.refuse(f"[from] plus [size] is more than {limits.MAX_INNER_HITS}")
    made.setdefault("_source", list(SOURCE))
    return made


def collapse(where: Where, value: Any) -> Dsl:
    """One hit for each value of a field; its `inner_hits` are others with the same value."""

    def inner(place: Where, item: Any) -> Dsl:
        return inner_hits(place, item, name=given_name)

    made: Dsl = record({"field": field_of("keyword", "long"), "inner_hits": several(inner, 3)}, "field")(where, value)
    if FIELDS[made["field"]] not in ("keyword", "long"):
        refuse_field(where, made["field"], ("keyword", "long"))
    if "inner_hits" in made:
        # Groups are searched one after the other: each is a search, and a small node has threads for four.
        made["max_concurrent_group_searches"] = 1
    return made


def min_score(where: Where, value: Any) -> float:
    return float(number(0, 1e18)(where, value))
