"""The process that has the model of texts, kept as a worker of the server keeps it, over a data folder of its own."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from app.coordination.contract import WorkSlots
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.embeddings import messages
from app.embeddings.builtin import SLOT, ask
from app.embeddings.contract import Embeddings
from app.embeddings.keeper import Keeper
from app.opening import open_embeddings
from app.settings import Settings
from tests.support.app import Server, running_server
from tests.support.peers import Answer, Asked, answering

#: Of a machine that does much else meanwhile.
PATIENCE = 120.0


def await_that(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until `what` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Kept:
    """A store whose model is kept by this process. Whatever `seconds` says, queries wait so long."""

    def __init__(self, data: Path, seconds: float = PATIENCE) -> None:
        self.settings = Settings(
            data=data, embeddings="builtin", embeddings_query_timeout=seconds, embeddings_timeout=PATIENCE
        )
        self.store_id = open_data_folder(data)
        self.embeddings: Embeddings = open_embeddings(self.settings, Local(data))

    @property
    def slots(self) -> WorkSlots:
        return Local(self.settings.data).work_slots(1, SLOT)

    @property
    def said(self) -> dict[str, object]:
        """What its keeper says of the process."""
        return next(iter(self.slots.said()), {})

    @property
    def process(self) -> int:
        """The process's id; 0 where there is none that is ready."""
        return int(str(self.said.get("process", 0)))

    @property
    def waiting(self) -> dict[str, int]:
        return {kind: int(count) for kind, count in self.told["waiting"].items()}

    @property
    def told(self) -> dict[str, Any]:
        """What the process says of itself, however long that takes."""
        answer = ask(str(self.said["socket"]), messages.call("state"), time.monotonic() + PATIENCE)
        return messages.read_told(answer)

    @contextlib.contextmanager
    def keeper(self) -> Iterator[Keeper]:
        keeper = Keeper(self.slots, self.store_id)
        keeper.start()
        try:
            yield keeper
        finally:
            keeper.stop()

    def await_ready(self, other_than: int = 0) -> int:
        """Wait for a process that is ready, and is not the one with that id; its id."""
        await_that(lambda: self.process not in (0, other_than))
        return self.process


@contextlib.contextmanager
def kept(data: Path, seconds: float = PATIENCE) -> Iterator[Kept]:
    """A store and its process, ready; ended with the block."""
    made = Kept(data, seconds)
    with made.keeper():
        made.await_ready()
        yield made


@contextlib.contextmanager
def cut_model(model: Kept, dimensions: int) -> Iterator[str]:
    """The base URL of a server that speaks OpenAI's API and has another model: the vectors of `model`, each cut to its first
    `dimensions` numbers. What is near stays near enough."""

    def answer(asked: Asked) -> Answer:
        texts = json.loads(asked.body)["input"]
        vectors = model.embeddings.passages(texts, "").vectors
        data = [{"index": index, "embedding": list(each[:dimensions])} for index, each in enumerate(vectors)]
        # Closed by this side: who asks keeps connections for as long as it lives.
        return Answer(200, json.dumps({"object": "list", "data": data}).encode(), {"Connection": "close"})

    with answering(answer) as url:
        yield f"{url}/v1"


# Of a server under gunicorn

MODEL = "universal-sentence-encoder-multilingual-3"


@contextlib.contextmanager
def patient_server(folder: Path, elasticsearch_url: str, **environment: str) -> Iterator[Server]:
    """A server whose model is ready, on a machine that does much else meanwhile."""
    patience: dict[str, Any] = {"EMBEDDINGS_QUERY_TIMEOUT": "60", "EMBEDDINGS_TIMEOUT": "120", **environment}
    with running_server(folder, elasticsearch_url, **{"EMBEDDINGS": "builtin", **patience}) as running:
        await_process(running)
        yield running


def embed(server: Server, texts: list[str], token: str | None = None) -> requests.Response:
    return requests.post(
        f"{server.url}/v1/embeddings",
        json={"model": MODEL, "input": texts},
        headers={"Authorization": f"Bearer {token or server.token}"},
        timeout=180,
    )


def said(server: Server) -> dict[str, Any]:
    return next(iter(Local(server.data).work_slots(1, SLOT).said()), {})


def process_of(server: Server) -> int:
    return int(said(server).get("process", 0))


def await_process(server: Server, other_than: int = 0) -> int:
    await_that(lambda: process_of(server) not in (0, other_than))
    return process_of(server)


def parent_of(pid: int) -> int:
    """The id of its parent process; 0 where it has ended."""
    with contextlib.suppress(FileNotFoundError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def models() -> set[int]:
    """The processes of this machine that have a model."""
    found = set()
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdigit() and b"embeddings/start.py" in (each / "cmdline").read_bytes():
                found.add(int(each.name))
    return found


def models_of(server: Server) -> set[int]:
    """Those that a process of this server has started."""
    assert server.process is not None
    return {each for each in models() if parent_of(each) in {server.process.pid, *server.worker_pids()}}
