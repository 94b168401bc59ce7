"""`/metrics`: the numbers of all workers add up, outlive a worker, and say nothing about contents."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from app.web.metrics import SharedFolder
from tests.support.app import Server, ServerFactory
from tests.support.models import await_process, embed

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(server: Server) -> Numbers:
    answer = requests.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.token}"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def number(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers[(f"attachment_store_{name}", tuple(sorted(labels.items())))]


@pytest.fixture
def two_workers(start_server: ServerFactory, tmp_path: Path) -> Server:
    return start_server(WEB_WORKERS="2", METRICS_FOLDER=str(tmp_path / "numbers"))


def test_the_numbers_of_all_workers_add_up(two_workers: Server, tmp_path: Path) -> None:
    server = two_workers
    with ThreadPoolExecutor(12) as pool:
        ids = [each[0] for each in pool.map(lambda n: server.upload((f"{n}.txt", b"x" * (n + 1))), range(60))]
        assert {r.status_code for r in pool.map(lambda each: server.get(f"/attachment/{each}"), ids)} == {200}
    server.delete(f"/attachment/{ids[0]}")
    server.hits()
    assert server.get("/attachment/nothing-here").status_code == 404
    (folder,) = (tmp_path / "numbers").iterdir()
    processes = {path.stem.rpartition("_")[2] for path in folder.glob("counter_*.db")}
    assert processes == {str(pid) for pid in server.worker_pids()}, "both workers had something to do"

    route = "/attachment/<attachment_id>"
    # A request is counted when it is answered, which its client may know first.
    deadline = time.monotonic() + 60
    while number(found := scrape(server), "request_seconds_count", route=route) < 62:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert number(found, "uploads_total", dialect="coco") == 60
    assert number(found, "upload_bytes_total", dialect="coco") == sum(range(1, 61))
    assert number(found, "deletes_total") == 1
    for step in ("receive", "fsync"):
        assert number(found, "step_seconds_count", step=step) >= 60
    assert number(found, "step_seconds_count", step="index") == 61
    assert number(found, "step_seconds_count", step="search") == 1
    assert number(found, "bulk_writes_sum") == 61
    assert number(found, "bulk_writes_count") == number(found, "step_seconds_count", step="bulk") <= 61
    assert number(found, "queued_writes") == 0
    assert number(found, "errors_total", code="not_found") == 1
    assert number(found, "requests_total", route=route, method="GET", status="200") == 60
    assert number(found, "requests_total", route=route, method="GET", status="404") == 1
    assert number(found, "requests_total", route="/attachment/_upload", method="POST", status="200") == 60
    assert number(found, "request_seconds_count", route=route) == 62
    assert number(found, "disk_free_bytes") > 0
    assert number(found, "journal_entries") == 0
    assert not [key for key in found if any(each in str(key) for each in (*ids, "default", ".txt"))]


@pytest.fixture
def extracting(start_server: ServerFactory) -> Server:
    return start_server(WEB_WORKERS="2", EXTRACTION="on", EXTRACTION_MAX_FILE_SIZE="1000")


def await_extractions(server: Server) -> Numbers:
    deadline = time.monotonic() + 120
    while number(found := scrape(server), "pending_extractions"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_extractions_of_all_workers_by_how_they_ended(extracting: Server) -> None:
    server = extracting
    with held(server) as waiting:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda n: server.upload((f"{n}.txt", b"x" * (n * 200))), range(1, 9)))
        found = scrape(server)
        assert number(found, "pending_extractions") == waiting() == 8
        assert not [labels for name, labels in found if name == "attachment_store_extractions_total"]
    found = await_extractions(server)
    assert number(found, "extractions_total", outcome="completed") == 5
    assert number(found, "extractions_total", outcome="too-large") == 3
    # What is too large is not opened.
    assert number(found, "step_seconds_count", step="extract") == 5
    assert number(found, "step_seconds_sum", step="extract") > 0


@contextlib.contextmanager
def held(server: Server) -> Iterator[Callable[[], int]]:
    """Nothing is extracted within the block: this process has every slot. Counts what waits."""
    with contextlib.ExitStack() as stack:
        for slot in range(2):
            file = stack.enter_context((server.data / "extraction" / f".slot-{slot}").open("a+b"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield lambda: sum(not path.name.startswith(".") for path in (server.data / "extraction").iterdir())


def test_refreshes_are_those_that_elasticsearch_counts(two_workers: Server) -> None:
    server = two_workers
    server.upload(("first.txt", b"x"))
    before = scrape(server)
    for n in range(5):
        server.upload((f"{n}.txt", b"x"))
    after = scrape(server)
    # One after the other: each has a bulk and a refresh of its own. Elasticsearch makes others by itself.
    assert number(after, "refreshes_total") >= number(before, "refreshes_total") + 5
    said = requests.get(f"{server.elasticsearch_url}/{server.index}/_stats/refresh", timeout=60).json()
    millis = said["_all"]["primaries"]["refresh"]["external_total_time_in_millis"]
    assert number(before, "refresh_seconds_total") < number(after, "refresh_seconds_total") <= millis / 1000


def test_a_worker_that_dies_leaves_its_numbers_and_no_files(two_workers: Server, tmp_path: Path) -> None:
    server = two_workers
    for n in range(20):
        server.upload((f"{n}.txt", b"x"))
    before = server.worker_pids()
    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + 120
    while len(now := server.worker_pids()) < 2 or now == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert number(scrape(server), "uploads_total", dialect="coco") == 20
    for pid in before[1:]:
        os.kill(pid, signal.SIGTERM)
    while set(before) & set(server.worker_pids()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert number(scrape(server), "uploads_total", dialect="coco") == 20
    assert number(scrape(server), "queued_writes") == 0
    # The master takes the files away once it has seen the process end.
    while [path for path in (tmp_path / "numbers").rglob("*.db") for pid in before if path.name.endswith(f"_{pid}.db")]:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    server.stop()
    assert list((tmp_path / "numbers").iterdir()) == []


def test_a_killed_server_leaves_a_folder_that_the_next_removes(tmp_path: Path) -> None:
    left = tmp_path / "attachment-store-metrics-left"
    left.mkdir()
    (left / "counter_1.db").write_bytes(b"x")
    # One that is being made has no lock yet, and is left alone for as long as that may take.
    making, given_up = tmp_path / ".attachment-store-metrics-new", tmp_path / ".attachment-store-metrics-old"
    for each in (making, given_up):
        each.mkdir()
    os.utime(given_up, (0, 0))
    mine = SharedFolder.create(tmp_path)
    assert set(tmp_path.iterdir()) == {mine.path, making}
    os.utime(mine.path, (0, 0))
    other = SharedFolder.create(tmp_path)
    assert set(tmp_path.iterdir()) == {mine.path, other.path, making}
    assert {each.path.name.startswith("attachment-store-metrics-") for each in (mine, other)} == {True}


def test_an_admin_may_look_and_nobody_else(server: Server) -> None:
    url = f"{server.url}/metrics"
    assert requests.get(url, timeout=60).status_code == 401
    assert server.get("/metrics", token=server.make_token("read", "search", "write", "delete")).status_code == 403
    assert server.get("/metrics").status_code == 200


def test_anybody_may_look_where_it_is_open(start_server: ServerFactory) -> None:
    server = start_server(METRICS_OPEN="yes")
    assert requests.get(f"{server.url}/metrics", timeout=60).status_code == 200


def test_methods_that_clients_invent_are_one_series(two_workers: Server) -> None:
    for n in range(5):
        assert two_workers.request(f"INVENTED{n}", "/attachment/_search").status_code == 405
    methods = {dict(labels).get("method") for name, labels in scrape(two_workers) if name.endswith("requests_total")}
    assert methods == {"other", "GET"} or methods == {"other"}


DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "attachment-store.json"


def expressions(node: object) -> Iterator[str]:
    """Every PromQL expression of a dashboard, those of its variables too."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for each in node:
            yield from expressions(each)


def test_the_dashboard_asks_for_what_there_is(start_server: ServerFactory) -> None:
    server = start_server(WEB_WORKERS="2", EXTRACTION="on", EMBEDDINGS="builtin", EMBEDDINGS_TIMEOUT="120")
    await_process(server)
    assert embed(server, ["a text"]).status_code == 200
    (attachment_id,) = server.upload(("a.txt", b"x"))
    # Nothing can be drawn of it, which is counted too.
    server.upload(("b.gif", b"GIF89a\1\0\1\0\0\0\0"))
    await_extractions(server)
    server.hits()
    server.delete(f"/attachment/{attachment_id}")
    server.get("/attachment/nothing-here")
    there = {name for name, _ in scrape(server)}
    wanted = {
        name
        for expression in expressions(json.loads(DASHBOARD.read_text()))
        for name in re.findall(r"attachment_store_\w+", expression)
    }
    assert len(wanted) > 8
    assert wanted - there == set()
    shown = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name in wanted}
    unseen = {name for name in there if re.sub(r"_(bucket|sum|count|created|total)$", "", name) not in shown}
    assert unseen == set(), "a number that no panel shows"
