"""The weights of expensive clauses: those that stand for every word that matches, and phrases.

Elasticsearch looks for matching words in the dictionary of a field, which has the words of all tenants. This can be
interrupted. Before, it builds an automaton for each pattern, which can't. The number of matching words can't be the limit,
as this would tell about other tenants' words. So each clause has a weight that follows from its form: roughly its cost,
compared with that of a beginning. A body may have `MAX_EXPANSIONS` in all, and its regular expressions share the states that
their automata may have.
"""

from __future__ import annotations

import re
from typing import Any

from app.search import phrases
from app.search.language import limits
from app.search.language.reading import Budget, Where

#: The weight of a beginning, and of clauses that no beginning narrows down.
BEGINNING, RANGE, PATTERN = 1, 2, 4
#: The weight of a phrase: each text that has all of its words is looked through.
PHRASE = 2
#: The weight of a pattern in an aggregation, for whose automaton Elasticsearch takes no limit.
INCLUDED = 8
#: For so many bytes of a word that may be misspelled, its automaton costs as much as a beginning. It is built for each
#: segment of the index, and takes 7 ms for each letter if there are twelve segments.
_BYTES = 16


def spend(where: Where, weight: int) -> None:
    """Add `weight` to that of the body. Raises SearchRefused if it becomes too much."""
    where.budget.expansions += weight
    if where.budget.expansions > limits.MAX_EXPANSIONS:
        where.refuse(
            f"is one too many of the clauses that stand for all words which fit: a body may have {limits.MAX_EXPANSIONS}, "
            f"of which a beginning or a fuzzy word takes {BEGINNING}, a range of words {RANGE}, a pattern {PATTERN}, one of "
            f"an aggregation {INCLUDED}, words in their order {PHRASE}, and long ones more",
            "too_many_clauses",
        )


def fuzzy(where: Where, words: str) -> None:
    """Spend the weight of `words`, each of which may be misspelled."""
    for word in words.split() or [words]:
        spend(where, BEGINNING + len(word.encode("utf-8", "surrogatepass")) // _BYTES)


def prefix(where: Where, value: Any) -> None:
    """Spend the weight of a beginning. An empty one costs as much as a pattern, as it narrows nothing down."""
    spend(where, BEGINNING if value else PATTERN)


def wildcard(where: Where, value: Any) -> None:
    """Spend the weight of a pattern. The states of its automaton double with each `?` behind a `*`."""
    open_ended = str(value).partition("*")[2]
    spend(where, PATTERN + 2 ** max(0, min(open_ended.count("?"), 20) - 6) - 1)


def regexp(where: Where, options: dict[str, Any]) -> None:
    spend(where, PATTERN)
    where.budget.regexps.append(options)


def beginnings(where: Where, typed: str, fields: int) -> None:
    """Spend the weight of the beginnings in `typed`, a text for `simple_query_string`, in so many fields."""
    spend(where, BEGINNING * fields * len(re.findall(r"[^\s*]\*", typed)))


def phrase(where: Where, found: str, slop: int, fields: int = 1) -> None:
    """Spend the weight of the phrase `found`. Raises SearchRefused also if it has a word too often."""
    words = found.split()
    if len(words) < 2:
        return
    times = phrases.repeated(words)
    if times > phrases.MOST_TIMES:
        where.refuse(f"has a word more than {phrases.MOST_TIMES} times in a phrase")
    if slop and times > 1:
        where.refuse("has a word twice in a phrase whose words may lie apart ([slop])")
    spend(where, PHRASE * fields)


def share(budget: Budget) -> None:
    """Divide the states of automata among the regular expressions of a body, in place. Elasticsearch's limit is for each
    expression alone; a few expressions may have all of it."""
    several = len(budget.regexps)
    if several * limits.DETERMINIZED > limits.MAX_DETERMINIZED:
        for options in budget.regexps:
            options["max_determinized_states"] = limits.MAX_DETERMINIZED // several
