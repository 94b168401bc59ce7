"""One server with extraction for all tests of searches in contents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import judged
from tests.support.app import Server, running_server


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server with the judged documents in the session `library` of the default tenant, and nothing else there."""
    folder = tmp_path_factory.mktemp("library")
    with running_server(folder, elasticsearch_url, EXTRACTION="on") as server:
        judged.upload(server, session="library")
        yield server
