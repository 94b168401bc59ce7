"""Storage: the bytes of attachments, with their records, their texts and the outcomes of extraction.

It imports `app.errors`, `app.ids`, `app.files` and the measures, and nothing that knows an index, a request or a document.
Read `contract` first: everything that others may count on is said there; `filesystem` and `memory` keep it.
"""
