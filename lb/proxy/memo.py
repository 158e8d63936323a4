"""Answers to questions that need not be asked twice."""

from collections import OrderedDict

from attrs import define, field

MOST = 512  # answers that are kept, of a few KB each at most


@define(eq=False)
class Memo:
    """Question -> answer, those asked for lately."""

    most: int = MOST
    _told: OrderedDict[bytes, str] = field(factory=OrderedDict)

    def recall(self, question: bytes) -> str | None:
        """The answer, if it is known."""
        told = self._told.get(question)
        if told is not None:
            self._told.move_to_end(question)
        return told

    def keep(self, question: bytes, answer: str) -> None:
        """Remember an answer; the one not asked for longest makes room."""
        self._told[question] = answer
        self._told.move_to_end(question)
        if len(self._told) > self.most:
            self._told.popitem(last=False)
