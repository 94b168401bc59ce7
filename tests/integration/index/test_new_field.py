"""A field that is added to the table is one row there: in a copy of the project that has it, `scripts/fields` writes the
mapping and the page, and a real Elasticsearch filters, sorts, counts and shows it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import ROOT, delete_index, unique_index

ROW = """    Field(
        "project",
        "keyword",
        "the project that it belongs to",
        origin="dialect",
        shown=Shown(),
        filter=Filter("Only files of this project"),
        sort=True,
        facet=Facet(),
        nameable=True,
        marked=Use(),
    ),
"""
#: Where the table of an attachment's fields ends.
END = ")\n\n#: The fields of a chat's document."
COPIED = ("app", "mappings", "docs", "scripts")

#: What is asked of the copy, over HTTP and in Elasticsearch's own language.
PROGRAM = """
import json, os
from datetime import UTC, datetime
import requests
import app
from app.index.source import source_of
from app.model.attachment import Attachment
from app.settings import Settings
from app.web.app import create_app

settings = Settings.from_environ(os.environ)
client = create_app(settings).test_client()

def ask(path, **options):
    answer = client.open(path, headers={"X-API-TOKEN": settings.api_token, **options.pop("headers", {})}, **options)
    return {"status": answer.status_code, "content": answer.json}

empty = ask("/attachment/_search")
moment = datetime.now(UTC)
for number, fields in enumerate(({"project": "roof"}, {"project": "wall"}, {})):
    known = (f"a{number}", moment, moment, "x.txt", 1, "0" * 64, "text/plain", "default", "t", "coco")
    made = Attachment(*known, fields=fields)
    written = requests.put(
        f"{settings.elasticsearch_url}/{settings.index}/_doc/{made.id}?refresh=true", json=source_of(made), timeout=60
    )
    assert written.status_code == 201, written.text

body = {
    "query": {"term": {"project": "roof"}},
    "sort": ["project"],
    "aggs": {"projects": {"terms": {"field": "project"}}},
    "highlight": {"fields": {"project": {}}},
}
bearer = {"Authorization": f"Bearer {settings.api_token}"}
print(json.dumps({
    "where": app.__file__,
    "empty": empty,
    "filtered": ask("/attachment/_search?project=roof&_source=id,project"),
    "several": ask("/attachment/_search?project=roof&project=wall&sort=project:desc&_source=project"),
    "after": ask('/attachment/_search?sort=project:desc&search_after=["wall","a1"]&size=1'),
    "facet": ask("/attachment/_search?facets=project&size=0&project=roof"),
    "refused": ask("/attachment/_search?_source=projects"),
    "own": ask("/coco_attachment/_search", method="POST", json=body, headers=bearer),
    "openapi": ask("/openapi.json"),
}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one row more, and what `scripts/fields` makes of it."""
    made = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        shutil.copytree(ROOT / name, made / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    table = made / "app/model/schema.py"
    text = table.read_text()
    assert text.count(END) == 1
    table.write_text(text.replace(END, ROW + END))
    run(made, "-m", "fields")
    return made


def run(tree: Path, *arguments: str, **environment: str) -> str:
    variables = {"PYTHONPATH": f"{tree}:{tree / 'scripts/lib'}", "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    variables = {**os.environ, **variables, **environment}
    done = subprocess.run([sys.executable, *arguments], cwd=tree, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tree: Path, tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Any]:
    alias = unique_index()
    environment = {
        "DATA": str(tmp_path_factory.mktemp("data")),
        "ELASTICSEARCH_URL": elasticsearch_url,
        "INDEX": alias,
        "CHAT_INDEX": f"{alias}_chat",
        "API_TOKEN": "a-token-of-this-test",
    }
    try:
        yield json.loads(run(tree, "-c", PROGRAM, **environment))
    finally:
        delete_index(elasticsearch_url, alias)


def changed(tree: Path) -> dict[str, list[str]]:
    """By file, the lines that the copy has otherwise."""
    found = {}
    for name in COPIED:
        for path in (each for each in (ROOT / name).rglob("*") if each.is_file() and "__pycache__" not in each.parts):
            relative = str(path.relative_to(ROOT))
            before, after = path.read_bytes(), (tree / relative).read_bytes()
            if before != after:
                lines = unified_diff(before.decode().splitlines(), after.decode().splitlines(), n=0, lineterm="")
                found[relative] = [each for each in lines if each[0] in "+-" and not each.startswith(("+++", "---"))]
    return found


def test_nothing_else_is_changed_by_hand(tree: Path) -> None:
    found = changed(tree)
    assert found.pop("app/model/schema.py") == [f"+{line}" for line in ROW.splitlines()]
    # What was last gets a comma.
    *_, last, _, _, _ = (ROOT / "mappings/coco_attachment.json").read_text().splitlines()
    assert found.pop("mappings/coco_attachment.json") == [
        f"-{last}",
        f"+{last},",
        '+      "project": { "type": "keyword" }',
    ]
    page = found.pop("docs/search.md")
    assert "+| `project` | the project that it belongs to | *values* | yes | `project`: *values* | if named |" in page
    (before, after) = (line for line in page if "`name_exact`" in line)
    last = "(a key in hex, by which names are in order)"
    assert (before[0], after) == ("-", before.replace("-| ", "+| ").replace(last, f"{last}, `project`"))
    assert len(page) == 3
    assert not found


def test_it_is_filtered_sorted_counted_and_shown(told: Any, tree: Path) -> None:
    assert Path(told["where"]).is_relative_to(tree)
    assert told["empty"]["status"] == 200

    def hits(name: str) -> list[Any]:
        assert told[name]["status"] == 200, told[name]
        return [hit["_source"] for hit in told[name]["content"]["hits"]["hits"]]

    assert hits("filtered") == [{"id": "a0", "project": "roof"}]
    assert hits("several") == [{"project": "wall"}, {"project": "roof"}]
    assert [each["id"] for each in hits("after")] == ["a0"]
    # A facet is counted under all filters but its own.
    (buckets,) = (each["buckets"] for each in told["facet"]["content"]["aggregations"].values())
    assert {each["key"]: each["doc_count"] for each in buckets} == {"roof": 1, "wall": 1}
    assert told["facet"]["content"]["hits"]["total"]["value"] == 1
    assert told["refused"]["status"] == 400
    assert "project, files" in json.dumps(told["refused"]["content"])


def test_elasticsearchs_own_language_has_it(told: Any) -> None:
    assert told["own"]["status"] == 200, told["own"]
    content = told["own"]["content"]
    (hit,) = content["hits"]["hits"]
    assert (hit["_id"], hit["sort"], hit["_source"]["project"]) == ("a0", ["roof"], "roof")
    assert hit["highlight"] == {"project": ["<em>roof</em>"]}
    assert content["aggregations"]["projects"]["buckets"] == [{"key": "roof", "doc_count": 1}]


def test_it_is_described(told: Any) -> None:
    parameters = told["openapi"]["content"]["paths"]["/attachment/_search"]["get"]["parameters"]
    found = {each["name"]: each["description"] for each in parameters}
    assert found["project"] == "Only files of this project; repeated: any of them."
    for name in ("sort", "facets", "_source"):
        assert "project" in found[name]
