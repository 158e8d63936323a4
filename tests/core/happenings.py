"""What the core's tests are made of: held times, accounts, events by name and by chance."""

from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

from lb.core.account import Account, Ask
from lb.core.events import (
    Blocked,
    Doubted,
    Event,
    Exhausted,
    Measured,
    Paused,
    Refreshing,
    Refused,
    Restored,
    Resumed,
    Succeeded,
    Throttled,
)
from lb.core.pool import Pool
from lb.core.strategies import STRATEGIES
from lb.core.windows import Window

NOW = 1_760_000_000.0
HOUR = 3600.0
MODEL = "gpt-5.5"
ASK = Ask(MODEL)


def pool_of(
    *names: str,
    strategy: str = "least_loaded",
    each: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Pool:
    """A pool of accounts; ``each`` gives an account by name fields of its own."""
    told = {name: {**fields, **((each or {}).get(name) or {})} for name in names}
    pool = Pool(STRATEGIES[strategy])
    pool.update(Account(name, "openai", f"https://{name}.test/v1", **told[name]) for name in told)
    return pool


def picked(pool: Pool, ask: Ask = ASK, now: float = NOW, tried: tuple[str, ...] = ()) -> str | None:
    """Who was picked, by name; the place stays reserved."""
    found = pool.pick(ask, now, Random(1), tried)
    return found[0].id if found else None


def events(
    accounts: tuple[str, ...] = ("a",), *, first: float = NOW, last: float = NOW + HOUR
) -> st.SearchStrategy[Event]:
    """Any event of the vocabulary at any time between."""
    account, at = st.sampled_from(accounts), st.floats(first, last)
    later, jitter = st.floats(first, last + HOUR), st.floats(0, 1)
    reason = st.sampled_from(["", "503 server_error", "x" * 300])
    window = st.builds(
        Window,
        st.sampled_from(["5h", "week", "tokens"]),
        st.floats(0, 1.5),
        st.none() | later,
        st.sampled_from([None, 60.0, 18_000.0, 604_800.0]),
        at,
    )
    return st.one_of(
        st.builds(Succeeded, account, at),
        st.builds(Doubted, account, at, reason, jitter),
        st.builds(Throttled, account, at, reason, st.none() | later, jitter),
        st.builds(Exhausted, account, at, reason, later),
        st.builds(Refreshing, account, at),
        st.builds(Refused, account, at, reason),
        st.builds(Restored, account, at, reason),
        st.builds(Paused, account, at),
        st.builds(Resumed, account, at),
        st.builds(Blocked, account, at, st.sampled_from([MODEL, "gpt-4.1"]), later, reason),
        st.builds(Measured, account, at, st.lists(window, max_size=3).map(tuple)),
    )
