"""LiteLLM's proxy, a server with OpenAI's API that is not ours: https://docs.litellm.ai/docs/simple_proxy.

It has no model. It asks the servers of its configuration, here a store with a model. It runs in an environment of its own
(`tests/support/litellm.in` says which release, and why that one), which is made with the first test that needs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.support.app import ROOT
from tests.support.ports import reserved_port

#: Seconds for the environment, whose packages are fetched, and for a start.
PREPARED, READY = 400.0, 180.0
#: The name under which it serves the model.
NAME = "meaning"


class LiteLLM:
    """A proxy before the model `model` of the server at the base URL `behind`, which gets `key`. `key` of this class is its
    own one."""

    def __init__(self, folder: Path, port: int, behind: str, key: str, model: str) -> None:
        self.key = f"sk-{secrets.token_hex(16)}"
        self._folder, self._port = folder, port
        self._process: subprocess.Popen[bytes] | None = None
        # It asks each time once: to ask again is for the store.
        served = {"model": f"openai/{model}", "api_base": behind, "api_key": key, "max_retries": 0}
        configuration = {
            "model_list": [{"model_name": NAME, "litellm_params": served, "model_info": {"mode": "embedding"}}],
            "general_settings": {"master_key": self.key},
            "router_settings": {"num_retries": 0},
        }
        # JSON is YAML.
        (folder / "config.yaml").write_text(json.dumps(configuration))

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://127.0.0.1:{self._port}/v1"

    def statuses(self) -> list[int]:
        """Of all its answers about embeddings, the first one first."""
        said = (self._folder / "log").read_text()
        return [int(each) for each in re.findall(r'"POST /v1/embeddings HTTP/1.1" (\d+)', said)]

    def start(self) -> None:
        """Start it, and wait until it serves."""
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "PYTHONUNBUFFERED": "1",
            # It connects to the loopback alone: prices of models are those of its package.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "DISABLE_ADMIN_UI": "True",
            "NO_DOCS": "True",
            "NO_PROXY": "*",
        }
        command = [str(ROOT / ".venv-litellm/bin/litellm"), "--config", str(self._folder / "config.yaml")]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--num_workers", "1", "--telemetry", "False"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + READY
        while True:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "log").read_text()[-4000:])
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{self._port}/health/liveliness", timeout=5).ok:
                    return
            time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def prepare() -> None:
    """Make its environment, if there is none. Raises RuntimeError with the reason if that fails."""
    command = ["bash", "-c", '. "$0" litellm', str(ROOT / "scripts/environment")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PREPARED, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])


@contextlib.contextmanager
def running_litellm(folder: Path, behind: str, key: str, model: str) -> Iterator[LiteLLM]:
    """A proxy that serves; ended with the block."""
    prepare()
    with reserved_port() as port:
        made = LiteLLM(folder, port, behind, key, model)
        try:
            made.start()
            yield made
        finally:
            made.kill()
