"""`scripts/index`: the indices of a store, and the mapping files from which they are made."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from app.commands.common import CLEAN, FINDINGS, Bar, add_data, confirmed, model_of, run, settings_of
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.errors import WrongStore
from app.index import mappings
from app.index.connection import Connection
from app.opening import open_embeddings, storage_at
from app.settings import Settings
from app.upkeep.administration import Administration

Json = dict[str, Any]

#: By the name of the mapping file: its alias, and whether its documents are made from records; such an index may have
#: several shards.
FILES: dict[str, tuple[Callable[[Settings], str], bool]] = {
    "coco_attachment": (lambda settings: settings.index, True),
    "coco_chat": (lambda settings: settings.chat_alias, False),
}


def _opened(file: str, folder: Path, settings: Settings, connection: Connection) -> Administration:
    alias, from_records = FILES[file]
    path = folder / f"{file}.json"
    try:
        shards = settings.index_shards if from_records else None
        definition = mappings.sized(mappings.load(path), shards, settings.index_replicas)
    except (OSError, ValueError) as error:
        raise WrongStore(f"{path} can't be read: {error}") from None
    store_id = open_data_folder(settings.data)
    storage, coordination = storage_at(settings.storage, settings, store_id), Local(settings.data)
    model = model_of(open_embeddings(settings, coordination)) if from_records else None
    return Administration(
        alias(settings),
        definition,
        store_id,
        connection,
        storage,
        coordination.change_lock,
        from_records,
        None if model is None else model.dimensions,
    )


# Each command has one index as its argument, and returns what it did.


def _status(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    return index.status()


def _create(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    return index.create(arguments.dry_run)


def _update(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    plan = index.update(dry=True)
    if arguments.dry_run or not plan["added"] or plan["refused"]:
        return plan
    print(f"[{plan['generation']}] gets, for good: {', '.join(plan['added'])}", file=sys.stderr)
    return index.update(dry=False) if confirmed("update", arguments.yes) else {**plan, "confirmed": False}


def _migrate(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    drop = arguments.drop_field
    options: Json = {"force": arguments.force, "shards": arguments.shards, "drop": drop}
    plan = index.migrate(True, **options)
    if arguments.dry_run or not plan["needed"] or plan["refused"]:
        return plan
    if not _droppable(drop, arguments):
        return {**plan, "confirmed": False}
    return index.migrate(False, **options, progress=lambda done, total: bar("documents", done, total))


def _rollback(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    options: Json = {"to": arguments.to, "drop": arguments.drop_field}
    plan = index.rollback(True, **options)
    if arguments.dry_run or plan["refused"]:
        return plan
    if not _droppable(arguments.drop_field, arguments):
        return {**plan, "confirmed": False}
    return index.rollback(False, **options, progress=lambda done, total: bar("documents", done, total))


def _droppable(drop: list[str], arguments: argparse.Namespace) -> bool:
    if not drop:
        return True
    print(f"The documents lose for good: {', '.join(drop)}", file=sys.stderr)
    return confirmed("drop", arguments.yes)


def _settings(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    wanted: Json = {}
    if arguments.refresh_interval is not None:
        wanted["refresh_interval"] = arguments.refresh_interval
    if arguments.replicas is not None:
        wanted |= {"auto_expand_replicas": "false", "number_of_replicas": arguments.replicas}
    return index.configure(arguments.dry_run, None if arguments.file else wanted)


def _delete(index: Administration, arguments: argparse.Namespace, bar: Bar) -> Json:
    names = index.removable(arguments.generation)
    result = {"index": index.alias, "generations": names, "done": False}
    if arguments.dry_run or not names:
        return result
    print(f"Removed for good: {', '.join(names)}", file=sys.stderr)
    if not confirmed("delete", arguments.yes):
        return {**result, "confirmed": False}
    index.remove(names)
    return {**result, "done": True}


def _found_something(result: Json) -> bool:
    return bool(
        result.get("refused") or result.get("needs", "nothing") != "nothing" or result.get("confirmed") is False
    )


def _shown(result: Json) -> str:
    """A result as text for people: a line, and one for each difference or generation."""
    details = ("differences", "refused", "generations", "warnings")
    parts = [f"{key} {value}" for key, value in result.items() if key not in ("index", *details) and value is not None]
    lines = [f"{result['index']}: {', '.join(parts)}", *(f"  {each}" for each in result.get("warnings", []))]
    for each in [*result.get("differences", []), *result.get("refused", [])]:
        if isinstance(each, str):
            lines.append(f"  refused: {each} would be lost; see --drop-field")
        else:
            file, cluster = json.dumps(each["file"]), json.dumps(each["cluster"])
            lines.append(f"  {each['field']}: file {file}, cluster {cluster}, needs {each['needs']}")
    for each in result.get("generations", []):
        if isinstance(each, str):
            lines.append(f"  {each}")
        else:
            words = [word for word in ("current", "unfinished") if each[word]]
            words += [] if each["own"] else ["another store's"]
            lines.append(
                f"  {each['name']}: mapping {each['mapping_version']}, {each['documents']} documents"
                + "".join(f", {word}" for word in words)
            )
    return "\n".join(lines)


def _run(arguments: argparse.Namespace) -> int:
    """Do it for each index that was named. Returns the exit code."""
    settings = settings_of(arguments, arguments.url)
    found = False
    with contextlib.ExitStack() as stack:
        connection, bar = stack.enter_context(closing(Connection(settings))), stack.enter_context(closing(Bar()))
        if not arguments.dry_run and arguments.work is not _status:
            stack.enter_context(Local(settings.data).maintenance())
        connection.major()
        for file in dict.fromkeys(arguments.index or FILES):
            index = _opened(file, arguments.mappings, settings, connection)
            result = arguments.work(index, arguments, bar)
            bar.close()
            found = found or _found_something(result)
            print(json.dumps(result) if arguments.json else _shown(result), flush=True)
    return FINDINGS if found else CLEAN


def _file(text: str) -> str:
    if text not in FILES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(FILES)}")
    return text


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1024")
    return int(text)


def _none_or_more(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def main(argv: list[str] | None = None, prog: str = "scripts/index") -> int:
    parser = argparse.ArgumentParser(prog=prog, description="The store's indices and their mapping files.")
    commands = parser.add_subparsers(required=True)
    rows = (
        ("status", _status, "*", "what differs between file and cluster, and what that needs"),
        ("create", _create, "*", "make the index where there is none"),
        ("update", _update, "*", "add the fields that are new in the file; nothing else"),
        ("migrate", _migrate, "*", "carry everything over to a new generation that is as the file says"),
        ("rollback", _rollback, 1, "go back to the generation before, with everything written since"),
        ("settings", _settings, 1, "change replicas and refresh of the index that is used"),
        ("delete", _delete, 1, "remove generations that are not used"),
    )
    made = {}
    for name, work, number, what in rows:
        made[name] = each = commands.add_parser(name, help=what)
        each.add_argument("index", nargs=number, type=_file, metavar="|".join(FILES))
        add_data(each)
        each.add_argument("--url", help="address of Elasticsearch, or several (default: what ELASTICSEARCH_URL says)")
        each.add_argument(
            "--mappings", type=Path, default=mappings.MAPPINGS, help="folder of the mapping files (default: mappings)"
        )
        each.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
        each.set_defaults(command=_run, work=work)
    for name in ("update", "migrate", "rollback", "delete"):
        made[name].add_argument("--yes", action="store_true", help="do what can't be undone without asking")
    for name in ("migrate", "rollback"):
        made[name].add_argument(
            "--drop-field", action="append", default=[], metavar="FIELD", help="leave this field out of the documents"
        )
    made["migrate"].add_argument("--shards", type=_positive, help="primary shards (default: what INDEX_SHARDS says)")
    made["migrate"].add_argument("--force", action="store_true", help="also where nothing needs a migration")
    made["rollback"].add_argument("--to", metavar="GENERATION", help="go to this generation")
    made["settings"].add_argument("--replicas", type=_none_or_more, help="copies of each shard besides the primary")
    made["settings"].add_argument("--refresh-interval", metavar="TIME", help="such as 1s or 30s")
    made["settings"].add_argument(
        "--file", action="store_true", help="all that the file and INDEX_REPLICAS say and a live index can take"
    )
    made["delete"].add_argument("generation", nargs="*", help="which (default: all that are not used)")
    arguments = parser.parse_args(argv)
    if arguments.work is _settings:
        given = [arguments.replicas is not None or arguments.refresh_interval is not None, arguments.file]
        if sum(given) != 1:
            parser.error("settings needs --replicas or --refresh-interval, or --file")
    return run(arguments.command, arguments)


if __name__ == "__main__":
    sys.exit(main())
