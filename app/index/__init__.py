"""Elasticsearch: the connection, admission, writing documents, the index, its generations and mappings.

It imports the contract of coordination, the outcome of an extraction, the model and the search; no storage, no service,
no request. Read `attachments` first.
"""
