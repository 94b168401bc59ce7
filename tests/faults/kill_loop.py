"""The kill loop: the real server and a real node of its own, clients at work, and kill -9 at random moments.

The clients upload, delete, search and download in all dialects, make and archive chats, and the server takes text out of
what they upload. A round lets them work, kills a few processes, starts again what died, waits until the store is healthy
and has settled, and compares what is on the disk and in the index with what the clients were told. `Violation` carries
what did not hold, with the seed that replays the choices.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from app.coordination.local import Local
from app.embedded_node import EmbeddedNode
from app.extraction.queue import Queue
from app.extraction.recognition_data import recognition_installed
from tests.support import chats
from tests.support.app import ROOT, Server, running_server
from tests.support.load import COCO, COMMON, MOST_EXTRACTED, Client, File, Kind, Unit, hits, search

log = logging.getLogger(__name__)

#: What is killed, and how often in a hundred. A worker costs little to start again, a node seconds.
TARGETS = {"worker": 70, "master": 8, "server": 10, "node": 9, "both": 3}

#: What of each kind lies on the disk, once its text is looked for.
FILES: dict[Kind, tuple[str, ...]] = {
    "text": ("bytes", "json", "extraction", "text"),
    "image": ("bytes", "json", "thumbnail", *(["extraction"] if recognition_installed() else [])),
    "data": ("bytes", "json"),
}

#: After so many kills the index is lost and rebuilt; and once more in the end.
LOST_EVERY = 100
#: Attachments whose answers are compared in each round, of those that were compared before; in the end all are.
SAMPLE = 10

#: Seconds that the store may take to be healthy and settled once everything runs again.
SETTLE = 120.0


class Violation(AssertionError):
    """A promise that did not hold."""


@dataclass
class Tally:
    """What a loop did."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    settled: list[float] = field(default_factory=list)
    rebuilt: list[int] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        answers = ", ".join(f"{name}: {count}" for name, count in sorted(self.answers.items()))
        slowest = max(self.settled, default=0.0)
        return (
            f"{self.rounds} rounds, {self.kills.total()} kills ({kills}); settled within {slowest:.1f} s; "
            f"rebuilt {len(self.rebuilt)} times, in the end {self.rebuilt[-1] if self.rebuilt else 0} documents; "
            f"compared: {', '.join(f'{count} {name}' for name, count in sorted(self.compared.items()))}; "
            f"answers: {answers}"
        )


class KillLoop:
    """One server, one node, some clients. `run` does rounds until the kills or the time are used up."""

    def __init__(self, server: Server, node: EmbeddedNode, seed: int, clients: int = 5) -> None:
        self.server = server
        self.node = node
        self.seed = seed
        self.tally = Tally()
        self._random = random.Random(seed)
        #: Descriptors of workers whose master was killed: a number alone is another process's after an hour.
        self._orphans: list[int] = []
        self._http = requests.Session()
        self._http.trust_env = False
        # A kept connection may be with a worker whose master was killed, and which ends by itself.
        self._http.mount("http://", HTTPAdapter(max_retries=Retry(total=3)))
        self.clients = [Client(number, server.url, server.token, seed) for number in range(clients)]

    def run(self, kills: int, seconds: float = float("inf")) -> Tally:
        """Kill until `kills` processes or groups of them were killed or `seconds` are over. Raises Violation."""
        end = time.monotonic() + seconds
        for client in self.clients:
            client.start()
        try:
            while (done := self.tally.kills.total()) < kills and time.monotonic() < end:
                self._round(min(self._random.randint(1, 4), kills - done))
                if self.tally.kills.total() // LOST_EVERY > done // LOST_EVERY:
                    self._lose_index()
            self._lose_index()
        finally:
            for client in self.clients:
                client.end()
            _await_end(self._orphans)
            for client in self.clients:
                self.tally.answers += client.ledger.answers
            self._http.close()
        return self.tally

    def _round(self, kills: int) -> None:
        for client in self.clients:
            client.resume()
        for _ in range(kills):
            time.sleep(self._random.uniform(0.05, 0.8))
            target = self._random.choices(list(TARGETS), list(TARGETS.values()))[0]
            self._kill(target)
            self.tally.kills[target] += 1
        time.sleep(0.2)
        for client in self.clients:
            client.pause()
        began = time.monotonic()
        self._await_settled()
        self.tally.settled.append(time.monotonic() - began)
        self.tally.rounds += 1
        self._check()
        log.info(
            "round %d: %d kills, settled after %.1f s, checked after %.1f s, 0 violations",
            self.tally.rounds,
            self.tally.kills.total(),
            self.tally.settled[-1],
            time.monotonic() - began,
        )

    # Breaking

    def _kill(self, target: str) -> None:
        if target in ("node", "both"):
            self.node.kill()
        if target in ("server", "both"):
            self.server.kill()
        if target == "master":
            assert self.server.process is not None
            # They notice within a second, finish what they have at hand, and overlap with the next server's workers.
            for pid in self.server.worker_pids():
                with contextlib.suppress(ProcessLookupError):
                    self._orphans.append(os.pidfd_open(pid))
            os.kill(self.server.process.pid, signal.SIGKILL)
            self.server.process.wait()
            self.server.process = None
        if target == "worker":
            workers = self.server.worker_pids()
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(workers), signal.SIGKILL)
        # Both at once: the server has to bear a node that is not there yet.
        starts = []
        if self.server.process is None:
            starts.append(threading.Thread(target=self.server.start))
        if not self.node.is_alive():
            starts.append(threading.Thread(target=self.node.start))
        for each in starts:
            each.start()
        for each in starts:
            each.join()

    def _await_settled(self) -> None:
        deadline = time.monotonic() + SETTLE
        while True:
            left = [path for path in self.server.stored_files() if not path.startswith("attachments/")]
            # An entry whose maker was killed while naming it stands for nothing, and goes after a minute.
            left = [path for path in left if not path.endswith(".new")]
            left += [f"extraction/{each}" for each in Queue(Local(self.server.data).claims).ids()]
            with contextlib.suppress(requests.RequestException):
                health = requests.get(f"{self.server.url}/health", timeout=20)
                if health.status_code == 200 and not left:
                    return
            if time.monotonic() > deadline:
                self._fail(
                    [f"not settled after {SETTLE:.0f} s: {left[:10]}, health {health.status_code} {health.text}"]
                )
            time.sleep(0.05)

    # Checking

    def _check(self, every: bool = False) -> None:
        """Compare everything; answers only for what changed and for some others, or for `every` attachment."""
        problems = [text for client in self.clients for text in client.ledger.violations]
        found = self._documents()
        on_disk = {Path(path).name for path in self.server.stored_files() if not path.endswith(".new")}
        by_name = {str(source["name"]): attachment_id for attachment_id, source in found.items()}
        for client in self.clients:
            for unit in client.ledger.units:
                named = {each.name: by_name[each.name] for each in unit.files if each.name in by_name}
                problems += self._unit(unit, named)
        files = [pair for client in self.clients for pair in client.ledger.files()]
        present = {str(file.id): file for _, file in files if file.state == "present"}
        problems += [f"document {each} is nobody's" for each in sorted(found.keys() - present.keys())]
        wanted = {f"{each}.{suffix}" for each, file in present.items() for suffix in FILES[file.kind]}
        problems += [f"{name} is missing on the disk" for name in sorted(wanted - on_disk)]
        problems += [f"{name} lies on the disk and is nobody's" for name in sorted(on_disk - wanted)]
        problems += self._texts(present, every)
        problems += self._chats(present)
        sample = {str(file.id) for _, file in self._random.sample(files, min(len(files), SAMPLE))}
        for unit, file in files:
            if file.checked and not every and file.id not in sample:
                continue
            file.checked = True
            self.tally.compared["answers"] += 1
            if file.state == "present":
                problems += self._bytes(unit, file)
            elif file.id is not None:
                problems += self._no_bytes(file)
        for client in self.clients:
            # What is gone for good needs no watch of its own: whatever is found must be somebody's.
            client.ledger.units = [unit for unit in client.ledger.units if not unit.decided or _alive(unit)]
        if problems:
            self._fail(problems)

    def _texts(self, present: dict[str, File], every: bool) -> list[str]:
        """The texts, which are all taken out by now: found by a word that all have and, once, by one of their own."""
        texts = {each: file for each, file in present.items() if file.kind == "text"}
        found = self._documents(query=COMMON)
        problems = [f"a search for a word in {each} does not find it" for each in sorted(texts.keys() - found.keys())]
        problems += [
            f"a search for a word finds {each}, which has none" for each in sorted(found.keys() - texts.keys())
        ]
        sources = self._sources()
        for each, file in texts.items():
            told = sources.get(each, {}).get("extraction", {})
            if (told.get("size"), told.get("sha256")) != (len(file.content), file.sha256):
                problems.append(f"the text of {each} is in the index as {told}")
            if (every or not file.checked) and list(self._documents(query=file.phrase)) != [each]:
                problems.append(f"a search for the word {file.word} of {each} does not find it alone")
        self.tally.compared["texts"] += len(texts)
        return problems

    def _chats(self, present: dict[str, File]) -> list[str]:
        """The chats, in both of their lists."""
        listed: dict[str, dict[str, Any]] = {}
        problems = []
        for archived in ("false", "true"):
            answer = self._http.get(
                self.server.url + chats.PATH,
                params={"q": f"archived:{archived}"},
                headers={"Coder-Session-Token": self.server.token},
                timeout=30,
            )
            if not answer.ok:
                return [f"a list of the settled store answers {answer.status_code} {answer.text[:200]}"]
            for each in answer.json():
                if each["title"] in listed or each["archived"] != (archived == "true"):
                    problems.append(f"chat {each['id']} is in a list where it should not be")
                listed[each["title"]] = each
        for client in self.clients:
            problems += client.chats.compare(listed, present.keys())
        known = {chat.title for client in self.clients for chat in client.chats.chats}
        self.tally.compared["chats"] += len(listed)
        return problems + [f"chat {title} is nobody's" for title in sorted(listed.keys() - known)]

    def _lose_index(self) -> None:
        """The fifth promise, while everybody rests: the index is lost, and a rebuild gives the same documents."""
        before = self._sources()
        (lost,) = requests.get(f"{self.node.url}/_alias/{self.server.index}", timeout=30).json()
        requests.delete(f"{self.node.url}/{lost}", timeout=30).raise_for_status()
        environment = {**os.environ, **self.server.environment}
        rebuilt = subprocess.run(
            [sys.executable, "-m", "app.commands.store", "rebuild"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if rebuilt.returncode != 0:
            self._fail([f"rebuild ends with {rebuilt.returncode}: {rebuilt.stdout} {rebuilt.stderr}"])
        after = self._sources()
        different = [each for each in before.keys() | after.keys() if before.get(each) != after.get(each)]
        self.tally.rebuilt.append(len(after))
        if different:
            self._fail([f"{each} is {after.get(each)} after a rebuild, was {before.get(each)}" for each in different])
        self._await_settled()
        self._check(every=True)

    def _sources(self) -> dict[str, dict[str, Any]]:
        """Every document with all its fields, asked of the node itself."""
        answer = requests.post(
            f"{self.node.url}/{self.server.index}/_search", json={"size": 10_000, "_source": ["*"]}, timeout=30
        )
        answer.raise_for_status()
        return {hit["_id"]: hit["_source"] for hit in answer.json()["hits"]["hits"]}

    def _documents(self, **query: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        while True:
            answer = search(self._http, self.server.url, self.server.token, size=1000, **{"from": len(found)}, **query)
            if not answer.ok:
                self._fail([f"a search of the settled store answers {answer.status_code} {answer.text[:200]}"])
            page = hits(answer)
            found |= page
            if len(page) < 1000:
                return found

    def _unit(self, unit: Unit, found: dict[str, str]) -> list[str]:
        """Compare one upload with the index, and write down what was open until now."""
        problems = []
        if not unit.decided:
            names = {file.name for file in unit.files}
            if found and set(found) != names:
                problems.append(f"upload {unit.session} is neither all nor nothing: {sorted(found)} of {sorted(names)}")
            for file in unit.files:
                file.id = found.get(file.name)
                file.state = "present" if file.id else "absent"
            unit.decided = True
        for file in unit.files:
            if file.state == "open":
                file.state = "present" if file.name in found else "absent"
            if file.state == "present" and found.get(file.name) != file.id:
                problems.append(f"{file.id} ({file.name} of {unit.session}) is acknowledged and not found")
            if file.state == "absent" and file.name in found:
                problems.append(f"{found[file.name]} ({file.name} of {unit.session}) is deleted or undone, yet found")
        return problems

    def _bytes(self, unit: Unit, file: File) -> list[str]:
        assert file.id is not None
        answer = unit.way.download(self._http, self.server.url, self.server.token, file.id)
        problems = []
        if answer.status_code != 200 or answer.content != file.content:
            problems.append(f"{file.id} answers {answer.status_code} with {len(answer.content)} bytes")
        head = self._http.head(f"{self.server.url}/attachment/{file.id}", headers=self.server.headers(), timeout=30)
        wanted = {"Content-Length": str(len(file.content)), "Filename": file.name, "ETag": f'"{file.sha256}"'}
        wrong = {name: head.headers.get(name) for name, value in wanted.items() if head.headers.get(name) != value}
        if head.status_code != 200 or wrong:
            problems.append(f"HEAD of {file.id} answers {head.status_code} and {wrong}")
        return problems

    def _no_bytes(self, file: File) -> list[str]:
        assert file.id is not None
        answer = COCO.download(self._http, self.server.url, self.server.token, file.id)
        return [] if answer.status_code == 404 else [f"{file.id} is deleted and answers {answer.status_code}"]

    def _fail(self, problems: list[str]) -> None:
        shown = "\n  ".join(problems[:20])
        raise Violation(f"seed {self.seed}, {self.tally}\n{len(problems)} violations:\n  {shown}")


def _alive(unit: Unit) -> bool:
    return any(file.state != "absent" for file in unit.files)


def _await_end(processes: list[int]) -> None:
    """Wait until orphaned workers, by their descriptors, are gone. Raises Violation when one stays."""
    deadline = time.monotonic() + 60
    while processes:
        if wait(processes[:1], max(0.0, deadline - time.monotonic())):
            os.close(processes.pop(0))
        else:
            raise Violation(f"{len(processes)} workers outlive their master by a minute")


@contextlib.contextmanager
def kill_loop(folder: Path, seed: int, clients: int = 5) -> Iterator[KillLoop]:
    """A kill loop on data in `folder`, with a server and a node that end with it."""
    with (
        EmbeddedNode(folder / "node") as node,
        running_server(
            folder,
            node.url,
            GRACE_TIME="1",
            RECONCILE_INTERVAL="0.2",
            EXTRACTION="on",
            EMBEDDINGS="off",
            EXTRACTION_MAX_FILE_SIZE=str(MOST_EXTRACTED),
        ) as server,
    ):
        yield KillLoop(server, node, seed, clients)
