"""Around every request: problems become envelopes, and one canonical line goes to the log."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web
from msgspec import structs

from lb.adapters import ids, logs
from lb.core.error_names import spoken
from lb.core.errors import Blame, Problem
from lb.proxy.deliver import Delivery
from lb.proxy.said import line_of, ms, texts_of
from lb.web.keys import ARRIVAL, DOORMAN, GATEWAY, Arrival
from lb.web.reading import is_unread

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = structlog.get_logger()


@web.middleware
async def canonical(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, answer its problems, and log it once, however it ends."""
    app = request.app
    gateway = app[GATEWAY]
    received_at = gateway.clock.now()
    request_id = ids.request_id(received_at)
    arrival = request[ARRIVAL] = Arrival(gateway, app[DOORMAN], request_id, received_at)
    status = 499  # the client left: nobody saw an answer
    problem: Problem | None = None
    try:
        response = await handler(request)
        status = response.status
    except Problem as raised:
        problem = raised
        status = raised.status
        response = answer_to(request, raised, request_id)
    except web.HTTPException as unknown:
        problem = _of_router(request, unknown)
        status = problem.status
        response = answer_to(request, problem, request_id)
    except ConnectionError:
        raise  # the client left in the middle of its own request
    except Exception:  # noqa: BLE001  # nothing leaves here as a traceback
        _log.exception("unexpected", request_id=request_id, path=request.path)
        problem = Problem("Something went wrong here; the log has the details.", status=500)
        status = 500
        response = answer_to(request, problem, request_id)
    finally:
        if arrival.delivery is not None or problem is not None:
            total_s = gateway.clock.now() - received_at
            gateway.afterwards.add(partial(_tell, request, arrival, status, problem, total_s))
    return response


def answer_to(request: web.Request, problem: Problem, request_id: str) -> web.Response:
    """A problem as an HTTP answer in OpenAI's envelope."""
    spoken(problem, request.app[GATEWAY].config.server.error_dialect)
    headers = {**problem.headers(), "x-request-id": request_id}
    delivery = request[ARRIVAL].delivery
    if delivery is not None and delivery.hunt.attempts:
        headers["x-lb-attempts"] = str(len(delivery.hunt.attempts))
    response = web.Response(
        status=problem.status,
        body=problem.body(),
        content_type="application/json",
        headers=headers,
    )
    if is_unread(request):
        response.force_close()
    return response


def _of_router(request: web.Request, unknown: web.HTTPException) -> Problem:
    """Unknown routes and methods, in OpenAI's words."""
    if unknown.status == 405:
        message = f"Not allowed to {request.method} on {request.path}."
        code: str | None = "method_not_supported"
    else:
        message = f"Invalid URL ({request.method} {request.path})"
        code = "unknown_url" if unknown.status == 404 else None
    return Problem(
        message[:500],
        status=unknown.status,
        type="invalid_request_error",
        code=code,
        blame=Blame.CLIENT,
    )


def _tell(
    request: web.Request,
    arrival: Arrival,
    status: int,
    problem: Problem | None,
    total_s: float,
) -> None:
    delivery = arrival.delivery
    told: dict[str, object] = {
        "request_id": delivery.call.request_id if delivery else arrival.request_id,
        "method": request.method,
        "path": request.path,
        "status": status,
        "total_ms": ms(total_s),
    }
    texts = None
    if delivery is not None:
        told |= line_of(delivery)
        texts = texts_of(delivery)
    elif arrival.client is not None:
        told["client"] = arrival.client.name
    if problem is not None:
        told["outcome"] = problem.code or problem.type
        told["problem"] = problem.message
        texts = None
    logs.request(told, texts and (request.method, request.path, *texts))
    for hear in arrival.gateway.on_ended:
        hear(delivery, status, problem, total_s)


def tell(request: web.Request, delivery: Delivery, problem: Problem | None) -> None:
    """The canonical line of one turn on a WebSocket."""
    status = problem.status if problem else 101
    turn = structs.replace(request[ARRIVAL], delivery=delivery)
    total_s = turn.gateway.clock.now() - delivery.received_at
    turn.gateway.afterwards.add(partial(_tell, request, turn, status, problem, total_s))
