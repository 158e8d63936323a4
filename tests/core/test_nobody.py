"""Nobody left to ask: what the client is told, and that it is true."""

import json

import pytest

from lb.core.account import Ask
from lb.core.events import (
    Blocked,
    Doubted,
    Event,
    Exhausted,
    Measured,
    Paused,
    Refreshing,
    Refused,
    Throttled,
)
from lb.core.health import REFRESH_S
from lb.core.nobody import describe, nobody
from lb.core.pool import Pool, Wait
from lb.core.windows import FIVE_HOURS_S, Window
from tests.core.happenings import ASK, HOUR, MODEL, NOW, pool_of  # NOW is 08:53:20 UTC


def fate(name: str, word: str) -> list[Event]:
    """What happened to an account that is now ``word``."""
    told: dict[str, list[Event]] = {
        "ready": [],
        "doubtful": [Doubted(name, NOW, "503")],
        "cooling": [Throttled(name, NOW, "429", NOW + 8)],
        "frozen": [Throttled(name, NOW, "429", NOW + 300)],
        "spent": [Exhausted(name, NOW, "usage_limit_reached", NOW + HOUR)],
        "spent longer": [Exhausted(name, NOW, "usage_limit_reached", NOW + 3 * 86400)],
        "refreshing": [Refreshing(name, NOW)],
        "refused": [Refused(name, NOW, "deactivated")],
        "paused": [Paused(name, NOW)],
        "blocked": [Blocked(name, NOW, MODEL, NOW + 600, "model_not_found")],
        "full": [Measured(name, NOW, (Window("5h", 1.0, NOW + 60, FIVE_HOURS_S, NOW),))],
        "busy": [],
    }
    return told[word]


def pool_with(*words: str) -> Pool:
    names = [f"{number}" for number in range(len(words))]
    pool = pool_of(*names, max_in_flight=1)
    for name, word in zip(names, words, strict=True):
        for event in fate(name, word):
            pool.learn(event)
        if word == "busy":
            pool.slots[name].take(NOW, 1)
    return pool


VERDICTS = [
    # what the accounts are; status, code, Retry-After (s), x-should-retry, words
    (["spent"], 429, "usage_limit_reached", 3600, False, "1 exhausted until 09:53 UTC"),
    (["spent longer", "spent"], 429, "usage_limit_reached", 3600, False, "2 exhausted"),
    (["spent", "refused"], 429, "usage_limit_reached", 3600, False, "1 refused (need a person)"),
    (["spent", "paused"], 429, "usage_limit_reached", 3600, False, "1 paused"),
    (["cooling"], 429, "rate_limit_exceeded", 8, True, "Please try again in 8s."),
    (["frozen"], 429, "rate_limit_exceeded", 300, False, "1 cooling until 08:58 UTC"),
    (["cooling", "spent"], 429, "rate_limit_exceeded", 8, True, "1 cooling"),
    (["cooling", "refused"], 429, "rate_limit_exceeded", 8, True, "1 refused"),
    (["frozen", "busy"], 429, "rate_limit_exceeded", 1, True, "1 busy"),
    (["refused"], 503, "no_accounts", None, False, "1 refused (need a person)"),
    (["paused", "refused"], 503, "no_accounts", None, False, "1 paused"),
    (["busy"], 503, "no_accounts", 1, True, "1 busy"),
    (["doubtful"], 503, "no_accounts", 1, True, "1 doubtful"),
    (["doubtful", "spent"], 503, "no_accounts", 1, True, "1 exhausted"),
    (["full"], 503, "no_accounts", 1, True, "1 doubtful"),
    (["refreshing"], 503, "no_accounts", 1, True, "now: 1 refreshing."),
    (["refreshing", "spent"], 429, "rate_limit_exceeded", 1, True, "1 refreshing"),
    (["blocked", "busy"], 503, "no_accounts", 1, True, "1 without the model"),
    (["blocked"], 404, "model_not_found", None, False, f"'{MODEL}' does not exist here"),
    (["blocked", "refused"], 404, "model_not_found", None, False, "does not exist here"),
]


@pytest.mark.parametrize(
    ("words", "status", "code", "wait_s", "retry", "told"),
    VERDICTS,
    ids=[" + ".join(row[0]) for row in VERDICTS],
)
def test_the_client_is_told_the_truth_and_when_to_come_back(
    *, words: list[str], status: int, code: str, wait_s: int | None, retry: bool, told: str
) -> None:
    problem = nobody(pool_with(*words), ASK, NOW)
    headers = problem.headers()
    assert (problem.status, problem.code) == (status, code)
    assert headers.get("Retry-After") == (None if wait_s is None else str(wait_s))
    assert headers["x-should-retry"] == str(retry).lower()
    assert told in problem.message


def test_a_spent_pool_says_when_the_first_account_is_back_in_codex_s_own_fields() -> None:
    error = json.loads(nobody(pool_with("spent longer", "spent"), ASK, NOW).body())["error"]
    assert error["type"] == "usage_limit_reached"
    assert error["resets_at"] == NOW + HOUR
    assert error["resets_in_seconds"] == HOUR


def test_an_empty_pool_says_how_to_add_an_account() -> None:
    problem = nobody(pool_of(), ASK, NOW)
    assert (problem.status, problem.code) == (503, "no_accounts")
    assert "[[accounts]]" in problem.message


def test_accounts_that_are_not_enabled_count_as_absent() -> None:
    assert "[[accounts]]" in nobody(pool_of("a", enabled=False), ASK, NOW).message


def test_a_model_nobody_offers_is_the_client_s_mistake() -> None:
    pool = pool_of("a", "b", models=("gpt-4*",))
    pool.learn(Refused("a", NOW, "deactivated"))
    problem = nobody(pool, ASK, NOW)
    assert (problem.status, problem.code, problem.param) == (404, "model_not_found", "model")


def test_accounts_that_do_not_have_the_model_are_counted_but_not_waited_for() -> None:
    pool = pool_of("a", "b", each={"a": {"models": ("gpt-4*",)}})
    pool.learn(Throttled("a", NOW, "429", NOW + 1))
    pool.learn(Exhausted("b", NOW, "usage_limit_reached", NOW + HOUR))
    problem = nobody(pool, ASK, NOW)
    assert (problem.code, problem.retry_after_s) == ("usage_limit_reached", HOUR)
    assert "1 not offering the model" in problem.message


def test_the_standing_of_the_pool_is_told_whatever_models_it_offers() -> None:
    pool = pool_of("a", "b", "c", models=("gpt-4*",))
    pool.learn(Exhausted("b", NOW, "usage_limit_reached", NOW + 3 * 86400))
    slots = list(pool.enabled())
    assert describe(slots, None, NOW) == "2 ready, 1 exhausted until Sun 12 Oct 08:53 UTC"
    assert describe([], None, NOW) == "no account"


def test_a_field_that_only_accounts_without_the_model_take_is_told() -> None:
    pool = pool_of("a", "b", each={"a": {"models": ("x",)}, "b": {"fields": {"f": "reject"}}})
    problem = nobody(pool, Ask(MODEL, needs=frozenset({"f"})), NOW)
    assert problem.status == 503
    assert "1 not taking a field of the request" in problem.message


def test_a_renewal_is_waited_for_by_who_has_nobody_else() -> None:
    pool = pool_with("refreshing", "doubtful")
    assert pool.wait(ASK, NOW, {"1"}) == Wait(NOW + REFRESH_S, busy=False)  # it may ask 1 again
    assert pool_with("refreshing", "paused").wait(ASK, NOW) == Wait(NOW + REFRESH_S, busy=True)
