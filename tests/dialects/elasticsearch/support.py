"""Documents without files, straight into a running server's index: for what is about searching a great many."""

from __future__ import annotations

import json
from collections.abc import Iterable

import requests

from app.search.analysis import content_fields
from tests.support.app import Server

MOMENT = "2026-01-01T00:00:00.000000+00:00"


def fill(server: Server, ids: Iterable[str], tenant: str, text: str = "") -> None:
    """Write documents that are alike but for their ids; `text` is their content."""
    lines = []
    for each in ids:
        source = {"id": each, "created": MOMENT, "name": "alike.txt", "size": 1, "tenant": tenant, "session": "walk"}
        source |= content_fields(text) if text else {}
        lines += [json.dumps({"index": {"_id": each}}), json.dumps(source)]
    for at in range(0, len(lines), 10_000):
        content = "\n".join(lines[at : at + 10_000]) + "\n"
        answer = requests.post(
            f"{server.elasticsearch_url}/{server.index}/_bulk",
            data=content.encode(),
            headers={"Content-Type": "application/x-ndjson"},
            timeout=120,
        )
        assert not answer.json()["errors"], answer.text[:500]
    requests.post(f"{server.elasticsearch_url}/{server.index}/_refresh", timeout=60).raise_for_status()
