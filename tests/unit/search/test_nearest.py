"""The nearest passage of a hit: taken from what Elasticsearch says, shown beside what is marked, escaped."""

from __future__ import annotations

from typing import Any

from app.search.nearest import Cited, Near, asked, taken, tell


def hit(*near: tuple[int, float], **more: Any) -> dict[str, Any]:
    inner = [{"_nested": {"field": "passages", "offset": number}, "_score": score} for number, score in near]
    return {"_id": "a", **more, "inner_hits": {"passages": {"hits": {"hits": inner}}}}


def test_they_are_taken_out_of_the_hit_with_their_cosine() -> None:
    found = hit((3, 45.0), (0, 30.0))
    assert taken(found, 60) == [Near(3, 0.5), Near(0, 0.0)]
    assert found == {"_id": "a"}
    assert taken(found, 60) == []
    assert asked(2) == {"size": 2, "_source": False}


def test_the_nearest_is_shown_beside_the_marks_and_is_escaped() -> None:
    passages = {("a", 3): Cited("1 < 2 & <mark>\n", 10, 25, 3, "a&b/<c>.txt")}
    answer = {"hits": {"hits": [hit((3, 0.75), (0, 0.7), highlight={"name": ["<mark>x</mark>"]}), hit(), {"_id": "b"}]}}
    tell(answer, lambda name, number: passages.get((name, number)))
    assert answer["hits"]["hits"] == [
        {
            "_id": "a",
            "highlight": {
                "name": ["<mark>x</mark>"],
                "passage": ["1 &lt; 2 &amp; &lt;mark&gt;\n"],
                "passage.page": ["3"],
                "passage.file": ["a&amp;b/&lt;c&gt;.txt"],
                "passage.start": ["10"],
                "passage.end": ["25"],
            },
        },
        {"_id": "a"},
        {"_id": "b"},
    ]


def test_what_is_not_known_any_more_is_not_shown() -> None:
    answer = {"hits": {"hits": [hit((3, 0.75))]}}
    tell(answer, lambda name, number: None)
    assert answer == {"hits": {"hits": [{"_id": "a"}]}}


def test_what_a_text_does_not_have_is_left_out() -> None:
    assert Cited("x", 0, 1, None, "").highlighted() == {
        "passage": ["x"],
        "passage.start": ["0"],
        "passage.end": ["1"],
    }
