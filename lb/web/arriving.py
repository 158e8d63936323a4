"""From a body to a call where there are other workers: they may know what this one does not yet.

A client goes on from an answer the moment it has it, maybe at another worker than the one that
gave it. So before state that a request names counts as nobody's, what the others have told is heard
to its end. Only such requests wait, and only there: a server that is alone asks nobody.
"""

from collections.abc import Callable

from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.proxy.gateway import Gateway
from lb.web.preparing import Visit, call_of

_UNKNOWN = frozenset({400, 404})
"""How a request is refused that names state of nobody's."""


async def arrived(visit: Visit, body: Callable[[], Body]) -> Call:
    """The prepared request. Raises: Problem, as ``call_of``."""
    gateway = visit.gateway
    if gateway.family is None:
        return await call_of(visit, body())
    try:
        call = await call_of(visit, body())
    except Problem as problem:
        if problem.blame is not Blame.CLIENT or problem.status not in _UNKNOWN:
            raise
        await gateway.family.caught_up(lambda: False)
        return await call_of(visit, body())
    await owner_known(gateway, call.ask)
    return call


async def owner_known(gateway: Gateway, ask: Ask) -> None:
    """Until the owner of the state that is named is known, if any worker knows it."""
    family = gateway.family
    if family is None or not ask.anchors:
        return

    def knows() -> bool:
        now = gateway.clock.now()
        return gateway.pool.affinity.owner(ask.client, ask.anchors, now) is not None

    if not knows():
        await family.caught_up(knows)
