"""Where a conversation belongs, and what a pool keeps over a reload."""

from attrs import evolve

from lb.core.account import Account, Ask
from lb.core.events import Blocked, Doubted, Exhausted, Paused, Refused, Restored, Throttled
from lb.core.health import State
from lb.core.pool import Pool, Wait, origin_of
from lb.core.secret import Secret
from lb.core.slot import Verdict
from lb.core.strategies import STRATEGIES
from tests.core.happenings import ASK, HOUR, MODEL, NOW, picked, pool_of

SPENT = Exhausted("a", NOW, "usage_limit_reached", NOW + HOUR)


def test_a_conversation_stays_with_its_account_while_that_is_ready() -> None:
    pool = pool_of("a", "b", "c")
    ask = Ask(MODEL, session="session:1")
    pool.affinity.pin("", ["session:1"], "c", NOW)
    assert [picked(pool, ask) for _ in range(5)] == ["c"] * 5


def test_a_doubtful_home_loses_to_a_ready_stranger_unless_it_holds_state() -> None:
    pool = pool_of("a", "b")
    pool.affinity.pin("", ["session:1", "enc:x"], "b", NOW)
    pool.learn(Doubted("b", NOW, "503"))
    assert picked(pool, Ask(MODEL, session="session:1")) == "a"
    assert picked(pool, Ask(MODEL, anchors=("enc:x",), session="session:1")) == "b"


def test_a_conversation_moves_when_its_account_is_out() -> None:
    pool = pool_of("a", "b")
    pool.affinity.pin("", ["session:1"], "b", NOW)
    pool.learn(Refused("b", NOW, "deactivated"))
    assert picked(pool, Ask(MODEL, session="session:1")) == "a"


def test_of_two_doubtful_accounts_the_home_serves() -> None:
    pool = pool_of("a", "b")
    pool.affinity.pin("", ["session:1"], "b", NOW)
    for name in ("a", "b"):
        pool.learn(Doubted(name, NOW, "503"))
    assert picked(pool, Ask(MODEL, session="session:1")) == "b"


def test_what_only_its_owner_can_answer_goes_nowhere_else() -> None:
    pool = pool_of("a", "b")
    ask = Ask(MODEL, anchors=("resp:1",), bound=True)
    pool.affinity.pin("", ["resp:1"], "b", NOW)
    assert picked(pool, ask) == "b"
    assert picked(pool, ask, tried=("b",)) is None
    pool.learn(Throttled("b", NOW, "429", NOW + 7))
    assert picked(pool, ask) is None
    assert pool.wait(ask, NOW) == Wait(NOW + 7, busy=False)


def test_an_anchor_whose_owner_is_unknown_binds_nobody() -> None:
    assert picked(pool_of("a"), Ask(MODEL, anchors=("resp:other",), bound=True)) == "a"


def test_two_clients_with_the_same_session_have_nothing_in_common() -> None:
    pool = pool_of("a", "b")
    alice, bob = (Ask(MODEL, client=name, session="session:1") for name in ("alice", "bob"))
    pool.affinity.pin("alice", ["session:1"], "b", NOW)
    assert pool.home(alice, NOW) == "b"
    assert pool.home(bob, NOW) is None
    pool.affinity.pin("bob", ["session:1"], "a", NOW)
    assert (pool.home(alice, NOW), pool.home(bob, NOW)) == ("b", "a")


def test_what_is_known_of_an_account_outlives_a_reload() -> None:
    pool = pool_of("a", "b", max_in_flight=4)
    pool.learn(SPENT)
    picked(pool)
    before = pool.slots["b"]
    pool.update([evolve(before.account, weight=2.0), Account("new", "openai")])
    assert pool.slots["b"] is before
    assert (before.in_flight, before.account.weight) == (1, 2.0)
    assert set(pool.slots) == {"b", "new"}


def test_a_new_credential_gives_a_refused_account_another_chance() -> None:
    pool = pool_of("a", "b", api_key=Secret("old"))
    for name in ("a", "b"):
        pool.learn(Refused(name, NOW, "invalid_api_key"))
    a, b = (slot.account for slot in pool.slots.values())
    pool.update([evolve(a, api_key=Secret("new")), b])
    assert [s.health.state for s in pool.slots.values()] == [State.READY, State.REFUSED]


def test_an_account_that_is_not_enabled_is_never_asked_and_never_waited_for() -> None:
    pool = pool_of("a", enabled=False)
    assert picked(pool) is None
    assert pool.wait(ASK, NOW) == Wait(None, busy=False)


def test_a_reset_forgets_blocks_and_gives_all_places_back() -> None:
    pool = pool_of("a", max_in_flight=8)
    for event in (
        Blocked("a", NOW, MODEL, NOW + HOUR, "model_not_found"),
        Throttled("a", NOW, "429", NOW + HOUR),
        Restored("a", NOW),
    ):
        assert pool.learn(event)
    assert (pool.slots["a"].limit, pool.slots["a"].blocks) == (8, {})
    assert pool.slots["a"].judge(ASK, NOW) is Verdict.READY


def test_news_of_an_account_that_is_gone_is_no_news() -> None:
    assert not Pool(STRATEGIES["balanced"]).learn(Paused("gone", NOW))


def test_an_origin_is_scheme_host_port_and_the_way_there() -> None:
    one = Account("a", "openai", "https://h:1/v1", proxy="http://p")
    assert origin_of(one) == origin_of(evolve(one, id="b", base_url="https://h:1/v2"))
    for other in ({"base_url": "http://h:1/v1"}, {"base_url": "https://h/v1"}, {"proxy": None}):
        assert origin_of(evolve(one, **other)) != origin_of(one)
