"""Chats: created, read, listed, archived once even when two try, and closed to other tenants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.git_watch.workspaces import NoWorkspace, resolve
from tests.dialects.coder.client import CHATS, NOT_FOUND, ORGANIZATION, call, chat, upload, uploaded
from tests.support.app import Server, ServerFactory

ROUTES = (("GET", ""), ("POST", "/archive"), ("POST", "/unarchive"))
BAD_CHAT = (400, {"message": 'Invalid UUID "chat".'})


def listed(server: Server, query: str, token: str | None = None) -> list[str]:
    answer = call(server, "GET", f"{CHATS}{query}", token)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()]


def test_create_and_read(server: Server) -> None:
    file_id = uploaded(server, disposition="attachment; filename=shot.png")
    content = [{"type": "text", "text": "Why is  this\nred?"}, {"type": "file", "file_id": file_id}]
    made = chat(server, content=content)
    assert made["title"] == "Why is this red?"
    assert (made["organization_id"], made["archived"], made["workspace"]) == (ORGANIZATION, False, None)
    assert made["content"] == content
    (file,) = made["files"]
    assert (file["id"], file["name"], file["mime_type"], file["organization_id"]) == (
        file_id,
        "shot.png",
        "image/png",
        ORGANIZATION,
    )
    answer = call(server, "GET", f"{CHATS}/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, made)
    assert made["id"] in listed(server, "")
    server.delete(f"/attachment/{file_id}")
    assert call(server, "GET", f"{CHATS}/{made['id']}").json()["files"] == []


def test_archive_and_unarchive(server: Server) -> None:
    token = server.make_token(tenant="coder-archive")
    chat_id = chat(server, token)["id"]
    other = chat(server, token)["id"]
    path = f"{CHATS}/{chat_id}"

    def post(what: str) -> tuple[int, Any]:
        answer = call(server, "POST", f"{path}/{what}", token)
        return answer.status_code, answer.json() if answer.content else None

    assert post("unarchive") == (400, {"message": "Chat is not archived."})
    assert post("archive") == (204, None)
    assert listed(server, "?q=archived:true", token) == [chat_id]
    assert listed(server, "?q=archived:false", token) == listed(server, "", token) == [other]
    assert post("archive") == (400, {"message": "Chat is already archived."})
    assert call(server, "GET", path, token).json()["archived"] is True
    assert post("unarchive") == (204, None)
    assert listed(server, "?q=archived:true", token) == []
    assert listed(server, "?limit=1", token) == [other]
    assert listed(server, "?limit=1&offset=1", token) == [chat_id]


def test_of_many_archives_at_once_one_wins(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            path = f"{CHATS}/{chat(server)['id']}"
            for what, already in (
                ("archive", "Chat is already archived."),
                ("unarchive", "Chat is not archived."),
            ):
                answers = list(pool.map(call, [server] * 8, ["POST"] * 8, [f"{path}/{what}"] * 8))
                assert sorted(answer.status_code for answer in answers) == [204] + [400] * 7
                assert [answer.json()["message"] for answer in answers if answer.content] == [already] * 7


@pytest.mark.parametrize(
    "query", ["archived:maybe", "archived:TRUE", "archived", "title:x", "archived:true archived:false"]
)
def test_other_queries(server: Server, query: str) -> None:
    answer = call(server, "GET", CHATS, params={"q": query})
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Invalid chat search query.",
        "validations": [{"field": "q", "detail": "Must be archived:true or archived:false."}],
    }


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=%C2%B2", "offset=-1", "offset=10000"]
)
def test_pages(server: Server, query: str) -> None:
    answer = call(server, "GET", f"{CHATS}?{query}")
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["validations"]] == [query.partition("=")[0]]


def test_a_list_of_large_chats_comes_in_pages(start_server: ServerFactory) -> None:
    """It ends where its bytes do, says where it goes on, and leaves nothing out."""
    size = 1024 * 1024
    server = start_server(MAX_ANSWER_SIZE=str(size))
    text = "é" * 30_000
    made = [chat(server, content=[{"type": "text", "text": f"{n} {text}"}])["id"] for n in range(5)]
    made += [chat(server, content=[])["id"] for _ in range(3)]
    found: list[str] = []
    pages, path = 0, f"{CHATS}?q=archived:false&limit=7"
    while path:
        answer = call(server, "GET", path)
        assert len(answer.content) <= size // 8 + len(text) * 6 + 1000
        found += [each["id"] for each in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
        pages += 1
        assert pages < 20
    assert found == made[::-1]
    assert pages > 1
    assert listed(server, "?limit=7&offset=7") == made[:1]
    assert "Link" not in call(server, "GET", f"{CHATS}?limit=3").headers


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"organization_id": "acme"}, "organization_id"),
        ({"organization_id": 7}, "organization_id"),
        ({"content": "hello"}, "content"),
        ({"content": [{"type": "text"}] * 101}, "content"),
        ({"content": ["hello"]}, "content[0].type"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}]}, "content[1].type"),
        ({"content": [{"type": "text", "text": 1}]}, "content[0].text"),
        ({"content": [{"type": "text", "text": "\ud800"}]}, "content[0].text"),
        ({"content": [{"type": "file", "file_id": "x"}]}, "content[0].file_id"),
        ({"content": [{"type": "file"}]}, "content[0].file_id"),
        ({"workspace": 1}, "workspace"),
    ],
)
def test_wrong_bodies(server: Server, body: Any, field: str) -> None:
    answer = call(server, "POST", CHATS, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Validation failed."
    assert [each["field"] for each in answer.json()["validations"]] == [field]


def test_bodies_that_are_no_json_or_too_large(server: Server) -> None:
    for data in (b"", b"{", b"[]", b'{"content":' + b"[" * 50 + b"]" * 50 + b"}"):
        answer = call(server, "POST", CHATS, data=data)
        assert (answer.status_code, answer.json()["message"]) == (400, "Request body must be valid JSON.")
    answer = call(server, "POST", CHATS, json={"content": [{"type": "text", "text": "x" * 256 * 1024}]})
    assert (answer.status_code, answer.json()["message"]) == (413, "Request body is too large.")


def test_files_of_others_are_not_linked(server: Server) -> None:
    foreign = uploaded(server, token=server.make_token(tenant="coder-foreign"))
    (coco,) = server.upload(("x.png", b"x"))
    for file_id in (foreign, ORGANIZATION):
        answer = call(server, "POST", CHATS, json={"content": [{"type": "file", "file_id": file_id}]})
        assert (answer.status_code, answer.json()) == (
            400,
            {"message": "Invalid file ID.", "detail": f"There is no chat file {file_id}."},
        )
    answer = call(server, "POST", CHATS, json={"content": [{"type": "file", "file_id": coco}]})
    assert answer.json()["message"] == "Validation failed."


def test_unknown_foreign_and_malformed_ids(server: Server) -> None:
    foreign = chat(server, server.make_token(tenant="coder-foreign"))["id"]
    for method, suffix in ROUTES:
        for chat_id in (foreign, ORGANIZATION):
            answer = call(server, method, f"{CHATS}/{chat_id}{suffix}")
            assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
        answer = call(server, method, f"{CHATS}/nonsense{suffix}")
        assert (answer.status_code, answer.json()) == BAD_CHAT
        assert call(server, method, f"{CHATS}/{foreign}{suffix}", "").status_code == 401
        assert call(server, method, f"{CHATS}/{foreign}{suffix}", server.make_token("admin")).status_code == 403
    assert foreign not in listed(server, "")


def test_index_down(start_server: ServerFactory) -> None:
    down = start_server(ELASTICSEARCH_URL="http://127.0.0.1:1")
    for method, path in (
        ("GET", CHATS),
        ("GET", f"{CHATS}/{ORGANIZATION}"),
        ("POST", f"{CHATS}/{ORGANIZATION}/archive"),
    ):
        answer = call(down, method, path)
        assert (answer.status_code, answer.json()["message"]) == (503, "The service is not available.")
    assert call(down, "POST", CHATS, json={}).status_code == 503
    assert upload(down).status_code == 503


def test_workspaces_stay_in_the_tenants_folder(start_server: ServerFactory, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for each in ("default/project", "default/..hidden", "other/project"):
        (root / each).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (root / "default" / "out").symlink_to(tmp_path / "outside")
    (root / "default" / "neighbour").symlink_to(root / "other" / "project")
    (root / "default" / "inside").symlink_to("project")
    (root / "default" / "file").write_text("")
    (root / "linked").symlink_to(root / "other")
    server = start_server(WORKSPACE_ROOT=str(root))
    for good in ("project", "inside", "..hidden", "."):
        assert chat(server, workspace=good)["workspace"] == good
    bad = [
        "",
        "..",
        "../other/project",
        "out",
        "neighbour",
        "file",
        "missing",
        str(root / "default" / "project"),
        "a\0b",
    ]
    for each in bad:
        answer = call(server, "POST", CHATS, json={"workspace": each})
        assert (answer.status_code, answer.json()["message"]) == (400, "Invalid workspace."), each
    token = server.make_token(tenant="linked")
    assert call(server, "POST", CHATS, token, json={"workspace": "project"}).status_code == 400
    # No token can be made for these; a tokens file that somebody wrote by hand may still name them.
    for tenant in ("..", "default/project", "."):
        with pytest.raises(NoWorkspace):
            resolve(root, tenant, "project")


def test_no_workspaces_without_a_root(server: Server) -> None:
    answer = call(server, "POST", CHATS, json={"workspace": "project"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Invalid workspace.", "detail": "Workspaces are not enabled on this server."},
    )
