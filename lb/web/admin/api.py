"""The admin API: what the pool looks like, why, and the few things one does to it."""

from typing import Any

from aiohttp import web

from lb import __version__
from lb.core import events
from lb.core.account import Ask
from lb.core.errors import Blame, Problem
from lb.core.explain import explain as explanation
from lb.core.nobody import describe
from lb.core.slot import SERVES, Slot
from lb.proxy.gateway import Gateway
from lb.web.keys import DOORMAN, GATEWAY

_ACTIONS: dict[str, type[events.Event]] = {
    "pause": events.Paused,
    "resume": events.Resumed,
    "reset": events.Restored,
}


def _gateway(request: web.Request) -> Gateway:
    request.app[DOORMAN][0].check_admin(request)
    return request.app[GATEWAY]


async def status(request: web.Request) -> web.Response:
    """The whole pool at a glance."""
    return web.json_response(status_of(_gateway(request)))


async def account(request: web.Request) -> web.Response:
    """One account."""
    gateway = _gateway(request)
    slot = _slot(gateway, request.match_info["id"])
    return web.json_response(account_of(slot, gateway.clock.now()))


async def act(request: web.Request) -> web.Response:
    """Pause, resume or reset an account; answers with how it stands then."""
    gateway = _gateway(request)
    slot = _slot(gateway, request.match_info["id"])
    now = gateway.clock.now()
    action = request.match_info["action"]
    event = _ACTIONS[action](account=slot.id, at=now)
    if action == "reset":
        slot.origin.answered()
    gateway.dispatch.learn(event)
    return web.json_response(account_of(slot, now))


async def explain(request: web.Request) -> web.Response:
    """Who would serve a request for ``?model=`` (and ``&session=``) now, and why not each other."""
    gateway = _gateway(request)
    model = request.query.get("model", "")
    if not model:
        raise Problem(
            "Name the model: /admin/explain?model=gpt-5.5",
            status=400,
            type="invalid_request_error",
            code="missing_required_parameter",
            param="model",
            blame=Blame.CLIENT,
        )
    session = request.query.get("session", "")
    ask = Ask(
        model=model,
        client=request.query.get("client", ""),
        session=f"session:{session}" if session else "",
    )
    now = gateway.clock.now()
    chosen, opinions = explanation(gateway.pool, ask, now, gateway.rng)
    answer = {
        "model": model,
        "chosen": chosen,
        "strategy": gateway.config.routing.strategy,
        "accounts": [{"id": o.account, "verdict": o.verdict, "reason": o.reason} for o in opinions],
    }
    return web.json_response(answer)


def _slot(gateway: Gateway, account_id: str) -> Slot:
    slot = gateway.pool.slots.get(account_id)
    if slot is None:
        raise Problem(
            f"There is no account '{account_id[:200]}'; GET /admin/status lists them.",
            status=404,
            type="invalid_request_error",
            code="account_not_found",
            param="id",
            blame=Blame.CLIENT,
        )
    return slot


def status_of(gateway: Gateway) -> dict[str, Any]:
    """The pool as JSON: what ``lb status`` prints."""
    now = gateway.clock.now()
    slots = list(gateway.pool.slots.values())
    enabled = list(gateway.pool.enabled())
    config = gateway.config
    return {
        "version": __version__,
        "uptime_s": round(now - gateway.started_at, 1),
        "ready": not gateway.draining,
        "strategy": config.routing.strategy,
        "config": {
            "path": str(config.path) if config.path else None,
            "demo": config.demo,
            "problems": gateway.problems,
        },
        "ledger": gateway.memory.status(),
        "event_loop_lag_ms": round(gateway.lag_s * 1000, 2),
        "pool": {
            "accounts": len(slots),
            "ready": sum(_standing(slot, now) for slot in enabled),
            "in_flight": sum(slot.in_flight for slot in slots),
            "waiting": len(gateway.dispatch.queue),
            "pins": len(gateway.pool.affinity),
            "text": describe(enabled, None, now),
        },
        "accounts": [account_of(slot, now) for slot in slots],
    }


def _standing(slot: Slot, now: float) -> bool:
    name = next(iter(slot.account.models), "").replace("*", "").replace("?", "x")
    return slot.judge(Ask(model=name), now) in SERVES


def account_of(slot: Slot, now: float) -> dict[str, Any]:
    """One account as JSON; nothing in it is secret. Times in unix seconds."""
    account, health, counts = slot.account, slot.health, slot.counts
    latency_s = slot.load.latency_s
    return {
        "id": account.id,
        "kind": account.kind,
        "enabled": account.enabled,
        "state": health.state.value,
        "reason": health.reason or None,
        "until": health.until if health.until > now else None,
        "since": health.since or None,
        "priority": account.priority,
        "weight": account.weight,
        "labels": sorted(account.labels),
        "models": list(account.models),
        "in_flight": slot.in_flight,
        "limit": int(slot.limit),
        "max_in_flight": account.max_in_flight,
        "latency_ms": None if latency_s is None else round(latency_s * 1000, 1),
        "windows": [
            {"name": w.name, "used": w.used_at(now), "resets_at": w.resets_at, "span_s": w.span_s}
            for w in slot.windows
        ],
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
