"""Tokens: their whole life, and that nothing of them but digests lies on the disk."""

import contextlib
import json
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from app.auth.tokens import SCOPES, Tokens
from app.coordination.local import Local
from app.errors import Conflict, NotFound, StorageFailed, Unauthenticated
from app.model.attachment import now

ROOT = Path(__file__).parents[2]


def test_create_and_authenticate(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    text = tokens.create("one", scopes=("read",), tenant="t")
    found = tokens.authenticate(text)
    assert (found.name, found.scopes, found.tenant, found.expires) == ("one", ("read",), "t", None)
    assert [each.name for each in tokens.all()] == ["one"]
    with pytest.raises(Conflict):
        tokens.create("one")


@pytest.mark.parametrize("text", [None, "", "wrong", "ü", "\ud800", "x" * 100_000])
def test_wrong(tmp_path: Path, text: str | None) -> None:
    tokens = Tokens(Local(tmp_path).tokens, fixed="fixed")
    tokens.create("one")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(text)


def test_revoked(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    text = tokens.create("one")
    tokens.revoke("one")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(text)
    with pytest.raises(NotFound):
        tokens.revoke("one")


def test_a_slow_reader_of_the_old_file_does_not_bring_a_revoked_token_back(tmp_path: Path) -> None:
    """One thread read the file before a token was revoked, another after that, and they note it in turns."""
    writer = Tokens(Local(tmp_path).tokens)
    text = writer.create("one")
    old_is_read, new_is_noted, old_is_noted = threading.Event(), threading.Event(), threading.Event()

    class Interleaved(Tokens):
        """Notes what the old file held between the two moments at which another thread notes the new one's."""

        def __setattr__(self, name: str, value: object) -> None:
            who = threading.current_thread().name
            if who == "old" and not old_is_read.is_set():
                old_is_read.set()
                assert new_is_noted.wait(60)
            super().__setattr__(name, value)
            if who == "new" and not new_is_noted.is_set():
                new_is_noted.set()
                assert old_is_noted.wait(60)

    tokens = Interleaved(Local(tmp_path).tokens)

    def look() -> None:
        with contextlib.suppress(Unauthenticated):
            tokens.authenticate(text)

    old, new = threading.Thread(target=look, name="old"), threading.Thread(target=look, name="new")
    old.start()
    assert old_is_read.wait(60)
    writer.revoke("one")
    new.start()
    old.join()
    old_is_noted.set()
    new.join()
    with pytest.raises(Unauthenticated):
        tokens.authenticate(text)


def test_rotated(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    old = tokens.create("one", scopes=("read",), tenant="t", expires=now() + timedelta(days=1))
    new = tokens.rotate("one")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(old)
    assert (tokens.authenticate(new).tenant, tokens.authenticate(new).scopes) == ("t", ("read",))
    assert tokens.authenticate(new).expires is not None
    with pytest.raises(NotFound):
        tokens.rotate("two")


def test_expired(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    past = tokens.create("past", expires=now() - timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        tokens.authenticate(past)
    future = tokens.create("future", expires=now() + timedelta(hours=1))
    assert tokens.authenticate(future).name == "future"
    assert [each.name for each in tokens.all()] == ["future", "past"]


def test_the_first_is_made_once(tmp_path: Path) -> None:
    text = Tokens(Local(tmp_path).tokens).create_first()
    assert text is not None
    assert Tokens(Local(tmp_path).tokens).create_first() is None
    assert Tokens(Local(tmp_path).tokens).authenticate(text).scopes == SCOPES
    Tokens(Local(tmp_path).tokens).revoke("first")
    assert Tokens(Local(tmp_path).tokens).create_first() is None


def test_the_fixed_one_is_in_no_file(tmp_path: Path) -> None:
    assert Tokens(Local(tmp_path).tokens, fixed="fixed").authenticate("fixed").scopes == SCOPES
    assert list(tmp_path.iterdir()) == []


def test_only_digests_lie_on_the_disk(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    texts = [tokens.create("one"), tokens.create("two"), tokens.rotate("one")]
    path = tmp_path / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert not any(text.encode() in written for text in texts)
    assert set(json.loads(path.read_text())["tokens"][0]) == {
        "name",
        "digest",
        "scopes",
        "tenant",
        "created",
        "expires",
    }


def test_a_change_elsewhere_is_in_force_at_once(tmp_path: Path) -> None:
    here, there = Tokens(Local(tmp_path).tokens), Tokens(Local(tmp_path).tokens)
    for number in range(20):
        text = there.create(f"t{number}")
        assert here.authenticate(text).name == f"t{number}"
        there.revoke(f"t{number}")
        with pytest.raises(Unauthenticated):
            here.authenticate(text)


def test_a_damaged_file_lets_nobody_in(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    text = tokens.create("one")
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(StorageFailed):
        tokens.authenticate(text)


def test_a_newer_file_is_not_guessed_at(tmp_path: Path) -> None:
    tokens = Tokens(Local(tmp_path).tokens)
    text = tokens.create("one")
    path = tmp_path / "tokens.json"
    newer = json.dumps({**json.loads(path.read_text()), "format": 2})
    path.write_text(newer)
    for use in (lambda: tokens.authenticate(text), lambda: tokens.create("two"), lambda: tokens.revoke("one")):
        with pytest.raises(StorageFailed, match="format 2"):
            use()
    assert path.read_text() == newer
