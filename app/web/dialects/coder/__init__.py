"""Coder chats: `Coder-Session-Token`, `/api/v2/chats` (files, chats, and a WebSocket that follows git changes).

Source: Coder's documentation, page "Chats", at the commit that added image attachments. What that page leaves open is in
docs/coder.md.
"""

from __future__ import annotations

from app.web.dialects.coder import chats, files, watch
from app.web.dialects.coder.common import ERROR_SCHEMA, HEADER, PREFIX, blueprint, credentials, render
from app.web.dialects.dialect import Dialect, under

__all__ = ["chats", "dialect", "files", "watch"]

dialect = Dialect(
    name="coder",
    blueprint=blueprint,
    owns=under(PREFIX),
    credentials=credentials,
    render=render,
    error_schema=ERROR_SCHEMA,
    security={"type": "apiKey", "in": "header", "name": HEADER},
)
