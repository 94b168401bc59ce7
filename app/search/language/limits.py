"""What one body may cost. These are constants: each bounds work that no real search needs, so there is nothing to set."""

#: Query clauses, all of the body's queries together; Elasticsearch itself draws a line at a few thousand.
MAX_CLAUSES = 256
#: Levels of lists and objects in a body: queries within queries need more than other bodies.
MAX_DEPTH = 64
#: How deep queries may hold queries.
MAX_QUERY_DEPTH = 12
#: Values in `terms` and `ids`, all clauses together.
MAX_VALUES = 4096
#: Characters of one text or value of a clause; a session, the longest keyword, has 512.
MAX_TEXT = 1024
#: Characters of a pattern (`wildcard`, `regexp`, `include`): what it may cost grows with them.
MAX_PATTERN = 128
#: Words of a full-text clause, each of which is a clause of its own for Elasticsearch.
MAX_WORDS = 128
#: What clauses may weigh together that stand for every word which fits (`weights`): 32 patterns, or 128 beginnings. In an
#: index with 1.7 million different words one pattern takes 0.1 to 0.2 seconds.
MAX_EXPANSIONS = 128
#: The same with the groups of a page, for each of which Elasticsearch asks the query once more.
MAX_GROUPED_EXPANSIONS = 512
#: Work of making one regular expression an automaton, as Elasticsearch counts it, and of all that a body has: a tenth of a
#: second for each 10,000, in which it can't be stopped.
DETERMINIZED = 10_000
MAX_DETERMINIZED = 40_000
#: Aggregations in a body, all levels together, and how deep one may be in another.
MAX_AGGREGATIONS = 64
MAX_AGGREGATION_DEPTH = 4
#: Buckets that one aggregation may ask for, and aggregations within each other multiplied.
MAX_BUCKETS = 1_000
MAX_BUCKET_PRODUCT = 10_000
#: Ranges or named filters of one aggregation.
MAX_RANGES = 100
#: Hits in each bucket (`top_hits`) or group (`collapse`).
MAX_INNER_HITS = 100
#: Hits that one request may be told, of all its pages, groups and buckets and of all searches of an msearch: all of them
#: are in memory at once, and one with a large text takes Elasticsearch milliseconds.
MAX_HITS = 10_000
#: Hits of which a second query makes the order (`rescore`).
MAX_RESCORED = 1_000
#: Groups of a page when each asks Elasticsearch for its inner hits once more.
MAX_GROUPS_WITH_HITS = 100
#: Fields to sort by, and fields to highlight or return.
MAX_SORTS = 8
MAX_FIELDS = 50
#: Characters of a fragment, and fragments of a field.
MAX_FRAGMENT = 2_000
MAX_FRAGMENTS = 50
#: Characters of all fragments of `content` that one request may be told, with the tags of as many marks as there may be in
#: them; of an msearch all together, as all of it is in memory at once.
MAX_MARKED = 2_000_000
#: Steps of all paths of a `filter_path`: each is compared with each name that is in the answer.
MAX_PATH_STEPS = 64
#: Searches in one msearch.
MAX_SEARCHES = 32
#: Characters of a name that the caller gives (aggregations, filters, inner hits, `_name`).
MAX_NAME = 100
#: Hits that are counted exactly at most when a number is given; `true` counts all.
MAX_TRACKED = 2**31 - 1
#: Seconds that a point in time may be kept alive after its last use: it holds files of the index that are gone.
MAX_KEEP_ALIVE = 600
#: Names of indices in one request, or in one header of an msearch.
MAX_INDICES = 1_000
#: Characters of a list of them.
MAX_TARGET = 100_000
#: Passages that one request may look at to find the nearest, for all vectors that it asks with; and for each at least, so
#: that a tenant with no more has all of theirs compared.
MAX_CANDIDATES = 1_000
LEAST_CANDIDATES = 100
#: Numbers in a vector, as many as Elasticsearch keeps.
MAX_DIMENSIONS = 4_096
#: Vectors in one body, each of which is a search of its own.
MAX_VECTORS = 4
