"""`GET /health` and `/health/ready`: whether an upload would be accepted now, and if not, why. `/health/live`: the
process is alive.

The first two list as warnings what is wrong but does not stop uploads, on this machine and among several addresses of
Elasticsearch. An address is told by its place in the setting: these routes are public.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from app.confinement import availability
from app.errors import IndexUnavailable, StoreError
from app.services.passages import other_vectors
from app.services.store import Store
from app.web.access import public
from app.web.describe import JSON, TEXT, ResponseSpec, Schema, array, describes, obj
from app.web.services import services, store_of

blueprint = Blueprint("health", __name__)


def _told(**properties: Schema) -> Schema:
    """The schema of a response with these properties, and with warnings if there are any."""
    required = obj(**properties)
    return {**required, "properties": {**required["properties"], "warnings": array(TEXT)}}


@blueprint.get("/health/live")
@public
@describes("Whether the process answers", {200: ResponseSpec("It does", {JSON: obj(status={"const": "alive"})})})
def live() -> Response:
    """200 whatever Elasticsearch and the disk do: a restart would not help."""
    return jsonify(status="alive")


@blueprint.get("/health")
@blueprint.get("/health/ready")
@public
@describes(
    "Whether an upload would be accepted now",
    {
        200: ResponseSpec("It would", {JSON: _told(status={"enum": ["green", "yellow"]})}),
        503: ResponseSpec("It would not, and why", {JSON: _told(status={"const": "red"}, reasons=array(TEXT))}),
    },
)
def health() -> Response:
    """200 with `green` or `yellow`, or 503 with `red` and the reasons; both with warnings. It says nothing about what
    is stored."""
    store = store_of(current_app)
    reasons = []
    status = "red"
    warnings = [*availability.missing(services().settings), *_unfit(store)]
    state = services().embeddings.state()
    if state is not None and state.missing is not None:
        # Searches find by words alone, although they should by vectors too.
        warnings.append(f"no embeddings: {state.missing}")
    try:
        found = store.index.health()
        status = found.status
        if status == "red":
            reasons.append("the index has shards that are not available")
        reasons += [f"the index is {each}" for each in found.blocks]
        reasons += [f"the index of chats is {each}" for each in services().chats.blocks()]
        if state is not None and state.model is not None:
            warnings += _of_other_vectors(store, state.model.dimensions)
    except StoreError as error:
        reasons.append(str(error) if isinstance(error, IndexUnavailable) else f"the index can't be used: {error}")
    places = store.index.not_serving()
    warnings += [f"Elasticsearch does not answer at address {place} in ELASTICSEARCH_URL" for place in places]
    try:
        store.uploads.check_writable()
    except StoreError as error:
        reasons.append(str(error))
    told = {"reasons": reasons, "warnings": warnings}
    response = jsonify(status="red" if reasons else status, **{name: texts for name, texts in told.items() if texts})
    response.status_code = 503 if reasons else 200
    return response


def _unfit(store: Store) -> list[str]:
    """Warnings about kinds of documents that can't be read, although uploads are accepted. The details are in the log,
    because this route is public."""
    if not store.steps.extracts:
        return []
    try:
        return [f"documents of the kind {kind} can't be read on this machine" for kind in store.queue.unfit()]
    except StoreError as error:
        return [str(error)]


def _of_other_vectors(store: Store, dimensions: int) -> list[str]:
    """A warning where the model's vectors, of so many numbers, and those of the index can't be compared."""
    other = store.index.other_vectors(dimensions)
    return [] if other is None else [other_vectors(other, dimensions)]
