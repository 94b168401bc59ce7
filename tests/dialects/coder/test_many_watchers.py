"""WebSockets are counted: of a tenant and in all, and none takes a descriptor that a download or an upload needs."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.dialects.coder.client import CHATS, chat
from tests.dialects.coder.watching import PATIENCE, Watcher, git, repository, watching
from tests.support.app import Server, ServerFactory

pytestmark = pytest.mark.needs("git")

HANDSHAKE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "workspaces"
    for tenant in ("default", "other"):
        repository(made / tenant / "w" / "repo")
    return made


def refusal(server: Server, chat_id: str, token: str) -> tuple[int, str, str | None]:
    """Status, body and Retry-After of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught, watching(server, chat_id, token):
        pass
    response = caught.value.response
    return response.status_code, response.body.decode(), response.headers.get("Retry-After")


def test_a_tenant_has_so_many_and_all_together_so_many(start_server: ServerFactory, root: Path) -> None:
    server = start_server(WORKSPACE_ROOT=str(root), WEB_WORKERS="1", MAX_WEBSOCKETS="4", MAX_TENANT_WEBSOCKETS="3")
    other = server.make_token(tenant="other")
    ours, theirs = (str(chat(server, token, workspace="w")["id"]) for token in (server.token, other))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(watching(server, ours)) for _ in range(3)]
        status, body, _ = refusal(server, ours, server.token)
        assert (status, body) == (
            429,
            '{"message":"Too many WebSockets are open: at most 3; close those that are done with"}\n',
        )
        # What is refused for another reason takes no place.
        assert server.get(f"{CHATS}/{theirs}/git/watch", headers={"Coder-Session-Token": other}).status_code == 426
        stack.enter_context(watching(server, theirs, other))
        status, body, again = refusal(server, theirs, other)
        assert (status, again) == (503, "5")
        assert body == '{"message":"No more WebSockets can be opened now"}\n'
        # Everything else works as ever, for both.
        [file_id] = server.upload(("a", b"a"))
        assert server.get(f"/attachment/{file_id}").content == b"a"
        clients[0].socket.close()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                client = stack.enter_context(watching(server, ours))
                break
            except InvalidStatus:
                assert time.monotonic() < end
                time.sleep(0.05)
        client.until(lambda: len(client.known) == 1)


def sockets(server: Server, chat_id: str, number: int) -> Iterator[tuple[socket.socket, bytes]]:
    """So many watchers of which nobody reads more than the head of the answer."""
    head = f"GET {CHATS}/{chat_id}/git/watch HTTP/1.1\r\nHost: x\r\nCoder-Session-Token: {server.token}\r\n"
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        client.sendall(f"{head}{HANDSHAKE.format(key=KEY)}\r\n".encode())
        yield client, client.recv(12)


def test_descriptors_are_kept_for_downloads_and_uploads(start_server: ServerFactory, root: Path) -> None:
    """With few descriptors: WebSockets end at a clear refusal, silent connections make room, requests find theirs."""
    server = start_server(
        WORKSPACE_ROOT=str(root),
        WEB_WORKERS="1",
        WEB_THREADS="4",
        MAX_TENANT_WEBSOCKETS="1000",
        launcher=("/bin/sh", "-c", 'ulimit -n 300; exec "$@"', "sh"),
    )
    [file_id] = server.upload(("first", b"\0" * 300_000))
    chat_id = str(chat(server, workspace="w")["id"])
    assert "300 file descriptors are there" in server.log.read_text()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 800
    with contextlib.ExitStack() as stack:
        answers = []
        for client, answer in sockets(server, chat_id, 330):
            stack.enter_context(client)
            answers.append(answer)
        assert answers.count(b"HTTP/1.1 101") == 38
        assert set(answers[38:]) == {b"HTTP/1.1 503"}
        for _ in range(330):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        for _ in range(3):
            assert len(server.get(f"/attachment/{file_id}").content) == 300_000
            assert len(server.upload(*((f"{number}", b"x") for number in range(20)))) == 20
            assert server.get("/attachment/_search").status_code == 200
    assert "Too many open files" not in server.log.read_text()


def test_another_tenants_slow_repositories_delay_nobody(start_server: ServerFactory, root: Path) -> None:
    """Each would wait for as long as git may; there are more of them than workspaces are looked at at once."""
    for number in range(6):
        for name in range(4):
            slow = repository(root / "other" / f"slow{number}" / f"repo{name}")
            (slow / "untracked").write_text("x\n")
            git(slow, "rm", "-q", "readme")
            os.mkfifo(slow / ".gitignore")
    server = start_server(WORKSPACE_ROOT=str(root), WEB_WORKERS="1")
    other = server.make_token(tenant="other")
    with contextlib.ExitStack() as stack:
        slow_ones: list[Watcher] = []
        for number in range(6):
            chat_id = str(chat(server, other, workspace=f"slow{number}")["id"])
            slow_ones.append(stack.enter_context(watching(server, chat_id, other)))
        ours = str(chat(server, workspace="w")["id"])
        for _ in range(3):
            with watching(server, ours) as client:
                # It gives up after a minute; all of theirs, one after the other, would take several.
                client.until(lambda client=client: len(client.known) == 1)  # type: ignore[misc]
        # They are told in the end as well.
        slow_ones[0].until(lambda: len(slow_ones[0].known) == 4)
