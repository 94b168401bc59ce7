"""The attachment store: durable files, instantly searchable.

A request enters at a dialect (`app.dialects`), passes a service (`app.services`) and reaches the two storages: the bytes
(`app.storage`, the truth) and Elasticsearch (`app.index`, derived). Nothing calls back up.
"""

__version__ = "0.1.0"
