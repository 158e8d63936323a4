"""What a person is told: each thing once, and once when it is over."""

import pytest

from lb.core.alerts import (
    LEAST_REQUESTS,
    REST_S,
    Alerts,
    Facts,
    Limits,
    Message,
    Sliding,
    Standing,
)
from lb.core.health import State

NOW = 1_760_000_000.0
WELL = Standing("b", State.READY)
LIMITS = Limits(min_ready=1, error_share=0.25)


def told(alerts: Alerts, facts: Facts, now: float, limits: Limits = LIMITS) -> list[str]:
    return [message.title for message in alerts.step(facts, limits, now)]


def every_second(alerts: Alerts, facts: Facts, start: float, seconds: int) -> list[Message]:
    found = []
    for second in range(seconds):
        found += alerts.step(facts, LIMITS, start + second)
    return found


def test_a_pool_that_is_well_is_worth_no_message() -> None:
    assert every_second(Alerts(), Facts((WELL,), requests=100), NOW, 100) == []


def test_an_account_that_needs_login_is_told_once_and_once_when_over() -> None:
    alerts = Alerts()
    reason = "invalid_grant: needs login: run lb login a (its login was refused)"
    ill = Facts((Standing("a", State.REFUSED, reason), WELL))
    (message,) = every_second(alerts, ill, NOW, 600)
    assert (message.title, message.over) == ("Account a needs login", False)
    assert "lb login a" in message.text
    assert message.condition.account == "a"
    (message,) = every_second(alerts, Facts((WELL, Standing("a", State.READY))), NOW + 600, 600)
    assert (message.title, message.over) == ("Account a needs no login any more", True)
    assert message.text == "It lasted 10 min."


def test_an_account_refused_otherwise_is_told_in_other_words() -> None:
    ill = Facts((Standing("a", State.REFUSED, "account_deactivated: ask support"), WELL))
    assert told(Alerts(), ill, NOW) == ["Account a is refused"]


def test_what_comes_back_within_a_moment_was_never_over() -> None:
    alerts = Alerts()
    ill, well = Facts((Standing("a", State.REFUSED, "x"), WELL)), Facts((WELL,))
    assert len(told(alerts, ill, NOW)) == 1
    assert told(alerts, well, NOW + 1) == []
    assert told(alerts, ill, NOW + 2) == []
    assert told(alerts, well, NOW + 3) == []
    assert told(alerts, well, NOW + 2 + REST_S) == ["Account a is not refused any more"]


def test_a_spent_pool_says_until_when() -> None:
    until = NOW + 3600
    spent = (Standing("a", State.EXHAUSTED, "", until), Standing("b", State.EXHAUSTED, "", until))
    away = (Standing("c", State.PAUSED), Standing("d", State.REFUSED, "x"))
    titles = told(Alerts(), Facts((*spent, *away)), NOW)
    assert titles == ["Account d is refused", "Every account has spent its quota until 09:53 UTC"]
    assert told(Alerts(), Facts((*spent, WELL)), NOW) == []
    assert told(Alerts(), Facts(spent), until + 1) == [], "it may be tried again"
    assert every_second(Alerts(), Facts(spent), NOW, 60)[1:] == [], "few_ready would say it twice"


def test_too_few_ready_accounts_are_told_once_it_lasts() -> None:
    alerts = Alerts()
    facts = Facts((WELL, Standing("a", State.COOLING, "", NOW + 900), Standing("c", State.PAUSED)))
    limits = Limits(min_ready=2)
    assert told(alerts, facts, NOW, limits) == []
    assert told(alerts, facts, NOW + 5, limits) == []
    assert told(alerts, facts, NOW + 10, limits) == ["1 of 3 accounts can serve, fewer than 2"]
    assert told(Alerts(), facts, NOW + 60, Limits(min_ready=0)) == []


def test_a_blip_shorter_than_its_hold_is_never_told() -> None:
    alerts = Alerts()
    facts = Facts((Standing("a", State.COOLING, "", NOW + 9),))
    found = [*every_second(alerts, facts, NOW, 9), *every_second(alerts, facts, NOW + 9, 60)]
    assert found == []


@pytest.mark.parametrize(
    ("failed", "requests", "titles"),
    [
        (LEAST_REQUESTS - 1, LEAST_REQUESTS - 1, []),
        (25, 100, []),
        (26, 100, ["26% of the requests of five minutes failed"]),
    ],
)
def test_the_share_of_errors(failed: int, requests: int, titles: list[str]) -> None:
    facts = Facts((WELL,), requests=requests, failed=failed)
    found = every_second(Alerts(), facts, NOW, 11)
    assert [message.title for message in found] == titles


def test_a_budget_is_told_at_each_step() -> None:
    alerts = Alerts()
    assert told(alerts, Facts((WELL,), budgets={"alice": 0.79}), NOW) == []
    assert told(alerts, Facts((WELL,), budgets={"alice": 0.81}), NOW) == ["alice is used to 80%"]
    assert told(alerts, Facts((WELL,), budgets={"alice": 1.0}), NOW + 1) == ["alice is used up"]
    found = every_second(alerts, Facts((WELL,), budgets={"alice": 0.0}), NOW + 2, 60)
    assert sorted(message.title for message in found) == [
        "alice is below 100% again",
        "alice is below 80% again",
    ]


def test_a_store_that_is_away_is_told_once_it_lasts() -> None:
    found = every_second(Alerts(), Facts((WELL,), store_away="store: disk full"), NOW, 60)
    assert [(message.title, message.text) for message in found] == [
        ("The store is away; facts wait in the journal", "store: disk full")
    ]


def test_requests_are_forgotten_after_five_minutes() -> None:
    sliding = Sliding()
    for second in range(600):
        sliding.count(NOW + second, failed=second % 2 == 0)
    requests, failed = sliding.sums(NOW + 600)
    assert 290 <= requests <= 300
    assert failed == requests // 2
    assert sliding.sums(NOW + 1000) == (0, 0)
    assert len(sliding._parts) <= 31
