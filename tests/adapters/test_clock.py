"""The clock."""

import time

import pytest

from lb.adapters.clock import LOOK_S, Clock


def test_it_tells_unix_seconds() -> None:
    assert abs(Clock().now() - time.time()) < 0.5


def test_it_never_goes_back() -> None:
    clock = Clock()
    told = [clock.now() for _ in range(1000)]
    assert told == sorted(told)


def test_a_corrected_wall_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= clock.now() - before < 1


def test_a_night_asleep_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, cheap = Clock(), time.monotonic
    awake_s, asleep_s = 2 * LOOK_S, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: cheap() + awake_s)
    monkeypatch.setattr(clock, "_ticks", lambda: cheap() + awake_s + asleep_s)
    clock._began = time.time() - cheap()
    before = clock.now()
    asleep_s = 8 * 3600.0
    assert clock.now() - before < 1, "it looks now and then only"
    awake_s += 2 * LOOK_S
    assert 8 * 3600 <= clock.now() - before < 8 * 3600 + 2
    awake_s, asleep_s = awake_s + 2 * LOOK_S, 0.0
    assert clock.now() > before + 8 * 3600, "it never goes back"


def test_durations_are_in_seconds() -> None:
    clock = Clock()
    begun, begun_now = clock.monotonic(), clock.now()
    time.sleep(0.02)
    assert 0.02 <= clock.monotonic() - begun < 1
    assert 0.019 <= clock.now() - begun_now < 1
