"""Every setting: its name in the environment, type, default and reason. Nothing else reads the environment.

`docs/settings.md` lists the same settings; a test keeps the two equal.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from app.errors import InvalidSetting

KIB, MIB, GIB = 1024, 1024**2, 1024**3

#: What MAX_INDEXED_TEXT may be at most. Elasticsearch indexes a document in one piece, an upload's refresh waits for that,
#: and the worst texts take a second for each mebibyte (docs/performance.md): with 4 MiB uploads and searches were refused
#: meanwhile, with 2 MiB marks for eight clients at once, and with 16 MiB a heap of 512 MiB is used up.
MOST_INDEXED_TEXT = MIB

_SIZE = re.compile(r"(\d+)\s*(|B|KiB|MiB|GiB|TiB)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024 * GIB}
_INDEX_NAME = re.compile(r"[a-z][a-z0-9_.]{0,99}")


def parse_size(text: str) -> int:
    """Bytes from `1048576`, `512MiB`, `1 GiB`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a size such as 1048576 or 512MiB")
    return int(match[1]) * _UNITS[match[2].lower()]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("is not a whole number of at least 1")
    return int(text)


def _optional_count(text: str) -> int | None:
    return _count(text) if text else None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 86_400:
        raise ValueError("is not a number of seconds between 0 and 86400")
    return value


def _url(text: str) -> str:
    if "@" in text:
        raise ValueError("has a user in it: that is what ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD are for")
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError("is not a URL such as http://127.0.0.1:9200")
    return text.rstrip("/")


def _index_name(text: str) -> str:
    if not _INDEX_NAME.fullmatch(text):
        raise ValueError("is not an alias name: a lower-case letter, then letters, digits, '_' or '.'")
    return text


def _optional(text: str) -> str | None:
    return text or None


def _token(text: str) -> str | None:
    # What a header can't carry unchanged would be a token that nobody can ever show.
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("has characters other than visible ASCII")
    return text or None


def _optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def _internal_prefix(text: str) -> str | None:
    if text and not re.fullmatch(r"/(?:[A-Za-z0-9_-]+/)+", text):
        raise ValueError("is not a path prefix such as /_attachments/")
    return text or None


def _addresses(text: str) -> str:
    for each in text.split(","):
        if each.strip() not in ("", "*"):
            try:
                ipaddress.ip_network(each.strip())
            except ValueError:
                raise ValueError("is not a list of addresses or networks, by comma") from None
    return text


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("is not one of: yes, no")
    return text == "yes"


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text

    return parse


def _setting(name: str, parse: Callable[[str], Any], default: Any, why: str, *, secret: bool = False) -> Any:
    return field(
        default=default, repr=not secret, metadata={"name": name, "parse": parse, "why": why, "secret": secret}
    )


@dataclass(frozen=True)
class Settings:
    """What is in force. Sizes are bytes, times are seconds."""

    data: Path = _setting("DATA", Path, Path("data"), "The folder that holds everything: attachments, tokens, journal.")
    elasticsearch_url: str = _setting(
        "ELASTICSEARCH_URL", _url, "http://127.0.0.1:9200", "The Elasticsearch that holds the index."
    )
    elasticsearch_api_key: str | None = _setting(
        "ELASTICSEARCH_API_KEY", _optional, None, "Encoded API key for it (`id:key` in base64).", secret=True
    )
    elasticsearch_username: str | None = _setting(
        "ELASTICSEARCH_USERNAME", _optional, None, "User name for it, where no API key is used."
    )
    elasticsearch_password: str | None = _setting(
        "ELASTICSEARCH_PASSWORD", _optional, None, "Password of that user.", secret=True
    )
    elasticsearch_ca_certs: Path | None = _setting(
        "ELASTICSEARCH_CA_CERTS", _optional_path, None, "CA bundle (PEM) to verify its TLS certificate with."
    )
    elasticsearch_timeout: float = _setting(
        "ELASTICSEARCH_TIMEOUT", _seconds, 4.0, "How long a request waits for Elasticsearch before it answers 503."
    )
    elasticsearch_connections: int = _setting(
        "ELASTICSEARCH_CONNECTIONS", _count, 64, "Connections to it that one worker process keeps at most."
    )
    index: str = _setting("INDEX", _index_name, "coco_attachment", "The alias under which the index is used.")
    chat_index: str | None = _setting(
        "CHAT_INDEX",
        lambda text: _index_name(text) if text else None,
        None,
        "The alias of the index of chats; empty: INDEX with `_chat` for a final `_attachment`, or after it.",
    )
    workspace_root: Path | None = _setting(
        "WORKSPACE_ROOT", _optional_path, None, "The folder with a folder for each tenant's workspaces; empty: none."
    )
    api_token: str | None = _setting(
        "API_TOKEN", _token, None, "A token with every scope for the tenant `default`, for automation.", secret=True
    )
    extraction: str = _setting(
        "EXTRACTION", _choice("on", "off"), "on", "Whether the text inside files is extracted and indexed."
    )
    extraction_workers: int = _setting(
        "EXTRACTION_WORKERS", _count, 2, "Documents extracted at once, over all worker processes."
    )
    extraction_timeout: float = _setting(
        "EXTRACTION_TIMEOUT",
        _seconds,
        60.0,
        "How long the process that reads a document may take, and its processor time.",
    )
    extraction_memory: int = _setting(
        "EXTRACTION_MEMORY", parse_size, GIB, "Address space of that process; half of it is the library itself."
    )
    extraction_max_file_size: int = _setting(
        "EXTRACTION_MAX_FILE_SIZE", parse_size, 128 * MIB, "Larger files are not read: their extraction has failed."
    )
    extraction_attempts: int = _setting(
        "EXTRACTION_ATTEMPTS",
        _count,
        3,
        "How often a document is tried that ran out of time or memory, or crashed its reader.",
    )
    max_indexed_text: int = _setting(
        "MAX_INDEXED_TEXT",
        parse_size,
        MIB,
        "Text of one file (in UTF-8) that is kept and indexed, at most as much as by default; the rest is cut off.",
    )
    max_file_size: int = _setting("MAX_FILE_SIZE", parse_size, 512 * MIB, "Largest file.")
    max_request_size: int = _setting("MAX_REQUEST_SIZE", parse_size, GIB, "Largest request body, all files together.")
    max_chat_file_size: int = _setting(
        "MAX_CHAT_FILE_SIZE", parse_size, 10 * MIB, "Largest image of a Coder chat; the default is Coder's own limit."
    )
    max_files: int = _setting("MAX_FILES", _count, 100, "Files in one request; each costs a descriptor until its end.")
    max_form_fields: int = _setting(
        "MAX_FORM_FIELDS", _count, 32, "Form fields that are no files; no dialect has more than three."
    )
    max_form_field_size: int = _setting(
        "MAX_FORM_FIELD_SIZE", parse_size, 8 * KIB, "Largest form field that is no file: it is held in memory."
    )
    max_json_size: int = _setting(
        "MAX_JSON_SIZE", parse_size, 256 * KIB, "Largest JSON request body: it is held in memory."
    )
    max_query_length: int = _setting(
        "MAX_QUERY_LENGTH", _count, 1024, "Characters in `query`: a search for more is a mistake or an attack."
    )
    max_page_size: int = _setting("MAX_PAGE_SIZE", _count, 1000, "Largest `size` of a search.")
    sign_in_lifetime: float = _setting(
        "SIGN_IN_LIFETIME", _seconds, 43_200.0, "How long a browser stays signed in: a long working day."
    )
    sign_in_failures: int = _setting("SIGN_IN_FAILURES", _count, 20, "Failed sign-ins that an address has in a minute.")
    max_ids: int = _setting("MAX_IDS", _count, 1000, "Ids in one status request or one search by ids.")
    max_points_in_time: int = _setting(
        "MAX_POINTS_IN_TIME",
        _count,
        20,
        "Points in time that one tenant has open at once: each keeps files of the index that are gone otherwise.",
    )
    disk_reserve: int = _setting(
        "DISK_RESERVE", parse_size, 256 * MIB, "Space kept free: uploads that would use it are refused with 507."
    )
    reconcile_interval: float = _setting(
        "RECONCILE_INTERVAL", _seconds, 2.0, "How often undecided work is looked for and settled."
    )
    web_workers: int | None = _setting(
        "WEB_WORKERS", _optional_count, None, "Worker processes; when not set, one for each processor, 2 to 4."
    )
    web_threads: int = _setting("WEB_THREADS", _count, 16, "Requests that each worker process handles at once.")
    max_connections: int = _setting(
        "MAX_CONNECTIONS",
        _count,
        1000,
        "Connections of one worker process; with more, the longest silent makes room.",
    )
    head_timeout: float = _setting(
        "HEAD_TIMEOUT", _seconds, 10.0, "How long a connection may take to send the head of a request, or nothing."
    )
    max_head_size: int = _setting(
        "MAX_HEAD_SIZE", parse_size, 64 * KIB, "Largest head of a request; proxies allow no more than half of it."
    )
    min_transfer_rate: int = _setting(
        "MIN_TRANSFER_RATE",
        parse_size,
        KIB,
        "Bytes a second below which a client is cut off; slow networks move ten times it.",
    )
    transfer_window: float = _setting(
        "TRANSFER_WINDOW",
        _seconds,
        15.0,
        "Over how long that rate is counted: a few lost packets and their repetition.",
    )
    forwarded_allow_ips: str = _setting(
        "FORWARDED_ALLOW_IPS",
        _addresses,
        "127.0.0.1,::1",
        "Addresses of proxies whose X-Forwarded-Proto is believed, by comma.",
    )
    accel_redirect: str | None = _setting(
        "ACCEL_REDIRECT",
        _internal_prefix,
        None,
        "Prefix under which nginx finds the folder `attachments`: downloads are handed to it (X-Accel-Redirect).",
    )
    log_format: str = _setting(
        "LOG_FORMAT", _choice("json", "text"), "json", "Lines of the log: a JSON object each, or text for people."
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        _choice("debug", "info", "warning", "error"),
        "info",
        "From which level on lines are written; each request is one at `info`, and `debug` may quote what clients sent.",
    )
    metrics_open: bool = _setting(
        "METRICS_OPEN", _yes, False, "Whether `/metrics` asks for no token (`yes`), or for one with the scope `admin`."
    )
    metrics_folder: Path | None = _setting(
        "METRICS_FOLDER", _optional_path, None, "Where the workers share their numbers; when not set, in memory."
    )
    grace_time: float = _setting(
        "GRACE_TIME", _seconds, 3600.0, "Age at which a temporary file that no process holds is removed."
    )

    def __post_init__(self) -> None:
        if self.elasticsearch_api_key and self.elasticsearch_username:
            raise InvalidSetting("ELASTICSEARCH_API_KEY", "excludes ELASTICSEARCH_USERNAME: set one of them")
        if (self.elasticsearch_username is None) != (self.elasticsearch_password is None):
            raise InvalidSetting("ELASTICSEARCH_USERNAME", "needs ELASTICSEARCH_PASSWORD, and the other way round")
        if self.elasticsearch_ca_certs is not None:
            if not self.elasticsearch_url.startswith("https:"):
                raise InvalidSetting("ELASTICSEARCH_CA_CERTS", "needs an ELASTICSEARCH_URL that begins with https")
            try:
                ssl.create_default_context(cafile=self.elasticsearch_ca_certs)
            except OSError as error:
                raise InvalidSetting(
                    "ELASTICSEARCH_CA_CERTS", f"{str(self.elasticsearch_ca_certs)!r} holds no certificates: {error}"
                ) from None
        if not 0 < self.max_indexed_text <= MOST_INDEXED_TEXT:
            raise InvalidSetting("MAX_INDEXED_TEXT", f"is not between 1 and {MOST_INDEXED_TEXT // MIB}MiB")
        if self.max_file_size > self.max_request_size:
            raise InvalidSetting("MAX_FILE_SIZE", "is larger than MAX_REQUEST_SIZE")

    @property
    def chat_alias(self) -> str:
        """The alias of the index of chats."""
        return self.chat_index or f"{self.index.removesuffix('_attachment')}_chat"

    @property
    def worker_processes(self) -> int:
        """`web_workers`, or what there is without it."""
        return self.web_workers or min(4, max(2, os.cpu_count() or 1))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that `environ` gives; what it doesn't name has its default.

        Raises InvalidSetting, naming the variable, for a value that can't be used.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            name = item.metadata["name"]
            if name not in environ:
                continue
            try:
                values[item.name] = item.metadata["parse"](environ[name])
            except ValueError as error:
                # A value with a user in it is a URL with a password.
                secret = item.metadata["secret"] or "@" in environ[name]
                shown = "<secret>" if secret else repr(environ[name])
                raise InvalidSetting(name, f"{shown} {error}") from None
        return cls(**values)


_PARSERS = {item.metadata["name"]: item.metadata["parse"] for item in fields(Settings)}


def shown(name: str, value: Any) -> str:
    """The value of the setting `name` as people read it, and as its parser takes it back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _PARSERS[name] is parse_size and value:
        for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
            if value % size == 0:
                return f"{value // size}{unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def documented() -> list[tuple[str, str, str]]:
    """Every setting as (name, default, reason): what docs/settings.md says."""
    return [
        (item.metadata["name"], shown(item.metadata["name"], item.default), item.metadata["why"])
        for item in fields(Settings)
    ]


@dataclass(frozen=True)
class InForce:
    """A setting as it is in force: its value as text, masked when it is a secret."""

    name: str
    value: str
    is_set: bool


def in_force(environ: Mapping[str, str]) -> list[InForce]:
    """Every setting that `environ` gives or leaves at its default. Raises InvalidSetting."""
    settings = Settings.from_environ(environ)
    found = []
    for item in fields(Settings):
        name = item.metadata["name"]
        text = shown(name, getattr(settings, item.name))
        found.append(InForce(name, "***" if text and item.metadata["secret"] else text, name in environ))
    return found
