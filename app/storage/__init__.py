"""Storage: the bytes of attachments, with their records, their texts and the outcomes of extraction.

It imports `app.errors`, `app.ids`, `app.files` and the measures, and nothing that knows an index, a request or a
document. Read `contract` first: it says everything that others may rely on; `filesystem`, `objects` and `memory`
implement it.
"""
