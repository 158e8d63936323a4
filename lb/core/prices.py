"""What tokens cost. USD for a million tokens is micro-USD for one, so costs are exact integers."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen

from lb.core.account import admits

_SNAPSHOT: Final = re.compile(r"-20\d\d-\d\d-\d\d$")
_MOST_NAMES: Final = 4096  # whose price is remembered
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
    """A price list: one's ``own`` and those of one's ``models``, by globs of names, come first.

    ``listed`` are by name, as of ``date``.
    """

    listed: Mapping[str, Price] = field(factory=dict)
    own: Mapping[str, Price] = field(factory=dict)
    models: Mapping[str, Price] = field(factory=dict)
    date: str = ""
    source: str = ""
    _found: dict[str, Price | None] = field(factory=dict, init=False, repr=False, eq=False)

    def price(self, model: str) -> Price | None:
        """The price of ``model``: by the longest of one's own globs; None: nobody knows it."""
        if model not in self._found:
            if len(self._found) >= _MOST_NAMES:  # clients choose them
                self._found.clear()
            self._found[model] = self._look_up(model)
        return self._found[model]

    def _look_up(self, model: str) -> Price | None:
        plain = _SNAPSHOT.sub("", model)
        return (
            _by_glob(self.own, model)
            or _by_glob(self.models, model)
            or _by_glob(self.models, plain)
            or self.listed.get(model)
            or self.listed.get(plain)
        )

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

    def overruled(
        self, own: Mapping[str, Price], models: Mapping[str, Price] | None = None
    ) -> "Prices":
        """The list with one's own prices before it, and what one's models are said to cost."""
        return evolve(self, own=own, models=models or {})


def _by_glob(prices: Mapping[str, Price], model: str) -> Price | None:
    globs = [glob for glob in prices if admits((glob,), model)]
    return prices[max(globs, key=lambda glob: (glob == model, len(glob)))] if globs else None


def read(text: str) -> Prices:
    """The price list in a TOML text (``prices.toml``)."""
    told = tomllib.loads(text)
    listed = {name: Price(**price) for name, price in told["models"].items()}
    return Prices(listed, date=told["date"], source=told["source"].strip())
