"""EMBEDDINGS=URL against a server that is not ours: LiteLLM's proxy, whose model is that of a second store."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from app.embeddings.checked import Checked
from app.embeddings.contract import ModelId
from app.embeddings.remote import TRIES, Remote
from app.errors import EmbeddingsUnavailable
from app.settings import Settings
from app.web.app import create_app
from app.web.services import store_of
from tests.support.app import Server, running_server
from tests.support.breaking import Proxy
from tests.support.litellm_proxy import NAME, LiteLLM, running_litellm
from tests.support.models import MODEL, PATIENCE, await_that, embed, patient_server

# Its first test also makes the proxy's environment, whose packages are fetched.
pytestmark = pytest.mark.timeout(900)

#: Texts in one request to the proxy.
BATCH = 4
TEXTS = {
    "leave.txt": "Employees receive twenty-eight days of paid holiday each year.",
    "boiler.txt": "The heating in the cellar was replaced in spring. The new one burns wood.",
    "whale.txt": "Humpbacks swim thousands of miles to warm waters to give birth.",
    "cake.txt": "Beat four eggs with sugar, fold in flour, and bake until golden.",
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """The store that has the model."""
    with patient_server(tmp_path_factory.mktemp("behind"), elasticsearch_url, WEB_WORKERS="1") as running:
        yield running


@pytest.fixture(scope="module")
def link(behind: Server) -> Iterator[Proxy]:
    """What is between the proxy and that store."""
    with Proxy(behind.url) as made:
        yield made


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, behind: Server, link: Proxy) -> Iterator[LiteLLM]:
    folder, key = tmp_path_factory.mktemp("litellm"), behind.make_token("read")
    with running_litellm(folder, f"{link.url}/v1", key, MODEL) as running:
        yield running


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str, proxy: LiteLLM) -> Iterator[Server]:
    """The store that asks the proxy."""
    with running_server(
        tmp_path_factory.mktemp("front"),
        elasticsearch_url,
        WEB_WORKERS="1",
        EXTRACTION="on",
        EMBEDDINGS=proxy.url,
        EMBEDDINGS_MODEL=NAME,
        EMBEDDINGS_KEY=proxy.key,
        EMBEDDINGS_BATCH=str(BATCH),
        EMBEDDINGS_QUERY_TIMEOUT="3",
    ) as running:
        yield running


def asking(proxy: LiteLLM, seconds: float = PATIENCE, key: str | None = None) -> Checked:
    given = Settings(
        embeddings=proxy.url, embeddings_model=NAME, embeddings_key=key or proxy.key, embeddings_batch=BATCH
    )
    return Checked(Remote(given), seconds, seconds)


def store(front: Server, name: str) -> str:
    """Upload one of `TEXTS`, and wait until its words are found; its id."""
    (made,) = front.upload((name, TEXTS[name].encode()))
    word = TEXTS[name].split()[3]
    await_that(lambda: made in [hit["_id"] for hit in front.hits(f"query={word}&match=words")])
    return made


def waits(front: Server, attachment_id: str) -> bool:
    """Whether something is left to be done of an attachment."""
    return (front.data / "extraction" / attachment_id).exists()


def search(front: Server, query: str) -> tuple[str, list[str]]:
    """By what it was searched for, and the names of the hits."""
    answer = front.get(f"/attachment/_search?query={quote(query)}&match=meaning")
    assert answer.status_code == 200, answer.text
    return answer.headers["Search-Match"], [hit["_source"]["name"] for hit in answer.json()["hits"]["hits"]]


def warnings(front: Server) -> str:
    return str(requests.get(f"{front.url}/health", timeout=60).json())


def test_it_gives_the_vectors_of_the_model_in_batches(behind: Server, proxy: LiteLLM) -> None:
    texts = [f"text number {number}, of some length" for number in range(2 * BATCH + 3)]
    expected = [each["embedding"] for each in embed(behind, texts).json()["data"]]
    embeddings, before = asking(proxy), len(proxy.statuses())
    found = embeddings.passages(texts, "a")
    assert proxy.statuses()[before:] == [200] * 3
    assert found.model == ModelId(NAME, "", 512)
    assert found.tokens is not None
    assert found.tokens > len(texts)
    for one, other in zip(found.vectors, expected, strict=True):
        assert list(one) == pytest.approx(other, abs=1e-5)


def test_texts_are_found_by_their_meaning(front: Server) -> None:
    made = [store(front, name) for name in ("leave.txt", "whale.txt")]
    await_that(lambda: not any(waits(front, each) for each in made))
    await_that(lambda: search(front, "how long may staff be on vacation") == ("meaning", ["leave.txt"]))
    await_that(lambda: search(front, "where are baby whales born") == ("meaning", ["whale.txt"]))
    assert "no embeddings" not in warnings(front)


def test_a_wrong_key_means_words_alone(front: Server, proxy: LiteLLM) -> None:
    """And is not tried again. With no keys of its own beside the first one, this release says so with 400."""
    for key in ("sk-wrong", "wrong"):
        before = len(proxy.statuses())
        with pytest.raises(EmbeddingsUnavailable, match="key|400") as raised:
            asking(proxy, key=key).queries(["x"], "a")
        assert len(proxy.statuses()) == before + 1
        assert proxy.key not in str(raised.value)
    app = create_app(Settings.from_environ({**front.environment, "EMBEDDINGS_KEY": "sk-wrong"}))
    path = "/attachment/_search?query=humpbacks+swim&match=meaning"
    with contextlib.closing(store_of(app).index):
        answer = app.test_client().get(path, headers=front.headers())
        health = app.test_client().get("/health").text
    assert (answer.status_code, answer.headers["Search-Match"]) == (200, "words")
    assert [hit["_source"]["name"] for hit in answer.get_json()["hits"]["hits"]] == ["whale.txt"]
    assert "no embeddings" in health


def test_while_it_answers_nothing_words_find(front: Server, proxy: LiteLLM) -> None:
    proxy.signal(signal.SIGSTOP)
    try:
        made = store(front, "boiler.txt")
        assert search(front, "heating cellar") == ("words", ["boiler.txt"])
        assert "did not answer in time" in warnings(front)
        assert waits(front, made)
    finally:
        proxy.signal(signal.SIGCONT)
    await_that(lambda: not waits(front, made))
    await_that(lambda: search(front, "what warms the house in winter") == ("meaning", ["boiler.txt"]))


def test_killed_and_started_again(front: Server, proxy: LiteLLM) -> None:
    proxy.kill()
    try:
        made = store(front, "cake.txt")
        assert search(front, "eggs sugar") == ("words", ["cake.txt"])
        assert "can't be reached" in warnings(front)
        assert waits(front, made)
    finally:
        proxy.start()
    await_that(lambda: not waits(front, made))
    await_that(lambda: search(front, "how do I make a dessert") == ("meaning", ["cake.txt"]))
    assert "no embeddings" not in warnings(front)


def test_while_the_model_behind_it_is_away(front: Server, proxy: LiteLLM, link: Proxy) -> None:
    """The proxy says that something is wrong: it is asked a few times, at growing intervals, and then again later."""
    before = len(proxy.statuses())
    link.refuse()
    try:
        with pytest.raises(EmbeddingsUnavailable, match="answers"):
            asking(proxy).queries(["x"], "a")
        assert len(proxy.statuses()) == before + TRIES
        assert min(proxy.statuses()[before:]) >= 429
        assert search(front, "humpbacks swim") == ("words", ["whale.txt"])
    finally:
        link.accept()
    await_that(lambda: search(front, "where are baby whales born") == ("meaning", ["whale.txt"]))
