"""The attachment store: durable files, instantly searchable.

A request enters at a dialect (`app.dialects`), passes the store (`app.store`) and reaches the two storages: the bytes
(`app.storage`, the truth) and Elasticsearch (`app.index`, derived). Nothing calls back up. What the processes of a store
agree by is in `app.coordination`.
"""

__version__ = "0.1.0"
