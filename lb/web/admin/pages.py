"""The dashboard's own files: one page, its script and its style, served from memory.

Nothing in them is anybody's data, so they need no token; what the page shows it asks of the admin
API, which does. The policy lets the page load only what stands here and talk only to this server.
"""

import gzip
from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiohttp import web
from attrs import frozen

from lb.core.errors import Blame, Problem
from lb.web.keys import DOORMAN

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked for each time, answered with 304 as long as it is the same
    "Vary": "Accept-Encoding",
}
TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
"""Ending -> content type; a file of another ending is not served."""
PAGE = "index.html"


@frozen
class File:
    """One file as it is sent, plain and zipped."""

    content_type: str
    plain: bytes
    zipped: bytes
    etag: str


async def to_page(request: web.Request) -> web.Response:
    """``/admin``: the page's relative addresses want the slash."""
    request.app[DOORMAN][0].check_page(request)
    return web.Response(status=308, headers={**HEADERS, "Location": "/admin/"})


async def page(request: web.Request) -> web.Response:
    """``/admin/``: the dashboard."""
    return _sent(request, PAGE)


async def static(request: web.Request) -> web.Response:
    """``/admin/static/...``: what the page is made of."""
    return _sent(request, request.match_info["name"])


def _sent(request: web.Request, name: str) -> web.Response:
    request.app[DOORMAN][0].check_page(request)
    file = contents().get(name)
    if file is None:
        raise Problem(
            f"There is no file '{name[:100]}' in the dashboard.",
            status=404,
            type="invalid_request_error",
            code="unknown_url",
            blame=Blame.CLIENT,
        )
    if file.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={**HEADERS, "ETag": file.etag})
    headers = {**HEADERS, "ETag": file.etag}
    body = file.plain
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"], body = "gzip", file.zipped
    return web.Response(body=body, headers=headers, content_type=file.content_type, charset="utf-8")


@cache
def contents() -> dict[str, File]:
    """Every file of the dashboard by name, read once."""
    found = {}
    for each in files("lb.web.admin").joinpath("static").iterdir():
        kind = TYPES.get(each.name.rpartition(".")[2])
        if kind is not None and each.is_file():
            found[each.name] = _file(kind, each.read_bytes())
    return found


def _file(kind: str, data: bytes) -> File:
    etag = f'W/"{sha256(data).hexdigest()[:20]}"'
    return File(kind, data, gzip.compress(data, 9, mtime=0), etag)
