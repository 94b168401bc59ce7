"""nginx from Debian's package with the configuration that is shipped, on this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import reserved_port
from tests.support.tools import command

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
READY_SECONDS = 60.0


@contextlib.contextmanager
def running_nginx(folder: Path, upstream_port: int, attachments: Path, *, more: str = "") -> Iterator[str]:
    """nginx in front of 127.0.0.1:`upstream_port`; the URL. Only addresses and paths of its configuration are changed, and
    `more` added to its server."""
    with reserved_port() as port:
        text = CONFIGURATION.read_text()
        for shipped, here in (
            ("server store:9000;", f"server 127.0.0.1:{upstream_port};"),
            ("listen 8080;", f"listen 127.0.0.1:{port}; {more}"),
            ("alias /data/attachments/;", f"alias {attachments}/;"),
            ("/tmp/nginx", f"{folder}/nginx"),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        if os.getuid() == 0:
            # The image runs it as the store's user; here the files are root's.
            text = f"user root;\n{text}"
        with serving(folder, text, port):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """nginx with this configuration, its files in `folder`, once it listens on `port` of loopback."""
    (folder / "nginx.conf").write_text(configuration)
    nginx = command("nginx")
    assert nginx is not None
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(
            [nginx, "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"], stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + READY_SECONDS
            while True:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "nginx.log").read_text())
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(60)
