"""Puts the application together: services, dialects, errors. Nothing is decided here."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from app import processing
from app.auth.attempts import Attempts
from app.auth.sign_ins import SignIns
from app.auth.tokens import Token, Tokens
from app.errors import NotFound, StoreError
from app.git_watch.places import Places
from app.git_watch.watchers import Watchers
from app.opening import open_store
from app.processing import Processing
from app.server import descriptors, security
from app.server.request import COLLECTED_SIZE
from app.services.chats import Chats
from app.services.citing import Citing
from app.services.meaning import Meanings
from app.services.points_in_time import PointsInTime
from app.services.searching import Searching
from app.services.store import Store
from app.settings import Settings
from app.telemetry import measures
from app.turns import Turns
from app.web import health, metrics
from app.web.access import PUBLIC, authorize, check_all_marked, required_scope, tenant
from app.web.describe import operation_of
from app.web.dialects import DIALECTS
from app.web.dialects.dialect import Dialect
from app.web.observed import HEADER, begin, current, observed
from app.web.openapi import document
from app.web.openapi import page as api_page
from app.web.page import cookie
from app.web.page import routes as page
from app.web.services import Services
from app.web.uploads import check_announced

log = logging.getLogger(__name__)

_DIALECT_BLUEPRINTS = {dialect.blueprint.name for dialect in DIALECTS}
_HEADERS = {dialect.name: dialect.headers for dialect in DIALECTS}


class _App(Flask):
    """Flask, with an answer to the server's question about a request whose body has not arrived."""

    def admits(self, environ: dict[str, Any]) -> str | None:
        """Whose a request is whose body has not arrived, if its route reads the body: the tenant, or NOBODY. None when
        the request is not authorized, or its route reads no body. A public route says that it reads a body by
        describing it."""
        with self.request_context(environ):
            try:
                if self.preprocess_request() is not None:
                    return None
            except (StoreError, HTTPException):
                return None
            finally:
                processing.begin(None)
            endpoint = current().endpoint
            return tenant() if endpoint is not None and _may_read(self.view_functions[endpoint]) else None


class _NoSession(SessionInterface):
    """Flask's own would look for a secret key and make a session without one; `app.web.page.cookie` needs neither."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


def _may_read(view: Callable[..., Any]) -> bool:
    operation = operation_of(view)
    return required_scope(view) != PUBLIC or (operation is not None and bool(operation.body))


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application over the store that `settings` name (by default, those of the environment).

    Raises InvalidSetting, WrongStore, StorageFailed or StorageFull. Elasticsearch is not asked yet.
    """
    settings = settings or Settings.from_environ(os.environ)
    store = open_store(settings)
    coordination = store.coordination
    chats = Chats(settings, store.id, store.index.connection, coordination.change_lock)
    tokens = Tokens(coordination.tokens, settings.api_token)
    sign_ins = SignIns(coordination.sign_ins, store.id, tokens, settings.sign_in_lifetime)
    points = PointsInTime(coordination.points_in_time, settings.max_points_in_time)
    attempts = Attempts(coordination.sign_in_attempts(settings.sign_in_failures))
    places = Places(descriptors.in_force(settings).websockets, settings.max_tenant_websockets)
    watchers = Watchers(settings.git_memory, places)
    searching = Searching(store.index, store.records, points, _meanings(settings, store))
    services = Services(
        settings=settings,
        records=store.records,
        steps=store.steps,
        uploads=store.uploads,
        downloads=store.downloads,
        deletion=store.deletion,
        searching=searching,
        citing=Citing(searching, store.records),
        tokens=tokens,
        chats=chats,
        sign_ins=sign_ins,
        attempts=attempts,
        watchers=watchers,
        embeddings=store.embeddings,
        # Whatever that server or process does, most threads do other things.
        embedding_places=Turns(max(1, settings.web_threads // 4), max(1, settings.web_threads // 8)),
    )

    app = _App("app", static_folder=None)
    app.session_interface = _NoSession()
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    services.bind(app, store)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(api_page.blueprint)
    app.register_blueprint(page.blueprint)
    for dialect in DIALECTS:
        app.register_blueprint(dialect.blueprint)
    check_all_marked(app)
    app.extensions[api_page.KEY] = document.build(app, DIALECTS, head=("coco.download",))
    _install_gate(app, services)
    _install_errors(app)
    app.after_request(_finish)
    return app


def _meanings(settings: Settings, store: Store) -> Meanings | None:
    if settings.embeddings == "off":
        return None
    least, noise = settings.embeddings_similarity, settings.embeddings_noise
    return Meanings(store.embeddings, least, noise, lambda number: store.index.other_vectors(number) is None)


def dialect_of(path: str) -> Dialect:
    """The dialect that a path belongs to, known route or not."""
    for dialect in DIALECTS:
        if dialect.owns(path):
            return dialect
    raise LookupError("the last dialect owns every path")


def _install_gate(app: Flask, services: Services) -> None:
    @app.before_request
    def gate() -> AnyResponse | None:
        incoming = current()
        dialect = dialect_of(incoming.path)
        begin(incoming, dialect.name)
        processing.begin(Processing(functools.partial(processing.gone, incoming.environ)))
        if incoming.path == "/" and incoming.method in ("GET", "HEAD") and page.prefers_html():
            return page.root()
        if dialect.refuse is not None:
            dialect.refuse(incoming)
        blueprint, endpoint = incoming.blueprint, incoming.endpoint
        if blueprint != dialect.blueprint.name and blueprint in _DIALECT_BLUEPRINTS:
            # A pattern of one dialect matches a path below another's prefix: there it is an unknown route.
            raise NotFound()
        if endpoint is None:
            # An unknown route: the 404 or 405 tells no more than the documentation does.
            return None
        view = app.view_functions[endpoint]
        scope = required_scope(view)
        if scope != PUBLIC:
            authorize(incoming, scope, _token_of(incoming, dialect, services))
        elif _may_read(view):
            # No thread waits for the body of an unknown caller: only the server's epoll does, and it takes small bodies
            # alone.
            check_announced(incoming, COLLECTED_SIZE)
        return None


def _token_of(request: Request, dialect: Dialect, services: Services) -> Token:
    """The token that the request carries, or, where the dialect allows it, the one its browser is signed in with.

    Raises Unauthenticated, and Refused for a browser's request that does not prove that the page made it.
    """
    shown = dialect.credentials(request)
    if shown is None and dialect.cookie:
        return cookie.sign_in_of(request, services.sign_ins).token
    return services.tokens.authenticate(shown)


class _Http(StoreError):
    """An error that werkzeug raised by itself (404, 405, 400 ...), as a StoreError."""

    code = "http"

    def __init__(self, error: HTTPException) -> None:
        super().__init__(error.name)
        self.status = error.code or 500


def _install_errors(app: Flask) -> None:
    def render(error: StoreError) -> Response:
        observed().error = error.code
        measures.failed(error.code)
        response = dialect_of(request.path).render(error)
        response.status_code = error.status
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(StoreError)
    def store_error(error: StoreError) -> Response:
        if error.status >= 500:
            log.warning("%s %s: %s", request.method, request.endpoint, error.code, exc_info=error.__cause__)
        return render(error)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        response = render(_Http(error))
        for name, value in error.get_headers():
            if name in ("Allow", "Location"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        log.exception("%s %s", request.method, request.endpoint, exc_info=error)
        return render(StoreError())


def _finish(response: Response) -> Response:
    """Give a response the header fields that every one has, and those of its dialect; the work for its request ends."""
    # The thread goes on to another request, and must not keep this one's connection.
    processing.begin(None)
    observation = observed()
    add = response.headers.add
    names = tuple([name for name, _ in response.headers])
    for name, value in _missing(names, response.status_code >= 400):
        add(name, value)
    add(HEADER, observation.request_id)
    for name, value in _HEADERS[observation.dialect]:
        add(name, value)
    return response


# Responses have few different sets of fields.
@functools.lru_cache(maxsize=256)
def _missing(names: tuple[str, ...], refused: bool) -> tuple[tuple[str, str], ...]:
    """The fields of every response that one with fields of these names has not got."""
    present = {name.lower() for name in names}
    every = (*security.FIELDS, ("Cache-Control", security.REFUSED if refused else security.KEPT))
    return tuple(field for field in every if field[0].lower() not in present)
