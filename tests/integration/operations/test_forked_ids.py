"""Ids of a process and of one that it forked."""

import os

from app.ids import new_xid, new_xids
from tests.unit.test_ids import number_of


def test_a_fork_draws_others() -> None:
    new_xid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, " ".join(new_xids(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 10_000).decode().split()
    os.close(read)
    os.close(write)
    random = [{number_of(each) & (1 << 44) - 1 for each in ids} for ids in (theirs, new_xids(100))]
    # One at most by chance: of 10,000 pairs one in two thousand million is.
    assert len(random[0] & random[1]) <= 1
