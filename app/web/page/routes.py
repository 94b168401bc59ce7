"""The page's routes: the page, its files, and signing in and out. What it shows comes from the Coco routes, as for any
client.

Errors have Coco's shape, because the paths belong to that dialect.
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from app.auth.attempts import TooManyFailures
from app.auth.sign_ins import SignIn
from app.errors import (
    InvalidParameter,
    InvalidRequest,
    LengthRequired,
    NotFound,
    Refused,
    RequestTooLarge,
    StorageFailed,
    StorageFull,
    Unauthenticated,
)
from app.web.access import public
from app.web.client import client_network
from app.web.describe import ANYTHING, JSON, TEXT, Parameter, ResponseSpec, array, describes, obj
from app.web.page import cookie
from app.web.page.files import read
from app.web.parameters import json_object
from app.web.services import services

blueprint = Blueprint("page", __name__)

#: The most bytes of a sign-in's body: a token has 43 characters, one of API_TOKEN some hundreds.
MAX_SIGN_IN_SIZE = 4096

# Nothing inline, nothing from elsewhere, nothing evaluated; and no text ever becomes markup or a script's URL (trusted
# types), except the URL of pdf.js's worker, through the one policy named here.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types page",
    )
)

_COUNT = {"type": "integer"}
_SIGNED_IN = {
    200: ResponseSpec(
        "Who is signed in, what the page must show to change anything, and the limits of uploads",
        {
            JSON: obj(
                name=TEXT,
                tenant=TEXT,
                scopes=array(TEXT),
                expires=TEXT,
                proof=TEXT,
                limits=obj(
                    max_file_size=_COUNT, max_request_size=_COUNT, max_page_size=_COUNT, max_query_length=_COUNT
                ),
            )
        },
    )
}
_SIGN_IN = {"type": "object", "properties": {"token": TEXT}, "required": ["token"], "additionalProperties": False}


#: What of a link to the root the page is told: what is to be open, and where.
_PLACE = ("open", "page", "start", "end")


def root() -> AnyResponse:
    """The redirect from the root to the page, for browsers: with what a link opens, as the links of passages do.
    `app.web.app` calls it: for other clients the root is Elasticsearch's."""
    place = {name: request.args[name] for name in _PLACE if name in request.args} if "open" in request.args else {}
    answer = redirect(f"/page/?{urlencode(place)}" if place else "/page/")
    answer.headers["Vary"] = "Accept"
    return answer


#: The most characters of an Accept that are read: no browser's has a quarter of them.
MAX_ACCEPT = 2000


def prefers_html() -> bool:
    """Whether the current request is a browser's for a page: its Accept names text/html, and before JSON."""
    if len(request.headers.get("Accept", "")) > MAX_ACCEPT:
        # Parsing it takes quadratic time in its blanks.
        return False
    accepted = request.accept_mimetypes
    named = any(value == "text/html" for value, _ in accepted)
    return named and accepted["text/html"] >= accepted["application/json"]


@blueprint.get("/page/")
@public
@describes("The page", {200: ResponseSpec("HTML", {"text/html": TEXT})})
def page() -> Response:
    return _send("page.html", {"Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "same-origin"})


@blueprint.get("/page/static/<path:name>")
@public
@describes(
    "A file of the page",
    {200: ResponseSpec("The file", {ANYTHING: {}}), 304: ResponseSpec("The client has it already")},
    errors=(NotFound,),
)
def part(name: str) -> Response:
    # Modules and workers run under the policy they are served with.
    return _send(name, {"Content-Security-Policy": POLICY})


def _send(name: str, headers: dict[str, str]) -> Response:
    file = read(name)
    if file is None:
        raise NotFound()
    response = Response(file.content, content_type=file.content_type, headers=headers)
    response.set_etag(file.tag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.make_conditional(request)
    return response


@blueprint.post("/page/sign-in")
@public
@describes(
    "Sign a browser in with a token: sets a cookie",
    _SIGNED_IN,
    errors=(Refused, Unauthenticated, LengthRequired, RequestTooLarge, TooManyFailures, StorageFailed, StorageFull),
    body={JSON: _SIGN_IN},
)
def sign_in() -> Response:
    found = services()
    if not cookie.is_own(request):
        raise Refused("A sign-in from another site")
    proxies = found.settings.forwarded_allow_ips
    cookie.check_connection(request, proxies, found.settings.plain_sign_in)
    client = client_network(request, proxies)
    moment = found.attempts.begin(client)
    if request.mimetype != JSON:
        # A form of another site can't send JSON without a preflight.
        raise InvalidRequest(f"the Content-Type must be {JSON}")
    content = json_object(request, MAX_SIGN_IN_SIZE)
    for name in content:
        if name != "token":
            raise InvalidParameter(name[:100], "is not known")
    token = content.get("token")
    if not isinstance(token, str):
        raise InvalidParameter("token", "must be a string")
    secret, begun = found.sign_ins.begin(token)
    found.attempts.succeeded(client, moment)
    before = cookie.secret_of(request, found.sign_ins)
    if before is not None:
        found.sign_ins.end(before)
    response = _tell(begun)
    cookie.put(response, request, found.sign_ins, secret, found.settings.sign_in_lifetime)
    return response


@blueprint.get("/page/signed-in")
@public
@describes("Who is signed in", {**_SIGNED_IN, 204: ResponseSpec("Nobody is")})
def signed_in() -> Response:
    try:
        found = cookie.sign_in_of(request, services().sign_ins)
    except Unauthenticated:
        # A success, not an error: the page asks before anyone has signed in, and browsers show errors in their console.
        return Response(status=204)
    return _tell(found)


@blueprint.post("/page/sign-out")
@public
@describes(
    "Sign a browser out: its cookie is worth nothing from then on",
    {200: ResponseSpec("Signed out", {JSON: obj(acknowledged={"const": True})})},
    errors=(Unauthenticated, Refused, StorageFailed),
    parameters=(Parameter(cookie.PROOF, "header", "The proof that `/page/signed-in` tells."),),
)
def sign_out() -> Response:
    sign_ins = services().sign_ins
    cookie.sign_in_of(request, sign_ins)
    sign_ins.end(cookie.secret_of(request, sign_ins) or "")
    response = jsonify(acknowledged=True)
    cookie.take_away(response, request, sign_ins)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _tell(found: SignIn) -> Response:
    settings = services().settings
    return jsonify(
        name=found.token.name,
        tenant=found.token.tenant,
        scopes=list(found.token.scopes),
        expires=found.expires.isoformat(),
        proof=found.proof,
        limits={
            "max_file_size": settings.max_file_size,
            "max_request_size": settings.max_request_size,
            "max_page_size": settings.max_page_size,
            "max_query_length": settings.max_query_length,
        },
    )
