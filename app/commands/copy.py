"""`scripts/store copy`: copy a store's attachments into another storage, and move the store there."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from contextlib import closing

from app.commands.common import CLEAN, FINDINGS, USAGE, Bar, add_data, settings_of
from app.commands.findings import show
from app.commands.place import COPY_NOTES, Place
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.upkeep.copying import MADE_AGAIN, Copy

_MEGABYTE = 1_000_000
MOST_WORKERS = 64


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.001 <= rate <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of MB a second from 0.001 to 1000000")
    return rate


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:3]) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_WORKERS}")
    return int(text)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("copy", help="copy the attachments into another storage, while the server runs")
    add_data(parser)
    parser.add_argument("source", metavar="FROM", help="where the store has its attachments: a folder or a URL")
    parser.add_argument("target", metavar="TO", help="an empty one, or one that an earlier copy has begun")
    parser.add_argument(
        "--finish", action="store_true", help="copy the last changes while nothing changes, and move the store there"
    )
    parser.add_argument(
        "--without-damaged", action="store_true", help="with --finish: move the store without what is damaged"
    )
    parser.add_argument(
        "--rate", type=_rate, metavar="MB", help="megabytes a second to read at most (default: no limit)"
    )
    parser.add_argument(
        "--workers", type=_workers, default=4, metavar="N", help="partitions at once (default: %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="count what would be copied; change nothing")
    parser.set_defaults(command=copy)


def copy(arguments: argparse.Namespace) -> int:
    """Copy, or count what would be copied. Returns the exit code."""
    if arguments.without_damaged and not arguments.finish:
        print("--without-damaged needs --finish", file=sys.stderr)
        return USAGE
    if arguments.dry_run and arguments.finish:
        print("--dry-run excludes --finish", file=sys.stderr)
        return USAGE
    source, target = Place.of(arguments.source), Place.of(arguments.target)
    settings = settings_of(arguments, folder=source.folder)
    source.check_is_of(settings)
    source.check_apart(target)
    store_id = open_data_folder(settings.data)
    coordination = Local(settings.data)
    work = Copy(
        source.open(settings, store_id),
        target.open_for_copy(settings, store_id, dry=arguments.dry_run),
        store_id,
        (source.name, target.name),
        workers=arguments.workers,
        rate=None if arguments.rate is None else arguments.rate * _MEGABYTE,
    )
    began = time.monotonic()
    with coordination.maintenance(), closing(Bar()) as bar:
        if arguments.dry_run:
            work.check()
            work.plan(lambda done, total: bar("folders", done, total))
        else:
            work.run(
                coordination.change_lock if arguments.finish else None,
                without_damaged=arguments.without_damaged,
                progress=lambda done, total: bar("folders", done, total),
            )
    if work.whole:
        shutil.rmtree(settings.data / COPY_NOTES, ignore_errors=True)
    findings = list(work.findings.values())
    for each in findings:
        show(each, arguments.json)
    counts = {**vars(work.counts), "findings": len(findings), "resumed": work.resumed}
    counts |= {"paused": round(work.paused, 3), "seconds": round(time.monotonic() - began, 3), "whole": work.whole}
    if arguments.json:
        print(json.dumps({"summary": counts}))
    else:
        print(", ".join(f"{value} {name}" for name, value in counts.items() if name != "whole"))
        print(_next(arguments, work, target), file=sys.stderr)
    if findings and not (work.whole and arguments.without_damaged):
        return FINDINGS
    return CLEAN if work.whole or not arguments.finish else FINDINGS


def _next(arguments: argparse.Namespace, work: Copy, target: Place) -> str:
    """What to do next."""
    if arguments.dry_run:
        return "Nothing was copied."
    if work.whole:
        return f"{target.name} is whole: {target.advice}"
    if any(each.code not in MADE_AGAIN for each in work.findings.values()):
        return (
            f"{target.name} lacks what is damaged. Restore it and copy again, or leave it out with --finish"
            " --without-damaged."
        )
    return f"{target.name} is not used yet: stop the server, then run the same with --finish."
