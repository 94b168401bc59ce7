"""`scripts/store types`: correct media types that differ from the contents."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing

from tqdm import tqdm  # type: ignore[import-untyped]

from app.commands.common import CLEAN, FINDINGS, Bar, add_data, settings_of
from app.opening import open_checked
from app.upkeep.types import BATCH, Difference, Types


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "types", help="show the media types that are not what the contents say, and change them"
    )
    add_data(parser)
    parser.add_argument("--apply", action="store_true", help="change them, and have their texts taken out anew")
    parser.add_argument("--tenant", metavar="T", help="only the attachments of this tenant")
    parser.set_defaults(command=types)


def types(arguments: argparse.Namespace) -> int:
    """Check the store, show the differences, and change them if requested. Returns the exit code."""
    store = open_checked(settings_of(arguments))
    work = Types(store, arguments.tenant)
    wrong = changed = 0
    batch: list[Difference] = []
    with closing(store.index), closing(Bar()) as bar:
        for each in work.differences(lambda done: bar("attachments", done, done)):
            wrong += 1
            batch.append(each)
            _show(each, arguments.json)
            if len(batch) == BATCH:
                changed += work.apply(batch) if arguments.apply else 0
                batch = []
        changed += work.apply(batch) if arguments.apply else 0
    counts = {"attachments": work.attachments, "wrong": wrong, "changed": changed, "unread": work.unread}
    if arguments.json:
        print(json.dumps({"summary": counts}))
    else:
        print(", ".join(f"{value} {name}" for name, value in counts.items()))
    return CLEAN if changed == wrong and not work.unread else FINDINGS


def _show(each: Difference, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"id": each.id, "stored": each.stored, "found": each.found}), flush=True)
    else:
        tqdm.write(f"{each.id}: {each.stored} is {each.found}", file=sys.stdout)
