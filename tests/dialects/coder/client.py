"""How tests speak as a Coder client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

from tests.support.app import Server

FILES = "/api/v2/chats/files"
CHATS = "/api/v2/chats"
ORGANIZATION = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
NOT_FOUND = {"message": "Resource not found or you do not have access to this resource"}

#: A whole PNG of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f00038101802e19e3bf"
    "0000000049454e44ae426082"
)


def call(server: Server, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
    """A request; `token` None shows the one that has every scope, and "" shows none."""
    shown = server.token if token is None else token
    headers = {**({"Coder-Session-Token": shown} if shown else {}), **options.pop("headers", {})}
    return requests.request(method, server.url + path, headers=headers, timeout=60, **options)


def upload(
    server: Server,
    content: bytes | Iterator[bytes] = PNG,
    *,
    media_type: str | None = "image/png",
    query: str = f"?organization={ORGANIZATION}",
    disposition: str | bytes | None = None,
    token: str | None = None,
) -> requests.Response:
    """Upload a chat file."""
    headers: dict[str, Any] = {}
    if media_type is not None:
        headers["Content-Type"] = media_type
    if disposition is not None:
        headers["Content-Disposition"] = disposition
    return call(server, "POST", FILES + query, token, data=content, headers=headers)


def uploaded(server: Server, content: bytes = PNG, **options: Any) -> str:
    """Upload a chat file that is to be accepted; its id."""
    answer = upload(server, content, **options)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def chat(server: Server, token: str | None = None, **body: Any) -> dict[str, Any]:
    """Make a chat; its description."""
    answer = call(server, "POST", CHATS, token, json={"organization_id": ORGANIZATION, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
