"""Clients are kept apart: by what is hashed, and by how long a guess takes."""

import math
import statistics
import time
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from lb.adapters.keys import mint
from lb.core.account import Account
from lb.core.affinity import PIN_S, STATE_S, Affinity, key_of, seed_of, spread
from lb.core.body import Body
from lb.core.keyring import Keyring
from lb.core.plans import Key
from lb.core.tenancy import Tenant

NOW = 1_760_000_000.0


def test_finding_a_key_takes_as_long_as_not_finding_one() -> None:
    known = [mint().reveal() for _ in range(1000)]
    ring = Keyring.of([Key(str(n), _digest(key)) for n, key in enumerate(known)], ())
    near = [key[:-1] + ("0" if key[-1] != "0" else "1") for key in known]  # all but the last right
    far = [mint().reveal() for _ in known]
    times: dict[str, list[float]] = {"near": [], "far": []}
    for _ in range(9):
        for name, guesses in (("near", near), ("far", far)):
            begun = time.perf_counter()
            for guess in guesses:
                assert ring.find(_digest(guess)) is None
            times[name].append(time.perf_counter() - begun)
    best = [min(times[name]) for name in ("near", "far")]
    assert max(best) / min(best) < 1.5, "a better guess must not take longer"
    assert statistics.median(times["near"]) / len(known) < 100e-6


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


names = st.text(max_size=30)


@given(value=names, one=names, other=names)
def test_equal_values_of_different_clients_are_different_keys(
    value: str, one: str, other: str
) -> None:
    affinity = Affinity()
    affinity.pin(one, [f"resp:{value}"], "a", NOW)
    known = affinity.owner(other, [f"resp:{value}"], NOW)
    assert (known is not None) is (one == other)
    assert (key_of(one, value) == key_of(other, value)) is (one == other)
    caches = []
    for client_name in (one, other):
        body = Body.parse(b'{"prompt_cache_key":"x"}')
        Tenant(client_name, affinity).separate_caches(body)
        caches.append(body.get("prompt_cache_key"))
    assert (caches[0] == caches[1]) is (one == other)


def test_placement_of_equal_sessions_is_independent() -> None:
    """Over many sessions two clients meet on an account as often as chance has it."""
    accounts = [Account(f"acc-{n}", "openai") for n in range(4)]

    def place(client_name: str, session: str) -> str:
        key = key_of(client_name, session)
        return max(accounts, key=lambda account: spread(key, seed_of(account.id))).id

    sessions = [f"session:{n}" for n in range(2000)]
    met = sum(place("alice", each) == place("bob", each) for each in sessions)
    expected, deviation = len(sessions) / 4, math.sqrt(len(sessions) * 0.25 * 0.75)
    assert abs(met - expected) < 5 * deviation


def test_stored_state_is_remembered_as_long_as_upstream_keeps_it() -> None:
    affinity = Affinity()
    affinity.pin("alice", ["resp:1", "item:1", "session:1"], "a", NOW)
    for name, lives_s in (("resp:1", STATE_S), ("item:1", STATE_S), ("session:1", PIN_S)):
        assert affinity.owner("alice", [name], NOW + lives_s - 1) == "a"
        assert affinity.owner("alice", [name], NOW + lives_s) is None
