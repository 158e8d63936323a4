from typing import Any

import pytest

from lb.core.errors import Blame
from lb.core.events import Exhausted, Throttled
from tests.core.blaming import DAY, HOUR, HTML, NOW, PAGE, blamed, error

QUOTA_CODES = [
    "usage_limit_reached",
    "usage_not_included",
    "insufficient_quota",
    "quota_exceeded",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_not_active",
]


@pytest.mark.parametrize("code", QUOTA_CODES)
@pytest.mark.parametrize("place", ["code", "type"])
@pytest.mark.parametrize("status", [429, 402, 403])
def test_a_spent_quota_is_out_for_an_hour_where_no_time_is_told(
    status: int, place: str, code: str
) -> None:
    problem = blamed(status, error(**{place: code}))
    assert (problem.blame, problem.status, problem.code) == (Blame.QUOTA, 429, code)
    assert problem.until == NOW + HOUR
    assert isinstance(problem.event("a", NOW, 0.0), Exhausted)


def test_the_type_counts_as_much_as_the_code() -> None:
    body = error(type="insufficient_quota", code="rate_limit_exceeded")
    problem = blamed(429, body)
    assert (problem.blame, problem.code) == (Blame.QUOTA, "insufficient_quota")


CODEX_FULL = {
    "x-codex-primary-used-percent": "100",
    "x-codex-primary-window-minutes": "10080",
    "x-codex-primary-reset-at": str(int(NOW + DAY)),
    "x-codex-secondary-used-percent": "10",
    "x-codex-secondary-window-minutes": "300",
    "x-codex-secondary-reset-at": str(int(NOW + HOUR)),
}


@pytest.mark.parametrize(
    ("fields", "headers", "until"),
    [
        ({"resets_at": NOW + 600}, {}, NOW + 600),
        ({"resets_in_seconds": 700}, {}, NOW + 700),
        ({"resets_at": NOW + 600}, CODEX_FULL, NOW + 600),
        ({}, CODEX_FULL, NOW + DAY),
        ({}, {"retry-after": "120"}, NOW + 120),
        ({"resets_at": 4_070_908_800}, {}, NOW + 8 * DAY),
        ({"resets_at": "never"}, {}, NOW + HOUR),
    ],
)
def test_a_usage_limit_ends_when_upstream_says(
    fields: dict[str, Any], headers: dict[str, str], until: float
) -> None:
    body = error("full", type="usage_limit_reached", plan_type="plus", **fields)
    problem = blamed(429, body, headers, kind="chatgpt")
    assert (problem.blame, problem.until) == (Blame.QUOTA, until)
    assert problem.extra == {
        "plan_type": "plus",
        "resets_at": until,
        "resets_in_seconds": until - NOW,
    }
    assert problem.retry_after_s == until - NOW


def test_a_full_codex_window_proves_a_spent_quota_unless_there_are_credits() -> None:
    body = error(code="rate_limit_exceeded")
    problem = blamed(429, body, CODEX_FULL)
    assert (problem.blame, problem.until) == (Blame.QUOTA, NOW + DAY)
    assert problem.code == "usage_limit_reached"
    paid = {**CODEX_FULL, "x-codex-credits-has-credits": "True"}
    assert blamed(429, body, paid).blame is Blame.BURST
    told = {"x-codex-rate-limit-reached-type": "workspace_owner_usage_limit_reached"}
    assert blamed(429, body, told).blame is Blame.QUOTA


REMAINING = {
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "10",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "1m26.4s",
    "x-ratelimit-limit-project-tokens": "10",
    "x-ratelimit-remaining-project-tokens": "5",
    "x-ratelimit-reset-project-tokens": "7h12m",
}
UNSPENT = {**REMAINING, "x-ratelimit-remaining-requests": "1", "x-ratelimit-remaining-tokens": "1"}
IN_PROSE = "Rate limit reached. Please try again in 1.2s."


@pytest.mark.parametrize(
    ("body", "headers", "wait_s"),
    [
        (error(code="rate_limit_exceeded"), {"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        (error(code="rate_limit_exceeded"), {"retry-after": "20"}, 20.0),
        (error(), {**REMAINING, "retry-after": "2"}, 2.0),
        (error(), REMAINING, 86.4),
        (error(IN_PROSE), UNSPENT, 1.2),
        (error(type="tokens"), UNSPENT, 86.4),
        (error("slow", type="rate_limit_error", code="slow_down"), {}, None),
        (error(IN_PROSE, type="requests", code="rate_limit_exceeded"), {}, 1.2),
        (error("Rate limited, try again in 20s", code="rate_limit_exceeded"), {}, 20.0),
        (error(resets_in_seconds=5), {}, 5.0),
        (b"", {}, None),
        (PAGE, HTML, None),
    ],
)
def test_a_burst_cools_as_long_as_upstream_says(
    body: bytes, headers: dict[str, str], wait_s: float | None
) -> None:
    problem = blamed(429, body, headers)
    assert (problem.blame, problem.status) == (Blame.BURST, 429)
    assert problem.until == (None if wait_s is None else pytest.approx(NOW + wait_s))
    assert problem.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))
    assert isinstance(problem.event("a", NOW, 0.0), Throttled)


@pytest.mark.parametrize(
    ("headers", "blame"),
    [
        ({"retry-after": "10"}, Blame.BURST),
        ({"retry-after-ms": "300"}, Blame.BURST),
        ({"retry-after": "11"}, Blame.SOFT),
        ({}, Blame.SOFT),
    ],
)
def test_an_outage_that_is_soon_over_is_a_limit(headers: dict[str, str], blame: Blame) -> None:
    problem = blamed(503, error(code="server_is_overloaded"), headers)
    assert (problem.blame, problem.status) == (blame, 503)
    assert problem.billed is (blame is Blame.SOFT)


def test_a_402_about_credits_is_a_spent_quota() -> None:
    problem = blamed(402, error("Insufficient credits. Add more."), kind="compatible")
    assert (problem.blame, problem.until) == (Blame.QUOTA, NOW + HOUR)
