"""How many retries may be afforded."""

from hypothesis import given
from hypothesis import strategies as st

from lb.core.budget import FLOOR_PER_S, SHARE, WINDOW_S, RetryBudget
from tests.core.happenings import NOW

FULL = FLOOR_PER_S * WINDOW_S


def _spend(budget: RetryBudget, now: float) -> int:
    spent = 0
    while budget.retry(now):
        spent += 1
    return spent


def test_a_fresh_budget_affords_one_window_of_the_floor() -> None:
    assert _spend(RetryBudget(), NOW) == FULL


def test_an_idle_budget_fills_up_to_one_window_and_no_further() -> None:
    budget = RetryBudget()
    _spend(budget, NOW)
    assert _spend(budget, NOW + 2) == 2 * FLOOR_PER_S
    assert _spend(budget, NOW + 1000) == FULL


def test_requests_pay_for_a_share_of_retries() -> None:
    budget = RetryBudget()
    _spend(budget, NOW)
    for _ in range(100):
        budget.request(NOW)
    assert _spend(budget, NOW) == 100 * SHARE


def test_what_requests_saved_up_is_bounded() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.request(NOW)
    assert _spend(budget, NOW) == FULL * 10


def test_what_was_saved_up_is_not_lost_by_waiting() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.request(NOW)
    assert _spend(budget, NOW + 60) == FULL + 1000 * SHARE


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200))
def test_retries_never_pass_the_floor_and_the_share(steps: list[tuple[bool, float]]) -> None:
    budget, now, requests, retries = RetryBudget(), NOW, 0, 0
    for is_request, pause_s in steps:
        now += pause_s
        if is_request:
            budget.request(now)
            requests += 1
        else:
            retries += budget.retry(now)
        assert budget.tokens >= 0
    assert retries <= FULL + (now - NOW) * FLOOR_PER_S + requests * SHARE + 1
