"""What is said at a start of what others may reach."""

import json
import socket
from pathlib import Path

import pytest

from app.server.exposure import sentences
from app.settings import Settings
from tests.support.app import running_server

BEYOND = "in plain HTTP: tokens and files can be read on their way"
OPEN = "Elasticsearch is asked without a user and without a key"


@pytest.mark.parametrize(
    ("hosts", "proxies", "said"),
    [
        (["127.0.0.1"], "127.0.0.1,::1", False),
        (["127.0.0.53", "::1"], "", False),
        (["0.0.0.0"], "127.0.0.1,::1", True),
        (["127.0.0.1", "192.0.2.7"], "127.0.0.1,::1", True),
        (["::"], "", True),
        (["fe80::1%eth0"], "127.0.0.0/8", True),
        (["0.0.0.0"], "*", False),
        (["0.0.0.0"], "127.0.0.1,192.0.2.1", False),
        (["0.0.0.0"], "10.0.0.0/8", False),
    ],
)
def test_beyond_this_machine_without_a_proxy(hosts: list[str], proxies: str, said: bool) -> None:
    settings = Settings(forwarded_allow_ips=proxies, elasticsearch_api_key="a")
    found = sentences(settings, hosts)
    assert [BEYOND in each for each in found] == [True] * said
    for each in found:
        assert all((host in each) is not host.startswith("127.") for host in hosts)


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({}, True),
        ({"elasticsearch_api_key": "a"}, False),
        ({"elasticsearch_username": "u", "elasticsearch_password": "p"}, False),
    ],
)
def test_an_elasticsearch_that_asks_for_nothing(login: dict[str, str], said: bool) -> None:
    assert [OPEN in each for each in sentences(Settings(**login), [])] == [True] * said  # type: ignore[arg-type]


def test_a_start_says_it_once_on_stderr(tmp_path: Path, elasticsearch_url: str) -> None:
    with running_server(tmp_path, elasticsearch_url, start=False, WEB_WORKERS="2") as server:
        server.listener.close()
        with socket.create_server(("0.0.0.0", 0)) as server.listener:
            server.start()
            server.stop()
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    events = [line["event"] for line in lines if line["level"] == "warning"]
    assert [sum(text in event for event in events) for text in (BEYOND, OPEN)] == [1, 1]
