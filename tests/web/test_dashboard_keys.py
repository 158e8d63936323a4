"""Keys and usage in the dashboard: made, used, turned, counted, taken away as CSV."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.clients import asking, get, until
from tests.conftest import Proxy
from tests.web import busy
from tests.web.browsing import Visit, browser, visit

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.browser
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
async def chromium() -> AsyncIterator["Browser"]:
    async with browser() as started:
        yield started


@pytest.fixture
async def server(proxy: Proxy) -> Any:
    return await proxy(busy.toml())


@pytest.fixture
async def seen(chromium: "Browser", server: Any) -> AsyncIterator[Visit]:
    async with visit(chromium, server.url) as found:
        yield found


async def status_with(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/responses", json=asking(), headers=headers) as response,
    ):
        return response.status


async def created(seen: Visit, name: str) -> str:
    """A key made in the dialog; it is read off the page, as an operator would."""
    page = seen.page
    await page.get_by_role("button", name="New key").click()
    dialog = page.locator("dialog")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Requests a minute").fill("5")
    await dialog.get_by_label("Budget in USD").fill("2.5")
    await page.get_by_role("button", name="Create").click()
    await page.locator("#new-key").wait_for()
    told = await seen.text("#new-key")
    await page.get_by_role("button", name="I have kept it").click()
    await page.locator("dialog").wait_for(state="detached")
    return told


async def test_a_key_is_made_shown_once_and_opens(seen: Visit, server: Any) -> None:
    await seen.go("keys")
    key = await created(seen, "carol")
    assert key.startswith("sk-lb-")
    assert key not in await seen.page.content()
    assert await status_with(server.url, key) == 200
    await seen.page.reload()
    card = seen.page.locator("li.card", has_text="carol")
    await card.get_by_text("1 of 5").wait_for()
    assert "of $2.5" in await card.inner_text()
    assert key not in await seen.page.content()
    await seen.is_clean()


async def test_a_key_is_disabled_enabled_rotated_and_ended(seen: Visit, server: Any) -> None:
    page = seen.page
    await seen.go("keys")
    old = await created(seen, "dave")
    await page.get_by_role("button", name="Disable dave").click()
    await seen.agrees()
    await page.get_by_role("button", name="Enable dave").wait_for()
    assert await status_with(server.url, old) == 401
    await page.get_by_role("button", name="Enable dave").click()
    await seen.agrees()
    await page.get_by_role("button", name="Disable dave").wait_for()
    await page.get_by_role("button", name="Rotate dave").click()
    await seen.agrees()
    await page.locator("#new-key").wait_for()
    new = await seen.text("#new-key")
    await page.get_by_role("button", name="I have kept it").click()
    assert await status_with(server.url, new) == 200
    assert await status_with(server.url, old) == 200, "for a day"
    await page.get_by_role("button", name="Delete dave").click()
    await seen.agrees()
    await page.get_by_role("button", name="Delete dave").wait_for(state="detached")
    assert await status_with(server.url, new) == 401
    await seen.is_clean()


async def test_what_the_server_refuses_is_said_in_the_dialog(seen: Visit) -> None:
    page = seen.page
    await seen.go("keys")
    await page.get_by_role("button", name="New key").click()
    await page.locator("dialog").get_by_label("Name").fill("alice")
    await page.locator("dialog").get_by_label("Plan").fill("nothing")
    await page.get_by_role("button", name="Create").click()
    await page.locator(".wrong", has_text="alice").wait_for()
    await page.keyboard.press("Escape")
    await page.locator("dialog").wait_for(state="detached")


async def test_keys_of_the_file_are_shown_and_left_alone(seen: Visit) -> None:
    await seen.go("keys")
    card = seen.page.locator("li.card", has_text="build-bot")
    await card.wait_for()
    assert "accounts.toml" in await card.inner_text()
    assert await card.get_by_role("button").count() == 0


async def test_usage_is_counted_charted_and_taken_away(
    seen: Visit, server: Any, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        for number in range(12):
            await busy.asks(server.url, number, session, malice=True)
        headers = {"Authorization": f"Bearer {busy.key_of('alice')}"}
        body = {**asking(), "model": FORMULA}
        await session.post(f"{server.url}/v1/responses", json=body, headers=headers)
    await until(lambda: len(server.gateway.timelines) == 13)
    page = seen.page
    await seen.go("usage")
    await page.locator(".chart canvas").first.wait_for()
    told = await get(server.url, "/admin/usage?since=30d")
    assert f"{told['requests']}" == "13"
    assert await page.locator(".figures dd").first.inner_text() == "13"
    await page.locator(".plot").first.hover()
    assert "output" in await page.locator(".reading").first.inner_text()
    await page.get_by_label("model").check(force=True)
    await page.locator("tbody th", has_text=busy.XSS).wait_for()
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="CSV").click()
    target = tmp_path / "usage.csv"
    await (await coming.value).save_as(target)
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(target.read_text()))}
    assert rows[f"'{FORMULA}"]["requests"] == "1", "no spreadsheet takes it for a formula"
    assert busy.HOSTILE_MODEL in rows
    await seen.is_clean()
