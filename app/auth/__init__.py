"""Who asks: tokens with their tenants and scopes, sign-ins of browsers, attempts that failed.

It imports coordination by its contract, the model and the errors; no request. Read `tokens` first.
"""
