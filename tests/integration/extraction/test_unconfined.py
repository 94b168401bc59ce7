"""A machine that can't confine the reader of documents: the server says so and reads all the same, or does not start."""

from __future__ import annotations

import sys

import pytest

from tests.integration.extraction.documents import pdf
from tests.integration.extraction.test_server import by_phrase, decided
from tests.support import without_calls
from tests.support.app import ServerFactory

pytestmark = pytest.mark.any_user

LAUNCHER = (sys.executable, without_calls.__file__)
SENTENCES = {
    "seccomp": "system calls are not confined: the kernel has no seccomp, or it is switched off",
    "landlock_create_ruleset": "files are not confined: the kernel has no Landlock, or it is switched off",
}


@pytest.mark.parametrize("call", SENTENCES)
def test_it_is_said_and_documents_are_read(start_server: ServerFactory, call: str) -> None:
    server = start_server(EXTRACTION="on", launcher=(*LAUNCHER, call))
    assert SENTENCES[call] in server.get("/health").json()["warnings"]
    assert SENTENCES[call] in server.log.read_text()
    (paper,) = server.upload(("paper.pdf", pdf()))
    decided(server, paper)
    assert by_phrase(server) == {paper}


def test_documents_are_read_where_the_kernel_tells_no_end_of_a_process(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", launcher=(*LAUNCHER, "pidfd_open"))
    (paper,) = server.upload(("paper.pdf", pdf()))
    decided(server, paper)
    assert by_phrase(server) == {paper}


@pytest.mark.parametrize("call", SENTENCES)
def test_a_server_that_requires_it_does_not_start(start_server: ServerFactory, call: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        start_server(EXTRACTION="on", CONFINEMENT="required", launcher=(*LAUNCHER, call))
    assert f"CONFINEMENT: is required, but {SENTENCES[call]}" in str(caught.value)


@pytest.mark.needs("landlock", "seccomp")
def test_where_it_can_it_starts_and_has_no_warning(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", CONFINEMENT="required")
    assert server.get("/health").json() == {"status": server.get("/health").json()["status"]}
