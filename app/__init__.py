"""The attachment store: durable files, instantly searchable.

A request enters at a dialect (`app.web.dialects`), passes a service (`app.services`) and reaches the two storages: the bytes
(`app.storage`, the truth) and Elasticsearch (`app.index`, derived). Nothing calls back up. What is handed on are values
(`app.model`), and which fields their documents have is one table there. What the processes of a store agree by is in
`app.coordination`.
"""

__version__ = "0.2.0"
