"""How a client of each dialect speaks: one row a dialect, for what must hold in all of them (tests/dialects)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import requests

from tests.support.app import Server
from tests.support.multipart import HOSTILE_NAMES, PLAIN_NAMES, Form, Part, Plain

Json = dict[str, Any]

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
PDF = b"%PDF-1.4\n"


@dataclass(frozen=True)
class Speaker:
    """A client that uploads a file in one dialect."""

    dialect: str
    upload_path: str
    #: A path of the dialect that no route has.
    unknown_path: str
    token_headers: Callable[[str], dict[str, str]]
    #: The body of one file, given its name on the wire and its content.
    body: Callable[[bytes, bytes], Form | Plain]
    #: The new id in an acknowledgement.
    id_of: Callable[[Json], str]
    #: The whole error body that a status and the texts in it make.
    error: Callable[[int, list[str]], Json]
    #: The status of an acknowledgement.
    accepted: int = 200
    #: Names on the wire and as they are kept; None where the upload is refused.
    names: Mapping[bytes, str | None] = field(default_factory=lambda: HOSTILE_NAMES)
    #: What a file must begin with, and the media type that this makes.
    head: bytes = b""
    sample: tuple[bytes, str] = (PDF, "application/pdf")
    #: The media types that are taken; None takes all.
    takes: Collection[str] | None = None
    #: The path of a delete, for an id; None in a dialect without one.
    delete_path: Callable[[str], str] | None = None
    #: The whole body of a delete's 404, for an id.
    unknown: Callable[[str], Json] | None = None

    def send(self, server: Server, body: Form | Plain, token: str | None = None, **options: Any) -> requests.Response:
        """Upload a body; `token` None shows the one that has every scope, and "" shows none."""
        merged = {**body.options(**self.shown(server, token)), **options}
        return requests.post(server.url + self.upload_path, timeout=60, **merged)

    def shown(self, server: Server, token: str | None = None) -> dict[str, str]:
        """The headers of a caller; `token` as `send` has it."""
        return {} if token == "" else self.token_headers(server.token if token is None else token)

    def upload(self, server: Server, name: bytes, content: bytes, token: str | None = None) -> requests.Response:
        return self.send(server, self.body(name, content), token)

    def upload_in_pieces(self, server: Server, name: bytes, content: bytes) -> requests.Response:
        """Upload without an announced length."""
        body = self.body(name, content)
        data: bytes = body.options()["data"]
        pieces: Iterator[bytes] = (data[at : at + 1000] for at in range(0, len(data), 1000))
        return self.send(server, body, data=pieces)

    def stored(self, server: Server, name: bytes, content: bytes, token: str | None = None) -> str:
        """Upload a file that is to be accepted; its id."""
        answer = self.upload(server, name, content, token)
        assert answer.status_code == self.accepted, answer.text
        return self.id_of(answer.json())

    def delete(self, server: Server, attachment_id: str, token: str | None = None) -> requests.Response:
        """Delete by this dialect's own route; `token` as `send` has it."""
        assert self.delete_path is not None
        address = server.url + self.delete_path(attachment_id)
        return requests.delete(address, headers=self.shown(server, token), timeout=60)

    def message(self, answer: requests.Response, status: int) -> str:
        """The text of an error, which must have this status and the dialect's shape and nothing else."""
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        texts = list(_texts(answer.json()))
        assert answer.json() == self.error(status, texts)
        assert all(texts)
        return ": ".join(texts)


def _texts(value: Any) -> Iterator[str]:
    """The texts in an error body, wherever they are, in order."""
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _texts(each)


SPEAKERS = (
    Speaker(
        dialect="coco",
        upload_path="/chat/spoken/_upload",
        unknown_path="/attachment/no/such/route",
        token_headers=lambda token: {"X-API-TOKEN": token},
        body=lambda name, content: Form((Part("files", content, name),)),
        id_of=lambda answer: str(answer["attachments"][0]),
        error=lambda status, texts: {"error": {"reason": texts[0]}, "status": status},
        delete_path=lambda attachment_id: f"/attachment/{attachment_id}",
        unknown=lambda attachment_id: {"_id": attachment_id, "result": "not_found"},
    ),
    Speaker(
        dialect="langdock",
        upload_path="/attachment/v1/upload",
        unknown_path="/attachment/v1/no-such-route",
        token_headers=lambda token: {"Authorization": f"Bearer {token}"},
        body=lambda name, content: Form((Part("file", content, name),)),
        id_of=lambda answer: str(answer["attachmentId"]),
        error=lambda status, texts: {"error" if status < 500 else "message": texts[0]},
    ),
    Speaker(
        dialect="kore",
        upload_path="/api/v2/apps/aa-1/environments/draft/attachments/upload",
        unknown_path="/api/v2/apps/aa-1/no-such-route",
        token_headers=lambda token: {"x-api-key": token},
        body=lambda name, content: Form(
            (Part("file", content, name), Part("userReference", b"spoken"), Part("uploadType", b"runtime"))
        ),
        id_of=lambda answer: str(answer["fileId"]),
        error=lambda status, texts: {"errors": [{"msg": texts[0], "code": status}]},
        delete_path=lambda attachment_id: f"/api/v2/apps/aa-1/environments/draft/attachments/{attachment_id}",
        unknown=lambda attachment_id: {"errors": [{"msg": "not found", "code": 404}]},
    ),
    Speaker(
        dialect="coder",
        upload_path=f"/api/v2/chats/files?organization={UUID(int=1)}",
        unknown_path="/api/v2/chats/no/such/route",
        token_headers=lambda token: {"Coder-Session-Token": token},
        body=lambda name, content: Plain(content, name, "image/png"),
        id_of=lambda answer: str(answer["id"]),
        error=lambda status, texts: dict(zip(("message", "detail"), texts, strict=False)),
        accepted=201,
        names=PLAIN_NAMES,
        head=PNG,
        sample=(PNG, "image/png"),
        takes=("image/png", "image/jpeg", "image/gif", "image/webp"),
    ),
)
