"""The tenant's filter: around every query that Elasticsearch runs, and inside every clause that has more to do for a
document than to look it up in a list.

A filter around the whole does not say in what order Elasticsearch looks. It asks a clause for its next document past some
point, and a clause that has to compute for that (a score that has a least one, whether words follow each other) does so for
documents that another part of the query leaves out: another tenant's. What it computes can fail, and takes time. So such a
clause has the filter inside, where lists are intersected before anything is computed.
"""

from __future__ import annotations

from app.model.schema import existing
from app.search.language.reading import Check, Dsl, Where

(_TENANT,) = existing("tenant")


def term(tenant: str) -> Dsl:
    return {"term": {_TENANT: tenant}}


def filtered(asked: Dsl | None, tenant: str) -> Dsl:
    """A query's own score, of the tenant's documents alone."""
    return {"bool": {"must": [asked or {"match_all": {}}], "filter": [term(tenant)]}}


def within(where: Where, made: Dsl) -> Dsl:
    """The same for a clause at a place of a body. What only marks words is asked of hits alone, and stays as it is: there
    the name of the tenant would be a word to be marked."""
    return made if where.marking else filtered(made, where.tenant)


def owned(check: Check) -> Check:
    """The query that `check` makes, of the tenant's documents alone: for queries that Elasticsearch runs by themselves."""
    return lambda where, value: within(where, check(where, value))
