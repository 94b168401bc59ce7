"""Search: turns untrusted text into typed parameters, and these into a query for Elasticsearch.

`language` reads queries in Elasticsearch's own language. Everything here is pure: it imports the model, the errors and
the settings. Read `params` and `query` first.
"""
