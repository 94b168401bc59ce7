"""Search: untrusted text becomes typed parameters, typed parameters become a query; `language` reads Elasticsearch's own.

All of it is pure: it imports the model, the errors and the settings. Read `params` and `query` first.
"""
