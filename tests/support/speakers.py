"""How a client of each dialect speaks: one row a dialect, for what must hold in all of them (tests/dialects)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from tests.support.app import Server
from tests.support.multipart import Form, Part

Json = dict[str, Any]


@dataclass(frozen=True)
class Speaker:
    """A client that uploads a file in one dialect."""

    dialect: str
    upload_path: str
    #: A path of the dialect that no route has.
    unknown_path: str
    token_headers: Callable[[str], dict[str, str]]
    #: The form of one file, given its name on the wire and its content.
    form: Callable[[bytes, bytes], Form]
    #: The new id in an acknowledgement.
    id_of: Callable[[Json], str]
    #: The whole error body that a status and a message make.
    error: Callable[[int, str], Json]

    def send(self, server: Server, form: Form, token: str | None = None) -> requests.Response:
        """Upload a form; `token` None shows the one that has every scope, and "" shows none."""
        headers = self.token_headers(server.token if token is None else token) if token != "" else {}
        return requests.post(server.url + self.upload_path, timeout=60, **form.options(**headers))

    def upload(self, server: Server, name: bytes, content: bytes, token: str | None = None) -> requests.Response:
        return self.send(server, self.form(name, content), token)

    def stored(self, server: Server, name: bytes, content: bytes, token: str | None = None) -> str:
        """Upload a file that is to be accepted; its id."""
        answer = self.upload(server, name, content, token)
        assert answer.status_code == 200, answer.text
        return self.id_of(answer.json())

    def message(self, answer: requests.Response, status: int) -> str:
        """The message of an error, which must have this status and the dialect's shape and nothing else."""
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        message = _first_text(answer.json())
        assert answer.json() == self.error(status, message)
        assert message
        return message


def _first_text(value: Any) -> str:
    """The one text in an error body, wherever it is."""
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_first_text, inner)), "")


SPEAKERS = (
    Speaker(
        dialect="coco",
        upload_path="/chat/spoken/_upload",
        unknown_path="/attachment/no/such/route",
        token_headers=lambda token: {"X-API-TOKEN": token},
        form=lambda name, content: Form((Part("files", content, name),)),
        id_of=lambda answer: str(answer["attachments"][0]),
        error=lambda status, message: {"error": {"reason": message}, "status": status},
    ),
    Speaker(
        dialect="langdock",
        upload_path="/attachment/v1/upload",
        unknown_path="/attachment/v1/no-such-route",
        token_headers=lambda token: {"Authorization": f"Bearer {token}"},
        form=lambda name, content: Form((Part("file", content, name),)),
        id_of=lambda answer: str(answer["attachmentId"]),
        error=lambda status, message: {"error" if status < 500 else "message": message},
    ),
    Speaker(
        dialect="kore",
        upload_path="/api/v2/apps/aa-1/environments/draft/attachments/upload",
        unknown_path="/api/v2/apps/aa-1/no-such-route",
        token_headers=lambda token: {"x-api-key": token},
        form=lambda name, content: Form(
            (Part("file", content, name), Part("userReference", b"spoken"), Part("uploadType", b"runtime"))
        ),
        id_of=lambda answer: str(answer["fileId"]),
        error=lambda status, message: {"errors": [{"msg": message, "code": status}]},
    ),
)
