"""The limits for one body. They are constants: no real search needs as much work as they allow, so there is nothing to
set."""

#: Query clauses, of all the body's queries together. Elasticsearch itself allows a few thousand.
MAX_CLAUSES = 256
#: Levels of lists and objects in a body. Queries within queries need more levels than anything else.
MAX_DEPTH = 64
#: How deep queries may be nested within queries.
MAX_QUERY_DEPTH = 12
#: Values in `terms` and `ids`, of all clauses together.
MAX_VALUES = 4096
#: Characters of one text or value of a clause. The longest keyword, a session, has 512.
MAX_TEXT = 1024
#: Characters of a pattern (`wildcard`, `regexp`, `include`): the longer it is, the more it may cost.
MAX_PATTERN = 128
#: Words of a full-text clause. For Elasticsearch, each of them is a clause of its own.
MAX_WORDS = 128
#: The weight (`weights`) of all clauses together that stand for every word that matches: that of 32 patterns, or of 128
#: beginnings. In an index with 1.7 million different words, one pattern takes 0.1 to 0.2 seconds.
MAX_EXPANSIONS = 128
#: The same weight, multiplied by the groups of a page: Elasticsearch runs the query once more for each of them.
MAX_GROUPED_EXPANSIONS = 512
#: The work of turning one regular expression into an automaton, as Elasticsearch counts it, and that of all regular
#: expressions of a body. Each 10,000 take a tenth of a second, and can't be interrupted.
DETERMINIZED = 10_000
MAX_DETERMINIZED = 40_000
#: Aggregations in a body, of all levels together, and how deep they may be nested.
MAX_AGGREGATIONS = 64
MAX_AGGREGATION_DEPTH = 4
#: Buckets that one aggregation may ask for, and the product of the buckets of nested aggregations.
MAX_BUCKETS = 1_000
MAX_BUCKET_PRODUCT = 10_000
#: Ranges or named filters of one aggregation.
MAX_RANGES = 100
#: Hits in each bucket (`top_hits`) or group (`collapse`).
MAX_INNER_HITS = 100
#: Hits in the answer to one request: of its page, its groups and its buckets, and of all searches of an msearch. All of
#: them are in memory at once, and one with a large text takes Elasticsearch milliseconds.
MAX_HITS = 10_000
#: Hits that a second query may put into another order (`rescore`).
MAX_RESCORED = 1_000
#: Groups of a page with inner hits: Elasticsearch runs one more query for each group.
MAX_GROUPS_WITH_HITS = 100
#: Fields to sort by, and fields to highlight or return.
MAX_SORTS = 8
MAX_FIELDS = 50
#: Characters of a fragment, and fragments of a field.
MAX_FRAGMENT = 2_000
MAX_FRAGMENTS = 50
#: Characters of all fragments of `content` in the answer to one request, including the tags of as many marks as they
#: may have. All searches of an msearch count together, as their answers are in memory at once.
MAX_MARKED = 2_000_000
#: Steps of all paths of a `filter_path`. Each step is compared with each name in the answer.
MAX_PATH_STEPS = 64
#: Searches in one msearch.
MAX_SEARCHES = 32
#: Characters of a name that the caller gives (aggregations, filters, inner hits, `_name`).
MAX_NAME = 100
#: The most hits that are counted exactly if a number is given; `true` counts all.
MAX_TRACKED = 2**31 - 1
#: Seconds that a point in time may be kept alive after its last use: it keeps files on the disk that the index no
#: longer needs.
MAX_KEEP_ALIVE = 600
#: Names of indices in one request, or in one header of an msearch.
MAX_INDICES = 1_000
#: Characters of a list of such names.
MAX_TARGET = 100_000
#: Passages that one request may compare to find the nearest, for all of its vectors together. Then: the fewest for each
#: vector, so that all passages of a tenant are compared if there are no more than these.
MAX_CANDIDATES = 1_000
LEAST_CANDIDATES = 100
#: Numbers in a vector: as many as Elasticsearch allows.
MAX_DIMENSIONS = 4_096
#: Vectors in one body. Each of them is a search of its own.
MAX_VECTORS = 4
