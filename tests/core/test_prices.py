"""Prices: exact, never invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.adapters.prices import shipped
from lb.core.prices import Price, Prices

SHIPPED = shipped()
COUNTS = st.integers(0, 10**9)


def test_the_list_is_dated_and_names_its_source() -> None:
    assert SHIPPED.date.startswith("20")
    assert "list prices" in SHIPPED.source
    assert len(SHIPPED.listed) > 20


@pytest.mark.parametrize("name", SHIPPED.listed)
def test_every_listed_price_is_plausible(name: str) -> None:
    price = SHIPPED.listed[name]
    assert 0 < price.input < price.output
    assert price.cached is None or 0 < price.cached < price.input


def test_a_million_tokens_cost_what_the_list_says() -> None:
    assert SHIPPED.cost_uusd("gpt-5", 10**6, 0, 0) == 1_250_000
    assert SHIPPED.cost_uusd("gpt-5", 10**6, 10**6, 0) == 125_000
    assert SHIPPED.cost_uusd("gpt-5", 0, 0, 10**6) == 10_000_000
    assert SHIPPED.cost_uusd("gpt-5", 1000, 400, 100) == 750 + 50 + 1000


def test_a_snapshot_costs_what_its_model_costs() -> None:
    assert SHIPPED.price("gpt-5-2025-08-07") == SHIPPED.listed["gpt-5"]
    assert SHIPPED.price("gpt-4o-2024-05-13") == Price(5.0, 15.0)


@pytest.mark.parametrize("name", ["", "gpt-99", "gpt-5-mini-extra", "my-gpt-5", "gpt-5*"])
def test_an_unknown_model_has_no_price(name: str) -> None:
    assert not SHIPPED.knows(name)
    assert SHIPPED.cost_uusd(name, 1, 0, 1) is None


def test_ones_own_price_wins_by_its_longest_glob() -> None:
    mine = {"gpt-*": Price(1, 1), "gpt-5*": Price(2, 2), "gpt-5": Price(3, 3)}
    prices = SHIPPED.overruled(mine)
    assert prices.price("gpt-5") == Price(3, 3)
    assert prices.price("gpt-5-mini") == Price(2, 2)
    assert prices.price("gpt-99") == Price(1, 1)
    assert prices.price("o3") == SHIPPED.listed["o3"]


def test_without_a_price_for_cached_input_it_costs_as_much_as_other_input() -> None:
    assert Price(2.0, 8.0).cost_uusd(100, 60, 0) == 200


@given(COUNTS, COUNTS, COUNTS)
def test_costs_are_exact_and_never_negative(inputs: int, cached: int, outputs: int) -> None:
    cost = Price(0.05, 0.4, 0.005).cost_uusd(inputs, cached, outputs)
    cached = min(cached, inputs)
    exact = (inputs - cached) * 50 + cached * 5 + outputs * 400
    assert abs(cost * 1000 - exact) <= 500


def test_no_list_knows_no_price() -> None:
    assert Prices().cost_uusd("gpt-5", 1, 1, 1) is None
