"""How the dashboard looks: to axe-core, and in the pictures of the README.

``LB_AXE`` names axe.min.js (npm install axe-core); ``LB_PICTURES=1`` takes the pictures anew.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import until
from tests.conftest import Proxy
from tests.web import busy
from tests.web.browsing import Visit, browser, visit

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "dashboard"
PAGES = ("pool", "requests", "usage", "keys", "config", "one")
LOOKS = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (390, 844, "light")}


async def served(proxy: Proxy, malice: str) -> Any:
    server = await proxy(busy.toml())
    busy.shape(server.gateway, malice)
    await server.gateway.memory.store.run(busy.past)
    return server


async def shown(seen: Visit, server: Any, page: str) -> None:
    """Open a page and let it come to rest."""
    if page == "one":
        rows = server.gateway.timelines.rows()
        moved = next(row for row in rows if row["attempts"] > 1 and row["stream"])
        page = f"requests/{moved['request_id']}"
    await seen.go(page)
    await seen.page.wait_for_timeout(1200)


def axe() -> str:
    """The source of axe-core. Skips where it is not."""
    places = (os.environ.get("LB_AXE", ""), str(ROOT / "node_modules/axe-core/axe.min.js"))
    found = next((place for place in places if place and Path(place).is_file()), None)
    if found is None:
        pytest.skip("no axe-core here: npm install axe-core, or set LB_AXE to its axe.min.js")
    return Path(found).read_text()


async def findings(seen: Visit, source: str) -> list[str]:
    """What axe calls serious or critical."""
    await seen.page.evaluate(source)
    told = await seen.page.evaluate("axe.run(document)")
    return [
        f"{finding['id']}: {node['target']} {node['failureSummary']}"
        for finding in told["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing_serious(look: str, proxy: Proxy) -> None:
    source = axe()
    server = await served(proxy, busy.XSS)
    width, height, scheme = LOOKS[look]
    async with browser() as chromium, busy.busy(server.url, malice=True):
        await until(lambda: any(r["attempts"] > 1 and r["stream"] for r in _rows(server)), 20)
        async with visit(chromium, server.url, width=width, height=height, scheme=scheme) as seen:
            for page in PAGES:
                await shown(seen, server, page)
                assert await findings(seen, source) == [], page
            await seen.go("keys")
            await seen.page.get_by_role("button", name="New key").click()
            assert await findings(seen, source) == [], "the dialog"


def _rows(server: Any) -> list[dict[str, Any]]:
    return list(server.gateway.timelines.rows())


@pytest.mark.skipif(not os.environ.get("LB_PICTURES"), reason="LB_PICTURES=1 takes them anew")
async def test_pictures_for_the_readme(proxy: Proxy) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    server = await served(proxy, "")
    async with browser() as chromium, busy.busy(server.url):
        await asyncio.sleep(45)
        for look in LOOKS:
            await _taken(chromium, server, look)


async def _taken(chromium: "Browser", server: Any, look: str) -> None:
    width, height, scheme = LOOKS[look]
    async with visit(chromium, server.url, width=width, height=height, scheme=scheme) as seen:
        for page in PAGES:
            await shown(seen, server, page)
            await seen.page.screenshot(path=PICTURES / f"{page}-{look}.png")
