"""The text inside files, taken out after the upload: docs/adr/0006-extraction.md says why it is done this way."""
