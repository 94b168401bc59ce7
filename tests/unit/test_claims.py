"""Claims on files: what only a certain moment, or a certain failure of the disk, shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.coordination.local import Local
from app.coordination.local import claims as module
from app.errors import StorageFailed
from app.files import locked
from app.ids import new_xid
from tests.support.descriptors import below


def test_one_that_is_done_while_it_is_looked_at_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, then done by who had it, then locked: the lock of a file that has no name any more, or is another's."""
    name = new_xid()
    for again in (False, True):
        claims, other = Local(tmp_path).claims, Local(tmp_path).claims
        claims.add(name, b"once")
        claim = claims.take(name)
        assert claim is not None

        def late(
            descriptor: int, claims: module.Claims = claims, claim: module.Claim = claim, again: bool = again
        ) -> bool:
            claim.done()
            if again:
                claims.add(name, b"again")
            return locked(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(module, "locked", late)
            assert other.take(name) is None
        assert below(tmp_path) == []
        assert claims.has(name) == again


def test_its_name_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ext4 does so with the file, others don't."""
    name, claims = new_xid(), Local(tmp_path).claims
    claims.add(name, b"content")
    claim = claims.take(name)
    assert claim is not None

    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "sync_folder", fail)
    with pytest.raises(StorageFailed):
        claim.secure()
    claim.close()
