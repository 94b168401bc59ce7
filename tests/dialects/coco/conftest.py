"""A node of Elasticsearch that tests may stop, stall and kill: the shared one is not theirs."""

from collections.abc import Iterator

import pytest

from app.embedded_node import EmbeddedNode


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNode]:
    """A running node; a test that stops it starts it again."""
    with EmbeddedNode(tmp_path_factory.mktemp("own-node")) as node:
        yield node
