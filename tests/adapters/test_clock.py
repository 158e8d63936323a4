"""The clock."""

import time

import pytest

from lb.adapters.clock import Clock


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


def test_durations_are_in_seconds() -> None:
    clock = Clock()
    begun, begun_now = clock.monotonic(), clock.now()
    time.sleep(0.02)
    assert 0.02 <= clock.monotonic() - begun < 1
    assert 0.019 <= clock.now() - begun_now < 1
