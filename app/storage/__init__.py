"""Storage: where the bytes of attachments lie, with their records, their texts and how those were taken out.

It imports `app.errors`, `app.ids`, `app.files` and the measures, and nothing that knows an index, a request or a document.
Read `contract` first: everything that others may count on is said there; `filesystem` and `memory` keep it.
"""
