"""The dashboard's files: small, from memory, under a strict policy, for those who may come."""

import gzip
import re

import aiohttp
import pytest

from lb.web.admin.pages import POLICY, contents
from tests.clients import pool
from tests.conftest import Proxy
from tests.scripted import Upstream

LARGEST_BYTES = 200_000  # all told, plain; what a phone pays is a third of it
TOKEN = "admin-token-of-the-test"
PATHS = ("/admin/", "/admin/static/app.js", "/admin/static/style.css")
SOURCES = {name: file.plain.decode() for name, file in contents().items() if name != "uplot.js"}


def test_everything_together_is_small() -> None:
    assert sum(len(file.plain) for file in contents().values()) < LARGEST_BYTES
    assert sum(len(file.zipped) for file in contents().values()) < LARGEST_BYTES / 2


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_file_asks_anybody_else_for_anything(name: str) -> None:
    allowed = "http://www.w3.org/"  # a namespace, never asked
    found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}/?", SOURCES[name])
    if name != "uplot-license.txt":
        assert [each for each in found if not each.startswith(allowed)] == []


@pytest.mark.parametrize("name", sorted(each for each in SOURCES if each.endswith(".js")))
def test_no_script_makes_markup_or_code_of_a_string(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert re.findall(forbidden, SOURCES[name]) == []


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_has_the_policy_and_a_tag(
    path: str, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        assert response.status == 200
        told = response.headers
        assert told["Content-Security-Policy"] == POLICY
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in told
        etag = told["ETag"]
    headers = {"If-None-Match": etag}
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + path, headers=headers) as again,
    ):
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["Content-Security-Policy"] == POLICY


async def test_who_takes_gzip_gets_it(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    url = f"{server.url}/admin/static/app.js"
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(url, headers={"Accept-Encoding": "gzip, br"}) as zipped,
        session.get(url, headers={"Accept-Encoding": "identity"}) as plain,
    ):
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await zipped.read()) == await plain.read()


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fpages.py", "%2e%2e%2f%2e%2e%2fapi.py", "__init__.py"]
)
async def test_nothing_else_is_served(name: str, upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/admin/static/{name}") as response,
    ):
        assert response.status == 404


async def test_the_short_address_leads_to_the_page(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/admin", allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"]) == (308, "/admin/")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status", "with_token"),
    [
        ({"Host": "evil.example"}, 421, False),
        ({"X-Forwarded-For": "127.0.0.1"}, 401, False),
        ({"Origin": "https://evil.example"}, 403, False),
        ({"Origin": "https://evil.example"}, 403, True),
        ({"Host": "lb.example"}, 200, True),
    ],
)
async def test_hosts_and_origins_are_checked_as_at_the_admin_api(
    path: str,
    headers: dict[str, str],
    status: int,
    *,
    with_token: bool,
    upstream: Upstream,
    proxy: Proxy,
) -> None:
    extra = f'admin_token = "{TOKEN}"' if with_token else ""
    server = await proxy(pool({"a": upstream.url}, extra=extra))
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + path, headers=headers) as response,
    ):
        assert response.status == status
