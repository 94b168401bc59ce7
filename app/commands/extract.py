"""`scripts/store extract`: extract the text of files again, or of those where it was not done."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing

from app.commands.common import CLEAN, FINDINGS, add_data, settings_of
from app.errors import EmbeddingsOff, NotFound
from app.extraction.queue import Stage
from app.extraction.record import Extraction
from app.ids import is_id
from app.opening import open_checked
from app.services.extracting import Extractor
from app.services.passages import Maker
from app.services.store import Store

#: Seconds between two checks of what others work on.
_PAUSE = 0.2


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("extract", help="take the text out of files again, while the server runs or not")
    add_data(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--missing", action="store_true", help="what has no outcome yet (default without ids)")
    which.add_argument("--failed", action="store_true", help="what failed")
    which.add_argument(
        "--outdated",
        action="store_true",
        help="what an earlier version took out, which kept no places of pages; and what has pictures that were read in"
        " other languages than now",
    )
    which.add_argument(
        "--thumbnails", action="store_true", help="only draw thumbnails, of what has none and may have some"
    )
    which.add_argument(
        "--passages",
        action="store_true",
        help="only make passages and their vectors: of what has none, or has those of another model; of IDs, anew",
    )
    which.add_argument("--all", action="store_true", help="everything, also what was completed")
    parser.add_argument("ids", nargs="*", metavar="ID", help="these attachments")
    parser.add_argument("--no-wait", action="store_true", help="only queue them: a running server does the work")
    parser.set_defaults(command=extract)


def _chosen(store: Store, arguments: argparse.Namespace, by: Maker | None) -> Iterator[str]:
    if arguments.ids:
        for each in arguments.ids:
            if not is_id(each) or store.records.attachment(each) is None:
                raise NotFound(f"there is no attachment [{each}]")
        yield from arguments.ids
        return
    if arguments.passages:
        yield from (each for each in store.storage.ids() if store.steps.lacks_passages(each, by) is not None)
        return
    if arguments.thumbnails:
        for attachment in store.records.all():
            known = store.records.thumbnail(attachment.id)
            if store.steps.drawing(attachment) is not None and (known is None or not known.pictures):
                yield attachment.id
        return

    def wanted(known: Extraction | None) -> bool:
        if known is None:
            return not (arguments.failed or arguments.outdated)
        return (
            arguments.all
            or (arguments.failed and known.state == "failed")
            or (arguments.outdated and (known.written_earlier or store.steps.recognized_otherwise(known)))
        )

    for attachment in store.records.all():
        if store.steps.way(attachment) is not None and wanted(store.records.extraction(attachment.id)):
            yield attachment.id


def _maker(store: Store) -> Maker:
    """Which model makes vectors, as in `outdated_passages`. Raises EmbeddingsUnavailable."""
    if not store.steps.embeds:
        raise EmbeddingsOff()
    model = store.embeddings.model()
    return model.name, model.version, model.dimensions


def extract(arguments: argparse.Namespace) -> int:
    """Queue what was chosen, and work through it beside any server. Returns the exit code."""
    options = (arguments.all, arguments.failed, arguments.missing, arguments.outdated, arguments.thumbnails)
    if arguments.ids and any(options):
        print("ids exclude --all, --failed, --missing, --outdated and --thumbnails", file=sys.stderr)
        return 2
    settings = settings_of(arguments)
    store = open_checked(settings)
    with closing(store.index):
        by = _maker(store) if arguments.passages else None
        ids = list(_chosen(store, arguments, by))
        # Without stages, those that follow from its record are done.
        stages: tuple[Stage, ...] = (
            ("thumbnail",) if arguments.thumbnails else ("passages",) if arguments.passages else ()
        )
        for each in ids:
            store.queue.add(each, left=stages, again=not arguments.thumbnails)
        left = set(ids)
        worker = Extractor(store, settings)
        while left and not arguments.no_wait:
            worker.work()
            # It does not wait for entries that wait until the machine is mended.
            left = {each for each in left if store.queue.has(each) and not store.queue.peek(each).unfit}
            if left:
                time.sleep(_PAUSE)
        counts = {"queued": len(ids), "completed": 0, "failed": 0}
        outcome = store.records.thumbnail if arguments.thumbnails else store.records.extraction
        for each in ids if not arguments.no_wait else ():
            if arguments.passages:
                # With what it waits for, /health and the log say why.
                why = "no vectors now" if store.queue.has(each) else store.steps.lacks_passages(each, by)
                counts["completed" if why is None else "failed"] += 1
                if why is not None and not arguments.json:
                    print(f"{each}: {why}")
                continue
            known = outcome(each)
            if known is None:
                continue
            counts["completed" if known.reason is None else "failed"] += 1
            if known.reason is not None and not arguments.json:
                print(f"{each}: {known.reason} {known.detail}".rstrip())
    print(json.dumps(counts) if arguments.json else ", ".join(f"{value} {name}" for name, value in counts.items()))
    return FINDINGS if counts["failed"] else CLEAN
