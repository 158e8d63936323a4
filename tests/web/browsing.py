"""A real browser at a real dashboard: Chromium of the distribution, driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

CHROMIUM = (
    os.environ.get("LB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WATCH = """
  window.violations = [];
  addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@define(eq=False)
class Visit:
    """One visit: the page, and everything it complained of."""

    page: "Page"
    url: str
    complaints: list[str] = field(factory=list)
    asked: list[Any] = field(factory=list)

    async def go(self, name: str) -> None:
        """Open a page of the dashboard and wait until it stands."""
        await self.page.goto(f"{self.url}/admin/#/{name}")
        await self.page.wait_for_selector("#main h1")

    async def text(self, selector: str) -> str:
        """The text one sees there."""
        return await self.page.locator(selector).inner_text()

    async def agrees(self) -> None:
        """Press the button of the dialog that asks."""
        await self.page.locator("dialog button[value=yes]").click()

    async def is_clean(self) -> None:
        """Nothing was complained of, no policy was broken, nobody's script ran."""
        assert self.complaints == []
        assert await self.page.evaluate("window.violations") == []
        assert await self.page.evaluate("window.pwned") is None
        foreign = {r.url for r in self.asked if not r.url.startswith((self.url, "blob:", "data:"))}
        assert foreign == set()


@asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    """A browser of its own, with a fresh profile. Skips where there is none."""
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium, or set LB_CHROMIUM")
    async with api.async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def visit(
    started: "Browser", url: str, *, width: int = 1280, height: int = 860, scheme: Any = "light"
) -> AsyncIterator[Visit]:
    """A window of its own: no token, no history, nothing kept."""
    context = await started.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-GB",
        reduced_motion="reduce",
        has_touch=width < 500,
    )
    await context.add_init_script(_WATCH)
    page = await context.new_page()
    seen = Visit(page, url)

    def heard(said: "ConsoleMessage") -> None:
        if said.type == "error":
            seen.complaints.append(said.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.asked.append(request))  # noqa: PLW0108  # it marks what it is given
    try:
        yield seen
    finally:
        await context.close()
