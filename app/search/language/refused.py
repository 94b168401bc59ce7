"""Why well-known names of the language are not offered: the reasons that refusals give. These tables do not decide what
is refused."""

from __future__ import annotations

_CODE = "it runs a script"
_OTHERS = "it reads other documents or indices than those searched"
_STATISTICS = "it tells what is in documents that the caller may not see"
_WORDS = "it expands to words of documents that the caller may not see"
_FORM = "no field of this index has the form that it needs"
_SPANS = "use [match_phrase] with [slop]"
_LEFT = "it is not one of the clauses that are offered"

REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            *("script", "script_score", "script_fields", "scripted_metric", "bucket_script", "bucket_selector"),
            *("moving_fn", "runtime_mappings", "_script", "init_script", "map_script", "combine_script"),
            *("reduce_script", "sort_script", "value_script", "weight_script"),
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            *("more_like_this", "percolate", "pinned", "rule", "rule_query", "geo_shape", "shape", "has_child"),
            *("has_parent", "parent_id", "indexed_shape", "indices_boost", "ext", "slice", "text_expansion"),
            *("semantic", "sparse_vector", "weighted_tokens", "retriever", "sub_searches", "inference"),
        ),
        _OTHERS,
    ),
    **dict.fromkeys(
        (
            *("global", "significant_terms", "significant_text", "background_filter", "suggest", "explain", "profile"),
            *("categorize_text", "frequent_item_sets", "change_point"),
        ),
        _STATISTICS,
    ),
    **dict.fromkeys(
        (
            *("match_phrase_prefix", "phrase_prefix", "intervals", "span_multi", "max_expansions", "rewrite"),
            *("fuzzy_rewrite", "fuzzy_max_expansions", "common", "field_masking_span"),
        ),
        _WORDS,
    ),
    **dict.fromkeys(
        (
            *("nested", "reverse_nested", "children", "parent", "geo_bounding_box", "geo_distance", "geo_polygon"),
            *("geo_grid", "geohash_grid", "geohex_grid", "geotile_grid", "geo_bounds", "geo_centroid", "geo_line"),
            *("cartesian_bounds", "cartesian_centroid", "ip_range", "ip_prefix", "rank_feature", "time_series"),
        ),
        _FORM,
    ),
    "knn": "it is no clause: give it beside [query], in the body itself",
    "query_vector_builder": "its models made none of the vectors here: POST /v1/embeddings makes [query_vector]",
    "rescore_vector": "all of the numbers of a vector are compared as it is",
    "wrapper": "it hides a query in base64: write the query itself",
    "stored_fields": "use [_source] or [fields]",
    "seq_no_primary_term": "it counts the changes of everybody's documents",
    "cross_fields": "use [combined_fields]",
    "rare_terms": "it has no limit to its buckets: use [terms] with an [order] by [_count]",
    **dict.fromkeys(("rank", "terms_set", "type", "diversified_sampler", "random_sampler"), _LEFT),
    **dict.fromkeys(("variable_width_histogram", "matrix_stats", "adjacency_matrix", "multi_terms"), _LEFT),
    **dict.fromkeys(
        (f"span_{each}" for each in ("containing", "field_masking", "first", "gap", "near", "not")), _SPANS
    ),
    **dict.fromkeys((f"span_{each}" for each in ("or", "term", "within")), _SPANS),
}


def reason(name: str) -> str:
    """Why `name` is refused, as a half sentence that follows its name; '' if no reason is known."""
    return f"is not offered here: {REASONS[name]}" if name in REASONS else ""
