"""The API's description (OpenAPI 3.1), made from what the code knows, and a page to try it."""
