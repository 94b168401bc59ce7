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
from typing import Any, TypeVar
from urllib.parse import urlsplit

from app.errors import InvalidSetting

_Value = TypeVar("_Value")

KIB, MIB, GIB = 1024, 1024**2, 1024**3

#: The highest MAX_INDEXED_TEXT. Elasticsearch indexes a document in one piece, an upload's refresh waits for that, and
#: the worst texts take a second for each mebibyte (docs/performance.md). With 4 MiB, uploads and searches were refused
#: meanwhile; with 2 MiB, highlighting for eight clients at once was; with 16 MiB, a heap of 512 MiB is used up.
MOST_INDEXED_TEXT = MIB
#: The lowest limit of a request's head: with less, no request of a browser is accepted.
LEAST_HEAD_SIZE = 4 * KIB
#: The lowest limit of an answer of Elasticsearch: the answers to the store's own calls are shorter.
LEAST_ANSWER_SIZE = MIB
#: The least address space of the process that reads a document: with 96 MiB it can't even load the library.
LEAST_EXTRACTION_MEMORY = 128 * MIB
#: The least memory of git: git and the process that starts it need a third of it for an empty repository.
LEAST_GIT_MEMORY = 64 * MIB
#: The highest number of processes, of threads for each of them, and all other counts. More is a mistake: it would
#: overload the machine.
MOST_PROCESSES, MOST_THREADS, MOST = 256, 1024, 1_000_000
#: The most failed sign-ins of one client that are kept: each is a moment in a record of fixed size.
MOST_SIGN_INS = 1000
#: How many hits Elasticsearch returns in one page, and how many terms it accepts in one query
#: (`index.max_result_window`, `max_terms_count`).
MOST_HITS, MOST_TERMS = 10_000, 65_536
#: The most addresses of Elasticsearch, and copies and parts of an index; more are a mistake (Elasticsearch itself takes 1024
#: shards for an index).
MOST_ADDRESSES, MOST_REPLICAS, MOST_SHARDS = 100, 100, 1024
#: The largest object that is sent in 10,000 parts of 5 MiB, rounded down.
MOST_OBJECT = 48 * GIB
#: The value of STORAGE for attachments in the data folder.
FOLDER = "folder"
#: Texts in one request for vectors; servers refuse more at the latest at so many.
MOST_BATCH = 256


# What a text in the environment may be, and what it stands for. Each function takes the text and raises ValueError with
# the rest of a sentence about it ("is not a whole number ..."). Digits are those of ASCII, and blanks around a number are
# none of it.

#: The largest size that a file, and the kernel's limits, can have.
_MOST_BYTES = 2**63 - 1
_SIZE = re.compile(r"([0-9]{1,30})\s*(|B|KiB|MiB|GiB|TiB)", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")
_UNITS = {"": 1, "b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024 * GIB}
_INDEX_NAME = re.compile(r"[a-z][a-z0-9_.]{0,99}")


def _size(text: str) -> int:
    """Bytes from `1048576`, `512MiB`, `1 GiB`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a size such as 1048576 or 512MiB")
    found = int(match[1]) * _UNITS[match[2].lower()]
    if found > _MOST_BYTES:
        raise ValueError(f"is a size of more than {_MOST_BYTES} bytes")
    return found


def _count(most: int) -> Callable[[str], int]:
    """A whole number from 1 to `most`, both included."""

    def parse(text: str) -> int:
        text = text.strip()
        if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"is not a whole number from 1 to {most}")
        return int(text)

    return parse


def _optional(parse: Callable[[str], _Value]) -> Callable[[str], _Value | None]:
    """`parse`, or None for an empty text."""
    return lambda text: parse(text) if text else None


def _seconds(text: str) -> float:
    """Seconds: more than zero and less than a day."""
    text = text.strip()
    if not _SECONDS.fullmatch(text) or not 0 < float(text) < 86_400:
        raise ValueError("is not a number of seconds between 0 and 86400")
    return float(text)


def _share(text: str) -> float:
    """A number from 0 to 1, both included."""
    text = text.strip()
    if not re.fullmatch(r"[0-9](\.[0-9]{1,10})?", text) or not 0 <= float(text) <= 1:
        raise ValueError("is not a number from 0 to 1")
    return float(text)


def _url(text: str) -> str:
    """An HTTP URL without user and query, and without a slash at its end."""
    if "@" in text:
        raise ValueError("has a user in it: that is what ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD are for")
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text) or not _names_a_server(text):
        raise ValueError("is not a URL such as http://127.0.0.1:9200")
    return text.rstrip("/")


def _urls(text: str) -> str:
    """URLs as `_url` has them, of one scheme and none twice, separated by commas or blanks; returned with commas."""
    made: dict[tuple[str, str | None, int, str], str] = {}
    for each in re.split(r"\s*,\s*|\s+", text.strip()):
        url = _url(each)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        key = (parts.scheme, parts.hostname, port, parts.path)
        if key in made:
            raise ValueError(f"names {url} twice")
        made[key] = url
    if len({key[0] for key in made}) > 1:
        raise ValueError("has addresses with http and with https: all need the same")
    if len(made) > MOST_ADDRESSES:
        raise ValueError(f"names more than {MOST_ADDRESSES} addresses")
    return ",".join(made.values())


def _replicas(text: str) -> str:
    """`auto`, or a whole number."""
    text = text.strip()
    if text != "auto" and (not re.fullmatch("[0-9]{1,3}", text) or int(text) > MOST_REPLICAS):
        raise ValueError(f"is neither auto nor a whole number from 0 to {MOST_REPLICAS}")
    return text if text == "auto" else str(int(text))


def _embeddings(text: str) -> str:
    """`builtin`, `off`, or a URL as `_url` has it."""
    if text in ("builtin", "off"):
        return text
    if "@" in text:
        raise ValueError("has a user in it: that is what EMBEDDINGS_KEY is for")
    try:
        return _url(text)
    except ValueError:
        raise ValueError("is neither builtin nor off, nor a URL such as http://127.0.0.1:11434/v1") from None


_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PREFIX = r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]{1,100}){0,10}/?"
_OBJECTS = re.compile(rf"(?:(?:s3|gs)://{_BUCKET}{_PREFIX}|az://[a-z0-9]{{3,24}}/{_BUCKET}{_PREFIX})", re.ASCII)


def _storage(text: str) -> str:
    """`folder`, or the URL of an object store, without a slash at its end."""
    if text == FOLDER:
        return text
    if "@" in text or "?" in text:
        raise ValueError(
            "has more in it than a bucket and a prefix: keys are STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY"
        )
    if not _OBJECTS.fullmatch(text):
        raise ValueError(
            "is neither folder nor a URL such as s3://bucket/prefix (gs://bucket/prefix, az://account/container/prefix)"
        )
    return text.rstrip("/")


def _endpoint(text: str) -> str | None:
    """The URL of a server, without user, path and query; None for an empty text."""
    if not text:
        return None
    if "@" in text:
        raise ValueError("has a user in it: keys are STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY")
    if not re.fullmatch(r"https?://[^\s/?#]+/?", text) or not _names_a_server(text):
        raise ValueError("is not a URL such as https://s3.example.org")
    return text.rstrip("/")


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("is not a region such as eu-central-1")
    return text


def _names_a_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _index_name(text: str) -> str:
    """The name of an alias of Elasticsearch."""
    if not _INDEX_NAME.fullmatch(text):
        raise ValueError("is not an alias name: a lower-case letter, then letters, digits, '_' or '.'")
    return text


def _printable(text: str) -> str | None:
    """Any text on one line; None for an empty text."""
    # RFC 7617, 2: no control characters. Mostly it is the line feed of the file from which it was read.
    if not text.isprintable():
        raise ValueError("has characters that are not printable")
    return text or None


def _user(text: str) -> str | None:
    """A user of HTTP's basic authentication (RFC 7617); None for an empty text."""
    if ":" in text:
        raise ValueError("has a colon in it, which HTTP's basic authentication takes for the beginning of the password")
    return _printable(text)


def _token(text: str) -> str | None:
    """A text that a header can contain unchanged; None for an empty text."""
    # In a client's token other characters could never be sent; in a key they would end the header.
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("has characters other than visible ASCII")
    return text or None


def _path(text: str) -> Path:
    """A file or folder. An empty path would be the folder in which the process was started."""
    if not text:
        raise ValueError("is empty")
    return Path(text)


def _internal_prefix(text: str) -> str | None:
    """A path that begins and ends with a slash; None for an empty text."""
    if text and not re.fullmatch(r"/(?:[A-Za-z0-9_-]+/)+", text):
        raise ValueError("is not a path prefix such as /_attachments/")
    return text or None


def _addresses(text: str) -> str:
    """IP addresses, networks or `*`, separated by commas."""
    for each in text.split(","):
        if each.strip() not in ("", "*"):
            try:
                ipaddress.ip_network(each.strip())
            except ValueError:
                raise ValueError("is not a list of addresses or networks, by comma") from None
    return text


def _languages(text: str) -> tuple[str, ...]:
    """Names of languages as in tesseract's file names, separated by commas."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", each) for each in found):
        raise ValueError("is not a list of languages as tesseract names them, by comma")
    return found


def _yes(text: str) -> bool:
    """`yes` or `no`."""
    if text not in ("yes", "no"):
        raise ValueError("is not one of: yes, no")
    return text == "yes"


def _choice(*allowed: str) -> Callable[[str], str]:
    """One of `allowed`, exactly as written there."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text

    return parse


def _setting(name: str, parse: Callable[[str], Any], default: Any, why: str, *, secret: bool = False) -> Any:
    return field(
        default=default, repr=not secret, metadata={"name": name, "parse": parse, "why": why, "secret": secret}
    )


def _check_ca_certs(name: str, path: Path) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise InvalidSetting(name, f"{str(path)!r} holds no certificates: {error}") from None


@dataclass(frozen=True)
class Settings:
    """The settings in force. Sizes are bytes, times are seconds."""

    data: Path = _setting(
        "DATA", _path, Path("data"), "The folder that holds everything: attachments, tokens, journal."
    )
    storage: str = _setting(
        "STORAGE",
        _storage,
        FOLDER,
        "Where attachments are: `folder` (in DATA), or an object store, `s3://bucket/prefix`, which one server has to "
        "itself; DATA holds everything else. `gs://bucket/prefix` and `az://account/container/prefix` are not tested.",
    )
    storage_endpoint: str | None = _setting(
        "STORAGE_ENDPOINT", _endpoint, None, "URL of the S3 server; empty: Amazon's for the region."
    )
    storage_region: str = _setting("STORAGE_REGION", _region, "us-east-1", "Region for which requests are signed.")
    storage_addressing: str = _setting(
        "STORAGE_ADDRESSING",
        _choice("path", "virtual"),
        "path",
        "Whether the bucket is in the path of URLs, or (`virtual`) the first part of the host's name.",
    )
    storage_access_key: str | None = _setting(
        "STORAGE_ACCESS_KEY",
        _token,
        None,
        "Access key id. Empty: credentials are found as Amazon's tools do (`AWS_ACCESS_KEY_ID`, `~/.aws/credentials`, the "
        "role of the container or machine).",
    )
    storage_secret_key: str | None = _setting(
        "STORAGE_SECRET_KEY", _token, None, "The secret of that key.", secret=True
    )
    storage_ca_certs: Path | None = _setting(
        "STORAGE_CA_CERTS",
        _optional(_path),
        None,
        "CA bundle (PEM) to verify the object store's TLS certificate with, besides the usual ones.",
    )
    storage_timeout: float = _setting(
        "STORAGE_TIMEOUT",
        _seconds,
        10.0,
        "How long a call to the object store may take, repetitions included; then uploads and downloads answer 503.",
    )
    elasticsearch_url: str = _setting(
        "ELASTICSEARCH_URL",
        _urls,
        "http://127.0.0.1:9200",
        "The Elasticsearch that holds the index: an address, or several of one cluster, separated by commas or blanks.",
    )
    elasticsearch_api_key: str | None = _setting(
        "ELASTICSEARCH_API_KEY", _token, None, "Encoded API key for it (`id:key` in base64).", secret=True
    )
    elasticsearch_username: str | None = _setting(
        "ELASTICSEARCH_USERNAME", _user, None, "User name for it, where no API key is used."
    )
    elasticsearch_password: str | None = _setting(
        "ELASTICSEARCH_PASSWORD", _printable, None, "Password of that user.", secret=True
    )
    elasticsearch_ca_certs: Path | None = _setting(
        "ELASTICSEARCH_CA_CERTS",
        _optional(_path),
        None,
        "CA bundle (PEM) to verify its TLS certificate with.",
    )
    elasticsearch_timeout: float = _setting(
        "ELASTICSEARCH_TIMEOUT",
        _seconds,
        4.0,
        "How long a request waits for Elasticsearch, over all attempts at its addresses, before it answers 503.",
    )
    elasticsearch_connections: int = _setting(
        "ELASTICSEARCH_CONNECTIONS",
        _count(MOST),
        64,
        "Connections to each address of it that one worker process keeps at most.",
    )
    index: str = _setting("INDEX", _index_name, "coco_attachment", "The alias under which the index is used.")
    chat_index: str | None = _setting(
        "CHAT_INDEX",
        _optional(_index_name),
        None,
        "The alias of the index of chats; empty: INDEX with `_chat` for a final `_attachment`, or after it.",
    )
    index_shards: int = _setting(
        "INDEX_SHARDS",
        _count(MOST_SHARDS),
        1,
        "Primary shards of the index, of a new one. For one that is there, `scripts/index migrate` makes it so.",
    )
    index_replicas: str = _setting(
        "INDEX_REPLICAS",
        _replicas,
        "auto",
        "Copies of each shard, and of the chats, beside the primary; `auto`: one as soon as there are two nodes. "
        "For indices that are there, `scripts/index settings INDEX --file` makes it so.",
    )
    workspace_root: Path | None = _setting(
        "WORKSPACE_ROOT",
        _optional(_path),
        None,
        "The folder with a folder for each tenant's workspaces; empty: none.",
    )
    git_memory: int = _setting(
        "GIT_MEMORY",
        _size,
        512 * MIB,
        "Memory of git for a repository (a worker process has three read at once); one that needs more is not shown.",
    )
    confinement: str = _setting(
        "CONFINEMENT",
        _choice("required", "best-effort"),
        "best-effort",
        "What to do where the kernel can't confine the processes that read strangers' files: refuse to start, or say so.",
    )
    api_token: str | None = _setting(
        "API_TOKEN",
        _token,
        None,
        "A token with every scope for the tenant `default`, for automation.",
        secret=True,
    )
    extraction: str = _setting(
        "EXTRACTION", _choice("on", "off"), "on", "Whether the text inside files is extracted and indexed."
    )
    extraction_workers: int = _setting(
        "EXTRACTION_WORKERS", _count(MOST_PROCESSES), 2, "Documents extracted at once, over all worker processes."
    )
    recognition_workers: int = _setting(
        "RECOGNITION_WORKERS",
        _count(MOST_PROCESSES),
        1,
        "Documents in whose pictures text is recognized at once, beside the others.",
    )
    thumbnails: str = _setting(
        "THUMBNAILS",
        _choice("on", "off"),
        "on",
        "Whether thumbnails are drawn, where EXTRACTION is on; those that are there are kept and given out with either.",
    )
    thumbnail_workers: int = _setting(
        "THUMBNAIL_WORKERS", _count(MOST_PROCESSES), 1, "Documents drawn at once, beside those that are read."
    )
    extraction_timeout: float = _setting(
        "EXTRACTION_TIMEOUT",
        _seconds,
        60.0,
        "How long the process that reads a document may take, and its processor time.",
    )
    extraction_memory: int = _setting(
        "EXTRACTION_MEMORY", _size, GIB, "Address space of that process; half of it is the library itself."
    )
    extraction_max_file_size: int = _setting(
        "EXTRACTION_MAX_FILE_SIZE", _size, 128 * MIB, "Larger files are not read: their extraction has failed."
    )
    extraction_attempts: int = _setting(
        "EXTRACTION_ATTEMPTS",
        _count(MOST),
        3,
        "How often a document is tried that ran out of time or memory, or crashed its reader.",
    )
    recognition_languages: tuple[str, ...] = _setting(
        "RECOGNITION_LANGUAGES",
        _languages,
        (),
        "Languages in which text in pictures is recognized, besides English, by comma, as tesseract names them "
        "(`deu,fra`); empty: all that are installed. Each takes time. `scripts/store extract --outdated` recognizes anew "
        "what was recognized in others.",
    )
    embeddings: str = _setting(
        "EMBEDDINGS",
        _embeddings,
        "builtin",
        "Where vectors of texts come from: `builtin` (a model in a process of its own, 160 MiB), `off` (searches find by "
        "words alone), or the base URL of a server that speaks OpenAI's API (`http://127.0.0.1:11434/v1`).",
    )
    embeddings_model: str | None = _setting("EMBEDDINGS_MODEL", _printable, None, "Name of the model at that URL.")
    embeddings_key: str | None = _setting(
        "EMBEDDINGS_KEY", _token, None, "Key for that URL, sent as a bearer token.", secret=True
    )
    embeddings_key_file: Path | None = _setting(
        "EMBEDDINGS_KEY_FILE",
        _optional(_path),
        None,
        "The file that has the key, instead of EMBEDDINGS_KEY.",
    )
    embeddings_ca_certs: Path | None = _setting(
        "EMBEDDINGS_CA_CERTS",
        _optional(_path),
        None,
        "CA bundle (PEM) to verify that server's TLS certificate with.",
    )
    embeddings_batch: int = _setting("EMBEDDINGS_BATCH", _count(MOST_BATCH), 32, "Texts in one request to that URL.")
    embeddings_timeout: float = _setting(
        "EMBEDDINGS_TIMEOUT", _seconds, 30.0, "How long whoever indexes waits for vectors of passages."
    )
    embeddings_query_timeout: float = _setting(
        "EMBEDDINGS_QUERY_TIMEOUT",
        _seconds,
        0.3,
        "How long a search waits for the vector of its query, before it goes on without.",
    )
    embeddings_similarity: float = _setting(
        "EMBEDDINGS_SIMILARITY",
        _share,
        0.16,
        "The cosine from which on a passage is near a question in plain words; for other queries it is 1.5 times that. It "
        "belongs to the model.",
    )
    embeddings_noise: float = _setting(
        "EMBEDDINGS_NOISE",
        _share,
        0.45,
        "The cosine from which on a query is near texts that say nothing, and is looked for by its words alone. It belongs "
        "to the model, too; 1: none is.",
    )
    max_indexed_text: int = _setting(
        "MAX_INDEXED_TEXT",
        _size,
        MIB,
        "Text of one file (in UTF-8) that is kept and indexed, at most as much as by default; the rest is cut off.",
    )
    max_file_size: int = _setting("MAX_FILE_SIZE", _size, 512 * MIB, "Largest file.")
    max_request_size: int = _setting("MAX_REQUEST_SIZE", _size, GIB, "Largest request body, all files together.")
    max_chat_file_size: int = _setting(
        "MAX_CHAT_FILE_SIZE", _size, 10 * MIB, "Largest image of a Coder chat; the default is Coder's own limit."
    )
    max_files: int = _setting(
        "MAX_FILES", _count(MOST), 100, "Files in one request; each costs a descriptor until its end."
    )
    max_form_fields: int = _setting(
        "MAX_FORM_FIELDS", _count(MOST), 32, "Form fields that are no files; no dialect has more than three."
    )
    max_form_field_size: int = _setting(
        "MAX_FORM_FIELD_SIZE", _size, 8 * KIB, "Largest form field that is no file: it is held in memory."
    )
    max_json_size: int = _setting("MAX_JSON_SIZE", _size, 256 * KIB, "Largest JSON request body: it is held in memory.")
    max_query_length: int = _setting(
        "MAX_QUERY_LENGTH",
        _count(MOST),
        1024,
        "Characters in `query`: a search for more is a mistake or an attack.",
    )
    max_page_size: int = _setting("MAX_PAGE_SIZE", _count(MOST_HITS), 1000, "Largest `size` of a search.")
    max_answer_size: int = _setting(
        "MAX_ANSWER_SIZE",
        _size,
        32 * MIB,
        "Largest answer of Elasticsearch to a search: it is held in memory. A list of chats ends at an eighth of it.",
    )
    sign_in_lifetime: float = _setting(
        "SIGN_IN_LIFETIME", _seconds, 43_200.0, "How long a browser stays signed in: a long working day."
    )
    sign_in_failures: int = _setting(
        "SIGN_IN_FAILURES", _count(MOST_SIGN_INS), 20, "Failed sign-ins that an address has in a minute."
    )
    plain_sign_in: str = _setting(
        "PLAIN_SIGN_IN",
        _addresses,
        "127.0.0.0/8,::1",
        "Addresses of clients who may sign in over plain HTTP, by comma; what they send must cross no network.",
    )
    scores: str = _setting(
        "SCORES",
        _choice("statistics", "constant"),
        "statistics",
        "What scores rest on: how rare words are among all tenants' documents, or (`constant`) nothing of other tenants.",
    )
    max_ids: int = _setting("MAX_IDS", _count(MOST_TERMS), 1000, "Ids in one status request or one search by ids.")
    max_points_in_time: int = _setting(
        "MAX_POINTS_IN_TIME",
        _count(MOST),
        20,
        "Points in time that one tenant has open at once: each keeps files of the index that are gone otherwise.",
    )
    disk_reserve: int = _setting(
        "DISK_RESERVE", _size, 256 * MIB, "Space kept free: uploads that would use it are refused with 507."
    )
    reconcile_interval: float = _setting(
        "RECONCILE_INTERVAL", _seconds, 2.0, "How often undecided work is looked for and settled."
    )
    web_workers: int | None = _setting(
        "WEB_WORKERS",
        _optional(_count(MOST_PROCESSES)),
        None,
        "Worker processes; when not set, one for each processor, 2 to 4.",
    )
    web_threads: int = _setting(
        "WEB_THREADS", _count(MOST_THREADS), 16, "Requests that each worker process handles at once."
    )
    max_connections: int = _setting(
        "MAX_CONNECTIONS",
        _count(MOST),
        1000,
        "Connections of one worker process; with more, the longest silent makes room.",
    )
    max_websockets: int = _setting(
        "MAX_WEBSOCKETS",
        _count(MOST),
        1000,
        "WebSockets of one worker process, besides MAX_CONNECTIONS; one more is refused with 503.",
    )
    max_tenant_websockets: int = _setting(
        "MAX_TENANT_WEBSOCKETS",
        _count(MOST),
        250,
        "Those of one tenant; one more is refused with 429. It takes several to keep others from theirs.",
    )
    head_timeout: float = _setting(
        "HEAD_TIMEOUT",
        _seconds,
        10.0,
        "How long a connection may take to send the head of a request, or nothing.",
    )
    max_head_size: int = _setting(
        "MAX_HEAD_SIZE", _size, 64 * KIB, "Largest head of a request; proxies allow no more than half of it."
    )
    min_transfer_rate: int = _setting(
        "MIN_TRANSFER_RATE",
        _size,
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
        "",
        "Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, by comma.",
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
        "METRICS_OPEN",
        _yes,
        False,
        "Whether `/metrics` asks for no token (`yes`), or for one with the scope `admin`.",
    )
    metrics_folder: Path | None = _setting(
        "METRICS_FOLDER",
        _optional(_path),
        None,
        "Where the workers share their numbers; when not set, in memory.",
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
            _check_ca_certs("ELASTICSEARCH_CA_CERTS", self.elasticsearch_ca_certs)
        self._check_storage()
        self._check_embeddings()
        if not 0 < self.max_indexed_text <= MOST_INDEXED_TEXT:
            raise InvalidSetting("MAX_INDEXED_TEXT", f"is not between 1 and {MOST_INDEXED_TEXT // MIB}MiB")
        if self.extraction_memory < LEAST_EXTRACTION_MEMORY:
            raise InvalidSetting("EXTRACTION_MEMORY", f"is less than {LEAST_EXTRACTION_MEMORY // MIB}MiB")
        if self.git_memory < LEAST_GIT_MEMORY:
            raise InvalidSetting("GIT_MEMORY", f"is less than {LEAST_GIT_MEMORY // MIB}MiB")
        if self.max_answer_size < LEAST_ANSWER_SIZE:
            raise InvalidSetting("MAX_ANSWER_SIZE", f"is less than {LEAST_ANSWER_SIZE // MIB}MiB")
        if self.max_head_size < LEAST_HEAD_SIZE:
            raise InvalidSetting("MAX_HEAD_SIZE", f"is less than {LEAST_HEAD_SIZE // KIB}KiB")
        if self.chat_alias == self.index:
            raise InvalidSetting("CHAT_INDEX", "is the same as INDEX")
        if self.max_file_size > self.max_request_size:
            raise InvalidSetting("MAX_FILE_SIZE", "is larger than MAX_REQUEST_SIZE")

    def _check_storage(self) -> None:
        if (self.storage_access_key is None) != (self.storage_secret_key is None):
            raise InvalidSetting("STORAGE_ACCESS_KEY", "needs STORAGE_SECRET_KEY, and the other way round")
        if self.storage == FOLDER:
            return
        if not self.storage.startswith("s3:") and (self.storage_endpoint or self.storage_access_key):
            raise InvalidSetting(
                "STORAGE", "takes no STORAGE_ENDPOINT and no STORAGE_ACCESS_KEY unless it is an s3:// URL"
            )
        if self.max_file_size > MOST_OBJECT:
            raise InvalidSetting(
                "MAX_FILE_SIZE", f"is larger than {MOST_OBJECT // GIB}GiB, the largest that STORAGE takes"
            )
        if self.accel_redirect is not None:
            raise InvalidSetting("ACCEL_REDIRECT", "has no use: nginx reaches no attachment that is in STORAGE")
        if self.storage_ca_certs is not None:
            if self.storage_endpoint is not None and not self.storage_endpoint.startswith("https:"):
                raise InvalidSetting("STORAGE_CA_CERTS", "needs a STORAGE_ENDPOINT that begins with https")
            _check_ca_certs("STORAGE_CA_CERTS", self.storage_ca_certs)

    def _check_embeddings(self) -> None:
        remote = self.embeddings not in ("builtin", "off")
        if remote and self.embeddings_model is None:
            raise InvalidSetting("EMBEDDINGS_MODEL", "is missing: EMBEDDINGS is a URL")
        if self.embeddings_key is not None and self.embeddings_key_file is not None:
            raise InvalidSetting("EMBEDDINGS_KEY_FILE", "excludes EMBEDDINGS_KEY: set one of them")
        if self.embeddings_key_file is not None:
            try:
                if _token(self.embeddings_key_file.read_text().strip()) is None:
                    raise ValueError
            except (OSError, ValueError) as error:
                why = "can't be read" if isinstance(error, OSError) else "holds no key"
                raise InvalidSetting("EMBEDDINGS_KEY_FILE", f"{str(self.embeddings_key_file)!r} {why}") from None
        if self.embeddings_ca_certs is not None:
            if not self.embeddings.startswith("https:"):
                raise InvalidSetting("EMBEDDINGS_CA_CERTS", "needs an EMBEDDINGS that begins with https")
            _check_ca_certs("EMBEDDINGS_CA_CERTS", self.embeddings_ca_certs)

    @property
    def embeddings_secret(self) -> str | None:
        """The key for the server of EMBEDDINGS, wherever it was given."""
        if self.embeddings_key_file is None:
            return self.embeddings_key
        return self.embeddings_key_file.read_text().strip()

    @property
    def elasticsearch_urls(self) -> tuple[str, ...]:
        """The addresses of `elasticsearch_url`, in their order."""
        return tuple(self.elasticsearch_url.split(","))

    @property
    def chat_alias(self) -> str:
        """The alias of the index of chats."""
        return self.chat_index or f"{self.index.removesuffix('_attachment')}_chat"

    @property
    def worker_processes(self) -> int:
        """`web_workers`, or the default number of processes."""
        return self.web_workers or min(4, max(2, os.cpu_count() or 1))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in `environ`; those that it doesn't name have their default.

        Raises InvalidSetting, naming the variable, for a value that can't be used.
        """
        given: dict[str, Any] = {}
        for item in fields(cls):
            name = item.metadata["name"]
            if name not in environ:
                continue
            try:
                given[item.name] = item.metadata["parse"](environ[name])
            except ValueError as error:
                # A value that contains a user is a URL with a password.
                secret = item.metadata["secret"] or "@" in environ[name]
                shown = "<secret>" if secret else repr(environ[name])
                raise InvalidSetting(name, f"{shown} {error}") from None
        return cls(**given)


_PARSERS = {item.metadata["name"]: item.metadata["parse"] for item in fields(Settings)}


def shown(name: str, value: Any) -> str:
    """The value of the setting `name` as people read it, and as its parser accepts it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    if _PARSERS[name] is _size and value:
        for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
            if value % size == 0:
                return f"{value // size}{unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def documented() -> list[tuple[str, str, str]]:
    """Every setting as (name, default, reason), as in docs/settings.md."""
    return [
        (item.metadata["name"], shown(item.metadata["name"], item.default), item.metadata["why"])
        for item in fields(Settings)
    ]


@dataclass(frozen=True)
class InForce:
    """A setting in force: its value as text, masked when it is a secret."""

    name: str
    value: str
    is_set: bool


def in_force(environ: Mapping[str, str]) -> list[InForce]:
    """Every setting, with its value in `environ` or its default. Raises InvalidSetting."""
    settings = Settings.from_environ(environ)
    found = []
    for item in fields(Settings):
        name = item.metadata["name"]
        text = shown(name, getattr(settings, item.name))
        found.append(InForce(name, "***" if text and item.metadata["secret"] else text, name in environ))
    return found
