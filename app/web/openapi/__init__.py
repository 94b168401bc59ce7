"""The API's description (OpenAPI 3.1), derived from the code, and a page to try the API.

It may import what all of `app.web` may. Read `document` first.
"""
