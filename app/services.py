"""What a request works with, one set for each process."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from app.chats import Chats
from app.page.attempts import Attempts
from app.page.signins import SignIns
from app.points_in_time import PointsInTime
from app.settings import Settings
from app.store import Store
from app.tokens import Tokens
from app.watch.watchers import Watchers

_KEY = "attachment_store"


@dataclass(frozen=True)
class Services:
    settings: Settings
    store: Store
    tokens: Tokens
    chats: Chats
    sign_ins: SignIns
    attempts: Attempts
    points: PointsInTime
    watchers: Watchers

    def bind(self, app: Flask) -> None:
        """Make these the services of the requests to `app`."""
        app.extensions[_KEY] = self


def services_of(app: Flask) -> Services:
    """The services that were bound to `app`."""
    found: Services = app.extensions[_KEY]
    return found


def services() -> Services:
    """The services of the application that handles the request at hand."""
    return services_of(current_app)
