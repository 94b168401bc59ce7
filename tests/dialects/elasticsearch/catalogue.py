"""The whole language of Elasticsearch 8.19, allowed here or not: bodies of every query and aggregation type.

`F` stands for a field and `V` for a value in a body; the tests put their own in.
"""

from __future__ import annotations

from typing import Any

F, V = "\0field", "\0value"
Json = dict[str, Any]

_SCRIPT = {"source": f"doc['{F}'].value == '{V}'"}
_ALL: Json = {"match_all": {}}
_TERM: Json = {"term": {F: V}}
_SPAN: Json = {"span_term": {F: V}}
_POINT = {"lat": 1, "lon": 1}
_SHAPE = {"type": "point", "coordinates": [1, 1]}

#: Has no value for a file of less than a million bytes.
_NEGATIVE: Json = {"field_value_factor": {"field": "size", "factor": 1e-6, "modifier": "ln"}}

#: Type -> bodies of it.
QUERIES: dict[str, list[Any]] = {
    "bool": [
        {"must": [_TERM]},
        {"should": [_ALL, _TERM], "minimum_should_match": 1},
        {"must_not": [_TERM]},
        {"filter": _TERM, "must_not": {"exists": {"field": F}}},
        {"must": {"bool": {"must_not": {"term": {"tenant": "mine"}}}}},
    ],
    "boosting": [{"positive": _ALL, "negative": _TERM, "negative_boost": 0.5}],
    "combined_fields": [{"query": V, "fields": [F, "content_words"]}],
    "common": [{F: {"query": V, "cutoff_frequency": 0.001}}],
    "constant_score": [{"filter": _TERM}],
    "dis_max": [{"queries": [_TERM, {"match": {F: V}}]}],
    "distance_feature": [{"field": F, "origin": "now", "pivot": "7d"}],
    "exists": [{"field": F}, {"field": "_*"}, {"field": "*"}],
    "function_score": [
        {"query": _ALL, "script_score": {"script": _SCRIPT}},
        {"functions": [{"filter": _TERM, "weight": 2}], "min_score": 1.5},
        {"field_value_factor": {"field": F, "missing": 1}},
        {"query": _ALL, **_NEGATIVE, "min_score": 0, "boost_mode": "replace"},
        {"query": _TERM, "functions": [_NEGATIVE, {"filter": _TERM, "weight": 2}], "min_score": 0},
        {"field_value_factor": {"field": "extraction.size"}, "min_score": 0},
        {"field_value_factor": {"field": "size", "modifier": "reciprocal"}, "boost_mode": "replace"},
        {"gauss": {F: {"origin": 10, "scale": 5}}},
        {"random_score": {}},
    ],
    "fuzzy": [{F: V}, {F: {"value": V, "fuzziness": 2, "max_expansions": 1}}, {F: {"value": V, "fuzziness": 2}}],
    "geo_bounding_box": [{F: {"top_left": _POINT, "bottom_right": _POINT}}],
    "geo_distance": [{"distance": "1km", F: _POINT}],
    "geo_grid": [{F: {"geohash": "u"}}],
    "geo_polygon": [{F: {"points": [_POINT, _POINT, _POINT]}}],
    "geo_shape": [{F: {"indexed_shape": {"index": "coco_attachment", "id": "s0", "path": F}}}, {F: {"shape": _SHAPE}}],
    "has_child": [{"type": F, "query": _ALL}],
    "has_parent": [{"parent_type": F, "query": _ALL}],
    "ids": [{"values": ["s0", "s1", "o0"]}, {"values": [V]}],
    "intervals": [
        {F: {"match": {"query": V}}},
        {F: {"prefix": {"prefix": V}}},
        {F: {"all_of": {"intervals": [{"match": {"query": V, "filter": {"script": _SCRIPT}}}]}}},
    ],
    "knn": [{"field": F, "query_vector": [1, 2], "num_candidates": 5}],
    "match": [
        {F: V},
        {F: {"query": V, "fuzziness": 2}},
        {F: {"query": V, "fuzziness": "AUTO", "max_expansions": 1}},
        {F: {"query": V, "fuzziness": 1, "fuzzy_rewrite": "top_terms_1"}},
        {F: {"query": V, "analyzer": "keyword"}},
    ],
    "match_all": [{}, {"boost": 2}],
    "match_bool_prefix": [{F: V}, {F: {"query": V, "max_expansions": 1}}, {F: {"query": V, "fuzziness": 1}}],
    "match_none": [{}],
    "match_phrase": [{F: V}, {F: {"query": V, "slop": 50}}],
    "match_phrase_prefix": [{F: V}, {F: {"query": V, "max_expansions": 1}}],
    "more_like_this": [
        {"fields": [F], "like": [{"_index": "coco_attachment", "_id": "s0"}], "min_term_freq": 1, "min_doc_freq": 1},
        {"fields": [F], "like": V, "min_term_freq": 1, "min_doc_freq": 1},
        {"like": [{"_id": "s1"}], "min_term_freq": 1, "min_doc_freq": 1},
    ],
    "multi_match": [
        {"query": V, "fields": [F, "name"]},
        {"query": V, "fields": ["*"]},
        {"query": V},
        {"query": V, "type": "phrase_prefix", "max_expansions": 1, "fields": [F]},
        {"query": V, "type": "bool_prefix", "fields": ["name", "content"]},
        {"query": V, "type": "cross_fields", "fields": [F, "content_words"]},
    ],
    "nested": [{"path": F, "query": _ALL}],
    "parent_id": [{"type": F, "id": "s0"}],
    "percolate": [{"field": F, "index": "coco_attachment", "id": "s0"}],
    "pinned": [{"ids": ["s0", "s1"], "organic": _ALL}],
    "prefix": [{F: V}, {F: {"value": V, "case_insensitive": True, "rewrite": "top_terms_1"}}],
    "query_string": [
        {"query": f"{F}:{V}"},
        {"query": "_exists_:tenant"},
        {"query": f"tenant:other OR {V}*", "default_field": F},
        {"query": V, "fields": [F]},
    ],
    "range": [{F: {"gte": V}}, {F: {"lt": V}}, {F: {"gte": "now-100y"}}, {F: {"gte": 0, "relation": "within"}}],
    "rank_feature": [{"field": F}],
    "regexp": [{F: f"{V}.*"}, {F: {"value": ".*", "flags": "ALL"}}, {F: "(a|b)*a(a|b){60}"}],
    "rule": [{"ruleset_ids": ["x"], "match_criteria": {}, "organic": _ALL}],
    "rule_query": [{"ruleset_id": "x", "match_criteria": {}, "organic": _ALL}],
    "script": [{"script": _SCRIPT}],
    "script_score": [{"query": _ALL, "script": _SCRIPT}],
    "semantic": [{"field": F, "query": V}],
    "shape": [{F: {"indexed_shape": {"index": "coco_attachment", "id": "s0", "path": F}}}],
    "simple_query_string": [
        {"query": V},
        {"query": f"{V}*", "fields": [F]},
        {"query": f"{V}~2 | -{V}", "fields": ["*"]},
        {"query": f'"{V} x"~5 +({V}', "default_operator": "and"},
        {"query": f"{V}~1", "fuzzy_max_expansions": 1},
    ],
    "span_containing": [{"little": _SPAN, "big": _SPAN}],
    "field_masking_span": [{"query": _SPAN, "field": "name"}],
    "span_field_masking": [{"query": _SPAN, "field": "name"}],
    "span_first": [{"match": _SPAN, "end": 5}],
    "span_gap": [{F: 2}],
    "span_multi": [{"match": {"prefix": {F: {"value": V}}}}],
    "span_near": [{"clauses": [_SPAN, _SPAN], "slop": 5, "in_order": False}],
    "span_not": [{"include": _SPAN, "exclude": _SPAN}],
    "span_or": [{"clauses": [_SPAN]}],
    "span_term": [{F: V}],
    "span_within": [{"little": _SPAN, "big": _SPAN}],
    "sparse_vector": [{"field": F, "query_vector": {V: 1}}],
    "term": [{F: V}, {F: {"value": V, "case_insensitive": True}}, {"_index": "coco_attachment-000001"}, {"_id": "s0"}],
    "terms": [
        {F: [V, "x"]},
        {F: {"index": "coco_attachment", "id": "s0", "path": F}},
        {"tenant": ["other", "mine"]},
        {"_id": ["s0", "s1"]},
    ],
    "terms_set": [{F: {"terms": [V], "minimum_should_match_field": "size"}}],
    "text_expansion": [{F: {"model_id": "m", "model_text": V}}],
    "type": [{"value": "_doc"}],
    "weighted_tokens": [{F: {"tokens": {V: 1}}}],
    "wildcard": [{F: f"*{V}*"}, {F: {"value": "*", "rewrite": "scoring_boolean"}}],
    # {"term":{"tenant":"other"}}
    "wrapper": [{"query": "eyJ0ZXJtIjp7InRlbmFudCI6Im90aGVyIn19"}],
}

_FIELD = {"field": F}
_PATH = {"buckets_path": "inner"}

AGGREGATIONS: dict[str, list[Any]] = {
    "adjacency_matrix": [{"filters": {"a": _TERM, "b": _ALL}}],
    "auto_date_histogram": [{**_FIELD, "buckets": 5}],
    "avg": [_FIELD, {**_FIELD, "script": _SCRIPT}],
    "avg_bucket": [{"buckets_path": "other>_count"}],
    "boxplot": [_FIELD],
    "bucket_correlation": [
        {**_PATH, "function": {"count_correlation": {"indicator": {"expectations": [1], "doc_count": 1}}}}
    ],
    "bucket_count_ks_test": [{**_PATH, "alternative": ["less"]}],
    "bucket_script": [{"buckets_path": {"x": "inner"}, "script": "params.x"}],
    "bucket_selector": [{"buckets_path": {"x": "inner"}, "script": "params.x > 0"}],
    "bucket_sort": [{"sort": [{"inner": "asc"}]}],
    "cardinality": [_FIELD],
    "cartesian_bounds": [_FIELD],
    "cartesian_centroid": [_FIELD],
    "categorize_text": [_FIELD],
    "change_point": [_PATH],
    "children": [{"type": F}],
    "composite": [
        {"sources": [{"a": {"terms": _FIELD}}], "size": 100},
        {"sources": [{"a": {"terms": {**_FIELD, "missing_bucket": True}}}], "after": {"a": V}},
        {"sources": [{"a": {"date_histogram": {**_FIELD, "calendar_interval": "day"}}}]},
    ],
    "cumulative_cardinality": [_PATH],
    "cumulative_sum": [_PATH],
    "date_histogram": [
        {**_FIELD, "calendar_interval": "month"},
        {**_FIELD, "fixed_interval": "1ms"},
        {
            **_FIELD,
            "fixed_interval": "30d",
            "min_doc_count": 0,
            "extended_bounds": {"min": "1970-01-01", "max": "2040-01-01"},
        },
        {**_FIELD, "calendar_interval": "minute", "extended_bounds": {"min": 0, "max": 9e15}},
    ],
    "date_range": [{**_FIELD, "ranges": [{"from": "now-10y/d"}, {"to": "2030"}]}],
    "derivative": [_PATH],
    "diversified_sampler": [{**_FIELD, "shard_size": 10}],
    "extended_stats": [_FIELD],
    "extended_stats_bucket": [{"buckets_path": "other>_count"}],
    "filter": [_TERM, {"match": {F: V}}, {"bool": {"must_not": _TERM}}],
    "filters": [
        {"filters": [_TERM, _ALL], "other_bucket": True},
        {"filters": {"a": _TERM}, "other_bucket_key": "rest"},
    ],
    "frequent_item_sets": [{"fields": [_FIELD]}],
    "geo_bounds": [_FIELD],
    "geo_centroid": [_FIELD],
    "geo_distance": [{**_FIELD, "origin": _POINT, "ranges": [{"to": 1}]}],
    "geo_line": [{"point": _FIELD, "sort": _FIELD}],
    "geohash_grid": [_FIELD],
    "geohex_grid": [_FIELD],
    "geotile_grid": [_FIELD],
    "global": [{}],
    "histogram": [
        {**_FIELD, "interval": 10},
        {**_FIELD, "interval": 1, "min_doc_count": 0},
        {**_FIELD, "interval": 1, "extended_bounds": {"min": 0, "max": 1e15}},
    ],
    "inference": [{"model_id": "m", "buckets_path": {"x": "inner"}}],
    "ip_prefix": [{**_FIELD, "prefix_length": 8}],
    "ip_range": [{**_FIELD, "ranges": [{"mask": "10.0.0.0/8"}]}],
    "matrix_stats": [{"fields": [F]}],
    "max": [_FIELD],
    "max_bucket": [{"buckets_path": "other>_count"}],
    "median_absolute_deviation": [_FIELD],
    "min": [_FIELD, {"script": _SCRIPT}],
    "min_bucket": [{"buckets_path": "other>_count"}],
    "missing": [_FIELD],
    "moving_avg": [_PATH],
    "moving_fn": [{**_PATH, "window": 3, "script": "MovingFunctions.max(values)"}],
    "moving_percentiles": [{**_PATH, "window": 3}],
    "multi_terms": [{"terms": [_FIELD, {"field": "name"}]}],
    "nested": [{"path": F}],
    "normalize": [{**_PATH, "method": "mean"}],
    "parent": [{"type": F}],
    "percentile_ranks": [{**_FIELD, "values": [1, 100]}],
    "percentiles": [_FIELD],
    "percentiles_bucket": [{"buckets_path": "other>_count"}],
    "random_sampler": [{"probability": 0.5}],
    "range": [{**_FIELD, "ranges": [{"from": 0}, {"to": 50}]}],
    "rare_terms": [_FIELD],
    "rate": [{"unit": "day"}],
    "reverse_nested": [{}],
    "sampler": [{"shard_size": 200}],
    "scripted_metric": [{"init_script": "1", "map_script": "1", "combine_script": "1", "reduce_script": "1"}],
    "serial_diff": [_PATH],
    "significant_terms": [_FIELD, {**_FIELD, "background_filter": _ALL, "min_doc_count": 1}],
    "significant_text": [_FIELD],
    "stats": [_FIELD],
    "stats_bucket": [{"buckets_path": "other>_count"}],
    "string_stats": [_FIELD],
    "sum": [_FIELD],
    "sum_bucket": [{"buckets_path": "other>_count"}],
    "t_test": [{"a": _FIELD, "b": {"field": "size"}}],
    "terms": [
        _FIELD,
        {**_FIELD, "size": 1000},
        {**_FIELD, "min_doc_count": 0, "size": 1000},
        {**_FIELD, "include": f"{V}.*"},
        {**_FIELD, "include": [V, "x"], "min_doc_count": 0},
        {**_FIELD, "shard_min_doc_count": 0, "min_doc_count": 0},
        {**_FIELD, "order": {"_key": "asc"}, "missing": V},
        {"script": _SCRIPT},
    ],
    "time_series": [{}],
    "top_hits": [
        {"size": 100},
        {"_source": ["tenant", "content", "content_words", "name_words"], "size": 100},
        {"docvalue_fields": ["tenant", F]},
        {"script_fields": {"x": {"script": _SCRIPT}}},
        {"stored_fields": ["*"]},
        {"explain": True},
        {"highlight": {"fields": {F: {}, "content": {}}}, "size": 10},
        {"sort": [{F: "asc"}]},
    ],
    "top_metrics": [{"metrics": _FIELD, "sort": {"size": "asc"}}],
    "value_count": [_FIELD],
    "variable_width_histogram": [{**_FIELD, "buckets": 5}],
    "weighted_avg": [{"value": _FIELD, "weight": {"field": "size"}}],
}

#: Other keys of a search body, each with values.
KEYS: dict[str, list[Any]] = {
    "sort": [[F], [{F: {"order": "desc", "missing": "_first"}}], ["_doc"], ["_shard_doc"], ["_index"], ["_id"]]
    + [[{"_script": {"type": "string", "script": _SCRIPT}}], [{F: {"nested": {"path": "x", "filter": _ALL}}}]],
    "_source": [["tenant", "content*", F], ["*"], {"includes": ["*"], "excludes": ["name"]}, True, "tenant"],
    "fields": [["*"], ["tenant"], [F], [{"field": "content*"}], ["_*"]],
    "docvalue_fields": [["tenant"], ["*"], [F]],
    "stored_fields": [["*"], ["_source"]],
    "script_fields": [{"x": {"script": _SCRIPT}}],
    "runtime_mappings": [{"x": {"type": "keyword", "script": "emit('x')"}}],
    "suggest": [
        {"text": V, "x": {"term": _FIELD}},
        {"x": {"prefix": V, "completion": _FIELD}},
        {"x": {"text": V, "phrase": _FIELD}},
    ],
    "explain": [True],
    "profile": [True],
    "version": [True],
    "seq_no_primary_term": [True],
    "rescore": [
        {"window_size": 10, "query": {"rescore_query": _TERM}},
        {"window_size": 1000, "query": {"rescore_query": {"function_score": {**_NEGATIVE, "min_score": 0}}}},
    ],
    "post_filter": [_TERM, {"bool": {"must_not": _TERM}}],
    "highlight": [
        {"fields": {"*": {}}, "require_field_match": False},
        {"fields": {F: {}}},
        {"fields": {"content": {"highlight_query": _TERM, "no_match_size": 100}}},
        {"fields": {"name": {}, "content": {"number_of_fragments": 0}}},
        {"fields": {"content": {"type": "fvh", "matched_fields": ["content_words"]}}},
    ],
    "collapse": [_FIELD, {**_FIELD, "inner_hits": {"name": "x", "size": 50}}]
    + [{**_FIELD, "inner_hits": {"name": "x", "_source": ["tenant"], "docvalue_fields": ["tenant"]}}],
    "indices_boost": [[{"coco_attachment": 2}]],
    "knn": [{"field": F, "query_vector": [1], "k": 1, "num_candidates": 1}],
    "retriever": [{"standard": {"query": _ALL}}],
    "rank": [{"rrf": {}}],
    "slice": [{"id": 0, "max": 2}],
    "stats": [["group"]],
    "ext": [{}],
    "min_score": [0.5],
    "terminate_after": [1000],
    "search_after": [[V], [None, V]],
    "track_total_hits": [True, 3],
    "pit": [{"id": V}, {"id": "iM-bBAEYdGVzdA=="}],
    "from": [0, 9_999],
}


def filled(body: Any, field: str, value: Any) -> Any:
    """`body` with a field and a value in it."""
    if isinstance(body, dict):
        return {filled(name, field, value): filled(item, field, value) for name, item in body.items()}
    if isinstance(body, list):
        return [filled(item, field, value) for item in body]
    if body == V:
        return value
    return body.replace(F, field).replace(V, str(value)) if isinstance(body, str) else body
