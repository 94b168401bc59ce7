"""Every error that a caller of the store can get: one class tree, each with a stable code, an HTTP status and a
message.

Dialects only render these; they never invent a status of their own. The messages are written for the caller and never
contain a path, a traceback or another tenant's data.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of the tree. `code` is stable and for programs, `status` is HTTP's, `str(error)` is for people."""

    code = "internal_error"
    status = 500
    message = "Internal error"

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(message or self.message)
        #: Seconds after which trying again makes sense; None when it never does, or when that is unknown.
        self.retry_after = retry_after


# The request itself


class InvalidRequest(StoreError):
    code = "invalid_request"
    status = 400
    message = "Invalid request"


class InvalidParameter(InvalidRequest):
    """A query parameter or body key that is unknown, repeated or has a value out of its range. The message names it."""

    code = "invalid_parameter"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"parameter [{name}] {why}")
        self.name = name


class SearchRefused(InvalidRequest):
    """A search in Elasticsearch's own language that is not allowed, or that Elasticsearch would not answer.

    `kind` is Elasticsearch's error type for it; the message names the clause.
    """

    code = "search_refused"

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class NoSuchIndex(SearchRefused):
    """An index that a request in Elasticsearch's own language names, and that is not there. `together`: the names of a list
    that stand for none together."""

    code = "no_such_index"
    status = 404

    def __init__(self, name: str, together: tuple[str, ...] = ()) -> None:
        self.name, self.together = name[:100], tuple(each[:100] for each in together[:100])
        super().__init__("index_not_found_exception", f"no such index [{self.name}]")


class NoIndexName(SearchRefused):
    """What no index can be called."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name[:100]
        super().__init__("invalid_index_name_exception", f"Invalid index name [{self.name}], {why}")


class MediaTypeRefused(StoreError):
    """The body has a media type that is not supported, or the request accepts none that is."""

    code = "media_type_refused"
    status = 406


class NoFiles(InvalidRequest):
    code = "no_files"
    message = "No files uploaded"


class MalformedForm(InvalidRequest):
    code = "malformed_form"
    message = "Failed to parse multipart form"


class IncompleteBody(InvalidRequest):
    """The client stopped sending before the announced end. Nothing of the body is kept."""

    code = "incomplete_body"
    message = "The request body ended before its announced length"


class InvalidName(InvalidRequest):
    code = "invalid_name"
    message = "Invalid file name"


class TooManyFiles(StoreError):
    code = "too_many_files"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"Too many files in one request: at most {limit}")


class FileTooLarge(StoreError):
    code = "file_too_large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"File too large: at most {limit} bytes")
        self.limit = limit


class RequestTooLarge(StoreError):
    code = "request_too_large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request too large: at most {limit} bytes")
        self.limit = limit


class LengthRequired(StoreError):
    """The body comes in chunks on a route without authentication, where it must announce its length."""

    code = "length_required"
    status = 411
    message = "The request must announce the length of its body"


class RequestTimeout(StoreError):
    """The client sent its body too slowly."""

    code = "request_timeout"
    status = 408
    message = "The request body did not arrive in time"


class TooMuchWork(InvalidRequest):
    """The request needs more work outside of Elasticsearch than one request may cause."""

    code = "too_much_work"
    message = "This needs more work than one request may cause: ask for less at once"


class AnswerTooLarge(InvalidRequest):
    """The answer of Elasticsearch is larger than may be kept in memory for one request."""

    code = "answer_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer is larger than {limit} bytes: ask for fewer hits, or less of each")
        self.limit = limit


class TextRefused(InvalidRequest):
    """A text of which no vector is made, whatever the model."""

    code = "text_refused"


class TextTooLong(InvalidRequest):
    """A text of which no vector is made because of its length."""

    code = "text_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a text has more than {limit} characters")
        self.limit = limit


class TooManyTexts(InvalidRequest):
    code = "too_many_texts"

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} texts at once")
        self.limit = limit


class TooLate(StoreError):
    """The work on an answer was not done within the request's time."""

    code = "too_late"
    status = 503
    message = "The answer could not be made in time"

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class ClientGone(StoreError):
    """The client closed its connection while its request was processed: nobody reads this."""

    code = "client_gone"
    status = 499
    message = "The client has left"


# Who asks


class Unauthenticated(StoreError):
    """No token, an unknown one, or an expired one: deliberately one error for all three."""

    code = "unauthenticated"
    status = 401
    message = "invalid login"


class MissingScope(StoreError):
    code = "missing_scope"
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(f"the token lacks the scope [{scope}]")
        self.scope = scope


class Refused(StoreError):
    """The request is understood and will never be served, for any caller."""

    code = "refused"
    status = 403
    message = "Refused"


# What is there


class NotFound(StoreError):
    """Nothing under this id for this caller: missing, another tenant's and malformed ids look the same."""

    code = "not_found"
    status = 404
    message = "not found"


class PointMissing(NotFound):
    """No point in time under this id for this caller: expired, closed, another tenant's or never there."""

    code = "point_missing"
    message = "No search context found for this point in time: it has expired or was closed"


class TooManyPoints(StoreError):
    code = "too_many_points"
    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"Too many points in time are open: at most {limit}; close those that are done with")


class TooManyWebSockets(StoreError):
    code = "too_many_websockets"
    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"Too many WebSockets are open: at most {limit}; close those that are done with")


class WebSocketsFull(StoreError):
    """All tenants together have as many WebSockets as are allowed. Everything else is served."""

    code = "websockets_full"
    status = 503
    message = "No more WebSockets can be opened now"

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class Conflict(StoreError):
    code = "conflict"
    status = 409
    message = "Conflict"


# The two storages


class StorageFull(StoreError):
    """The disk is full, or the reserve that the store keeps free would be used. Nothing was kept."""

    code = "storage_full"
    status = 507
    message = "Not enough space left to store the file"


class StorageFailed(StoreError):
    """The filesystem refused a step. Nothing incomplete stays under a final name."""

    code = "storage_failed"
    status = 500
    message = "The file could not be stored"


class StorageUnavailable(StorageFailed):
    """The object store was not reached, did not answer in time, or refused: what was to be written may be there or not.
    `unanswered`: whether it gave no answer at all."""

    code = "storage_unavailable"
    status = 503
    message = "The storage is not available"

    def __init__(self, message: str | None = None, *, unanswered: bool = False) -> None:
        super().__init__(message, retry_after=5)
        self.unanswered = unanswered


class BrokenStorage(StoreError):
    """The medium of the storage does not keep what a store relies on."""

    code = "broken_storage"


class BytesMissing(StoreError):
    """A record whose bytes are gone or have another length: damage, which `scripts/store verify` reports."""

    code = "bytes_missing"
    status = 500
    message = "The bytes of this attachment are damaged"


class TextDamaged(StoreError):
    """The text of an attachment is not the one that was stored; `scripts/store verify` reports it, too."""

    code = "text_damaged"
    status = 500
    message = "The text of this attachment is damaged"


class ThumbnailDamaged(StoreError):
    """The thumbnail of an attachment is not the one that was stored; `scripts/store verify` reports it, too."""

    code = "thumbnail_damaged"
    status = 500
    message = "The thumbnail of this attachment is damaged"


class IndexUnavailable(StoreError):
    """Elasticsearch certainly did not do what was requested: it was not reached, or it refused for now."""

    code = "index_unavailable"
    status = 503
    message = "Elasticsearch is not available"

    def __init__(self, message: str | None = None, *, retry_after: int | None = 5) -> None:
        super().__init__(message, retry_after=retry_after)


class IndexMissing(IndexUnavailable):
    """There is no index although the store holds attachments: an empty one would hide them, so none is created."""

    code = "index_missing"
    message = "The index is missing: run scripts/store rebuild"


class IndexMoved(IndexUnavailable):
    """The index of the write is no longer the one in use, and has to be looked up again. Nothing was done."""

    code = "index_moved"


class IndexOutcomeUnknown(IndexUnavailable):
    """Elasticsearch may or may not have done what was requested (a time-out, a reset): the store decides later."""

    code = "index_outcome_unknown"
    message = "Elasticsearch did not answer in time; the outcome is decided when it is back"


class SearchTimedOut(IndexOutcomeUnknown):
    """Elasticsearch ended a search at its time limit, and said so: the search took too long, but Elasticsearch is not
    stalled."""


class IndexIncomplete(IndexUnavailable):
    """Some of several documents were written and some refused: all of them have to be withdrawn."""

    code = "index_incomplete"


class IndexRejected(StoreError):
    """Elasticsearch certainly refused this document or query, and would refuse it again."""

    code = "index_rejected"
    status = 500
    message = "Elasticsearch refused the request"


class WrongIndex(StoreError):
    """The index belongs to another store, is of a newer version, or was not made by this store: it is not changed."""

    code = "wrong_index"
    status = 503


class EmbeddingsUnavailable(StoreError):
    """There are no vectors now: the model is not running, is busy, or did not answer in time. A search goes on without."""

    code = "embeddings_unavailable"
    status = 503
    message = "Embeddings are not available"

    def __init__(self, message: str | None = None, *, retry_after: int | None = 5) -> None:
        super().__init__(message, retry_after=retry_after)


class EmbeddingsOff(EmbeddingsUnavailable):
    """EMBEDDINGS is `off`: there are none, and none to come."""

    code = "embeddings_off"
    status = 404
    message = "This server makes no embeddings"

    def __init__(self) -> None:
        super().__init__(retry_after=None)


class WrongStore(StoreError):
    """The data folder is not a store, or has a newer format: it is not changed."""

    code = "wrong_store"
    status = 503


class InvalidSetting(StoreError):
    """A setting has a value that the server can't run with. The message names the setting."""

    code = "invalid_setting"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
