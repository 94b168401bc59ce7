"""The services that requests use, one set for each process."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from app.auth.attempts import Attempts
from app.auth.sign_ins import SignIns
from app.auth.tokens import Tokens
from app.embeddings.contract import Embeddings
from app.git_watch.watchers import Watchers
from app.services.chats import Chats
from app.services.citing import Citing
from app.services.deletion import Deletion
from app.services.downloads import Downloads
from app.services.records import Records
from app.services.searching import Searching
from app.services.steps import Steps
from app.services.store import Store
from app.services.uploads import Uploads
from app.settings import Settings
from app.turns import Turns

_KEY, _STORE = "attachment_store", "attachment_store_whole"


@dataclass(frozen=True)
class Services:
    """The services that dialects call. They give access to neither storage nor index; health and metrics get the whole
    store from `store_of`."""

    settings: Settings
    records: Records
    steps: Steps
    uploads: Uploads
    downloads: Downloads
    deletion: Deletion
    searching: Searching
    citing: Citing
    tokens: Tokens
    chats: Chats
    sign_ins: SignIns
    attempts: Attempts
    watchers: Watchers
    embeddings: Embeddings
    #: Threads that wait for vectors for somebody else's use of them.
    embedding_places: Turns[object]

    def bind(self, app: Flask, store: Store) -> None:
        """Make these the services of the requests to `app`."""
        app.extensions[_KEY] = self
        app.extensions[_STORE] = store


def services_of(app: Flask) -> Services:
    """The services that were bound to `app`."""
    found: Services = app.extensions[_KEY]
    return found


def store_of(app: Flask) -> Store:
    """The store that was bound to `app` with them."""
    found: Store = app.extensions[_STORE]
    return found


def services() -> Services:
    """The services of the application that handles the current request."""
    # The application itself: each access through Flask's proxy costs as much as a call.
    return services_of(current_app._get_current_object())  # type: ignore[attr-defined]
