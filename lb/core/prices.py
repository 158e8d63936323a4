"""What tokens cost. USD for a million tokens is micro-USD for one, so costs are exact integers."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen

from lb.core.account import admits

_SNAPSHOT: Final = re.compile(r"-20\d\d-\d\d-\d\d$")
_NANO: Final = 1000  # prices are reckoned in nano-USD a token


@frozen
class Price:
    """USD for a million tokens; ``cached`` None: cached input costs what other input does."""

    input: float
    output: float
    cached: float | None = None

    def cost_uusd(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Micro-USD, rounded half up. ``cached_tokens`` are part of ``input_tokens``."""
        cached_tokens = min(cached_tokens, input_tokens)
        cached = self.input if self.cached is None else self.cached
        nano = (
            (input_tokens - cached_tokens) * round(self.input * _NANO)
            + cached_tokens * round(cached * _NANO)
            + output_tokens * round(self.output * _NANO)
        )
        return (nano + _NANO // 2) // _NANO


@frozen
class Prices:
    """A price list: ``own`` by globs of model names, ``listed`` by name, as of ``date``."""

    listed: Mapping[str, Price] = field(factory=dict)
    own: Mapping[str, Price] = field(factory=dict)
    date: str = ""
    source: str = ""

    def price(self, model: str) -> Price | None:
        """The price of ``model``: one's own first, by the longest glob; None: nobody knows it."""
        own = [glob for glob in self.own if admits((glob,), model)]
        if own:
            return self.own[max(own, key=lambda glob: (glob == model, len(glob)))]
        return self.listed.get(model) or self.listed.get(_SNAPSHOT.sub("", model))

    def knows(self, model: str) -> bool:
        """Whether ``model`` has a price."""
        return self.price(model) is not None

    def cost_uusd(
        self, model: str, input_tokens: int, cached_tokens: int, output_tokens: int
    ) -> int | None:
        """Micro-USD for tokens of ``model``; None where its price is unknown, never a guess."""
        price = self.price(model)
        return (
            None if price is None else price.cost_uusd(input_tokens, cached_tokens, output_tokens)
        )

    def overruled(self, own: Mapping[str, Price]) -> "Prices":
        """The list with one's own prices before it."""
        return evolve(self, own=own)


def read(text: str) -> Prices:
    """The price list in a TOML text (``prices.toml``)."""
    told = tomllib.loads(text)
    listed = {name: Price(**price) for name, price in told["models"].items()}
    return Prices(listed, date=told["date"], source=told["source"].strip())
