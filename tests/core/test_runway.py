"""How long the pool's quota lasts: what all spend, out of what all have."""

from attrs import evolve

from lb.core.account import Account
from lb.core.health import WELL, State
from lb.core.runway import runway
from lb.core.slot import Slot
from lb.core.windows import WEEK_S, Window

NOW = 1_800_000_000.0
HOUR = 3600.0


def slot(name: str, *windows: Window, state: State = State.READY) -> Slot:
    return Slot(Account(name, "chatgpt"), evolve(WELL, state=state), windows=windows)


def window(used: float, elapsed_h: float, span_h: float = 168.0) -> Window:
    return Window("week", used, NOW + (span_h - elapsed_h) * HOUR, span_h * HOUR, NOW)


def test_one_account_runs_dry_at_its_own_pace() -> None:
    told = runway([slot("a", window(0.5, 10.0))], NOW)
    assert told.empty_at is not None
    assert abs(told.empty_at - (NOW + 10 * HOUR)) < 1


def test_two_accounts_share_what_is_left() -> None:
    spent, fresh = slot("a", window(1.0, 10.0)), slot("b", window(0.0, 10.0))
    told = runway([spent, fresh], NOW)
    assert told.empty_at is not None
    assert abs(told.empty_at - (NOW + 10 * HOUR)) < 1, "a's pace goes on, at b"


def test_a_reset_fills_up_in_time() -> None:
    assert runway([slot("a", window(0.5, 100.0))], NOW).empty_at is None


def test_an_account_without_windows_has_no_end() -> None:
    told = runway([slot("a", window(1.0, 10.0)), slot("b")], NOW)
    assert (told.empty_at, told.metered, told.unmetered) == (None, 1, 1)


def test_short_windows_and_accounts_that_are_away_do_not_count() -> None:
    minute = Window("tokens", 0.9, NOW + 30, 60.0, NOW)
    refused = slot("b", window(0.1, 10.0), state=State.REFUSED)
    told = runway([slot("a", minute), refused], NOW)
    assert (told.metered, told.unmetered) == (0, 1)


def test_nothing_left_is_the_end_now() -> None:
    told = runway([slot("a", Window("week", 1.0, NOW + HOUR, WEEK_S, NOW))], NOW)
    assert told.empty_at == NOW


def test_an_empty_pool_has_no_runway() -> None:
    assert runway([], NOW).empty_at is None
