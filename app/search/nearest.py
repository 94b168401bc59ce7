"""The passages of an attachment that are nearest to a query: reads them from Elasticsearch's answer, and shows them in
a hit. Pure.

The kNN of a search has `inner_hits`. For each hit, however it was found, they say which of its passages are near, by
their numbers in the document, and how near each is. They also do so for a hit whose vectors are of another model, which
has to be left out. What a passage says, and where it is, is read from the files (`app.services.kept_text`): the index
holds the vectors of passages, and not their texts.

Rejected: text, page and offsets in the nested documents (they would be sent again with each change of an attachment,
and kept twice); `inner_hits` in the answer to a search by words (their numbers mean nothing to a client, which needs
the passage).
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
#: The cost of reading a passage and its place from the files, in steps of `app.processing`.
_STEPS_A_LOOK = 60


class Near(NamedTuple):
    """A near passage. `number`: its number in the document, from 0. `cosine`: that between its vector and the
    query's."""

    number: int
    cosine: float


@dataclass(frozen=True)
class Cited:
    """A piece of the kept text of an attachment. `start`, `end`: the offsets of its beginning and its end in that text,
    in bytes. `page`: the number of the page that it is on, from 1; None if there are no pages. `file`: the path of the
    file inside the attachment; '' for the attachment itself. `title`: that of the page (a slide, a sheet, a chapter),
    or ''."""

    text: str
    start: int
    end: int
    page: int | None
    file: str
    title: str = ""

    def highlighted(self) -> dict[str, list[str]]:
        """The values that it has in the `highlight` of a hit, each as HTML."""
        told = {"passage": self.text, "passage.page": self.page, "passage.file": self.file or None}
        told |= {"passage.start": self.start, "passage.end": self.end}
        return {name: [html.escape(str(value))] for name, value in told.items() if value is not None}


def asked(count: int) -> Dsl:
    """The `inner_hits` of a kNN that returns `count` passages of each hit."""
    return {"size": count, "_source": False}


def taken(hit: Dsl, boost: float) -> list[Near]:
    """The nearest passages of a hit, the nearest first. They are removed from the hit. `boost`: that of the kNN."""
    inner = hit.pop(_INNER, {}).get(_PASSAGES, {}).get("hits", {}).get("hits", [])
    # Elasticsearch gives a cosine as (1 + cosine) / 2, times the boost.
    return [Near(each["_nested"]["offset"], 2 * each["_score"] / boost - 1) for each in inner]


def tell(answer: Dsl, passage: Callable[[str, int], Cited | None]) -> None:
    """Show the nearest passage of each hit of an answer in its `highlight`, and remove the `inner_hits`, in place.

    `passage`: returns the passage of an attachment, by its id, that has this number; None if it is not known (any
    more). Raises what `processing.spend` and `passage` raise.
    """
    for hit in answer["hits"]["hits"]:
        for near in taken(hit, 1)[:1]:
            processing.spend(_STEPS_A_LOOK)
            if (found := passage(hit["_id"], near.number)) is not None:
                hit["highlight"] = {**hit.get("highlight", {}), **found.highlighted()}
