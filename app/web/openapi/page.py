"""`/openapi.json` and, at `/openapi`, a page to try the API in a browser (Swagger UI, from its package).

The page loads nothing from elsewhere and runs no inline script.
"""

from __future__ import annotations

from importlib.resources import files

from flask import Blueprint, Response, current_app, jsonify
from werkzeug.exceptions import NotFound

from app.web.access import public
from app.web.describe import ANYTHING, JSON, TEXT, ResponseSpec, describes

blueprint = Blueprint("openapi", __name__)

KEY = "openapi_document"

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Attachment store: API</title>
<link rel="icon" href="/openapi/favicon-32x32.png">
<link rel="stylesheet" href="/openapi/swagger-ui.css">
<div id="api"></div>
<script src="/openapi/swagger-ui-bundle.js"></script>
<script src="/openapi/start.js"></script>
</html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null});\n'
# Swagger UI sets style attributes and shows images as data URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@blueprint.get("/openapi.json")
@public
@describes("This description", {200: ResponseSpec("OpenAPI 3.1", {JSON: {"type": "object"}})})
def document() -> Response:
    return jsonify(current_app.extensions[KEY])


@blueprint.get("/openapi")
@public
@describes("A page to try the API", {200: ResponseSpec("HTML", {"text/html": TEXT})})
def page() -> Response:
    return Response(_PAGE, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/openapi/<asset>")
@public
@describes(
    "A part of that page",
    {200: ResponseSpec("The part", {ANYTHING: {}}), 404: ResponseSpec("No such part", {JSON: {"type": "object"}})},
)
def part(asset: str) -> Response:
    if asset == "start.js":
        return Response(_START, content_type="text/javascript; charset=utf-8")
    if asset not in _ASSETS:
        raise NotFound()
    content = files("flask_swagger_ui").joinpath("dist", asset).read_bytes()
    return Response(content, content_type=_ASSETS[asset], headers={"Cache-Control": "public, max-age=3600"})
