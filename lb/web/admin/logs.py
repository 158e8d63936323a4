"""``/admin/log-level``: how much is logged, while the server runs."""

import msgspec
import structlog
from aiohttp import web

from lb.adapters import logs
from lb.core.errors import bad_request
from lb.core.tidings import Logging
from lb.web.keys import DOORMAN, GATEWAY
from lb.web.reading import read_body

_log = structlog.get_logger()
_MOST_BYTES = 1 << 10


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    level: str


async def level(request: web.Request) -> web.Response:
    """The level now."""
    request.app[DOORMAN][0].check_admin(request)
    return _told()


async def set_level(request: web.Request) -> web.Response:
    """Log from another level on, until the server ends. Raises: Problem (400)."""
    request.app[DOORMAN][0].check_admin(request)
    try:
        wanted = msgspec.json.decode(await read_body(request, _MOST_BYTES), type=_Wanted).level
    except msgspec.MsgspecError:
        wanted = ""
    if wanted not in logs.LEVELS:
        raise bad_request(f"'level' must be one of {', '.join(logs.LEVELS)}.", "level")
    logs.set_level(wanted)
    family = request.app[GATEWAY].family
    if family is not None:
        family.changes.tell(Logging(wanted))
    _log.warning("log_level", now=wanted)
    return _told()


def _told() -> web.Response:
    return web.json_response({"level": logs.Levelled.level, "usual": logs.Levelled.usual})
