"""The admin API of several workers: whichever is asked answers for all.

What each worker has of its own it is asked for (``counts``, ``metrics``, ``timeline``); one that
does not answer in time is left out. A server that is alone asks nobody.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lb.adapters.limits import resident_bytes
from lb.proxy import sums
from lb.proxy.family import Question
from lb.proxy.gateway import Gateway
from lb.proxy.gauges import House
from lb.web.keys import GATEWAY, HOUSE

if TYPE_CHECKING:
    from prometheus_client import Metric

TICK_ANSWER_S = 0.3  # for the numbers that are told every second


def answers_of(app: web.Application) -> dict[str, Question]:
    """What the others may ask this worker, by name."""
    gateway = app[GATEWAY]

    async def counts(_: Any) -> dict[str, Any]:
        return counts_of(gateway, app[HOUSE])

    async def metrics(_: Any) -> list[sums.Data]:
        return sums.data_of(app[HOUSE].collect())

    async def timeline(request_id: Any) -> dict[str, Any] | None:
        return timeline_of(gateway, request_id)

    return {"counts": counts, "metrics": metrics, "timeline": timeline}


def timeline_of(gateway: Gateway, request_id: str) -> dict[str, Any] | None:
    """The timeline of a request that this worker served, in words."""
    timeline = gateway.timelines.get(request_id)
    return None if timeline is None else timeline.told(gateway.config.routing.strategy)


async def timeline_anywhere(gateway: Gateway, request_id: str) -> dict[str, Any] | None:
    """The timeline of a request, whichever worker served it."""
    told = timeline_of(gateway, request_id)
    if told is not None:
        return told
    return next(iter(await gateway.others.ask("timeline", request_id)), None)


async def all_metrics(house: House) -> "list[Metric]":
    """The metrics of all workers as one."""
    others = await house.gateway.others.ask("metrics")
    return sums.whole(house.collect(), others)


def counts_of(gateway: Gateway, house: House) -> dict[str, Any]:
    """What this worker alone knows: how it fares, and what it did at which account."""
    now, histories = gateway.clock.now(), gateway.histories
    slots = gateway.pool.slots.values()
    return {
        "worker": {
            "worker": house.memory.place.number,
            "pid": os.getpid(),
            "resident_bytes": resident_bytes(),
            "event_loop_lag_ms": round(gateway.lag_s * 1000, 2),
            "in_flight": len(gateway.deliveries),
            "requests": int(sum(house.metrics.requests.numbers.values())),
            "uptime_s": round(now - gateway.started_at, 1),
        },
        "waiting": len(gateway.dispatch.queue),
        "per_s": histories.per_s(now),
        "errors": histories.errors(now),
        "accounts": {
            slot.id: (
                (slot.counts.requests, slot.counts.succeeded, slot.counts.failed),
                histories.of(slot.id).per_s(now),
                histories.of(slot.id).errors(now),
                slot.load.latency_s,
            )
            for slot in slots
        },
    }


def add_up(
    pool: dict[str, Any], accounts: Iterable[dict[str, Any]], told: Iterable[Mapping[str, Any]]
) -> None:
    """Put what all workers know (``told``, this one's included) into the pool and its accounts."""
    everyone = list(told)
    failed, attempts = _sums(each["errors"] for each in everyone)
    pool["waiting"] = sum(each["waiting"] for each in everyone)
    pool["requests_per_s"] = round(sum(each["per_s"] for each in everyone), 2)
    pool["error_share"] = round(failed / attempts, 4) if attempts else None
    for account in accounts:
        known = [each["accounts"].get(account["id"]) for each in everyone]
        _add_up_one(account, [each for each in known if each is not None])


def _add_up_one(account: dict[str, Any], known: list[Any]) -> None:
    names = ("requests", "succeeded", "failed")
    account["counts"] = dict(zip(names, _sums(each[0] for each in known), strict=False))
    account["requests_per_s"] = round(sum(each[1] for each in known), 2)
    failed, attempts = _sums(each[2] for each in known)
    account["error_share"] = round(failed / attempts, 4) if attempts else None
    seen = [each[3] for each in known if each[3] is not None]
    account["latency_ms"] = round(max(seen) * 1000, 1) if seen else None


def _sums(rows: Iterable[Iterable[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]
