"""What a key's limits look like from outside: headers, refusals, and its own account of itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil, inf
from typing import Any, Final

from lb.core.errors import Blame, Problem
from lb.core.limits import Meter, Over
from lb.core.plans import COUNTED, UUSD, Key, Plan
from lb.core.spans import DAY_S, PERIODS

_NAMES: Final[Mapping[str, str]] = {
    "rpm": "requests per minute (rpm)",
    "rpd": "requests per day (rpd)",
    "tpm": "tokens per minute (tpm)",
    "tpd": "tokens per day (tpd)",
    "max_parallel": "requests at once (max_parallel)",
}
LONGEST_RETRY_S: Final = 90.0
"""Up to here an SDK is told to try again by itself."""


def headers(meter: Meter, now: float) -> dict[str, str]:
    """What is left of the limits there are, as clients know it.

    ``X-RateLimit-*-Minute|Day``: requests, the reset as UTC unix seconds; OpenAI's
    ``x-ratelimit-*-requests|tokens``: of the minute, else of the day, the reset as a span ("1m2s").
    """
    plan, told = meter.plan, dict[str, str]()
    requests: tuple[int, int, float] | None = None
    tokens: tuple[int, int, float] | None = None
    if plan.rpd is not None or plan.tpd is not None:
        day = meter.spent("day", now)
        if plan.rpd is not None:
            requests = (plan.rpd, plan.rpd - day.requests, day.ends_at)
            _tell(told, "Day", requests)
        if plan.tpd is not None:
            tokens = (plan.tpd, plan.tpd - day.tokens - meter.held_tokens, day.ends_at)
    if plan.rpm is not None:
        used = meter.requests.used(now)
        requests = (plan.rpm, plan.rpm - used, meter.requests.empty_at(now))
        _tell(told, "Minute", requests)
    if plan.tpm is not None:
        left = plan.tpm - meter.tokens.used(now) - meter.held_tokens
        tokens = (plan.tpm, left, meter.tokens.empty_at(now))
    for name, known in (("requests", requests), ("tokens", tokens)):
        if known is not None:
            told[f"x-ratelimit-limit-{name}"] = str(known[0])
            told[f"x-ratelimit-remaining-{name}"] = str(max(0, known[1]))
            told[f"x-ratelimit-reset-{name}"] = span(known[2] - now)
    return told


def _tell(told: dict[str, str], window: str, known: tuple[int, int, float]) -> None:
    limit, left, resets_at = known
    told[f"X-RateLimit-Limit-{window}"] = str(limit)
    told[f"X-RateLimit-Remaining-{window}"] = str(max(0, left))
    told[f"X-RateLimit-Reset-{window}"] = str(ceil(resets_at))


def span(seconds: float) -> str:
    """A span as OpenAI's headers write it: "6m0s", "17s", "120ms"."""
    if seconds < 1.0:
        return f"{max(0, ceil(seconds * 1000))}ms"
    minutes, rest = divmod(ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def refusal(over: Over, plan: Plan, now: float) -> Problem:
    """The 429 or 402 for a limit that is reached: its name, and when to come back."""
    if over.limit == "balance" and over.retry_after_s is None:
        return Problem(
            f"The prepaid balance of this API key is used up ({usd(over.most)} of {usd(over.most)}"
            " USD). Ask your operator to top it up.",
            status=402,
            type="insufficient_balance",
            code="insufficient_balance",
            blame=Blame.CLIENT,
            should_retry=False,
        )
    return Problem(
        _words(over, plan, now),
        status=429,
        type="rate_limit_exceeded",
        code="rate_limit_exceeded",
        blame=Blame.CLIENT,
        retry_after_s=over.retry_after_s,
        should_retry=over.retry_after_s is not None and over.retry_after_s <= LONGEST_RETRY_S,
        extra={"limit": over.limit},
    )


def _words(over: Over, plan: Plan, now: float) -> str:
    if over.limit in _NAMES:
        what = f"limit {over.most}, used {over.used}"
        what += f", held by requests in flight {over.held}" if over.held else ""
        told = f"Rate limit reached for this API key: {_NAMES[over.limit]}: {what}."
    elif over.retry_after_s == inf or over.used < over.most:
        told = (
            f"The rest of this API key's {over.limit} ({usd(over.most)} USD) is held"
            " by requests in flight."
        )
    else:
        per = plan.budget.per if plan.budget else "total"
        period = "in total" if per == "total" else f"per {per}"
        told = f"The budget of this API key is spent: {usd(over.most)} USD {period}."
    if over.retry_after_s is None:
        return f"{told} Ask your operator to raise it."
    at = datetime.fromtimestamp(ceil(now + over.retry_after_s), UTC)
    when = f" It resets at {at:%Y-%m-%d %H:%M:%S} UTC."
    return f"{told}{when} Please try again in {span(max(1.0, over.retry_after_s))}."


def usd(uusd: int) -> str:
    """Micro-USD in USD, without needless zeros, at least two places."""
    whole, rest = divmod(abs(uusd), UUSD)
    places = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if uusd < 0 else ''}{whole}.{places}"


def told_of(key: Key, meter: Meter, now: float) -> dict[str, Any]:
    """A key's plan, what it has used and what is left, as JSON. Money in USD, times unix."""
    plan, day = key.plan, meter.spent("day", now)
    expires_at = plan.expires_at
    return {
        "object": "usage",
        "key": {"name": key.name or None, "masked": key.masked, "source": key.source},
        "status": "active" if not key.refusal(now) else key.refusal(now),
        "plan": plan.name or None,
        "models": {"allow": list(plan.models), "deny": list(plan.deny)},
        "max_effort": plan.max_effort or None,
        "limits": [_limit(name, meter, now) for name in COUNTED if getattr(plan, name) is not None],
        "budget": _budget(meter, now),
        "balance": _balance(meter, now),
        "used": {
            "requests_minute": meter.requests.used(now),
            "tokens_minute": meter.tokens.used(now),
            "requests_day": day.requests,
            "tokens_day": day.tokens,
            "in_flight": meter.in_flight,
            **{f"usd_{per}": meter.spent(per, now).uusd / UUSD for per in PERIODS},
            "requests_total": meter.spent("total", now).requests,
            "tokens_total": meter.spent("total", now).tokens,
        },
        "expires_at": expires_at,
        "remaining_days": None if expires_at is None else max(0, ceil((expires_at - now) / DAY_S)),
    }


def _limit(name: str, meter: Meter, now: float) -> dict[str, Any]:
    most = getattr(meter.plan, name)
    day = meter.spent("day", now)
    used, resets_at = {
        "rpm": (meter.requests.used(now), meter.requests.empty_at(now)),
        "tpm": (meter.tokens.used(now) + meter.held_tokens, meter.tokens.empty_at(now)),
        "rpd": (day.requests, day.ends_at),
        "tpd": (day.tokens + meter.held_tokens, day.ends_at),
        "max_parallel": (meter.in_flight, None),
    }[name]
    left = max(0, most - used)
    return {"name": name, "limit": most, "used": used, "remaining": left, "resets_at": resets_at}


def _budget(meter: Meter, now: float) -> dict[str, Any] | None:
    budget = meter.plan.budget
    if budget is None:
        return None
    period = meter.spent(budget.per, now)
    return {
        "usd": budget.uusd / UUSD,
        "per": budget.per,
        "used_usd": period.uusd / UUSD,
        "remaining_usd": max(0, budget.uusd - period.uusd) / UUSD,
        "resets_at": None if period.ends_at == inf else period.ends_at,
    }


def _balance(meter: Meter, now: float) -> dict[str, Any] | None:
    paid = meter.plan.balance_uusd
    if paid is None:
        return None
    used = meter.spent("total", now).uusd
    return {
        "usd": paid / UUSD,
        "used_usd": used / UUSD,
        "remaining_usd": max(0, paid - used) / UUSD,
    }
