"""Authentication: tokens with their tenants and scopes, sign-ins of browsers, failed attempts.

It imports the contract of coordination, the model and the errors; no request. Read `tokens` first.
"""
