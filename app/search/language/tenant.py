"""The tenant's filter. It is around every query that Elasticsearch runs, and inside every clause that computes
something for a document.

A filter around a query does not decide in which order Elasticsearch evaluates its clauses. Elasticsearch asks a clause
for its next document, and some clauses have to compute something to answer (a score, if there is a least one; whether
words follow each other). They may compute it for documents that the filter leaves out, which are other tenants'
documents. This takes time, and it can fail. So such a clause has the filter inside: then the lists of documents are
intersected before anything is computed.
"""

from __future__ import annotations

from app.model.schema import existing
from app.search.language.reading import Check, Dsl, Where

(_TENANT,) = existing("tenant")


def term(tenant: str) -> Dsl:
    return {"term": {_TENANT: tenant}}


def filtered(asked: Dsl | None, tenant: str) -> Dsl:
    """`asked` for the tenant's documents alone; None means all of these. The score stays that of `asked`."""
    return {"bool": {"must": [asked or {"match_all": {}}], "filter": [term(tenant)]}}


def within(where: Where, made: Dsl) -> Dsl:
    """The same for a clause at a place of a body. A clause that only marks words stays as it is: it is applied to hits
    alone, and with the filter it would mark the tenant's name."""
    return made if where.marking else filtered(made, where.tenant)


def owned(check: Check) -> Check:
    """A check that makes the query of `check` for the tenant's documents alone. For queries that Elasticsearch runs on
    their own."""
    return lambda where, value: within(where, check(where, value))
