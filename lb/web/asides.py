"""What the gateway itself asks of its pool before it answers, in the client's name.

``executor:planning:planner``: the planner first when the question is hard.
"""

from collections.abc import Callable
from typing import Any

import structlog
from attrs import evolve, frozen

from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Problem
from lb.core.gateway import Wish, planning
from lb.core.models import Settled
from lb.proxy import inner
from lb.proxy.gateway import Gateway
from lb.proxy.inner import Told
from lb.web.admitting import admitted
from lb.web.auth import Client

_OF_INPUT = frozenset({"file_id"})
"""What an account must take as well: it gets the same input, and nothing else."""
_log = structlog.get_logger()


def ask_for(settled: Settled, ask: Ask) -> Ask:
    """``ask`` for the model that was settled on."""
    return evolve(ask, model=settled.served, only=(*settled.only, *ask.only))


@frozen
class Asides:
    """Asks on behalf of one request: of the accounts it may use, within its client's limits."""

    gateway: Gateway
    client: Client
    ask: Ask
    request_id: str
    deadline: float

    async def told(self, question: Body, settled: Settled, what: str) -> Told | None:
        """The answer to ``question``; None, and a line in the log, when there is none."""
        ask = ask_for(settled, self.ask)
        asked = evolve(ask, needs=ask.needs & _OF_INPUT, session="")
        request_id = f"{self.request_id}_{what}"
        call = Call(question, asked, stream=False, request_id=request_id, deadline=self.deadline)
        gateway, size = self.gateway, len(question.view("input"))
        try:
            delivery = admitted(gateway, self.client, call, size, gateway.clock.now())
            return await inner.told(gateway, delivery)
        except Problem as problem:
            _log.warning("no_aside", request_id=request_id, reason=problem.message)
            return None


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
