"""Elasticsearch's own query language, as far as it may be used here: turns untrusted JSON into a search body. Pure.

Every name that may occur is in a table, with the check for its value: in `queries` and `fulltext` (query clauses),
`aggregations`, `order` (sort, search_after), `hits` (source, highlight, collapse), `body` (top-level keys) and
`parameters` (the query string of the URL). These use `fields` (which fields there are, and what each may be used for)
and `reading` (the checks of plain values, and the limits of a whole body). The search body is built anew from the names
that were recognised; nothing else of a caller's body is passed on. `refused` only gives reasons for names that are
known and not offered.

`body` puts the tenant's filter around the result, in filter context, so scores stay those of the caller's own query.

Rejected: a list of what is forbidden (each release of Elasticsearch adds clauses), document-level security of
Elasticsearch (a paid feature, and not in every cluster), and an index or a filtered alias for each tenant (an alias
does not stop `global`, suggesters, significant terms or look-ups in other indices; an index each costs shards without
bound).

A clause may also tell something by what it leaves out. So no beginning and no fuzzy word is expanded to a limited
number of words. These would be chosen among the words of all tenants: anyone who uploads a word of their own could
learn from its absence which words of other tenants come before it.
"""
