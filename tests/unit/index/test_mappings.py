"""How many numbers a vector has: of an index, and in the definition of the next one."""

import json

import pytest

from app.index import mappings

ATTACHMENT, CHAT = (mappings.load(mappings.MAPPINGS / f"{name}.json") for name in ("coco_attachment", "coco_chat"))


def test_the_file_leaves_it_to_the_model() -> None:
    assert mappings.dimensions(ATTACHMENT["mappings"]["properties"]) is None


@pytest.mark.parametrize("number", [256, 512, None])
def test_a_definition_says_it_and_nothing_else_of_it_changes(number: int | None) -> None:
    before = json.dumps(ATTACHMENT)
    made = mappings.with_dimensions(ATTACHMENT, number)
    assert mappings.dimensions(made["mappings"]["properties"]) == number
    assert mappings.with_dimensions(made, None) == ATTACHMENT
    assert mappings.dimensions(mappings.with_dimensions(made, 7)["mappings"]["properties"]) == 7
    assert json.dumps(ATTACHMENT) == before


def test_one_without_vectors_stays_as_it_is() -> None:
    assert mappings.with_dimensions(CHAT, 512) == CHAT
    assert mappings.dimensions(CHAT["mappings"]["properties"]) is None
    assert mappings.dimensions({"passages": {"type": "nested"}}) is None
