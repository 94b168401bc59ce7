"""The page in the browser: signing in with a token, the cookie that stands for it, and the page's own files.

It imports what all of `app.web` may. Read `routes` first; docs/page.md is about what is in `static`.
"""
