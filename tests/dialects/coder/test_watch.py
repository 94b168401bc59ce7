"""Git watch: what happens in a workspace arrives, as deltas, over a real WebSocket beside the server's other work."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.dialects.coder.client import CHATS, NOT_FOUND, ORGANIZATION, call, chat, upload
from tests.dialects.coder.watching import Watcher, git, repository, watching
from tests.support.app import Server, running_server

pytestmark = pytest.mark.needs("git")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspaces").resolve()


@pytest.fixture(scope="module")
def host(root: Path, tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server with workspaces."""
    with running_server(tmp_path_factory.mktemp("host"), elasticsearch_url, WORKSPACE_ROOT=str(root)) as running:
        yield running


@pytest.fixture
def folder(root: Path, request: pytest.FixtureRequest) -> Path:
    made: Path = root / "default" / request.node.name.replace("/", "_")
    made.mkdir(parents=True)
    return made


def chat_of(host: Server, folder: Path) -> str:
    return str(chat(host, workspace=folder.name)["id"])


@pytest.fixture
def watcher(host: Server, folder: Path) -> Iterator[Watcher]:
    """Watches a workspace with one repository, `repo`, and knows its first state."""
    repository(folder / "repo", readme="first\n", other="some\nlines\nhere\nand\nthere\n")
    with watching(host, chat_of(host, folder)) as client:
        client.until(lambda: str(folder / "repo") in client.known)
        assert client.known == {
            str(folder / "repo"): {
                "repo_root": str(folder / "repo"),
                "branch": "main",
                "remote_origin": "",
                "unified_diff": "",
            }
        }
        yield client


def test_from_a_saved_file_to_a_commit(watcher: Watcher, folder: Path) -> None:
    repo = folder / "repo"
    (repo / "readme").write_text("second\n")
    watcher.until(lambda: "-first\n+second\n" in watcher.diff(repo))
    assert watcher.diff(repo).startswith("diff --git a/readme b/readme\n")
    assert watcher.messages[-1]["type"] == "changes"
    assert watcher.messages[-1]["scanned_at"].endswith("Z")
    git(repo, "add", "readme")
    (repo / "new file").write_text("untracked\n")
    watcher.until(lambda: "+untracked" in watcher.diff(repo))
    assert "+second" in watcher.diff(repo)
    assert git(repo, "status", "--porcelain") == 'M  readme\n?? "new file"\n'
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "second")
    watcher.until(lambda: watcher.diff(repo) == "")
    git(repo, "switch", "-qc", "topic/one")
    watcher.until(lambda: watcher.of(repo)["branch"] == "topic/one")
    (repo / "deep" / "er").mkdir(parents=True)
    (repo / "deep" / "er" / "file").write_text("deep\n")
    watcher.until(lambda: "b/deep/er/file" in watcher.diff(repo))
    (repo / "deep" / "er" / "file").write_text("deeper\n")
    watcher.until(lambda: "+deeper" in watcher.diff(repo))


def test_binary_renamed_deleted_ignored_and_links(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    repo = folder / "repo"
    (tmp_path / "secret").write_text("SECRET\n")
    git(repo, "mv", "other", "renamed")
    (repo / "image.png").write_bytes(b"\x89PNG\0\1\2")
    (repo / "readme").unlink()
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "x.log").write_text("IGNORED\n")
    (repo / "link").symlink_to(tmp_path / "secret")
    (repo / "links").symlink_to(tmp_path)
    (repo / "naïve ✓").write_text("odd\n")
    (repo / "done").write_text("done\n")
    wanted = (
        "rename from other\nrename to renamed\n",
        "Binary files /dev/null and b/image.png differ",
        "deleted file mode 100644",
        f"+{tmp_path / 'secret'}",
        "+done",
    )
    # A scan in the middle of all this may see some of it.
    watcher.until(lambda: all(each in watcher.diff(repo) for each in wanted))
    diff = watcher.diff(repo)
    assert "IGNORED" not in diff
    assert "SECRET" not in diff


def test_repositories_come_and_go(watcher: Watcher, folder: Path) -> None:
    second = repository(folder / "deep" / "second")
    git(second, "remote", "add", "origin", "https://me:s3cret@example.com/second.git")
    watcher.until(lambda: watcher.of(second)["remote_origin"] == "https://example.com/second.git")
    assert "s3cret" not in str(watcher.messages)
    shutil.rmtree(folder / "deep")
    watcher.until(lambda: str(second) in watcher.removed)
    empty = folder / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    (empty / "first").write_text("unborn\n")
    watcher.until(lambda: "+unborn" in watcher.diff(empty))
    assert watcher.of(empty)["branch"] == "main"


def test_submodules_and_linked_work_trees(watcher: Watcher, folder: Path) -> None:
    repo = folder / "repo"
    origin = repository(folder / "library", code="one\n")
    git(repo, "submodule", "add", "-q", str(origin), "sub")
    git(repo, "commit", "-qam", "with a submodule")
    git(repo, "worktree", "add", "-q", str(folder / "linked"), "-b", "side")
    watcher.until(lambda: watcher.of(folder / "linked")["branch"] == "side" and str(repo / "sub") in watcher.known)
    (repo / "sub" / "code").write_text("two\n")
    (folder / "linked" / "readme").write_text("linked\n")
    watcher.until(lambda: "+two" in watcher.diff(repo / "sub") and "+linked" in watcher.diff(folder / "linked"))
    git(repo / "sub", "commit", "-qam", "two")
    watcher.until(lambda: "+Subproject commit " in watcher.diff(repo))


def test_a_diff_that_is_too_large_is_a_sentence(watcher: Watcher, folder: Path) -> None:
    repo = folder / "repo"
    (repo / "large").write_text("0123456789abcdef\n" * 200_000)
    watcher.until(lambda: "too large" in watcher.diff(repo))
    assert watcher.diff(repo).startswith("Total diff too large to show. Size: 3.4 MiB (3")
    (repo / "large").write_text("0123456789abcdef\n" * 170_000)
    watcher.until(lambda: "+0123456789abcdef" in watcher.diff(repo))


def test_each_connection_has_its_own_delta(host: Server, watcher: Watcher, folder: Path) -> None:
    repo = folder / "repo"
    (repo / "readme").write_text("second\n")
    watcher.until(lambda: "+second" in watcher.diff(repo))
    repository(folder / "quiet")
    watcher.until(lambda: str(folder / "quiet") in watcher.known)
    with watching(host, chat_of(host, folder)) as late:
        late.until(lambda: len(late.known) == 2)
        assert late.known == watcher.known
        (repo / "readme").write_text("third\n")
        late.until(lambda: "+third" in late.diff(repo))
        assert [each["repo_root"] for each in late.messages[-1]["repositories"]] == [str(repo)]


def test_refreshes_are_coalesced_and_other_messages_answered(watcher: Watcher, folder: Path) -> None:
    for message in ("{", "[]", '{"type":"subscribe"}', b'{"type":1}', "x" * 1000):
        watcher.send(message)
        watcher.until(lambda: watcher.messages[-1]["type"] == "error")
        assert watcher.messages.pop() == {"type": "error", "message": "unknown message type"}
    began = time.monotonic()
    for number in range(40):
        (folder / "repo" / "readme").write_text(f"{number}\n")
        watcher.send({"type": "refresh"})
        time.sleep(0.1)
    watcher.until(lambda: "+39\n" in watcher.diff(folder / "repo"))
    # Scans begin a second apart at least, however often one asks: at most one for each second, with those at the ends.
    assert len(watcher.messages) <= time.monotonic() - began + 3


def test_long_messages_end_the_connection(watcher: Watcher) -> None:
    watcher.send("x" * 70_000)
    with pytest.raises(ConnectionClosed) as caught:
        watcher.receive(60)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_pings(watcher: Watcher) -> None:
    def seen() -> int:
        return sum(frame == "ping" for frame in pings)

    pings: list[str] = []
    protocol = watcher.socket.protocol
    receive = protocol.recv_frame

    def spy(frame: object) -> None:
        pings.append(frame.opcode.name.lower())  # type: ignore[attr-defined]
        receive(frame)  # type: ignore[arg-type]

    protocol.recv_frame = spy  # type: ignore[method-assign]
    end = time.monotonic() + 90
    while not seen() and time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            watcher.receive(0.5)
    assert seen() == 1


def test_before_the_upgrade(host: Server, server: Server, root: Path) -> None:
    (root / "default" / "gone").mkdir()
    gone = chat(host, workspace="gone")["id"]
    (root / "default" / "gone").rmdir()
    none = chat(host)["id"]
    no_workspace = {"message": "Chat has no workspace to watch."}
    for chat_id, status, body in (
        (gone, 400, no_workspace),
        (none, 400, no_workspace),
        (ORGANIZATION, 404, NOT_FOUND),
        ("nonsense", 400, {"message": 'Invalid UUID "chat".'}),
    ):
        with pytest.raises(InvalidStatus) as caught, watching(host, chat_id):
            pass
        assert caught.value.response.status_code == status
        answer = call(host, "GET", f"{CHATS}/{chat_id}/git/watch")
        assert (answer.status_code, answer.json()) == (status, body)
    for token, status in (("wrong", 401), (host.make_token("write"), 403), (host.make_token(tenant="other"), 404)):
        with pytest.raises(InvalidStatus) as caught, watching(host, none, token):
            pass
        assert caught.value.response.status_code == status


def test_handshakes(host: Server, folder: Path) -> None:
    chat_id = chat_of(host, folder)
    answer = call(host, "GET", f"{CHATS}/{chat_id}/git/watch")
    assert (answer.status_code, answer.json()["message"]) == (426, "A WebSocket handshake is needed.")
    with pytest.raises(InvalidStatus) as caught, watching(host, chat_id, origin="https://evil.example"):
        pass
    assert caught.value.response.status_code == 403
    repository(folder / "repo")
    with watching(host, chat_id, origin=f"http://127.0.0.1:{host.port}") as client:
        client.until(lambda: len(client.known) == 1)


def test_a_tenant_sees_only_its_own(host: Server, root: Path, folder: Path) -> None:
    repository(folder / "repo")
    theirs = repository(root / "second" / folder.name / "repo", readme="theirs\n")
    token = host.make_token(tenant="second")
    chat_id = chat(host, token, workspace=folder.name)["id"]
    with watching(host, chat_id, token) as client:
        client.until(lambda: len(client.known) == 1)
        assert list(client.known) == [str(theirs)]


def test_a_workspace_that_becomes_a_link_is_left(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    outside = repository(tmp_path / "outside" / "repo", secret="SECRET\n")
    (outside / "secret").write_text("MORE SECRET\n")
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "outside")
    watcher.send({"type": "refresh"})
    watcher.until(lambda: str(folder / "repo") in watcher.removed)
    assert "SECRET" not in str(watcher.messages)


def test_a_hundred_watchers_block_nobody(host: Server, folder: Path) -> None:
    repo = repository(folder / "repo")
    chat_id = chat_of(host, folder)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(watching(host, chat_id)) for _ in range(100)]
        for _ in range(20):
            began = time.monotonic()
            assert upload(host).status_code == 201
            assert host.get("/attachment/_search").status_code == 200
            # They wait for nobody who watches; the client gives up after sixty.
            assert time.monotonic() - began < 40
        (repo / "readme").write_text("for all\n")
        for client in clients:
            client.until(lambda client=client: "+for all" in client.diff(repo))  # type: ignore[misc]
    for pid in host.worker_pids():
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) < 60
    assert upload(host).status_code == 201


def test_a_revoked_token_is_shown_nothing_more(host: Server, folder: Path) -> None:
    """What changes after the revocation is not shown, though the next ping is seconds away."""
    repo = repository(folder / "repo")
    chat_id = chat_of(host, folder)
    token = host.make_token(name="shown-no-more")
    with watching(host, chat_id) as client, watching(host, chat_id, token) as revoked:
        for each in (client, revoked):
            each.until(lambda each=each: len(each.known) == 1)  # type: ignore[misc]
        host.tokens.revoke("shown-no-more")
        (repo / "readme").write_text("for those who may\n")
        client.until(lambda: "+for those who may" in client.diff(repo))
        with pytest.raises(ConnectionClosed) as caught:
            revoked.receive(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
    assert "for those who may" not in str(revoked.messages)


def test_revoked_tokens_and_the_servers_end(root: Path, tmp_path: Path, elasticsearch_url: str) -> None:
    repository(root / "default" / "ending" / "repo")
    with running_server(tmp_path, elasticsearch_url, WORKSPACE_ROOT=str(root)) as host:
        chat_id = chat(host, workspace="ending")["id"]
        token = host.make_token(name="short-lived")
        with watching(host, chat_id) as client, watching(host, chat_id, token) as revoked:
            client.until(lambda: len(client.known) == 1)
            revoked.until(lambda: len(revoked.known) == 1)
            host.tokens.revoke("short-lived")
            with pytest.raises(ConnectionClosed) as caught:
                revoked.receive(60)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008
            began = time.monotonic()
            assert host.stop() == 0
            assert time.monotonic() - began < 20
            with pytest.raises(ConnectionClosed) as caught:
                client.receive(60)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
