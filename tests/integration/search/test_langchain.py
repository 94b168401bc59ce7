"""The retriever of examples/langchain_retriever.py, with LangChain's own package, against a server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from langchain_core.runnables import RunnableLambda
from pydantic import SecretStr

from examples.langchain_retriever import AttachmentRetriever, cited
from tests.support.app import ROOT, Server

TEXTS = {
    "leave.txt": "Employees receive twenty-eight days of paid holiday each year. Days that were not taken lapse in March.",
    "boiler.txt": "The boiler in the basement was replaced in March. The new one burns wood pellets.",
}


@pytest.fixture(scope="module")
def shown(library: Server) -> tuple[Server, str]:
    """A token of a tenant with two texts, that can do nothing but search."""
    tenant = "langchain"
    ids = library.upload(
        *((name, text.encode()) for name, text in TEXTS.items()), session="s", token=library.make_token(tenant=tenant)
    )
    token = library.make_token("read", tenant=tenant)
    deadline = time.monotonic() + 120
    while "pending" in library.post("/attachment/_status", json={"attachments": ids}, token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return library, library.make_token("search", tenant=tenant)


def retriever(server: Server, token: str, **more: object) -> AttachmentRetriever:
    return AttachmentRetriever.model_validate({"url": server.url, "token": token, **more})


def test_a_question_is_answered_with_documents_to_cite(shown: tuple[Server, str]) -> None:
    server, token = shown
    (found,) = retriever(server, token).invoke("When do paid holidays lapse?")
    assert found.page_content == TEXTS["leave.txt"]
    assert (found.metadata["name"], found.metadata["session"]) == ("leave.txt", "s")
    assert "page" not in found.metadata
    attachment = found.metadata["attachment"]
    assert found.id == f"{attachment}:0-{len(TEXTS['leave.txt'])}"
    assert found.metadata["source"] == f"{server.url}/?open={attachment}&start=0&end={len(TEXTS['leave.txt'])}"
    assert token not in repr(retriever(server, token))


def test_it_is_a_part_of_a_chain_and_runs_asynchronously(shown: tuple[Server, str]) -> None:
    server, token = shown
    chain = retriever(server, token) | RunnableLambda(cited)
    told = chain.invoke("wood pellets")
    assert told.startswith("[1] boiler.txt: The boiler in the basement")
    # In a thread of its own: in this one a browser's tests may have a loop that runs.
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: asyncio.run(chain.ainvoke("wood pellets"))).result() == told
    assert chain.batch(["wood pellets", "zyzzyva"]) == [told, ""]


def test_filters_and_bounds_are_the_stores(shown: tuple[Server, str]) -> None:
    server, token = shown
    assert len(retriever(server, token).invoke("March")) == 2
    assert len(retriever(server, token, size=1).invoke("March")) == 1
    assert retriever(server, token, max_tokens=1).invoke("March") == []
    assert retriever(server, token, filters={"session": "elsewhere"}).invoke("March") == []
    assert len(retriever(server, token, filters={"extension": ["txt", "pdf"]}, match="words").invoke("March")) == 2


def test_what_the_store_refuses_is_an_error(shown: tuple[Server, str]) -> None:
    server, token = shown
    for asked, query in (
        (retriever(server, "wrong"), "q"),
        (retriever(server, token, size=0), "q"),
        (retriever(server, token), ""),
    ):
        with pytest.raises(requests.HTTPError):
            asked.invoke(query)


def test_as_a_command(shown: tuple[Server, str]) -> None:
    server, token = shown
    command = [sys.executable, str(ROOT / "examples/langchain_retriever.py"), "wood", "pellets"]
    environment = {**os.environ, "URL": server.url, "TOKEN": token}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("[1] boiler.txt: ")
    assert SecretStr(token).get_secret_value() not in ran.stdout
