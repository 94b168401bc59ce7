"""`scripts/token`: create, list, revoke and rotate tokens; in force with the next request, without a restart."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from app.auth.tokens import DEFAULT_TENANT, MAX_NAME, SCOPES, Token, Tokens, is_name, is_tenant
from app.commands.common import CLEAN, add_data, run, settings_of
from app.coordination.local import Local
from app.model.attachment import now

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _expiry(text: str) -> datetime:
    """The time that is `30d`, `12h` or `5m` from now, or an ISO 8601 time (in UTC unless it says otherwise)."""
    match = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text)
    if match:
        return now() + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a span such as 30d nor an ISO 8601 time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(text: str) -> str:
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"{text[:MAX_NAME]!r} is not a name: 1 to {MAX_NAME} printable characters")
    return text


def _tenant(text: str) -> str:
    if not is_tenant(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a tenant: a-z, 0-9, then also '.', '_', '-'; at most 63")
    return text


def _described(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "tenant": token.tenant,
        "scopes": list(token.scopes),
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
        "expired": token.expired(),
    }


def _text(name: str, text: str, as_json: bool) -> None:
    print(json.dumps({"name": name, "token": text}) if as_json else text)


def _tokens(arguments: argparse.Namespace) -> Tokens:
    return Tokens(Local(settings_of(arguments).data).tokens)


def create(arguments: argparse.Namespace) -> int:
    text = _tokens(arguments).create(
        arguments.name,
        scopes=tuple(dict.fromkeys(arguments.scope or SCOPES)),
        tenant=arguments.tenant,
        expires=arguments.expires,
    )
    _text(arguments.name, text, arguments.json)
    return CLEAN


def show(arguments: argparse.Namespace) -> int:
    for token in map(_described, _tokens(arguments).all()):
        if arguments.json:
            print(json.dumps(token))
        else:
            until = f"until {token['expires']}" if token["expires"] else "for ever"
            state = "expired" if token["expired"] else until
            print(f"{token['name']}\t{token['tenant']}\t{','.join(token['scopes'])}\t{state}")
    return CLEAN


def revoke(arguments: argparse.Namespace) -> int:
    _tokens(arguments).revoke(arguments.name)
    return CLEAN


def rotate(arguments: argparse.Namespace) -> int:
    _text(arguments.name, _tokens(arguments).rotate(arguments.name), arguments.json)
    return CLEAN


def main(argv: list[str] | None = None, prog: str = "scripts/token") -> int:
    parser = argparse.ArgumentParser(prog=prog, description="Who may do what in a store.")
    commands = parser.add_subparsers(required=True)
    rows = (
        ("create", create, "make a token and print it, this once"),
        ("list", show, "show the tokens, never their text"),
        ("revoke", revoke, "remove a token"),
        ("rotate", rotate, "give a token a new text and print it, this once"),
    )
    for name, command, what in rows:
        each = commands.add_parser(name, help=what)
        add_data(each)
        each.set_defaults(command=command)
        if name != "list":
            # A name from an earlier version may be any text: it must be possible to revoke it.
            each.add_argument("name", type=_name if name == "create" else str)
        if name == "create":
            each.add_argument("--scope", action="append", choices=SCOPES, help="may be repeated (default: all)")
            each.add_argument("--tenant", type=_tenant, default=DEFAULT_TENANT, help="(default: %(default)s)")
            each.add_argument("--expires", type=_expiry, help="30d, 12h, 5m, or an ISO 8601 time (default: never)")
    arguments = parser.parse_args(argv)
    return run(arguments.command, arguments)


if __name__ == "__main__":
    sys.exit(main())
