"""The passages of an attachment that are nearest to a query, as Elasticsearch tells them, and as a hit shows them. Pure.

The kNN of a search has `inner_hits`: of each hit, by whatever it was found, they say which of its passages are near, by
their numbers in the document, and how near each is; also of one whose vectors are of another model, which has to be left
out. What a passage says, and where it is, comes from the files (`app.services.kept_text`): the index holds vectors and no
texts of passages.

Rejected: text, page and offsets in the nested documents (they would be sent again with each change of an attachment, and
kept twice); `inner_hits` in the answer of a search by words (numbers that mean nothing to a client, which shows the
passage).
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from app import processing
from app.model.schema import existing

Dsl = dict[str, Any]

(_PASSAGES,) = existing("passages")
_INNER = "inner_hits"
#: The cost of reading a passage and where it is from the files, in steps of `app.processing`.
_STEPS_A_LOOK = 60


class Near(NamedTuple):
    """`number`: of the passage in its document, from 0. `cosine`: between its vector and the query's."""

    number: int
    cosine: float


@dataclass(frozen=True)
class Cited:
    """A piece of the kept text of an attachment. `start`, `end`: bytes of that text before it and up to its end. `page`: the
    number of the page that it is on, from 1; None where there are no pages. `file`: the path of the file inside of the
    attachment; '' for the attachment itself. `title`: of the page (a slide, a sheet, a chapter), or ''."""

    text: str
    start: int
    end: int
    page: int | None
    file: str
    title: str = ""

    def highlighted(self) -> dict[str, list[str]]:
        """As it is in the `highlight` of a hit, each value as HTML."""
        told = {"passage": self.text, "passage.page": self.page, "passage.file": self.file or None}
        told |= {"passage.start": self.start, "passage.end": self.end}
        return {name: [html.escape(str(value))] for name, value in told.items() if value is not None}


def asked(count: int) -> Dsl:
    """The `inner_hits` of a kNN that tell `count` passages of each hit."""
    return {"size": count, "_source": False}


def taken(hit: Dsl, boost: float) -> list[Near]:
    """The nearest passages of a hit, the nearest first, by a kNN with that boost; they are taken out of the hit."""
    inner = hit.pop(_INNER, {}).get(_PASSAGES, {}).get("hits", {}).get("hits", [])
    # Elasticsearch gives a cosine as (1 + cosine) / 2, times the boost.
    return [Near(each["_nested"]["offset"], 2 * each["_score"] / boost - 1) for each in inner]


def tell(answer: Dsl, passage: Callable[[str, int], Cited | None]) -> None:
    """Show the nearest passage of each hit of an answer in its `highlight`, and take what Elasticsearch says of it away.
    `passage`: of an attachment, by its id, the one with this number; None where that is not known (any more). Raises what
    `processing.spend` and `passage` do."""
    for hit in answer["hits"]["hits"]:
        for near in taken(hit, 1)[:1]:
            processing.spend(_STEPS_A_LOOK)
            if (found := passage(hit["_id"], near.number)) is not None:
                hit["highlight"] = {**hit.get("highlight", {}), **found.highlighted()}
