"""The page in the browser: signing in with a token, the cookie of a sign-in, and the page's own files.

It may import what all of `app.web` may. Read `routes` first; docs/page.md is about what is in `static`.
"""
