"""What an account did lately: bounded, and true."""

from lb.core.history import BUCKET_S, BUCKETS, History

NOW = 1_800_000_000.0


def test_an_account_nobody_asked_has_no_past() -> None:
    history = History()
    assert history.per_s(NOW) == 0.0
    assert history.errors(NOW) == (0, 0)
    assert history.latencies_ms(NOW) == [None] * BUCKETS


def test_the_rate_is_of_the_last_minute_and_the_errors_of_five() -> None:
    history = History()
    for second in range(300):
        history.answered(NOW + second, 0.1)
        if second < 30:
            history.failed(NOW + second)
    end = NOW + 299
    assert abs(history.per_s(end) - 1.0) < 0.1
    failed, attempts = history.errors(end)
    assert failed >= 25
    assert attempts == 300 + failed


def test_latencies_stand_at_their_place_in_time_and_pauses_are_gaps() -> None:
    history = History()
    history.answered(NOW, 0.1)
    history.answered(NOW, 0.3)
    history.answered(NOW + 3 * BUCKET_S, 0.5)
    told = history.latencies_ms(NOW + 3 * BUCKET_S)
    assert told[-4:] == [200.0, None, None, 500.0]
    assert history.latencies_ms(NOW + 10_000) == [None] * BUCKETS


def test_it_never_grows_beyond_its_five_minutes() -> None:
    history = History()
    for step in range(10 * BUCKETS):
        history.failed(NOW + step * BUCKET_S)
    assert len(history._buckets) == BUCKETS


def test_a_clock_that_steps_back_counts_on() -> None:
    history = History()
    history.answered(NOW, 0.1)
    history.answered(NOW - 100, -1.0)
    assert history.errors(NOW) == (0, 2)
