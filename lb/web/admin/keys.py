"""``/admin/keys``: the client keys as JSON, made, changed and ended. A key is told once."""

from typing import Any

import msgspec
from aiohttp import web

from lb.core.errors import bad_request
from lb.proxy.keys import GRACE_S, Keys
from lb.web.keys import DOORMAN, GATEWAY
from lb.web.reading import read_body

LARGEST_BYTES = 64 * 1024
_SETTINGS = ("plan", "disabled")


def _keys(request: web.Request) -> Keys:
    request.app[DOORMAN][0].check_admin(request)
    return request.app[GATEWAY].keys


async def list_all(request: web.Request) -> web.Response:
    """Every key, by name: its plan, what it has used, whether it opens."""
    keys = _keys(request)
    return web.json_response(await keys.told())


async def retrieve(request: web.Request) -> web.Response:
    """One key."""
    return web.json_response(_keys(request).told_of(request.match_info["name"]))


async def create(request: web.Request) -> web.Response:
    """A new key: ``{"name", "plan", "expires", "rpm", ...}``. The answer tells it, this once."""
    keys = _keys(request)
    asked = await _asked(request)
    name, plan = asked.pop("name", None), asked.pop("plan", None) or ""
    if not isinstance(name, str) or not isinstance(plan, str):
        raise bad_request("'name' is missing or no text, or 'plan' is no text.", "name")
    record, key = await keys.create(name, plan, asked)
    return web.json_response({**keys.told_of(record.name), "api_key": key.reveal()}, status=201)


async def change(request: web.Request) -> web.Response:
    """Change what is named: ``{"disabled": true}``, ``{"plan": "team", "rpm": null}``."""
    keys = _keys(request)
    asked = await _asked(request)
    for name, kind in (("plan", str), ("disabled", bool)):
        if not isinstance(asked.get(name, kind()), kind):
            raise bad_request(f"'{name}' is not a {kind.__name__}.", name)
    changes: dict[str, Any] = {each: asked.pop(each) for each in _SETTINGS if each in asked}
    record = await keys.change(request.match_info["name"], {**changes, "limits": asked})
    return web.json_response(keys.told_of(record.name))


async def rotate(request: web.Request) -> web.Response:
    """A new key for a name; the old one opens for ``{"grace_s": ...}`` more (a day)."""
    keys = _keys(request)
    asked = await _asked(request) if request.can_read_body else {}
    grace_s = asked.get("grace_s", GRACE_S)
    if not isinstance(grace_s, int | float) or not 0 <= grace_s <= 366 * 86400:
        raise bad_request("'grace_s' must be a number of seconds, at most a year.", "grace_s")
    record, key = await keys.rotate(request.match_info["name"], grace_s)
    return web.json_response({**keys.told_of(record.name), "api_key": key.reveal()})


async def delete(request: web.Request) -> web.Response:
    """End a key for ever."""
    name = request.match_info["name"]
    await _keys(request).delete(name)
    return web.json_response({"object": "key.deleted", "name": name, "deleted": True})


async def _asked(request: web.Request) -> dict[str, Any]:
    """The JSON object of the request. Raises: Problem (400)."""
    try:
        told = msgspec.json.decode(await read_body(request, LARGEST_BYTES), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_request("Send one JSON object.") from None
    return told
