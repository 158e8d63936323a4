"""What a plan allows, and how a key's limits look from outside."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.account import Account, Ask
from lb.core.allowance import headers, refusal, span, told_of, usd
from lb.core.body import Body
from lb.core.errors import Problem
from lb.core.limits import Meter, Over, Reservation
from lb.core.nobody import nobody
from lb.core.plans import EFFORTS, Budget, Key, Plan, with_overrides
from lb.core.pool import Pool
from lb.core.slot import NEVER, Slot, Verdict
from lb.core.strategies import STRATEGIES
from lb.core.throttle import Throttle, network_of

NOW = 1_760_000_000.0  # 2025-10-09 08:53:20 UTC


@pytest.mark.parametrize(
    ("allow", "deny", "model", "admitted"),
    [
        ((), (), "gpt-5.5", True),
        (("gpt-5*",), (), "gpt-5.5", True),
        (("gpt-5*",), (), "gpt-4.1", False),
        ((), ("*-pro",), "gpt-5-pro", False),
        ((), ("*-pro",), "gpt-5", True),
        (("gpt-5*",), ("gpt-5-pro",), "gpt-5-pro", False),
    ],
)
def test_globs_allow_and_deny_and_deny_wins(
    allow: tuple[str, ...], deny: tuple[str, ...], model: str, *, admitted: bool
) -> None:
    plan = Plan(models=allow, deny=deny)
    assert plan.admits(model) is admitted
    if not admitted:
        with pytest.raises(Problem) as refused:
            plan.check_model(model)
        assert refused.value.envelope() == {
            "message": f"This API key does not have access to model '{model}'",
            "type": "invalid_request_error",
            "code": "model_not_allowed",
            "param": "model",
        }
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("effort", "model", "allowed"),
    [
        ("low", "gpt-5.5", True),
        ("medium", "gpt-5.5", True),
        ("high", "gpt-5.5", False),
        ("xhigh", "gpt-5.5", False),
        ("enormous", "gpt-5.5", False),
        (None, "gpt-5.5", True),
        (None, "gpt-5.5:max", False),
        (None, "gpt-5.5:low", True),
        (None, "ft:gpt-4:acme", True),
    ],
)
def test_no_more_reasoning_than_the_plan_has(
    effort: str | None, model: str, *, allowed: bool
) -> None:
    told = {"model": model, "reasoning": {"effort": effort} if effort else None}
    body = Body.parse(msgspec.json.encode(told))
    Plan().check_effort(body, model)
    if allowed:
        Plan(max_effort="medium").check_effort(body, model)
        return
    with pytest.raises(Problem, match="up to 'medium'") as refused:
        Plan(max_effort="medium").check_effort(body, model)
    assert (refused.value.status, refused.value.code) == (400, "unsupported_capability")
    assert refused.value.param == "reasoning.effort"


def test_efforts_are_in_order() -> None:
    assert EFFORTS.index("minimal") < EFFORTS.index("low") < EFFORTS.index("high")


def test_a_key_says_for_itself_what_its_plan_says_otherwise() -> None:
    plan = Plan("team", rpm=60, tpm=100)
    assert with_overrides(plan, {"rpm": 5}) == Plan("team", rpm=5, tpm=100)
    assert with_overrides(plan, {}) is plan


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (Key("a", b"", Plan()), ""),
        (Key("a", b"", Plan(expires_at=NOW)), "expired"),
        (Key("a", b"", Plan(expires_at=NOW + 1)), ""),
        (Key("a", b"", note="This API key is disabled."), "disabled"),
        (Key("a", b"", ends_at=NOW), "replaced"),
        (Key("a", b"", ends_at=NOW + 0.1), ""),
    ],
)
def test_a_key_says_truthfully_why_it_opens_nothing(key: Key, words: str) -> None:
    refusal = key.refusal(NOW)
    assert words in refusal
    assert bool(refusal) is bool(words)


ACCOUNTS = (
    Account("a", "openai"),
    Account("b", "openai", labels=frozenset({"zdr"})),
    Account("c", "openai", labels=frozenset({"zdr", "eu"})),
)


@pytest.mark.parametrize(
    ("accounts", "labels", "served"),
    [
        ((), (), "abc"),
        (("a",), (), "a"),
        ((), ("zdr",), "bc"),
        (("a",), ("eu",), "ac"),
        (("gone",), (), ""),
    ],
)
def test_a_key_is_served_by_its_accounts_only(
    accounts: tuple[str, ...], labels: tuple[str, ...], served: str
) -> None:
    ask = Ask("m", accounts=frozenset(accounts), labels=frozenset(labels))
    pool = Pool(STRATEGIES["balanced"])
    pool.update(ACCOUNTS)
    ready = [s.id for s in pool.slots.values() if s.judge(ask, NOW) is Verdict.READY]
    assert "".join(ready) == served
    others = {s.judge(ask, NOW) for s in pool.slots.values() if s.id not in served}
    assert others <= {Verdict.KEY} <= NEVER
    if not served:
        problem = nobody(pool, ask, NOW)
        assert (problem.status, problem.code) == (503, "no_accounts")
        assert "this API key may use" in problem.message


def test_what_a_key_may_not_use_is_not_told_to_it() -> None:
    pool = Pool(STRATEGIES["balanced"])
    pool.update(ACCOUNTS)
    for slot in pool.slots.values():
        slot.in_flight = 10**6
    told = nobody(pool, Ask("m", accounts=frozenset({"a"})), NOW).message
    assert "1 busy" in told


def _over(plan: Plan, uusd: int = 0) -> Over:
    meter = Meter(plan)
    for _ in range(100):
        found = meter.admit(10, uusd, NOW)
        if isinstance(found, Over):
            return found
        found.settle(10, uusd, NOW)
    raise AssertionError


@pytest.mark.parametrize(
    ("plan", "uusd", "words", "retry_after_s"),
    [
        (Plan(rpm=5), 0, "requests per minute (rpm): limit 5, used 5", 60.0),
        (Plan(rpd=5), 0, "requests per day (rpd)", 54_400.0),
        (Plan(tpm=50), 0, "tokens per minute (tpm): limit 50, used 50", 60.0),
        (Plan(tpd=50), 0, "resets at 2025-10-10 00:00:00 UTC", 54_400.0),
        (Plan(budget=Budget(5_000_000, "day")), 10**6, "5.00 USD per day", 54_400.0),
        (Plan(budget=Budget(5_000_000, "total")), 10**6, "Ask your operator", None),
    ],
)
def test_a_refusal_names_the_limit_and_the_time(
    plan: Plan, uusd: int, words: str, retry_after_s: float | None
) -> None:
    problem = refusal(_over(plan, uusd), plan, NOW)
    assert problem.status == 429
    assert problem.code == problem.type == "rate_limit_exceeded"
    assert words in problem.message
    assert problem.headers().get("Retry-After") == (
        None if retry_after_s is None else str(round(problem.retry_after_s or 0))
    )
    if retry_after_s is not None:
        assert problem.retry_after_s == pytest.approx(retry_after_s, abs=1.5)


def test_an_empty_balance_is_a_402() -> None:
    plan = Plan(balance_uusd=2_500_000)
    problem = refusal(_over(plan, 10**6), plan, NOW)
    assert (problem.status, problem.code) == (402, "insufficient_balance")
    assert problem.type == "insufficient_balance"
    assert "2.50" in problem.message
    assert problem.headers() == {"x-should-retry": "false"}


def test_what_is_only_held_is_not_called_spent() -> None:
    plan = Plan(balance_uusd=100, budget=Budget(100))
    meter = Meter(plan)
    assert isinstance(meter.admit(1, 100, NOW), Reservation)
    over = meter.admit(1, 1, NOW)
    assert isinstance(over, Over)
    problem = refusal(over, plan, NOW)
    assert problem.status == 429
    assert "held by requests in flight" in problem.message


def test_headers_are_those_clients_know() -> None:
    meter = Meter(Plan(rpm=50, rpd=1000, tpm=9_000))
    meter.admit(1_000, 0, NOW)
    assert headers(meter, NOW) == {
        "X-RateLimit-Limit-Minute": "50",
        "X-RateLimit-Remaining-Minute": "49",
        "X-RateLimit-Reset-Minute": str(int(NOW) + 61),
        "X-RateLimit-Limit-Day": "1000",
        "X-RateLimit-Remaining-Day": "999",
        "X-RateLimit-Reset-Day": "1760054400",
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "1m1s",
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-remaining-tokens": "8000",
        "x-ratelimit-reset-tokens": "0ms",
    }
    assert headers(Meter(Plan(max_parallel=4)), NOW) == {}
    day = headers(Meter(Plan(rpd=7, tpd=70)), NOW)
    assert day["x-ratelimit-limit-requests"] == "7"
    assert day["x-ratelimit-limit-tokens"] == "70"
    assert "X-RateLimit-Limit-Minute" not in day


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0ms"), (0.0201, "21ms"), (1, "1s"), (17, "17s"), (360, "6m0s"), (3725, "1h2m5s")],
)
def test_spans_are_written_as_openai_does(seconds: float, told: str) -> None:
    assert span(seconds) == told


@given(st.integers(0, 10**13))
def test_money_is_written_exactly(uusd: int) -> None:
    whole, _, rest = usd(uusd).partition(".")
    assert int(whole) * 10**6 + int(rest.ljust(6, "0")) == uusd
    assert 2 <= len(rest) <= 6


def test_a_key_can_see_its_own_account() -> None:
    plan = Plan("team", rpm=5, budget=Budget(10**7, "week"), balance_uusd=3 * 10**6)
    key = Key(
        "alice", b"digest", with_overrides(plan, {"expires_at": NOW + 86_401}), "sk-lb-abc123"
    )
    meter = Meter(key.plan)
    found = meter.admit(10, 0, NOW)
    assert isinstance(found, Reservation)
    found.settle(30, 500_000, NOW)
    told = told_of(key, meter, NOW)
    assert told["key"] == {"name": "alice", "masked": "sk-lb-abc123…", "source": "file"}
    assert told["plan"] == "team"
    assert told["limits"][0]["remaining"] == 4
    assert told["budget"]["remaining_usd"] == 9.5
    assert told["balance"] == {"usd": 3.0, "used_usd": 0.5, "remaining_usd": 2.5}
    assert told["remaining_days"] == 2
    assert told["used"]["tokens_day"] == 30
    assert "digest" not in str(told)


def test_guessing_is_slow_and_hurts_nobody_else() -> None:
    throttle = Throttle()
    waits = [throttle.failed("10.0.0.1", NOW) for _ in range(25)]
    assert waits[:20] == [None] * 20
    assert waits[20] == pytest.approx(3.0)
    assert throttle.failed("10.0.0.2", NOW) is None
    assert throttle.failed("10.0.0.1", NOW + 3.1) is None
    assert throttle.failed("10.0.0.1", NOW + 3.1) is not None
    many = Throttle(most=100)
    for number in range(1000):
        many.failed(f"10.1.{number // 250}.{number % 250}", NOW)
    assert len(many._buckets) == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "20010db800010002::/64"),
        ("2001:db8:1:2:ffff::4", "20010db800010002::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
        ("", ""),
    ],
)
def test_an_address_is_what_one_person_holds(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_slot_judges_the_key_before_anything_else() -> None:
    slot = Slot(Account("a", "openai", models=("gpt-*",)))
    assert slot.judge(Ask("other", accounts=frozenset({"b"})), NOW) is Verdict.KEY
