"""`scripts/store` and its commands, of which `verify` and `rebuild` are here."""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import closing

from app.commands import check_backend, copy, extract, types
from app.commands.common import (
    CLEAN,
    FINDINGS,
    Bar,
    add_data,
    confirmed,
    generations_of,
    model_of,
    run,
    settings_of,
)
from app.commands.findings import show
from app.opening import open_checked
from app.storage.contract import PARTITIONS, Artefact, name_of
from app.upkeep.rebuild import Rebuild
from app.upkeep.repair import ACTIONS, Repair
from app.upkeep.verify import Checker, Finding


def _subset(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    part, parts = (int(match[1]), int(match[2])) if match else (1, 0)
    if not part <= parts <= PARTITIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not n/t with 1 <= n <= t <= {PARTITIONS}")
    return part, parts


def verify(arguments: argparse.Namespace) -> int:
    """Check, show, and repair if requested. Returns the exit code."""
    settings = settings_of(arguments)
    store = open_checked(settings)
    generations = generations_of(store, settings)
    checker = Checker(
        store.storage,
        store.coordination,
        store.queue,
        generations,
        grace=settings.grace_time,
        read_data=arguments.read_data,
        model=model_of(store.embeddings),
    )
    part, parts = arguments.subset
    repairable: list[Finding] = []
    total = 0
    with closing(store.index), closing(Bar()) as bar:
        for finding in checker.run(part, parts, bar):
            total += 1
            show(finding, arguments.json)
            if arguments.repair and finding.code in ACTIONS:
                repairable.append(finding)
        bar.close()
        repaired = 0
        if repairable and _told(repairable, arguments):
            repair = Repair(store, checker, grace=settings.grace_time)
            repaired = sum(repair.repair(each) for each in repairable)
    counts = {"findings": total, "repaired": repaired}
    counts |= {"attachments": checker.attachments, "documents": checker.documents}
    if arguments.json:
        print(json.dumps({"summary": counts}))
    else:
        print(", ".join(f"{value} {name}" for name, value in counts.items()))
    return CLEAN if repaired == total else FINDINGS


def _told(findings: list[Finding], arguments: argparse.Namespace) -> bool:
    """Show what would be done. Returns whether to do it."""
    for each in findings:
        print(f"would {ACTIONS[each.code]}: {each.path or each.id}", file=sys.stderr)
    return confirmed("repair", arguments.yes)


def rebuild(arguments: argparse.Namespace) -> int:
    """Rebuild the index. Returns the exit code."""
    settings = settings_of(arguments)
    store = open_checked(settings)
    model = model_of(store.embeddings)
    with store.coordination.maintenance(), closing(store.index), closing(Bar()) as bar:
        store.index.connection.major()
        generations = generations_of(store, settings, None if model is None else model.dimensions)
        work = Rebuild(store.storage, generations, store.coordination.change_lock)
        name = work.run(lambda done, total, documents: bar("folders", done, total))
        bar.close()
        removed = generations.old() if arguments.remove_old else []
        for each in removed:
            generations.remove(each)
    for each in sorted(work.damaged):
        print(f"damaged-record: {name_of(each, Artefact.RECORD)}", file=sys.stderr)
    counts = {"index": name, "documents": work.written, "damaged": len(work.damaged), "removed": removed}
    counts["resumed"] = work.resumed_from
    if arguments.json:
        print(json.dumps(counts))
    else:
        print(
            f"[{settings.index}] is now [{name}]: {work.written} documents written, {len(work.damaged)} damaged records"
        )
    return FINDINGS if work.damaged else CLEAN


def main(argv: list[str] | None = None, prog: str = "scripts/store") -> int:
    parser = argparse.ArgumentParser(prog=prog, description="Check a store, make its index again, or move it.")
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("verify", help="compare files and index; changes nothing unless told to")
    add_data(checking)
    checking.add_argument("--read-data", action="store_true", help="read all bytes and compare their digests")
    checking.add_argument("--subset", type=_subset, default=(1, 1), metavar="N/T", help="only the n-th of t parts")
    checking.add_argument("--repair", action="store_true", help="show what can be repaired, and do it when confirmed")
    checking.add_argument("--yes", action="store_true", help="with --repair: do it without asking")
    checking.set_defaults(command=verify)
    building = commands.add_parser("rebuild", help="make the index again from the records, while the server runs")
    add_data(building)
    building.add_argument("--remove-old", action="store_true", help="remove this store's other generations afterwards")
    building.set_defaults(command=rebuild)
    extract.add_to(commands)
    types.add_to(commands)
    copy.add_to(commands)
    check_backend.add_to(commands)
    arguments = parser.parse_args(argv)
    if getattr(arguments, "yes", False) and not arguments.repair:
        parser.error("--yes needs --repair")
    return run(arguments.command, arguments)


if __name__ == "__main__":
    sys.exit(main())
