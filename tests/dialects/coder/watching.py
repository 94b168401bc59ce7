"""Real repositories, and a real WebSocket client that watches them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.dialects.coder.client import CHATS
from tests.support.app import Server

#: A change arrives within 2 s on an idle machine; tests wait longer, for the machine may be busy.
PATIENCE = 60.0

Json = dict[str, Any]


def git(folder: Path, *arguments: str) -> str:
    """Run git as a user would; its output."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    who += ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def repository(folder: Path, **files: str) -> Path:
    """A new repository with one commit of `files` (by default one)."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    for name, text in (files or {"readme": "first\n"}).items():
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


@dataclass
class Watcher:
    """What a client knows, put together from the deltas."""

    socket: ClientConnection
    known: dict[str, Json] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    messages: list[Json] = field(default_factory=list)

    def receive(self, seconds: float) -> Json:
        message: Json = json.loads(self.socket.recv(timeout=seconds))
        self.messages.append(message)
        for each in message.get("repositories", []):
            if each.get("removed"):
                assert set(each) == {"repo_root", "removed"}
                del self.known[each["repo_root"]]
                self.removed.add(each["repo_root"])
            else:
                assert set(each) == {"repo_root", "branch", "remote_origin", "unified_diff"}
                assert self.known.get(each["repo_root"]) != each
                self.known[each["repo_root"]] = each
        return message

    def until(self, holds: Callable[[], bool]) -> None:
        """Receive until `holds`."""
        end = time.monotonic() + PATIENCE
        while not holds():
            try:
                self.receive(max(0.1, end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"it did not come: {self.messages[-3:]}") from None

    def of(self, root: Path) -> Json:
        return self.known.get(str(root), {"unified_diff": "", "branch": None, "remote_origin": None})

    def diff(self, root: Path) -> str:
        return str(self.of(root)["unified_diff"])

    def send(self, message: Any) -> None:
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


def watch_url(server: Server, chat_id: str) -> str:
    return f"ws://127.0.0.1:{server.port}{CHATS}/{chat_id}/git/watch"


@contextlib.contextmanager
def watching(server: Server, chat_id: str, token: str | None = None, **options: Any) -> Iterator[Watcher]:
    """A client that watches a chat."""
    headers = {"Coder-Session-Token": server.token if token is None else token}
    with connect(
        watch_url(server, chat_id), additional_headers=headers, open_timeout=60, max_size=2**24, proxy=None, **options
    ) as socket:
        yield Watcher(socket)
