"""What an upstream says of its quota in the middle of an answer."""

from lb.core import events, sse
from lb.core.pool_usage import pooled, rate_limits_event
from lb.core.upstreams.signals import windows_of_event
from lb.proxy.attempt import Opened
from lb.proxy.dispatch import Dispatch


def measured(dispatch: Dispatch, opened: Opened, run: bytes) -> bytes:
    """Learn what a run of frames said of the account's quota; the client hears of the pool's."""
    if not opened.tap.readings:
        return run
    readings, opened.tap.readings = opened.tap.readings, []
    now, account = dispatch.clock.now(), opened.attempt.slot.id
    for reading in readings:
        if windows := windows_of_event(reading, now):
            dispatch.learn(events.Measured(account, now, windows))
    told = rate_limits_event(pooled(dispatch.pool.enabled(), now), now)
    name = "codex.rate_limits"
    return b"".join(
        sse.write(name, told) if sse.read(frame)[1] in readings else frame
        for frame in sse.frames(run)
    )
