"""A client of the Kore.ai dialect."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.support.app import Server
from tests.support.multipart import Form, Part

FILE = Part("file", b"some text\n", b"notes.txt")


@dataclass
class Kore:
    """A tenant of its own on the shared server, and an app in it."""

    server: Server
    tenant: str = field(default_factory=lambda: f"tenant-{secrets.token_hex(6)}")
    app: str = "aa-6b1c"
    environment: str = "draft"
    prefix: str = "/api/v2"
    key: str = ""

    def __post_init__(self) -> None:
        self.key = self.server.make_token(tenant=self.tenant)

    def url(self, last: str, *, app: str | None = None, environment: str | None = None) -> str:
        app, environment = app or self.app, environment or self.environment
        return f"{self.server.url}{self.prefix}/apps/{app}/environments/{environment}/attachments/{last}"

    def post(self, *parts: Part, **place: str) -> requests.Response:
        options = Form(parts).options(**{"x-api-key": self.key})
        return requests.post(self.url("upload", **place), timeout=60, **options)

    def upload(self, session: str = "session-1", **place: str) -> str:
        """Upload a file that is to be accepted; its id."""
        answer = self.post(FILE, Part("userReference", session.encode()), Part("uploadType", b"runtime"), **place)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["fileId"])

    def delete(self, file_id: str, *, query: str = "", place: dict[str, str] | None = None, **options: Any) -> Any:
        headers = {"x-api-key": self.key, **options.pop("headers", {})}
        return requests.delete(self.url(file_id, **place or {}) + query, headers=headers, timeout=60, **options)

    def is_there(self, file_id: str) -> bool:
        """Whether the file is served and found; both or neither."""
        served = self.server.get(f"/attachment/{file_id}", token=self.key).status_code == 200
        found = file_id in [hit["_id"] for hit in self.server.hits("size=1000", token=self.key)]
        assert served == found
        return served


@pytest.fixture
def kore(server: Server) -> Kore:
    return Kore(server)


@pytest.fixture
def refused() -> Callable[[requests.Response, int], str]:
    """The message of an error that must have this status and Kore.ai's shape."""

    def check(answer: requests.Response, status: int) -> str:
        assert answer.status_code == status, answer.text
        (error,) = answer.json()["errors"]
        assert list(answer.json()) == ["errors"]
        assert list(error) == ["msg", "code"]
        assert error["code"] == status
        return str(error["msg"])

    return check
