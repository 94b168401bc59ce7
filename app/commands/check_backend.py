"""`scripts/store check-backend`: prove a storage before it is trusted."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from app.commands.common import CLEAN, FINDINGS, environment_of
from app.commands.place import Place
from app.errors import StorageFailed
from app.opening import place_of, storage_at
from app.settings import Settings
from app.upkeep.backend import Backend, Json, Result

ROOT = Path(__file__).parents[2]
#: Processes of the race, and seconds that one may take to start and to end.
RACERS = 3
SPARE_SECONDS = 60.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 3600.0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 3600")
    return seconds


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("check-backend", help="prove a storage before it is trusted; leaves nothing behind")
    parser.add_argument("place", nargs="?", metavar="URL", help="a folder or a URL (default: that of the settings)")
    parser.add_argument("--data", type=Path, help="folder of the store, whose storage is checked (default: ./data)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, metavar="S", help="how long it takes (default: %(default)g)"
    )
    parser.set_defaults(command=check_backend)


def check_backend(arguments: argparse.Namespace) -> int:
    """Check, and print each result. Returns the exit code."""
    environment = environment_of(arguments.data)
    settings = Settings.from_environ(environment)
    faults = 0
    wanted = Place.of(arguments.place or place_of(settings))
    with tempfile.TemporaryDirectory(prefix="check-backend-") as notes, wanted.to_check() as place:
        # What this machine would note of an object store: nothing of it is the store's.
        environment["DATA"] = notes
        if wanted.folder is None:
            environment["STORAGE"] = wanted.name
            environment.pop("ACCEL_REDIRECT", None)
        settings = Settings.from_environ(environment)

        def race(attachment_id: str, seconds: float) -> list[Json]:
            return _race(place, attachment_id, seconds, environment)

        for each in Backend(storage_at(place, settings, "", checked=True)).all(arguments.seconds, race):
            faults += bool(each.fault)
            _show(each, arguments.json)
    if arguments.json:
        print(json.dumps({"summary": {"faults": faults}}))
    else:
        print("every promise was kept" if not faults else f"{faults} faults: a store can't rely on this storage")
    return FINDINGS if faults else CLEAN


def _show(result: Result, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**vars(result), "ok": not result.fault}), flush=True)
        return
    word = "FAULT" if result.fault else "ok"
    latency = "" if result.milliseconds is None else f"{result.milliseconds:.2f} ms"
    print(f"{word:5}  {result.check:16}  {latency:>10}  {result.fault or result.figure}", flush=True)


def _race(place: str, attachment_id: str, seconds: float, environment: dict[str, str]) -> list[Json]:
    """What the processes of a race told. Raises StorageFailed when one of them did not end as it should."""
    command = [sys.executable, "-P", "-m", "app.commands.race", place, attachment_id]
    processes = [
        subprocess.Popen(
            [*command, str(number), str(seconds)],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, RACERS + 1)
    ]
    told = []
    try:
        for each in processes:
            printed, complaint = each.communicate(timeout=seconds + SPARE_SECONDS)
            if each.returncode:
                raise StorageFailed(f"a process of the race has failed: {(complaint.splitlines() or [''])[-1]}")
            told.append(json.loads(printed))
    except subprocess.TimeoutExpired:
        raise StorageFailed("a process of the race does not end") from None
    finally:
        for each in processes:
            if each.poll() is None:
                each.kill()
                each.wait()
    return told
