"""What the gateway itself asks of its pool before it answers, in the client's name.

``executor:planning:planner``: the planner first when the question is hard. ``[gateway]``'s models:
which tag fits, what the old turns said; nobody is asked the same twice, and where nobody answers,
words decide and turns are dropped.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import structlog
from attrs import frozen
from msgspec import Struct
from msgspec.structs import replace

from lb.core.account import Ask, Only
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Problem
from lb.core.gateway import Wish, asking, model_is_chosen, planning
from lb.core.gateway.history import cut_of
from lb.core.gateway.models import check_tags
from lb.core.models import Settled
from lb.proxy import inner
from lb.proxy.gateway import Gateway
from lb.proxy.inner import Told
from lb.web.admitting import admitted
from lb.web.auth import Client

_OF_INPUT = frozenset({"file_id"})
"""What an account must take as well: it gets the same input, and nothing else."""
_log = structlog.get_logger()


class Wanted(Struct, frozen=True, gc=False):
    """What a request wants of an account, but for the model."""

    ask: Ask
    only: tuple[Only, ...]

    def of(self, settled: Settled) -> Ask:
        """The same, of the model that was settled on."""
        return replace(self.ask, model=settled.served, only=(*settled.only, *self.only))


@frozen
class Asides:
    """Asks on behalf of one request: of the accounts it may use, within its client's limits."""

    gateway: Gateway
    client: Client
    wanted: Wanted
    request_id: str
    deadline: float

    async def told(self, question: Body, settled: Settled, what: str) -> Told | None:
        """The answer to ``question``; None, and a line in the log, when there is none.

        Nothing is asked that would take the place of the request itself.
        """
        ask = self.wanted.of(settled)
        asked = replace(ask, needs=ask.needs & _OF_INPUT, session="")
        request_id = f"{self.request_id}_{what}"
        call = Call(question, asked, stream=False, request_id=request_id, deadline=self.deadline)
        gateway, size, now = self.gateway, len(question.view("input")), self.gateway.clock.now()
        if self.client.meter.room(now) <= 1:
            _log.info("no_aside", request_id=request_id, reason="the request itself is the last")
            return None
        try:
            delivery = admitted(gateway, self.client, call, size, now)
            return await inner.told(gateway, delivery)
        except Problem as problem:
            _log.warning("no_aside", request_id=request_id, reason=problem.message)
            return None

    async def remembered(self, question: Body, what: str) -> str | None:
        """As ``told``, of one of the operator's own models; the same client asks each once."""
        known, model = self.gateway.asides, question.get("model")
        settled = self.gateway.reader().settle(question, "responses")
        seal = sha256(f"{self.client.name}\0{model}\0".encode() + question.render()).digest()
        answer = known.recall(seal)
        if answer is None:
            told = await self.told(question, settled, what)
            if told is None or not told.text:
                return None
            answer = told.text
            known.keep(seal, answer)
        return answer


async def routed(asides: Asides, body: Body, wish: Wish) -> tuple[str, ...]:
    """Set the model ``wish`` leaves to us; those to try after it. Raises: Problem (400)."""
    router, tag = asides.gateway.config.gateway.router_model, None
    if wish.tags and router:
        check_tags(wish)
        answer = await asides.remembered(asking.which_tag(body, wish, router), "route")
        tag = None if answer is None else asking.tag_in(answer, wish)
    return model_is_chosen(body, wish, tag)


async def summed_up(asides: Asides, body: Body, wish: Wish) -> Wish:
    """Old turns that do not matter become a summary; what of the wish is left to do."""
    model = asides.gateway.config.gateway.summary_model
    if not model or not wish.history.enabled:
        return wish
    cut = await asyncio.to_thread(cut_of, body, wish)
    if cut is not None:
        summary = await asides.remembered(asking.what_was_said(cut, model), "summary")
        cut.into(body, summary or "")
        body.tell("gateway.chatHistoryCompression")
    return wish.without_history


async def planned(
    asides: Asides, body: Body, wish: Wish, settle: Callable[[Body], Settled]
) -> dict[str, Any] | None:
    """Name the executor in ``body``, with a plan where the question is worth one.

    Gives what the client is told of the plan's cost; None where there is none. A planner that
    cannot be asked costs the request its plan, nothing else.

    Raises: Problem for a model that may not be used.
    """
    roles = planning.roles_of(body)
    if roles is None:
        return None
    body.set("model", roles.executor, told=False)
    if not planning.is_hard(body, wish):
        return None
    question = planning.question_for_planner(body, roles.planner)
    plan = await asides.told(question, settle(question), "plan")
    if plan is None:
        return None
    planning.with_plan(body, plan.text)
    return plan.details()
