"""The command `attachment-store` of the installed package: the same as the programs in `scripts/`.

attachment-store serve|store|index|token|check ARGUMENTS
"""

from __future__ import annotations

import importlib
import sys

#: By the name of a command: the module, what comes before the arguments, and what it does.
COMMANDS = {
    "serve": ("serve", (), "start the server, and an Elasticsearch node unless ELASTICSEARCH_URL names one"),
    "store": ("store", (), "check a store, make its index again, or take the text out of its files again"),
    "index": ("index", (), "compare the indices with their mapping files, and migrate them"),
    "token": ("token", (), "who may do what in a store"),
    "check": ("serve", ("--check",), "say which settings are in force"),
}
USAGE = 2


def main(argv: list[str] | None = None) -> int:
    """Run a command. Returns its exit status, 2 when there is none of that name."""
    from app import __version__

    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["--version"]:
        print(f"attachment-store {__version__}")
        return 0
    if not given or given[0] not in COMMANDS:
        asked = given[:1] in (["--help"], ["-h"])
        lines = (f"  {name:<7} {what}" for name, (_, _, what) in COMMANDS.items())
        said = "\n".join(("usage: attachment-store COMMAND ...", "", *lines, "", "COMMAND --help says more."))
        print(said, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else USAGE
    # Only the command that runs is imported: the server's needs other libraries than the others.
    module, before, _ = COMMANDS[given[0]]
    command = importlib.import_module(f"app.commands.{module}")
    status: int = command.main([*before, *given[1:]], prog=f"attachment-store {given[0]}")
    return status
