"""The text inside files, and thumbnails of them: kinds, readers in the sandbox, the queue, and the threads that process
it.

It imports coordination by its contract, confinement, contents and the model, and knows no store. Read
docs/adr/0006-extraction.md, then `kinds` and `lanes`.
"""
