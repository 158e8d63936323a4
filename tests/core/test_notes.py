"""Why an account was picked and each other not, as it was then and not as it is now."""

from random import Random

import pytest

from lb.core.account import Account, Ask
from lb.core.events import Blocked, Doubted, Exhausted, Paused
from lb.core.notes import MOST_AT_FIRST, MOST_LOOKS, Note, note_of, opinions, why
from lb.core.pool import Pool
from lb.core.strategies import STRATEGIES

NOW = 1_800_000_000.0
ASK = Ask(model="gpt-5.5", client="alice", session="session:s")


def pool_of(*accounts: Account) -> Pool:
    pool = Pool(STRATEGIES["balanced"])
    pool.update(accounts)
    return pool


def named(*names: str) -> Pool:
    return pool_of(*(Account(name, "openai") for name in names))


def picked(pool: Pool, tried: set[str] | None = None, ask: Ask = ASK) -> Note:
    found = pool.pick(ask, NOW, Random(1), tried or set())
    assert found is not None
    return note_of(pool, NOW, found, tried or set())


def test_reasons_are_those_of_that_moment() -> None:
    pool = named("a", "b", "c")
    pool.learn(Exhausted("a", NOW, "weekly quota spent", NOW + 60))
    pool.learn(Paused("b", NOW))
    note = picked(pool)
    pool.learn(Doubted("a", NOW + 61, "another story"))
    told = {opinion.account: opinion for opinion in opinions(note, ASK)}
    assert (told["a"].verdict, told["a"].reason) == ("out", "weekly quota spent")
    assert told["b"].reason == "paused by an operator"
    assert why(note, ASK, "balanced") == "the only one that could serve"


def test_a_conversation_comes_home() -> None:
    pool = named("a", "b")
    pool.affinity.pin("alice", [ASK.session], "b", NOW)
    assert why(picked(pool), ASK, "balanced") == "it holds the conversation"
    moved = why(picked(pool, {"b"}), ASK, "balanced")
    assert moved == "the only one that could serve; b holds the conversation but could not serve"


def test_what_was_tried_says_so_and_the_strategy_is_named() -> None:
    pool = named("a", "b", "c")
    note = picked(pool, {"a"})
    told = {opinion.account: opinion for opinion in opinions(note, ASK)}
    assert told["a"].reason == "tried already"
    assert (
        why(note, ASK, "balanced") == "chosen by the strategy 'balanced' among 2 that could serve"
    )


def test_a_last_resort_is_called_one() -> None:
    pool = named("a")
    pool.learn(Doubted("a", NOW, "503"))
    assert why(picked(pool), ASK, "balanced") == "second choice: nobody better was left"


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (
            Account("b", "openai", priority=2),
            "of priority 2: only when no earlier one can serve",
        ),
        (Account("b", "openai", enabled=False), "disabled in the configuration"),
        (Account("b", "openai", models=("gpt-4*",)), "its models do not include this one"),
    ],
)
def test_what_the_configuration_says_is_said(account: Account, reason: str) -> None:
    note = picked(pool_of(Account("a", "openai"), account))
    assert [opinion.reason for opinion in opinions(note, ASK)] == [reason]


def test_a_model_that_was_missing_then_is_said_though_it_is_back() -> None:
    pool = named("a", "b")
    pool.learn(Blocked("a", NOW, ASK.model, NOW + 60, "model_not_found"))
    note = picked(pool)
    pool.learn(Blocked("a", NOW + 100, "other", NOW + 160, "model_not_found"))
    assert "model_not_found" in opinions(note, ASK)[0].reason


def test_a_first_pick_in_a_large_pool_costs_no_look_at_all_and_a_later_one_a_bounded_one() -> None:
    names = [f"a{number}" for number in range(200)]
    pool = named(*names)
    first = picked(pool)
    assert (first.looks, first.unseen) == ((), 199)
    assert why(first, ASK, "balanced") == "chosen by the strategy 'balanced' among 200"
    later = picked(pool, {"a0"})
    assert (len(later.looks), later.unseen) == (MOST_LOOKS, 200 - MOST_LOOKS)
    assert len(picked(named(*names[:MOST_AT_FIRST])).looks) == MOST_AT_FIRST
