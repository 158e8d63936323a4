"""How well texts fit a question, 0 to 1: BM25, relative to the one that fits best.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), in
Lucene's variant, whose weights are never negative; by bm25s.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHORTEST_STEM: Final = 4
_ENDINGS: Final = ("ing", "ed", "es", "s")
_STOP_WORDS: Final = """
    a about all also am an and any are as at be because been but by can could did do does doing
    for from get had has have he her him his how i if in into is it its just let like make me my no
    not now of on one only or our out please she should so some than that the their them then there
    these they this those to up us use using want was we were what when where which who whom why
    will with would yes you your
"""
_STOP: Final = frozenset(_STOP_WORDS.split())
"""Words that say nothing of what a text is about."""

LONGEST_QUERY: Final = 2_000  # words of a question that count


def words(text: str) -> list[str]:
    """The words of a text, lower case, parted at capitals and underscores, without endings."""
    lower = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return [_stem(word) for word in lower if word not in _STOP]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word


class Scorer:
    """Scores texts, read once, against any number of questions."""

    def __init__(self, texts: Sequence[str]) -> None:
        corpus = [words(text) for text in texts]
        self._known = {word for text in corpus for word in text}
        self._count = len(texts)
        self._index: Any = None
        if self._known:
            from bm25s import BM25  # brings numpy: only for those who ask for it

            self._index = BM25(method="lucene")
            self._index.index(corpus, show_progress=False)

    def scores(self, question: str) -> list[float]:
        """How well each text fits ``question``, the best 1; all 0 where none shares a word."""
        asked = [word for word in words(question)[:LONGEST_QUERY] if word in self._known]
        if not asked:
            return [0.0] * self._count
        told = [float(score) for score in self._index.get_scores(asked)]
        best = max(told)
        return [score / best if best > 0 else 0.0 for score in told]


def scores(texts: Sequence[str], question: str) -> list[float]:
    """How well each of ``texts`` fits one question."""
    return Scorer(texts).scores(question)
