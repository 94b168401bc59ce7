"""What the commands share: exit codes, the settings, the parts of a store."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from app.coordination.local.data_folder import is_store, node_url, reaching
from app.embeddings.contract import Embeddings, ModelId
from app.errors import EmbeddingsOff, EmbeddingsUnavailable, StoreError, WrongStore
from app.index import mappings
from app.index.generations import Generations
from app.services.store import Store
from app.settings import Settings

# Exit codes are an interface: docs/commands.md. argparse itself exits with USAGE.
CLEAN, FINDINGS, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder of the store (default: ./data, or what DATA says)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def environment_of(data: Path | None = None) -> dict[str, str]:
    """The environment, with `--data`."""
    return dict(os.environ) if data is None else {**os.environ, "DATA": str(data)}


def settings_of(arguments: argparse.Namespace, url: str | None = None, *, folder: Path | None = None) -> Settings:
    """The settings of the environment, with `--data`, and of Elasticsearch `url`; without that and without
    ELASTICSEARCH_URL, with the node of a running scripts/serve. `folder`: where the store is if neither `--data` nor the
    environment says it.

    Raises InvalidSetting, or WrongStore where there is no store.
    """
    environment = environment_of(arguments.data)
    if arguments.data is None and folder is not None and not environment.keys() & {"DATA", "STORAGE"}:
        environment["DATA"] = str(folder)
    if url is not None:
        environment["ELASTICSEARCH_URL"] = url
    settings = Settings.from_environ(environment)
    # A command must not turn a folder that was named by mistake into a store.
    if not is_store(settings.data):
        raise WrongStore(f"there is no store in {settings.data}")
    # Anyone who started a server without naming an Elasticsearch need not find out which one it uses.
    if "ELASTICSEARCH_URL" not in environment and (own := node_url(settings.data)) is not None:
        settings = Settings.from_environ(reaching(own, environment))
    return settings


def generations_of(store: Store, settings: Settings, dimensions: int | None = None) -> Generations:
    """The generations of the store's index. `dimensions`: how many numbers the vectors of a new one have; None: as many as
    the first one that it is given."""
    definition = mappings.with_dimensions(mappings.of_attachments(settings), dimensions)
    return Generations(store.index.connection, settings.index, definition, store.id)


def model_of(embeddings: Embeddings) -> ModelId | None:
    """The model that makes vectors; None with EMBEDDINGS=off, and, told on stderr, where it is not known now."""
    try:
        return embeddings.model()
    except EmbeddingsOff:
        return None
    except EmbeddingsUnavailable as error:
        print(f"It is not known which vectors the model of EMBEDDINGS makes: {error}", file=sys.stderr)
        return None


def confirmed(word: str, yes: bool) -> bool:
    """Whether to do what was shown: with `yes`, or if `word` is typed at a terminal."""
    if yes:
        return True
    if sys.stdin.isatty():
        print(f"Type {word} to do it: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() == word
    print("Nothing was done: say --yes to do it.", file=sys.stderr)
    return False


class Bar:
    """A progress bar on stderr, if that is a terminal and the run takes more than a second."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._bar is None or stage != self._stage:
            self.close()
            self._bar = tqdm(total=total, desc=stage, unit="", disable=None, delay=1, leave=False)
            self._stage = stage
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """The exit code of `command`, with a sentence on stderr instead of a traceback."""
    _open_streams()
    try:
        code = command(arguments)
        # Flushed here and not when the interpreter ends, which would report it with a message and an exit code of its
        # own.
        sys.stdout.flush()
        return code
    except StoreError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        _say(f"{error}{cause}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # A folder that may not be read, or output that can't be written: a pipe without a reader, a full disk.
        _say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        _give_up_stdout()
        return FAILED
    except Exception:
        # A bug. Python's own exit code for it is 1, which here means that something was found.
        traceback.print_exc()
        return FAILED


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _open_streams() -> None:
    """Streams that the caller has closed are opened as /dev/null: otherwise there would be none to read from or write
    to."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))


def _give_up_stdout() -> None:
    """The rest of the output is not written again at the end
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe)."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
