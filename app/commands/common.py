"""What the commands share: exit codes, the settings, the parts of a store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.errors import StoreError, WrongStore
from app.index import mappings
from app.index.attachments import AttachmentIndex
from app.index.generations import Generations
from app.root import open_root
from app.settings import Settings
from app.store import Store

# Exit codes are an interface: docs/commands.md. argparse itself exits with USAGE.
CLEAN, FINDINGS, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder of the store (default: ./data, or what DATA says)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of the environment, with `--data`. Raises InvalidSetting, or WrongStore where there is no store."""
    settings = Settings.from_environ(os.environ)
    if arguments.data is not None:
        settings = replace(settings, data=arguments.data)
    # A command must not make a store of a folder that was named by mistake.
    if not (settings.data / "store.json").is_file():
        raise WrongStore(f"there is no store in {settings.data}")
    return settings


def open_store(settings: Settings) -> tuple[Store, Generations]:
    """The store and the generations of its index. Raises WrongStore, StorageFailed, StorageFull."""
    store_id = open_root(settings.data)
    store = Store(settings, AttachmentIndex(settings, store_id))
    definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
    return store, Generations(store.index.connection, settings.index, definition, store_id)


def run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """The exit code of `command`, with a sentence on stderr instead of a traceback."""
    try:
        return command(arguments)
    except StoreError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        print(f"{error}{cause}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
