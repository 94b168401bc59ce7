"""What the tests of this folder share: a connection to the real server that counts."""

from collections.abc import Iterator, Sequence

import pytest

from app.index.connection import Connection
from app.index.node import Answer
from app.settings import Settings


class CountedConnection(Connection):
    """A connection that counts what is asked of `bulk`; everything is passed to the real server."""

    bulks = 0
    operations = 0

    def bulk(self, path: str, lines: Sequence[bytes]) -> Answer:
        self.bulks += 1
        self.operations += len(lines)
        return super().bulk(path, lines)


@pytest.fixture
def connection(elasticsearch_url: str) -> Iterator[CountedConnection]:
    made = CountedConnection(Settings(elasticsearch_url=elasticsearch_url, elasticsearch_timeout=30.0))
    yield made
    made.close()
