"""``executor:planning:planner``: ask the planner first when the question is hard."""

from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from attrs import evolve

from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Problem
from lb.core.gateway import Wish, planning
from lb.core.models import Settled
from lb.proxy import inner
from lb.web.keys import GATEWAY, REQUEST_ID

_OF_INPUT = frozenset({"file_id"})
"""What the planner's accounts must take as well: it gets the same input, and nothing else."""
_log = structlog.get_logger()


def ask_for(settled: Settled, ask: Ask) -> Ask:
    """``ask`` for the model that was settled on."""
    return evolve(ask, model=settled.served, only=(*settled.only, *ask.only))


async def planned(
    request: web.Request, body: Body, wish: Wish, ask: Ask, settle: Callable[[Body], Settled]
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
    settled = settle(question)
    asked = evolve(ask_for(settled, ask), needs=ask.needs & _OF_INPUT)
    gateway, request_id = request.app[GATEWAY], request[REQUEST_ID]
    deadline = gateway.clock.now() + gateway.config.server.deadline_s
    call = Call(question, asked, stream=False, request_id=request_id, deadline=deadline)
    try:
        plan = await inner.told(gateway, call)
    except Problem as problem:
        _log.warning("no_plan", request_id=request_id, reason=problem.message)
        return None
    planning.with_plan(body, plan.text)
    return plan.details(settled.model.prices)
