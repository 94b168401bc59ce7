"""An index of another store: nothing of it is removed, exchanged or taken up, whoever asks for it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app.errors import WrongIndex
from app.ids import new_uuid
from app.index import mappings
from app.index.connection import Connection
from app.index.generations import Generations
from tests.support.app import unique_index

DEFINITION = mappings.load(mappings.MAPPINGS / "coco_attachment.json")


@pytest.fixture
def alias(elasticsearch_url: str) -> Iterator[str]:
    name = unique_index()
    yield name
    for each in requests.get(f"{elasticsearch_url}/{name}-*?filter_path=*.aliases", timeout=30).json():
        requests.delete(f"{elasticsearch_url}/{each}", timeout=30).raise_for_status()


@pytest.fixture
def theirs(connection: Connection, alias: str) -> Generations:
    """Of another store: one index in use under the alias, and one that is being built."""
    made = Generations(connection, alias, DEFINITION, new_uuid())
    made.swap(made.create({}))
    made.create({})
    return made


def state(url: str, alias: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{url}/{alias}-*", timeout=30).json()
    return found


def test_nothing_of_another_store_is_touched(
    connection: Connection, alias: str, theirs: Generations, elasticsearch_url: str
) -> None:
    used, built = (each.name for each in theirs.all())
    own = Generations(connection, alias, DEFINITION, new_uuid())
    before = state(elasticsearch_url, alias)
    assert (own.unfinished(), own.old()) == ([], [])
    with pytest.raises(WrongIndex, match="another store"):
        own.current()
    for name in (used, built):
        with pytest.raises(WrongIndex, match="another store"):
            own.remove(name)
    assert state(elasticsearch_url, alias) == before
    made = own.create({})
    with pytest.raises(WrongIndex, match="another store"):
        own.swap(made)
    assert {name: content for name, content in state(elasticsearch_url, alias).items() if name != made} == before
    own.remove(made)
    assert state(elasticsearch_url, alias) == before


def test_what_is_in_use_is_not_removed(theirs: Generations) -> None:
    used, built = (each.name for each in theirs.all())
    with pytest.raises(WrongIndex, match="in use"):
        theirs.remove(used)
    theirs.remove(built)
    assert [each.name for each in theirs.all()] == [used]
