"""The admin API: what the pool looks like, why, and the few things one does to it."""

from aiohttp import web

from lb.core import events
from lb.core.account import Ask
from lb.core.errors import Blame, Problem
from lb.core.explain import explain as explanation
from lb.core.health import State
from lb.core.slot import Slot
from lb.core.upstreams import KINDS
from lb.proxy.catalog import listed
from lb.proxy.gateway import Gateway
from lb.web.admin.shown import one_of, status_of
from lb.web.admin.together import add_up, counts_of
from lb.web.keys import DOORMAN, GATEWAY, HOUSE

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
    gateway = _gateway(request)
    own = counts_of(gateway, request.app[HOUSE])
    everyone = [own, *await gateway.others.ask("counts")]
    told = status_of(gateway)
    if len(everyone) > 1:
        add_up(told["pool"], told["accounts"], everyone)
    return web.json_response({**told, "workers": [each["worker"] for each in everyone]})


async def account(request: web.Request) -> web.Response:
    """One account."""
    gateway = _gateway(request)
    slot = _slot(gateway, request.match_info["id"])
    return web.json_response(one_of(gateway, slot, gateway.clock.now()))


async def act(request: web.Request) -> web.Response:
    """Pause, resume or reset an account; answers with how it stands then."""
    gateway = _gateway(request)
    slot = _slot(gateway, request.match_info["id"])
    now = gateway.clock.now()
    action = request.match_info["action"]
    event = _ACTIONS[action](account=slot.id, at=now)
    if action == "reset":
        gateway.pool.reached(slot)
    gateway.dispatch.learn(event)
    return web.json_response(one_of(gateway, slot, now))


async def probe(request: web.Request) -> web.Response:
    """Ask an account for its models, now: whether it answers, what it says, how long it took.

    A refused account that answers may serve again.
    """
    gateway = _gateway(request)
    slot = _slot(gateway, request.match_info["id"])
    began_at = gateway.clock.now()
    path = KINDS[slot.account.kind].models_path
    try:
        body = await gateway.dispatch.tries.fetch(slot.account, path)
        ok, said = True, f"lists {len(listed(body, slot.account.kind))} models"
    except Problem as problem:
        ok, said = False, problem.message
    now = gateway.clock.now()
    if ok and slot.health.state is State.REFUSED:
        gateway.dispatch.learn(events.Restored(slot.id, now, "it answered a probe"))
    told = {"ok": ok, "said": said[:1000], "ms": round((now - began_at) * 1000, 1)}
    return web.json_response({**told, "account": one_of(gateway, slot, now)})


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
