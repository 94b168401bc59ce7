"""Elasticsearch behind TLS, with a user and password or an API key: the commands and the server reach it, or say why not.

What secures it here is nginx in front of the real node: a certificate of a CA made for the test, a password file and one
API key, on a path of its own.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.errors import IndexUnavailable
from app.settings import Settings
from tests.integration.commands.doors import door, lines
from tests.support.app import Server, running_server
from tests.support.calls import calls_to
from tests.support.ports import reserved_port
from tests.support.proxy import serving

pytestmark = pytest.mark.needs("nginx", "openssl")

USER = "store-user"
CONFIGURATION = """
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    map $http_authorization $realm {{ default elasticsearch; "ApiKey {key}" off; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate server.pem;
        ssl_certificate_key server.key;
        location /es/ {{
            auth_basic $realm;
            auth_basic_user_file users;
            proxy_pass {upstream}/;
        }}
    }}
}}
"""


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_ca(folder: Path, name: str) -> Path:
    options = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl(folder, "req", *options, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return folder / f"{name}.pem"


@dataclass(frozen=True)
class Secured:
    """A cluster that asks who is there."""

    url: str
    ca: Path
    another_ca: Path
    password: str
    key: str

    def settings(self, **changed: str) -> dict[str, str]:
        """The settings that work, by user and password."""
        return {
            "ELASTICSEARCH_URL": self.url,
            "ELASTICSEARCH_CA_CERTS": str(self.ca),
            # Nothing here is about time, and the machine may be busy.
            "ELASTICSEARCH_TIMEOUT": "20",
            "ELASTICSEARCH_USERNAME": USER,
            "ELASTICSEARCH_PASSWORD": self.password,
            **changed,
        }

    def by_key(self, **changed: str) -> dict[str, str]:
        """The settings that work, by API key."""
        return {
            "ELASTICSEARCH_URL": self.url,
            "ELASTICSEARCH_CA_CERTS": str(self.ca),
            # Nothing here is about time, and the machine may be busy.
            "ELASTICSEARCH_TIMEOUT": "20",
            "ELASTICSEARCH_API_KEY": self.key,
            **changed,
        }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    ca, another = make_ca(folder, "ca"), make_ca(folder, "another")
    options = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=elasticsearch")
    openssl(folder, "req", *options, "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    password, key = secrets.token_hex(12), base64.b64encode(secrets.token_bytes(24)).decode()
    (folder / "users").write_text(f"{USER}:{openssl(folder, 'passwd', '-apr1', password)}\n")
    with reserved_port() as port:
        text = CONFIGURATION.format(port=port, upstream=elasticsearch_url, key=key)
        if os.getuid() == 0:
            # Its workers read the password file, which is root's.
            text = f"user root;\n{text}"
        with serving(folder, text, port):
            yield Secured(f"https://127.0.0.1:{port}/es", ca, another, password, key)


@contextlib.contextmanager
def server_on(folder: Path, plain_url: str, **environment: Any) -> Iterator[Server]:
    """A server that reaches Elasticsearch only by the settings given; its index is removed by `plain_url`."""
    with running_server(folder, environment["ELASTICSEARCH_URL"], LOG_LEVEL="debug", **environment) as server:
        server.elasticsearch_url = plain_url
        yield server


def assert_silent(secured: Secured, *told: str) -> None:
    """That nothing says how to get in, in any form it has on the way."""
    basic = base64.b64encode(f"{USER}:{secured.password}".encode()).decode()
    for text in told:
        assert not [each for each in (secured.password, secured.key, basic) if each in text], text


def test_commands_and_server_by_password(secured: Secured, tmp_path: Path, elasticsearch_url: str) -> None:
    with server_on(tmp_path, elasticsearch_url, **secured.settings()) as server:
        (one,) = server.upload(("a.txt", b"a"), session="s")
        told = []
        for words, code in (
            (("index", "migrate", "coco_attachment", "--force"), 0),
            (("index", "settings", "coco_attachment", "--replicas", "0"), 0),
            (("index", "delete", "coco_attachment"), 1),
            (("store", "verify"), 0),
        ):
            result = door(server, *words, "--json", LOG_LEVEL="debug")
            assert result.returncode == code, (words, result.stderr)
            assert lines(result)
            told += [result.stdout, result.stderr]
        assert [hit["_id"] for hit in server.hits("session=s")] == [one]
        checked = door(server, "serve", "--check")
        assert checked.returncode == 0
        assert server.stop() == 0
        assert_silent(secured, *told, checked.stdout, checked.stderr, server.log.read_text())


def test_commands_and_server_by_key(secured: Secured, tmp_path: Path, elasticsearch_url: str) -> None:
    with server_on(tmp_path, elasticsearch_url, **secured.by_key()) as server:
        (one,) = server.upload(("a.txt", b"a"), session="s")
        assert [hit["_id"] for hit in server.hits("session=s")] == [one]
        # By the URL on the command line, with what the settings say of key and CA.
        words = ("index", "status", "coco_attachment", "--url", secured.url)
        result = door(server, *words, ELASTICSEARCH_URL="https://127.0.0.1:1")
        assert result.returncode == 0, result.stderr
        assert server.stop() == 0
        assert_silent(secured, result.stdout, result.stderr, server.log.read_text())


NOT_TRUSTED = "The certificate of Elasticsearch is not trusted"
NOT_ACCEPTED = "Elasticsearch does not accept the user and password, or the API key"


def test_what_is_wrong_is_said(secured: Secured, tmp_path: Path, elasticsearch_url: str) -> None:
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "another CA": (secured.settings(ELASTICSEARCH_CA_CERTS=str(secured.another_ca)), NOT_TRUSTED),
        "password": (secured.settings(ELASTICSEARCH_PASSWORD="wrong-" + secured.password), NOT_ACCEPTED),
        "key": (secured.by_key(ELASTICSEARCH_API_KEY="d3Jvbmc6" + secured.key), NOT_ACCEPTED),
        "nobody": ({k: v for k, v in secured.settings().items() if "USER" not in k and "PASS" not in k},
                   NOT_ACCEPTED),
        "no such file": (secured.settings(ELASTICSEARCH_CA_CERTS="/nowhere.pem"), "'/nowhere.pem' holds no certificates"),
        "no certificates": (secured.settings(ELASTICSEARCH_CA_CERTS="/etc/hostname"), "holds no certificates"),
        "no TLS": (secured.settings(ELASTICSEARCH_URL="http://127.0.0.1:1"), "begins with https"),
        "user in the URL": (
            {"ELASTICSEARCH_URL": secured.url.replace("//", f"//{USER}:{secured.password}@")}, "has a user in it",
        ),
    }  # fmt: skip
    with running_server(tmp_path, elasticsearch_url) as server:
        server.upload(("a.txt", b"a"))
        for name, (settings, sentence) in wrong.items():
            result = door(server, "index", "status", "--json", **settings)
            assert (name, result.returncode, result.stdout) == (name, 3, "")
            assert sentence in result.stderr
            assert len(result.stderr.splitlines()) == 1
            assert_silent(secured, result.stderr)


@pytest.mark.parametrize("fault", ["another CA", "password"])
def test_a_server_that_is_not_let_in_says_why_and_gets_in_later(
    fault: str, secured: Secured, tmp_path: Path, elasticsearch_url: str
) -> None:
    wrong, sentence = {
        "another CA": ({"ELASTICSEARCH_CA_CERTS": str(secured.another_ca)}, NOT_TRUSTED),
        "password": ({"ELASTICSEARCH_PASSWORD": "wrong-" + secured.password}, NOT_ACCEPTED),
    }[fault]
    with server_on(tmp_path, elasticsearch_url, **secured.settings(**wrong)) as server:
        health = server.get("/health")
        assert (health.status_code, health.json()["reasons"]) == (503, [sentence])
        answer = server.post("/attachment/_upload", files=[("files", ("a.txt", b"a"))])
        assert (answer.status_code, answer.json()["error"]["reason"]) == (503, sentence)
        # Nothing was sent that somebody would have to decide about later.
        assert server.stored_files() == []
        server.stop()
        assert sentence in server.log.read_text()
        assert_silent(secured, server.log.read_text())
        server.environment |= secured.settings()
        server.start()
        server.upload(("a.txt", b"a"))


@pytest.mark.parametrize("fault", ["another CA", "another name"])
def test_nothing_is_sent_to_whom_the_certificate_is_not_of(fault: str, secured: Secured) -> None:
    """Searches and bulks have connections of their own. They check for themselves: who answers may have changed since the
    start, when it was the client that looked."""
    by_name = secured.url.replace("127.0.0.1", "localhost")
    url, ca = {"another CA": (secured.url, secured.another_ca), "another name": (by_name, secured.ca)}[fault]
    with contextlib.closing(calls_to(Settings(elasticsearch_url=url, elasticsearch_ca_certs=ca))) as calls:
        for _ in range(2):
            with pytest.raises(IndexUnavailable, match=NOT_TRUSTED):
                calls.ask("/_search", b"{}", "application/json", "application/json", None, lambda: 20.0)
