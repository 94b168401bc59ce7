"""The API's description (OpenAPI 3.1), made from what the code knows, and a page to try it.

It imports what all of `app.web` may. Read `document` first.
"""
