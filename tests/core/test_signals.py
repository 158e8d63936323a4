from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.upstreams import signals
from lb.core.windows import Window

NOW = 1_795_000_000.0
DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("120ms", 0.12),
        ("1m26.4s", 86.4),
        ("7h12m", 25920.0),
        ("8.64s", 8.64),
        ("1", 1.0),
        ("1.5", 1.5),
        (" 20 seconds ", 20.0),
        ("2 minutes and 3 seconds", 123.0),
        ("500 milliseconds", 0.5),
        ("1d2h", 93600.0),
        ("1e9", 8 * DAY),
        ("99999d", 8 * DAY),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("1x", None),
        ("٣s", None),
        ("9" * 400, None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert signals.duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached for gpt-x. Please try again in 1.2s. Visit ...", 1.2),
        ("try again in 500ms", 0.5),
        ("Please try again in 20 seconds.", 20.0),
        ("Please try again in 1m26.4s.", 86.4),
        ("Your requests to ... have exceeded. Please retry after 6 seconds.", 6.0),
        ("Try again in 2 days, 3 hours and 1 minute", 2 * DAY + 3 * 3600 + 60),
        ("try again in 99999 days", 8 * DAY),
        ("try again later", None),
        ("You used 20s of 30s", None),
        ("", None),
    ],
)
def test_prose_tells_a_wait(text: str, seconds: float | None) -> None:
    assert signals.said(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1000000000"}, 8 * DAY),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "whenever"}, None),
        ({}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT",
                "date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:30 GMT"}, 8 * DAY),
        ({"retry-after": "Wed, 99 Oct 2099 77:28:30 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert signals.retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("error", "until"),
    [
        ({"resets_at": NOW + 60}, NOW + 60),
        ({"resets_at": str(int(NOW + 60))}, NOW + 60),
        ({"resets_at": (NOW + 60) * 1000}, NOW + 60),
        ({"resets_in_seconds": 90}, NOW + 90),
        ({"resets_at": NOW + 60, "resets_in_seconds": 90}, NOW + 60),
        ({"resets_at": NOW - 60, "resets_in_seconds": 90}, NOW + 90),
        ({"resets_at": NOW - 60}, NOW),
        ({"resets_at": 4_070_908_800}, NOW + 8 * DAY),
        ({"resets_in_seconds": -1}, NOW),
        ({"resets_in_seconds": 1e300}, NOW + 8 * DAY),
        ({"resets_at": "nan", "resets_in_seconds": True}, None),
        ({"resets_at": 10**400}, None),
        ({"resets_at": None}, None),
        ({}, None),
    ],
)
def test_resets(error: dict[str, Any], until: float | None) -> None:
    assert signals.resets(error, NOW) == until


def test_rate_limit_headers_are_windows() -> None:
    headers = {
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-requests": "1250",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-limit-tokens": "160000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-project-tokens": "100",
        "x-ratelimit-remaining-project-tokens": "75",
    }
    assert signals.windows_of_headers(headers, NOW) == (
        Window("requests", 0.75, NOW + 0.012, None, NOW),
        Window("tokens", 1.0, NOW + 360, None, NOW),
        Window("project-tokens", 0.25, None, None, NOW),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "-1"},
        {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "100"},
        {"x-ratelimit-remaining-tokens": "5"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "0"},
        {"x-ratelimit-remaining-tokens": "nan", "x-ratelimit-limit-tokens": "10"},
        {"x-codex-primary-window-minutes": "300"},
        {"x-codex-primary-used-percent": "nan"},
    ],
)
def test_what_is_unknown_is_no_window(headers: dict[str, str]) -> None:
    assert signals.windows_of_headers(headers, NOW) == ()


def test_a_spent_dimension_without_its_limit_is_full() -> None:
    assert signals.windows_of_headers(
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7"}, NOW
    ) == (Window("requests", 1.0, NOW + 7, None, NOW),)


def test_codex_windows_go_by_their_span_never_by_their_position() -> None:
    headers = {
        "x-codex-primary-used-percent": "64",
        "x-codex-primary-window-minutes": "10080",
        "x-codex-primary-reset-at": str(int(NOW + 3600)),
        "x-codex-secondary-used-percent": "7.5",
        "x-codex-secondary-window-minutes": "300",
        "x-codex-secondary-reset-after-seconds": "60",
    }
    assert signals.windows_of_headers(headers, NOW) == (
        Window("week", 0.64, NOW + 3600, 7 * DAY, NOW),
        Window("5h", 0.075, NOW + 60, 5 * 3600.0, NOW),
    )


def test_hostile_windows_are_bounded() -> None:
    headers = {
        "x-codex-primary-used-percent": "1e12",
        "x-codex-primary-window-minutes": "-5",
        "x-codex-primary-reset-at": "99999999999",
        "x-codex-secondary-used-percent": "-40",
        "x-codex-secondary-window-minutes": "300",
    }
    assert signals.windows_of_headers(headers, NOW) == (
        Window("window", 10.0, NOW + 8 * DAY, None, NOW),
        Window("5h", 0.0, None, 5 * 3600.0, NOW),
    )


def test_of_two_windows_with_one_name_the_fuller_counts() -> None:
    headers = {"x-codex-primary-used-percent": "90", "x-codex-secondary-used-percent": "20"}
    assert [window.used for window in signals.windows_of_headers(headers, NOW)] == [0.9]


def test_the_rate_limits_event() -> None:
    event = {
        "type": "codex.rate_limits",
        "plan_type": "plus",
        "rate_limits": {
            "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": NOW + 10},
            "secondary": None,
        },
        "credits": {"has_credits": False},
    }
    text = msgspec.json.encode(event)
    assert signals.windows_of_event(text, NOW) == (Window("5h", 0.42, NOW + 10, 5 * 3600.0, NOW),)
    other = text.replace(b"codex.rate_limits", b"response.created")
    assert signals.windows_of_event(other, NOW) == ()


def _usage(**limit: Any) -> bytes:
    primary = {
        "used_percent": 99,
        "limit_window_seconds": 604800,
        "reset_after_seconds": 3600,
        "reset_at": NOW + 3600,
    }
    secondary = {"used_percent": 3, "limit_window_seconds": 18000}
    windows = {"primary_window": primary, "secondary_window": secondary}
    return msgspec.json.encode({"plan_type": "pro", "rate_limit": {**windows, **limit}})


def test_the_usage_page() -> None:
    assert signals.windows_of_usage(_usage(allowed=True, limit_reached=False), NOW) == (
        Window("week", 0.99, NOW + 3600, 7 * DAY, NOW),
        Window("5h", 0.03, None, 5 * 3600.0, NOW),
    )


def test_a_limit_that_is_reached_fills_the_fullest_window_though_the_percent_lags() -> None:
    used = [window.used for window in signals.windows_of_usage(_usage(limit_reached=True), NOW)]
    assert used == [1.0, 0.03]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"rate_limit":[]}',
        b'{"type":"codex.rate_limits"}',
        b"\xff",
    ],
)
def test_garbage_holds_no_windows(garbage: bytes) -> None:
    assert signals.windows_of_event(garbage, NOW) == ()
    assert signals.windows_of_usage(garbage, NOW) == ()


@given(st.text(), st.text(), st.text())
def test_no_text_makes_a_time_that_is_past_or_out_of_reach(a: str, b: str, date: str) -> None:
    waits = [
        signals.duration(a),
        signals.said(f"try again in {a}"),
        signals.retry_after({"retry-after-ms": a, "retry-after": b, "date": date}, NOW),
    ]
    assert all(wait is None or 0 <= wait <= 8 * DAY for wait in waits)
    until = signals.resets({"resets_at": a, "resets_in_seconds": b}, NOW)
    assert until is None or NOW <= until <= NOW + 8 * DAY
