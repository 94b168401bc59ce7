"""Elasticsearch: the connection, the documents that are written, the index and its mapping."""
