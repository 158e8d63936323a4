"""From a body as it came to a ``Call``: the rules, the model, the gateway object, whose it is.

Whatever door a request comes in by, it is prepared here, once.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from aiohttp import web
from msgspec import Struct

from lb.core import affinity
from lb.core import gateway as wishes
from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.codex import is_codex
from lb.core.errors import Problem
from lb.core.formats import FORMATS, Format, Voice
from lb.core.gateway import planning
from lb.core.gateway.planning import Planned
from lb.core.models import Settled
from lb.core.rules import prepare
from lb.core.tenancy import Tenant
from lb.proxy.gateway import Gateway
from lb.web.asides import Asides, Wanted, planned, routed, summed_up
from lb.web.auth import Client, Doorman
from lb.web.headers import deadline_of
from lb.web.reading import INLINE_BYTES

T = TypeVar("T")
RESPONSES = FORMATS["responses"]


class Visit(Struct, frozen=True):
    """One request as it came: who asks by which door, who let it in, how the client speaks.

    ``headers`` are the client's, already cut to what may go upstream.
    """

    request: web.Request
    client: Client
    headers: Mapping[str, str]
    request_id: str
    gateway: Gateway
    doorman: Doorman
    spoken: Format = RESPONSES


async def call_of(visit: Visit, body: Body) -> Call:
    """The prepared request. Raises: Problem (400, 403, 404, 410) for what is wrong with it."""
    client, doorman = visit.client, visit.doorman
    wish = wishes.taken(body, client.plan.gateway)
    voice = visit.spoken.heard(body)
    needs = prepare(body, doorman.rejectable)
    if doorman.shared:
        keep_apart(visit, body)
    wanted, deadline = (
        _wanted(visit, body, needs, wish),
        deadline_of(visit.request.headers, visit.gateway),
    )
    further: tuple[str, ...] = ()
    if wish is not wishes.NOTHING or planning.MARK in body.get("model"):
        asides = Asides(visit.gateway, client, wanted, visit.request_id, deadline)
        voice, further = await _obeyed(visit, asides, body, wish, voice)
    visit.spoken.settled(body)
    plain = body.copy() if further else body
    model = settled(visit, visit.spoken.name, body)
    return Call(
        body,
        wanted.of(model),
        stream=body.get("stream") is True,
        headers=visit.headers,
        request_id=visit.request_id,
        codex=is_codex(visit.headers),
        deadline=deadline,
        drain_tokens=client.plan.drains,
        voice=voice,
        others=tuple(_others(visit, wanted, plain, further)) if further else (),
    )


async def _obeyed(
    visit: Visit, asides: Asides, body: Body, wish: wishes.Wish, voice: Voice
) -> tuple[Voice, tuple[str, ...]]:
    """Do what is wished; how the answer is to be said, and the models to try after the first.

    What is private is hidden first: what follows may ask models.
    """
    voice = await _beside(wishes.hidden, body, wish, voice)
    further = await routed(asides, body, wish)
    left = await summed_up(asides, body, wish)
    await _beside(wishes.pruned, body, left)
    details = await planned(asides, body, wish, partial(settled, visit, RESPONSES.name))
    return voice if details is None else Planned(details, voice), further


async def _beside(rule: Callable[..., T], body: Body, *args: object) -> T:
    """The rule's work, in a thread where the body is large."""
    if sum(len(body.view(name)) for name in body.names()) > INLINE_BYTES:
        return await asyncio.to_thread(rule, body, *args)
    return rule(body, *args)


def _wanted(visit: Visit, body: Body, needs: frozenset[str], wish: wishes.Wish) -> Wanted:
    """What is wanted of an account, but for the model."""
    anchors, bound = affinity.anchors_of(visit.headers, body)
    plan = visit.client.plan
    ask = Ask(
        "",
        client=visit.client.name,
        needs=needs,
        accounts=plan.accounts,
        labels=plan.labels,
        anchors=anchors,
        session=affinity.session_of(visit.headers, body),
        bound=bound,
        order=wish.order,
    )
    return Wanted(ask, wishes.conditions(wish))


def keep_apart(visit: Visit, body: Body) -> None:
    """Where several clients share the pool, none gets at another's. Raises: Problem (400, 404)."""
    doorman, gateway = visit.doorman, visit.gateway
    tenant = Tenant(visit.client.name, gateway.pool.affinity, doorman.untaken)
    if doorman.stateful:
        tenant.check(body, gateway.clock.now())
    tenant.separate_caches(body)


def settled(visit: Visit, endpoint: str, body: Body) -> Settled:
    """Make ``body`` name the model as upstream knows it, if the client may use it.

    Raises: Problem (400, 403, 410).
    """
    found, plan = visit.gateway.reader().settle(body, endpoint), visit.client.plan
    plan.check_model(*found.names, found.served)
    plan.check_effort(body, found.served)
    if found.model.plans and not visit.client.is_in(found.model.plans):
        found.check_plan(plan.name)
    return found


def _others(
    visit: Visit, wanted: Wanted, plain: Body, names: Iterable[str]
) -> Iterator[tuple[Body, Ask]]:
    """The request to each other model of ``names`` that can do it and that the client may use."""
    metered, prices = visit.client.plan.is_metered, visit.gateway.prices
    for name in names:
        twin = plain.copy()
        twin.set("model", name)
        try:
            other = settled(visit, visit.spoken.name, twin)
        except Problem:
            continue
        if not metered or prices.knows(other.served):
            yield twin, wanted.of(other)
