"""docs/search.md says of the fields what the table of fields says, and the page asks for no others."""

import re
from dataclasses import replace

import fields
import pytest

from app.model.schema import FIELDS, Field, Filter, Shown
from app.search.params import PARAMETERS, parse
from tests.support.app import ROOT

PAGE = (ROOT / fields.PAGE).read_text()
SCRIPTS = ROOT / "app/web/page/static/js"


def test_the_tables_are_the_code() -> None:
    assert fields.renewed_page(PAGE) == PAGE, "scripts/fields brings docs/search.md up to the table of fields"


def test_a_field_comes_into_each_table_and_leaves_it() -> None:
    new = Field("project", "keyword", "its project", shown=Shown(), filter=Filter("Only these"), nameable=True)
    made = fields.renewed_page(PAGE, [*FIELDS, new])
    assert "\n| `project` | its project | *values* | | | if named |\n" in made
    assert "by which names are in order), `project` | keyword: " in made
    assert fields.renewed_page(made) == PAGE
    internal = [replace(each, shown=None, nameable=False) if each.name == "sha256" else each for each in FIELDS]
    assert "`sha256`" not in "".join(re.findall(r"^\|.*\n", fields.renewed_page(PAGE, internal), re.MULTILINE))


@pytest.mark.parametrize("head", fields.PAGE_TABLES)
def test_a_table_that_is_not_there_is_told(head: str) -> None:
    with pytest.raises(ValueError, match=re.escape(head)):
        fields.renewed_page(PAGE.replace(head, "| other |"))


def test_the_page_asks_for_what_may_be_asked() -> None:
    search, state = ((SCRIPTS / name).read_text() for name in ("search.js", "state.js"))
    told = dict(re.findall(r'^const (FIELDS|FACETS) = "([^"]+)";$', search, re.MULTILINE))
    orders = re.findall(r'^  [\w"-]+: "([\w:,]+)",$', state, re.MULTILINE)
    assert len(told) == 2
    assert len(orders) == 7
    for sort in orders:
        asked = {"_source": told["FIELDS"], "facets": told["FACETS"], "sort": sort}
        assert parse({name: [each] for name, each in asked.items()}, max_page_size=100, max_query_length=10).sort
    names = set(re.findall(r'\b(?:found|asked)\.(?:set|append)\(\s*"(\w+)"', search + state))
    assert {"session", "media_type", "min_size"} <= names <= PARAMETERS
