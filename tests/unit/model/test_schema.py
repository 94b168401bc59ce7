"""The table of fields, and the files that have the same fields."""

import json
from collections.abc import Callable
from dataclasses import fields as attributes
from dataclasses import replace
from typing import Any

import fields
import pytest

from app.model.attachment import Attachment
from app.model.chat import Chat
from app.model.schema import CHAT_FIELDS, FIELDS, Facet, Field, Filter, Shown, Table, Use, existing, listed
from tests.support.app import ROOT

#: What a facet may count in which way.
COUNTED = {"values": "keyword", "latest": "keyword", "ages": "date", "sizes": "long"}
FILES = pytest.mark.parametrize("path", fields.MAPPINGS)


def definition(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / path).read_text())
    return found


def changed(name: str, table: Table = FIELDS, **changes: Any) -> Table:
    return [replace(each, **changes) if each.name == name else each for each in table]


@FILES
def test_a_mapping_file_has_the_fields_of_the_table(path: str) -> None:
    found = list(fields.differences(definition(path), fields.MAPPINGS[path]))
    assert not found, "\n".join((f"{path} (scripts/fields brings it up to the table):", *found))


def test_each_difference_is_told_by_the_name_of_its_field() -> None:
    path = "mappings/coco_attachment.json"

    def told(table: Table, **properties: Any) -> list[str]:
        made = definition(path)
        made["mappings"]["properties"] |= properties
        return list(fields.differences(made, table))

    assert told([*FIELDS, Field("project", "keyword", "its project")]) == [
        '[project] is in the table and not in the file: { "type": "keyword" }'
    ]
    assert told(FIELDS, project={"type": "keyword"}) == [
        '[project] is in the file and not in the table: { "type": "keyword" }'
    ]
    assert told(changed("extraction.size", type="date")) == [
        '[extraction.size] is { "type": "long" } in the file and { "type": "date" } in the table'
    ]
    assert told(FIELDS, name_text={"type": "text"}) == [
        '[name_text] is { "type": "text" } in the file and { "type": "text", "analyzer": "whitespace" } in the table'
    ]
    assert told(changed("content", stored=True)) == [
        "[content] is part of _source in the table and left out of it in the file"
    ]
    assert told(changed("name", stored=False)) == [
        "[name] is part of _source in the file and left out of it in the table"
    ]
    assert told([each for each in FIELDS if each.name != "content"]) == [
        '[content] is in the file and not in the table: { "type": "text", "analyzer": "standard", '
        '"index_options": "offsets", "term_vector": "yes", "store": true }',
        "[content] is left out of _source in the file and not in the table",
    ]


@FILES
def test_a_file_is_brought_up_to_the_table_and_nothing_else_in_it_changes(path: str) -> None:
    text, table = (ROOT / path).read_text(), fields.MAPPINGS[path]
    assert fields.renewed_mapping(text, table) == text
    more = [*table, Field("project", "keyword", "its project"), Field("pages", "long", "how many", {"index": False})]
    made = fields.renewed_mapping(text, more)
    assert list(fields.differences(json.loads(made), more)) == []
    assert [line for line in made.splitlines() if line.rstrip(",") not in text] == [
        '      "project": { "type": "keyword" },',
        '      "pages": { "type": "long", "index": false }',
    ]
    # And back, by each line of the file: what the table has not is taken away.
    assert fields.renewed_mapping(made, table) == text


def test_a_file_is_brought_up_within_objects_and_in_source() -> None:
    text = (ROOT / "mappings/coco_attachment.json").read_text()
    more = [*changed("name", stored=False), Field("extraction.pages", "long", "how many")]
    made = fields.renewed_mapping(text, more)
    assert list(fields.differences(json.loads(made), more)) == []
    left_out = json.loads(made)["mappings"]["_source"]["excludes"]
    assert left_out == ["name", "content", "content_stems", "content_words", "passages"]
    assert json.loads(made)["settings"] == json.loads(text)["settings"]
    assert fields.renewed_mapping(made, FIELDS) == text
    chats = (ROOT / "mappings/coco_chat.json").read_text()
    made = fields.renewed_mapping(chats, changed("title", CHAT_FIELDS, stored=False))
    assert json.loads(made)["mappings"]["_source"] == {"excludes": ["title"]}


@pytest.mark.parametrize("table", [FIELDS, CHAT_FIELDS])
def test_a_row_makes_sense(table: Table) -> None:
    rows = {each.name: each for each in table}
    assert len(rows) == len(table)
    for each in table:
        assert each.what
        above = each.name.rpartition(".")[0]
        assert not above or rows[above].type in ("object", "nested")
        asked = any((each.filter, each.range, each.sort, each.facet))
        # What is only shown can't be asked for, and text has no order and no values.
        assert not asked or (each.kind != "shown" and each.type not in ("text", "object")), each.name
        assert not asked or each.shown, f"{each.name} can be asked for, and not shown"
        assert not each.range or each.type in ("date", "long")
        assert not each.filter or each.type == "keyword"
        assert not each.facet or COUNTED[each.facet.counted] == each.type
        # What is told in `_source` may be named there, and what highlights and full-text queries take may be named at all.
        assert each.nameable or each.type == "object" or not any((each.shown, each.marked, each.full_text)), each.name
        assert each.type == "keyword" or each.origin != "dialect"
        assert each.made_of is None or each.type == "text"
        if each.full_text is not None:
            for target in (each.full_text.words, each.full_text.phrases):
                assert rows[target].made_of is not None


def test_a_parameter_means_one_thing() -> None:
    names = [each.name for each in FIELDS if each.filter]
    names += [name for each in FIELDS if each.range for name in each.range.parameters]
    assert len(set(names)) == len(names)
    # What else a search takes by these names.
    assert {"query", "from", "size", "sort", "search_after", "highlight", "facets", "_source"}.isdisjoint(names)
    facets = [each.facet_name for each in FIELDS if each.facet]
    assert len(set(facets)) == len(facets)
    assert "_score" not in names


def test_lists_keep_their_order_whatever_comes() -> None:
    """Clients have read them so, in messages and in the description."""

    def order(use: Callable[[Field], Use | None]) -> str:
        new = Field("project", "keyword", "new", shown=Shown(), filter=Filter("x"), facet=Facet(), marked=Use())
        return " ".join(each.name for each, _ in listed(use, [new, *FIELDS]))

    assert order(lambda each: each.filter) == (
        "session media_type extension dialect owner organization app environment project"
    )
    assert order(lambda each: each.facet) == "media_type extension dialect owner session created size project"
    assert order(lambda each: None if each.shown and each.shown.default else each.shown) == (
        "owner dialect media_type extension sha256 extraction organization app environment project"
    )
    assert order(lambda each: each.marked) == (
        "content name name_words name_text session media_type icon extension owner project"
    )
    assert order(lambda each: each.full_text) == "name name_words name_text content content_words"


def test_values_have_the_fields_of_the_table() -> None:
    assert {each.name for each in FIELDS if each.origin == "attachment"} <= {
        *(each.name for each in attributes(Attachment)),
        *(name for name, value in vars(Attachment).items() if isinstance(value, property)),
    }
    assert {each.name for each in CHAT_FIELDS} == {each.name for each in attributes(Chat)}


def test_who_means_a_field_that_is_in_no_row_is_told_at_once() -> None:
    assert existing("name", "extraction.size") == ("name", "extraction.size")
    with pytest.raises(KeyError, match="title"):
        existing("name", "title")
    assert existing("title", table=CHAT_FIELDS) == ("title",)
