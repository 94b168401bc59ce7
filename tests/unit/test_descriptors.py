"""How descriptors are shared out: what requests need comes first, whatever connections there could be."""

from __future__ import annotations

import pytest

from app.server.descriptors import BASE, OF_REQUEST, shares
from app.settings import Settings

DEFAULTS = Settings()
#: What all threads need at once for the largest upload that the settings allow.
REQUESTS = BASE + DEFAULTS.elasticsearch_connections + DEFAULTS.web_threads * (DEFAULTS.max_files + OF_REQUEST)


def test_where_there_is_enough_the_settings_are_in_force() -> None:
    found = shares(DEFAULTS, 1 << 20)
    assert (found.connections, found.websockets, found.sentence) == (1000, 1000, None)
    assert found.wanted == REQUESTS + 1000 + DEFAULTS.web_threads + 1000


@pytest.mark.parametrize("there", [64, 256, 1024, 1500, 2048, 3000, 3903])
def test_where_there_is_less_connections_give_way(there: int) -> None:
    found = shares(DEFAULTS, there)
    used = found.connections + found.websockets + DEFAULTS.web_threads
    assert found.connections >= 1
    assert found.websockets >= 1
    if there > 64:
        assert there - used >= min(REQUESTS, there // 2)
    assert found.sentence is not None
    assert str(found.wanted) in found.sentence
