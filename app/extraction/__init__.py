"""Extraction of the text inside files, after the upload: docs/adr/0006-extraction.md says why it is done this way."""
