"""A judged set: sixteen real documents, what people ask for in them, and how good an order of hits is (nDCG)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence

from tests.support.app import ROOT, Server

_FOLDER = ROOT / "tests/data/ranking"

#: By query, how well each document answers it: 2 is what was asked for, 1 has to do with it.
QUERIES: Mapping[str, Mapping[str, int]] = json.loads((_FOLDER / "queries.json").read_text())
#: Hits that are looked at.
DEPTH = 5


def upload(server: Server, *, session: str, token: str | None = None) -> list[str]:
    """Upload the documents and wait until their text is searchable; their ids."""
    files = [(path.name, path.read_bytes()) for path in sorted((_FOLDER / "documents").iterdir())]
    ids = server.upload(*files, session=session, token=token)
    deadline = time.monotonic() + 120
    while True:
        answer = server.post("/attachment/_status", json={"attachments": ids}, token=token).json()
        if all(each["initial_parsing"] == "completed" for each in answer.values()):
            return ids
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def ndcg(names: Sequence[str], judged: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain of the first hits: 1.0 is the best order that there could be."""

    def gain(grades: Sequence[int]) -> float:
        return float(sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades[:DEPTH])))

    best = gain(sorted(judged.values(), reverse=True))
    return gain([judged.get(name, 0) for name in names]) / best
