"""``GET /admin/config``: the configuration that counts now, secrets as stars."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

from lb.core.secret import Secret
from lb.web.keys import DOORMAN, GATEWAY

STARS = "***"
_PASSWORD = re.compile(r"(://)[^/\s@]*@")


async def effective(request: web.Request) -> web.Response:
    """Every section with its defaults, and what was wrong with the file when it was last read."""
    request.app[DOORMAN][0].check_admin(request)
    gateway = request.app[GATEWAY]
    config = gateway.config
    told = plain(config)
    source = config.source
    return web.json_response(
        {
            "path": str(source) if source else None,
            "demo": config.demo,
            "problems": list(gateway.problems),
            "config": {name: value for name, value in told.items() if name not in _ELSEWHERE},
        }
    )


_ELSEWHERE = ("path", "demo", "problems", "secret_files", "folder")


def plain(value: Any) -> Any:
    """``value`` as JSON: a secret is stars, a digest is nothing, sets are sorted lists."""
    match value:
        case Secret():
            return STARS if value else None
        case bytes():
            return STARS
        case str():
            return _PASSWORD.sub(rf"\1{STARS}@", value)
        case bool() | int() | float() | None:
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case set() | frozenset():
            return sorted(plain(each) for each in value)
        case list() | tuple():
            return [plain(each) for each in value]
        case _ if attrs.has(type(value)):
            fields = attrs.fields(type(value))
            return {each.name: plain(getattr(value, each.name)) for each in fields}
        case _:
            return str(value)
