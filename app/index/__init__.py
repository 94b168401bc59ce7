"""Elasticsearch: the connection, who is admitted, the documents that are written, the index, its generations and mappings.

It imports coordination by its contract, the outcome of an extraction, the model and the search; no storage, no service, no
request. Read `attachments` first.
"""
