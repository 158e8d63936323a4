"""What the admin API says of the pool and of an account: JSON, times in unix seconds, no secret."""

from typing import Any

from lb import __version__
from lb.core.account import Ask
from lb.core.health import State
from lb.core.history import History
from lb.core.nobody import describe
from lb.core.runway import runway
from lb.core.slot import SERVES, Slot
from lb.core.windows import exhausts_at
from lb.proxy.gateway import Gateway


def status_of(gateway: Gateway) -> dict[str, Any]:
    """The pool as JSON: what ``lb status`` prints."""
    now = gateway.clock.now()
    config = gateway.config
    return {
        "version": __version__,
        "uptime_s": round(now - gateway.started_at, 1),
        "at": now,
        "ready": not gateway.draining,
        "strategy": config.routing.strategy,
        "config": {
            "path": str(config.path) if config.path else None,
            "demo": config.demo,
            "problems": gateway.problems,
        },
        "event_loop_lag_ms": round(gateway.lag_s * 1000, 2),
        "ledger": gateway.memory.status(),
        "pool": pool_of(gateway, now),
        "accounts": accounts_of(gateway, now),
    }


def pool_of(gateway: Gateway, now: float) -> dict[str, Any]:
    """The pool in a few numbers and a sentence."""
    slots = list(gateway.pool.slots.values())
    enabled = list(gateway.pool.enabled())
    failed, attempts = gateway.histories.errors(now)
    known = runway(enabled, now)
    return {
        "accounts": len(slots),
        "ready": sum(_standing(slot, now) for slot in enabled),
        "in_flight": sum(slot.in_flight for slot in slots),
        "waiting": len(gateway.dispatch.queue),
        "pins": len(gateway.pool.affinity),
        "text": describe(enabled, None, now),
        "requests_per_s": round(gateway.histories.per_s(now), 2),
        "error_share": round(failed / attempts, 4) if attempts else None,
        "runway": {
            "empty_at": known.empty_at,
            "metered": known.metered,
            "unmetered": known.unmetered,
        },
    }


def accounts_of(gateway: Gateway, now: float) -> list[dict[str, Any]]:
    """Every account, in the order of the configuration."""
    pins = gateway.pins(now)
    return [
        account_of(slot, now, gateway.histories.of(slot.id), pins.get(slot.id, 0))
        for slot in gateway.pool.slots.values()
    ]


def one_of(gateway: Gateway, slot: Slot, now: float) -> dict[str, Any]:
    """One account."""
    pins = gateway.pins(now).get(slot.id, 0)
    return account_of(slot, now, gateway.histories.of(slot.id), pins)


def _standing(slot: Slot, now: float) -> bool:
    name = next(iter(slot.account.models), "").replace("*", "").replace("?", "x")
    return slot.judge(Ask(model=name), now) in SERVES


def account_of(slot: Slot, now: float, history: History, pins: int) -> dict[str, Any]:
    """One account as JSON; nothing in it is secret."""
    account, counts, latency_s = slot.account, slot.counts, slot.load.latency_s
    failed, attempts = history.errors(now)
    return {
        "id": account.id,
        "kind": account.kind,
        "enabled": account.enabled,
        **_health_of(slot, now),
        "priority": account.priority,
        "weight": account.weight,
        "labels": sorted(account.labels),
        "models": list(account.models),
        "in_flight": slot.in_flight,
        "limit": int(slot.limit),
        "max_in_flight": account.max_in_flight,
        "latency_ms": None if latency_s is None else round(latency_s * 1000, 1),
        "requests_per_s": round(history.per_s(now), 2),
        "error_share": round(failed / attempts, 4) if attempts else None,
        "latencies_ms": history.latencies_ms(now),
        "pins": pins,
        "windows": _windows_of(slot, now),
        "blocks": [
            {"model": b.model, "until": b.until, "reason": b.reason}
            for b in slot.blocks.values()
            if b.until > now
        ],
        "counts": {
            "requests": counts.requests,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
        },
        "last_error": (
            None if slot.mishap is None else {"at": slot.mishap.at, "reason": slot.mishap.reason}
        ),
    }


def _health_of(slot: Slot, now: float) -> dict[str, Any]:
    health = slot.health
    return {
        "state": health.state.value,
        "reason": health.reason or None,
        "until": health.until if health.until > now else None,
        "since": health.since or None,
        "words": words_of(slot, now),
    }


def words_of(slot: Slot, now: float) -> str:
    """How an account stands, in words; when it is back is for the reader to add (``until``)."""
    state = slot.health.state
    if not slot.account.enabled:
        return "disabled in the configuration"
    full = max(
        (w for w in slot.windows if w.used_at(now) >= 1.0),
        key=lambda window: window.resets_at or 0.0,
        default=None,
    )
    if state is State.EXHAUSTED:
        return f"{_LIMITS.get(full.name, full.name + ' limit')}" if full else "usage limit"
    if state is State.DOUBTFUL and slot.health.until <= now:
        return "ready, after a fault"
    return _WORDS[state]


_LIMITS = {"week": "weekly limit", "5h": "5-hour limit", "1d": "daily limit", "month": "monthly"}
_WORDS = {
    State.READY: "ready",
    State.DOUBTFUL: "second choice",
    State.COOLING: "rate limited",
    State.REFRESHING: "renewing its token",
    State.REFUSED: "needs a person",
    State.PAUSED: "paused",
}


def _windows_of(slot: Slot, now: float) -> list[dict[str, Any]]:
    return [
        {
            "name": window.name,
            "used": window.used_at(now),
            "resets_at": window.resets_at,
            "span_s": window.span_s,
            "empty_at": exhausts_at(window, now),
        }
        for window in slot.windows
    ]
