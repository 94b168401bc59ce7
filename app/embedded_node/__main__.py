"""Run one embedded Elasticsearch node in the foreground until Ctrl-C or SIGTERM."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from app.embedded_node import DEFAULT_VERSION, ArtifactError, EmbeddedNode, NodeError, manifest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "data" / "elasticsearch"


def _setting(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not (key and found):
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/elasticsearch", description=__doc__)
    parser.add_argument("--port", type=int, default=9200, help="HTTP port; 0 picks a free one (default: 9200)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="data folder (default: data/elasticsearch)")
    parser.add_argument("--version", choices=manifest.supported(), default=DEFAULT_VERSION, help="server version")
    parser.add_argument("--heap", default="512m", help="the JVM's heap (default: 512m)")
    parser.add_argument(
        "-E", dest="settings", metavar="KEY=VALUE", type=_setting, action="append", default=[], help="a server setting"
    )
    parser.add_argument("--open", action="store_true", help="answer every user of this machine, without the login")
    return parser


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: an impatient second Ctrl-C must not cut the closing short.
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    raise SystemExit(0)


def main() -> None:
    """Exit status: 0 stopped by a signal, 1 could not start or ended by itself, 2 wrong arguments."""
    arguments = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    node = EmbeddedNode(
        arguments.data,
        arguments.port,
        arguments.version,
        arguments.heap,
        settings=dict(arguments.settings),
        open_to_all=arguments.open,
    )
    try:
        with node:
            print(f"Elasticsearch {arguments.version} at {node.url}, data in {node.data}; Ctrl-C stops it.", flush=True)
            status = node.wait()
            sys.exit(f"Elasticsearch ended by itself with status {status}.\n{node.log_tail()}")
    except (ArtifactError, NodeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
