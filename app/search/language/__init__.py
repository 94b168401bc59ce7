"""Elasticsearch's own query language, as much of it as may be asked here: from untrusted JSON to a search body. Pure.

Every name that may occur is in a table, with the check that its value goes through: `queries` and `fulltext` (query
clauses), `aggregations`, `order` (sort, search_after), `hits` (source, highlight, collapse), `body` (top-level keys),
`parameters` (the query string of the URL), over `fields` (which fields there are, and what each is good for) and `reading`
(the checks of plain values, and what a whole body may cost). What leaves this room is built anew from what was recognised;
nothing of a caller's body is passed on because nobody objected. `refused` only gives reasons to names that are known and
left out.

The tenant is put around what was built, by `body`, in filter context: scores stay those of the caller's own query.

Rejected: a list of what is forbidden (each release of Elasticsearch adds clauses), document-level security of
Elasticsearch (a paid feature, and not in every cluster), and an index or a filtered alias for each tenant (an alias does
not stop `global`, suggesters, significant terms or look-ups in other indices; an index each costs shards without bound).

Beyond what a clause returns it may tell something by what it leaves out. So nothing here expands a beginning or a fuzzy
word to a limited number of words: those would be taken from the words of all tenants, and whoever uploads a word of
their own learns from its absence which words of others come before it.
"""
