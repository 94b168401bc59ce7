"""What clauses cost that stand for every word which fits them or have words in their order, before anything is asked.

Elasticsearch looks for such words through the dictionary of a field, that of all tenants' documents, and can be stopped in
that; before it does, it makes an automaton of each pattern, and can't. How many words fit is not asked first: a limit on
that would tell of words of others. So a clause has a weight by its form, about what it takes beside a beginning, all of a
body together may have `MAX_EXPANSIONS`, and expressions share the states that their automata may have.
"""

from __future__ import annotations

import re
from typing import Any

from app.search import phrases
from app.search.language import limits
from app.search.language.reading import Budget, Where

#: A beginning; more for what no beginning narrows.
BEGINNING, RANGE, PATTERN = 1, 2, 4
#: Words that have to follow each other: each text that has them is looked through.
PHRASE = 2
#: A pattern of an aggregation: Elasticsearch takes no limit for its automaton.
INCLUDED = 8
#: Bytes of a word that may be misspelled whose automaton costs as much as a beginning: it is made for each segment, and
#: takes 7 ms a letter where there are twelve.
_BYTES = 16


def spend(where: Where, weight: int) -> None:
    """Raises SearchRefused when the body has more than its share."""
    where.budget.expansions += weight
    if where.budget.expansions > limits.MAX_EXPANSIONS:
        where.refuse(
            f"is one too many of the clauses that stand for all words which fit: a body may have {limits.MAX_EXPANSIONS}, "
            f"of which a beginning or a fuzzy word takes {BEGINNING}, a range of words {RANGE}, a pattern {PATTERN}, one of "
            f"an aggregation {INCLUDED}, words in their order {PHRASE}, and long ones more",
            "too_many_clauses",
        )


def fuzzy(where: Where, words: str) -> None:
    """Words of which each may be misspelled."""
    for word in words.split() or [words]:
        spend(where, BEGINNING + len(word.encode("utf-8", "surrogatepass")) // _BYTES)


def prefix(where: Where, value: Any) -> None:
    """An empty beginning narrows nothing."""
    spend(where, BEGINNING if value else PATTERN)


def wildcard(where: Where, value: Any) -> None:
    """The states of a pattern's automaton double with each `?` behind a `*`."""
    open_ended = str(value).partition("*")[2]
    spend(where, PATTERN + 2 ** max(0, min(open_ended.count("?"), 20) - 6) - 1)


def regexp(where: Where, options: dict[str, Any]) -> None:
    spend(where, PATTERN)
    where.budget.regexps.append(options)


def beginnings(where: Where, typed: str, fields: int) -> None:
    """A text of the little language of `simple_query_string`, in so many fields."""
    spend(where, BEGINNING * fields * len(re.findall(r"[^\s*]\*", typed)))


def phrase(where: Where, found: str, slop: int, fields: int = 1) -> None:
    """Words that have to follow each other, as they are asked for. Raises SearchRefused where one is there too often too."""
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
    """Divide what automata may cost among the expressions of a body, each made already. Elasticsearch's own limit is for
    one; as many as take that stay as they are."""
    several = len(budget.regexps)
    if several * limits.DETERMINIZED > limits.MAX_DETERMINIZED:
        for options in budget.regexps:
            options["max_determinized_states"] = limits.MAX_DETERMINIZED // several
