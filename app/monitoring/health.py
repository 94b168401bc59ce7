"""`GET /health` and `/health/ready`: whether an upload would be accepted now, and if not, why. `/health/live`: alive."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app.errors import IndexUnavailable, StoreError
from app.http.access import public
from app.http.describe import JSON, TEXT, Answer, array, describes, obj
from app.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/health/live")
@public
@describes("Whether the process answers", {200: Answer("It does", {JSON: obj(status={"const": "alive"})})})
def live() -> Response:
    """200 whatever Elasticsearch and the disk do: a restart would not help them."""
    return jsonify(status="alive")


@blueprint.get("/health")
@blueprint.get("/health/ready")
@public
@describes(
    "Whether an upload would be accepted now",
    {
        200: Answer("It would", {JSON: obj(status={"enum": ["green", "yellow"]})}),
        503: Answer("It would not, and why", {JSON: obj(status={"const": "red"}, reasons=array(TEXT))}),
    },
)
def health() -> Response:
    """200 with `green` or `yellow`, or 503 with `red` and the reasons. Says nothing about contents."""
    store = services().store
    reasons = []
    status = "red"
    try:
        status = store.index.health().status
        if status == "red":
            reasons.append("the index has shards that are not available")
    except StoreError as error:
        reasons.append(str(error) if isinstance(error, IndexUnavailable) else f"the index can't be used: {error}")
    try:
        store.check_writable()
    except StoreError as error:
        reasons.append(str(error))
    response = jsonify(status="red" if reasons else status, **({"reasons": reasons} if reasons else {}))
    response.status_code = 503 if reasons else 200
    return response
