"""Request bodies, streamed: from the socket into the store in constant memory, whatever their size.

Rejected: werkzeug's form parser. It drops backslashes from file names, spools files into a temporary folder of its own
(a second copy of every byte), and is several times slower than `multipart`.
"""

from __future__ import annotations

import binascii
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import (
    FileTooLarge,
    IncompleteBody,
    IndexUnavailable,
    InvalidName,
    InvalidRequest,
    LengthRequired,
    MalformedForm,
    RequestTimeout,
    RequestTooLarge,
    StorageFailed,
    StorageFull,
    StoreError,
    TooManyFiles,
)
from app.model.attachment import Attachment
from app.server.slow_clients import was_cut
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Staged
from app.web.access import caller
from app.web.names import checked_name, decode_form_text, disposition_parameters, form_filename
from app.web.observed import current
from app.web.services import services

#: How many bytes are read from the socket at once.
READ_SIZE = 256 * 1024
#: Bytes that a form of one file may have beyond that file: boundaries, part headers, fields.
FORM_OVERHEAD = 64 * 1024

#: The errors of a route that stores a body, in every dialect.
STORING_ERRORS = (FileTooLarge, InvalidName, RequestTooLarge, StorageFull, StorageFailed, IndexUnavailable)
#: The same for a route that accepts a form.
FORM_ERRORS = (*STORING_ERRORS, MalformedForm, TooManyFiles)

Stage = Callable[[Iterable[bytes], int], Staged]


def stage_nothing(chunks: Iterable[bytes], limit: int) -> Staged:
    """The `stage` for a form that has no files."""
    raise InvalidRequest("no file was expected")


@dataclass(frozen=True)
class Upload:
    """A file that was received: the field of the form, its checked name, the bytes. `media_type` None: it is taken from
    the content."""

    field: str
    name: str
    staged: Staged
    media_type: str | None = None


@dataclass
class Form:
    """The contents of a multipart form. Leaving it as a context manager discards the files that were not kept."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)

    def value(self, name: str) -> str | None:
        """The field's only value, None when there is none. Raises InvalidRequest when it was sent twice."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise InvalidRequest(f"form field [{name}] was sent more than once")
        return values[0] if values else None

    def __enter__(self) -> Form:
        return self

    def __exit__(self, *_: object) -> None:
        for upload in self.files:
            upload.staged.discard()


def check_length(request: Request, limit: int) -> int | None:
    """The Content-Length of the body in bytes; None when it is sent in chunks.

    Raises RequestTooLarge before any of the body is read.
    """
    length = request.content_length
    if length is not None and length > limit:
        raise RequestTooLarge(limit)
    return length


def check_announced(request: Request, limit: int) -> None:
    """Raises LengthRequired for a body that does not announce its length, RequestTooLarge for one past `limit` bytes."""
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired()
    check_length(request, limit)


def check_single_file_length(request: Request, max_file_size: int) -> int | None:
    """As `check_length`, for a form that has one file of at most `max_file_size` bytes and little else.

    Raises FileTooLarge before any of the body is read.
    """
    length = request.content_length
    if length is not None and length > max_file_size + FORM_OVERHEAD:
        raise FileTooLarge(max_file_size)
    return length


def body_chunks(request: Request, limit: int) -> Iterator[bytes]:
    """The body in pieces.

    Raises RequestTooLarge past `limit` bytes, IncompleteBody when it ends early, and RequestTimeout when the server cut
    it off because the client sent too slowly.
    """
    expected = check_length(request, limit)
    read = request.environ["wsgi.input"].read
    received = 0
    while expected is None or received < expected:
        chunk = _read(request, read, READ_SIZE if expected is None else min(READ_SIZE, expected - received))
        if not chunk:
            break
        received += len(chunk)
        if received > limit:
            raise RequestTooLarge(limit)
        yield chunk
    if expected is not None and received < expected:
        raise _ended_early(request)


def _read(request: Request, read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except Exception as error:
        # A reset connection, or a malformed chunked body: each server has exceptions of its own for these.
        raise _ended_early(request) from error


def _ended_early(request: Request) -> StoreError:
    return RequestTimeout() if was_cut(request.environ) else IncompleteBody()


def read_body(request: Request, limit: int) -> bytes:
    """The whole of a small body. Raises RequestTooLarge past `limit` bytes, IncompleteBody."""
    return b"".join(body_chunks(request, limit))


@contextlib.contextmanager
def read_form(
    request: Request,
    stage: Stage,
    settings: Settings,
    *,
    max_file_size: int | None = None,
    single_file: Collection[str] | None = None,
) -> Iterator[Form]:
    """The multipart form in the body, with its files staged. Files that the block does not keep are discarded.

    With `single_file` the form may have one file, in a field of one of these names (no file at all when it is empty);
    any other file raises InvalidRequest before a byte of it is stored. Without it, any number of files in any field are
    accepted.

    Raises MalformedForm, IncompleteBody, RequestTooLarge, FileTooLarge, TooManyFiles, InvalidName, InvalidRequest (too
    many or too long fields), and what `stage` raises.
    """
    with Form() as form:
        _Reader(request, stage, settings, max_file_size or settings.max_file_size, single_file, form).run()
        yield form


@contextlib.contextmanager
def received_form(request: Request, *, single_file: Collection[str] | None = None) -> Iterator[Form]:
    """The form of an upload, as `read_form` returns it, after a check of its Content-Length and of the room for it."""
    settings, uploads = services().settings, services().uploads
    if single_file is None:
        announced = check_length(request, settings.max_request_size)
    else:
        announced = check_single_file_length(request, settings.max_file_size)
    uploads.check_room(announced or 0)
    with read_form(request, uploads.stage, settings, single_file=single_file) as form:
        yield form


def keep(
    files: Sequence[Upload], ids: Sequence[str], *, session: str | None = None, fields: Mapping[str, str] | None = None
) -> list[Attachment]:
    """Turn files of the current request into attachments, all or none, for its caller and in its dialect.

    Raises the errors of `Uploads.upload`.
    """
    token, dialect = caller(), current().blueprint
    assert dialect is not None
    drafts = [
        Draft(
            id=attachment_id,
            name=each.name,
            staged=each.staged,
            tenant=token.tenant,
            owner=token.name,
            dialect=dialect,
            session=session,
            media_type=each.media_type,
            fields=fields or {},
        )
        for attachment_id, each in zip(ids, files, strict=True)
    ]
    return services().uploads.upload(drafts)


class _Reader:
    """One pass over a multipart body."""

    def __init__(
        self,
        request: Request,
        stage: Stage,
        settings: Settings,
        max_file_size: int,
        single_file: Collection[str] | None,
        form: Form,
    ) -> None:
        media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
        boundary = options.get("boundary", "")
        if media_type.lower() != "multipart/form-data" or not 0 < len(boundary) <= 200 or not boundary.isascii():
            raise MalformedForm()
        self.settings = settings
        self.stage = stage
        self.max_file_size = max_file_size
        self.single_file = single_file
        self.form = form
        self.user_agent = request.headers.get("User-Agent", "")
        self.field_count = 0
        form_of_one = (max_file_size if single_file else 0) + FORM_OVERHEAD
        # Otherwise the limit is that of the whole body, as `check_length` has it for a body that announces its length.
        limit = settings.max_request_size if single_file is None else form_of_one
        self.events = self._events(body_chunks(request, limit), boundary)

    def _events(self, chunks: Iterator[bytes], boundary: str) -> Iterator[Any]:
        segments = self.settings.max_files + self.settings.max_form_fields + 1
        try:
            with PushMultipartParser(boundary, max_segment_count=segments) as parser:
                for chunk in chunks:
                    yield from parser.parse(chunk)
        except MultipartError as error:
            raise MalformedForm() from error

    def run(self) -> None:
        for event in self.events:
            if isinstance(event, MultipartSegment):
                self._segment(event)

    def _segment(self, segment: MultipartSegment) -> None:
        header = str(segment.header("Content-Disposition"))
        name = decode_form_text(disposition_parameters(header).get("name", ""))
        filename = form_filename(header, self.user_agent)
        payload = self._payload(str(segment.header("Content-Transfer-Encoding", "binary")))
        if filename is None:
            self._field(name, payload)
            return
        if not filename and not any(payload):
            # So a browser sends an input for which no file was chosen.
            return
        if self.single_file is not None:
            if name not in self.single_file:
                raise InvalidRequest(f"unexpected file field [{name[:100]}]")
            if self.form.files:
                raise InvalidRequest("more than one file was sent")
        filename = checked_name(filename)
        if len(self.form.files) >= self.settings.max_files:
            raise TooManyFiles(self.settings.max_files)
        staged = self.stage(payload, self.max_file_size)
        self.form.files.append(Upload(name, filename, staged))

    def _field(self, name: str, payload: Iterator[bytes]) -> None:
        self.field_count += 1
        if self.field_count > self.settings.max_form_fields:
            raise InvalidRequest(f"too many form fields: at most {self.settings.max_form_fields}")
        value = bytearray()
        for chunk in payload:
            value += chunk
            if len(value) > self.settings.max_form_field_size:
                raise InvalidRequest(f"form field [{name}] is longer than {self.settings.max_form_field_size} bytes")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"form field [{name}] is not UTF-8") from None
        self.form.fields.setdefault(name, []).append(text)

    def _payload(self, encoding: str) -> Iterator[bytes]:
        """The bytes of the current segment, up to its end. `encoding`: its Content-Transfer-Encoding, which RFC 7578
        deprecates and some clients send. Raises InvalidRequest for one that is not supported."""
        sent = self._sent()
        match encoding.strip().lower():
            case "binary" | "8bit" | "7bit":
                return sent
            case "base64":
                return _decoded(sent)
        raise InvalidRequest(f"unsupported Content-Transfer-Encoding [{encoding[:100]}] of a part of a form")

    def _sent(self) -> Iterator[bytes]:
        for event in self.events:
            if event is None:
                return
            yield event


def _decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a text in Base64. Raises MalformedForm."""
    left, ended = b"", False
    for chunk in chunks:
        left += chunk.translate(None, b"\r\n\t ")
        whole = len(left) // 4 * 4
        if ended and left:
            raise MalformedForm()
        try:
            decoded = binascii.a2b_base64(left[:whole], strict_mode=True)
        except binascii.Error as error:
            raise MalformedForm() from error
        ended = left[:whole].endswith(b"=")
        left = left[whole:]
        if decoded:
            yield decoded
    if left:
        raise MalformedForm()
