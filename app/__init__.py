"""The attachment store: durable files, instantly searchable.

A request enters at a dialect (`app.web.dialects`), passes a service (`app.services`) and reaches the two storages: the
bytes (`app.storage`, the truth) and Elasticsearch (`app.index`, derived). Nothing calls back up. They pass values to
each other (`app.model`); one table there has the fields of their documents. `app.coordination` is how the processes of
a store agree.
"""

__version__ = "0.2.0"
