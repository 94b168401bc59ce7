"""A browser as far as headers go: signed in, with its cookie and its page's proof."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any

import requests


@dataclass(frozen=True)
class Browser:
    """What one sign-in left in a browser. `answer` is that of the sign-in."""

    answer: requests.Response
    name: str
    secret: str
    proof: str

    def cookie(self) -> dict[str, str]:
        """What the browser sends by itself."""
        return {"Cookie": f"{self.name}={self.secret}"}

    def shown(self) -> dict[str, str]:
        """What the page sends."""
        return {**self.cookie(), "X-Page-Proof": self.proof, "Sec-Fetch-Site": "same-origin"}


def morsel(answer: requests.Response) -> Morsel[str]:
    """The one cookie that an answer sets."""
    found = SimpleCookie(answer.headers["Set-Cookie"])
    (only,) = found.values()
    return only


def post_token(url: str, token: Any, *, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
    """The answer to an attempt to sign in."""
    return requests.post(f"{url}/page/sign-in", json={"token": token}, headers=headers, timeout=30, **options)


def sign_in(url: str, token: str, **options: Any) -> Browser:
    """A browser that is signed in with `token`."""
    return signed_in(post_token(url, token, **options))


def signed_in(answer: requests.Response) -> Browser:
    """The browser that got this answer to its sign-in."""
    assert answer.status_code == 200, answer.text
    cookie = morsel(answer)
    return Browser(answer, cookie.key, cookie.value, answer.json()["proof"])
