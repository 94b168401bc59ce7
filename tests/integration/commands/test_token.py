"""Tokens through their door, in force on a running server."""

from __future__ import annotations

import pytest

from tests.integration.commands.doors import door, lines
from tests.support.app import Server


def status(server: Server, token: str) -> int:
    return server.get("/attachment/_search", token=token).status_code


def test_created_rotated_and_revoked_without_a_restart(server: Server) -> None:
    created = door(server, "token", "create", "door", "--scope", "search", "--tenant", "acme.1", "--expires", "30d")
    assert created.returncode == 0, created.stderr
    text = created.stdout.strip()
    assert status(server, text) == 200
    assert server.post("/attachment/_upload", token=text, files=[("files", ("a", b"a"))]).status_code == 403
    listed = door(server, "token", "list", "--json")
    assert text not in listed.stdout
    (mine,) = [each for each in lines(listed) if each["name"] == "door"]
    assert (mine["tenant"], mine["scopes"], mine["expired"]) == ("acme.1", ["search"], False)
    assert door(server, "token", "create", "door").returncode == 3
    (rotated,) = lines(door(server, "token", "rotate", "door", "--json"))
    assert (status(server, text), status(server, rotated["token"])) == (401, 200)
    assert door(server, "token", "revoke", "door").returncode == 0
    assert status(server, rotated["token"]) == 401
    assert door(server, "token", "revoke", "door").returncode == 3
    assert (server.data / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_expired_token_is_refused(server: Server) -> None:
    created = door(server, "token", "create", "past", "--expires", "2020-01-01")
    assert status(server, created.stdout.strip()) == 401


@pytest.mark.parametrize(
    "options",
    [("--tenant", "../x"), ("--tenant", "A"), ("--tenant", ""), ("--scope", "root"), ("--expires", "soon"), ("--no",)],
)
def test_wrong_usage_is_exit_2(server: Server, options: tuple[str, ...]) -> None:
    assert door(server, "token", "create", "wrong", *options).returncode == 2


@pytest.mark.parametrize("name", ["", " ", "a\tb", "a\nb", "n" * 101, "\udcff", "\u202egnp", " a"])
def test_a_name_that_is_none(server: Server, name: str) -> None:
    """It is a column of the list, and the owner of what is uploaded: a term of the index."""
    result = door(server, "token", "create", name)
    assert (result.returncode, result.stdout) == (2, "")
    with pytest.raises(ValueError, match="name"):
        server.make_token(name=name or "\n")
