"""The main job by hand in a browser, before a real daemon and a simulated printer: upload, clear, judge, watch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.integration.real_site import RealSite, print_program

pytestmark = pytest.mark.slow

QUANTITY = 3
PATIENCE_S = 90


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[RealSite]:
    """A daemon and one simulated printer, as real processes."""
    made = RealSite(tmp_path)
    try:
        await asyncio.to_thread(made.start_controller)
        await asyncio.to_thread(made.add_machine, "K1", "marlin")
        yield made
    finally:
        await asyncio.to_thread(made.end)


async def signed_in(site: RealSite, browser: Browser, complaints: list[str]) -> Page:
    """A phone that signed in with the administrator's token; what is not the daemon is out of reach."""
    url = (site.data / "address").read_text().strip()
    context = await browser.new_context(base_url=url, viewport={"width": 390, "height": 844}, has_touch=True)
    context.set_default_timeout(15_000)
    page = await context.new_page()

    async def only_the_daemon(route: object) -> None:
        asked = route.request.url  # type: ignore[attr-defined]
        if asked.startswith(url):
            await route.continue_()  # type: ignore[attr-defined]
        else:
            complaints.append(f"asked for {asked}")
            await route.abort()  # type: ignore[attr-defined]

    await context.route("**/*", only_the_daemon)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("console", lambda said: complaints.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    await page.goto("/upload")
    await page.get_by_label("Token").fill((site.data / "admin.token").read_text().strip())
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/upload")
    return page


async def asked_to_clear(page: Page) -> Locator:
    """The card of the bed to clear, on the to-do page; it comes by itself when the run ends."""
    await page.goto("/todo")
    card = page.locator(".todo li", has_text="Clear the bed of K1")
    await card.wait_for(timeout=PATIENCE_S * 1000)
    return card


async def clear_and_count(page: Page) -> None:
    """The person who clears the bed looked at the part: it is good."""
    card = await asked_to_clear(page)
    await card.get_by_text("Count the parts or mark bad ones").click()
    await card.get_by_label("Good parts").fill("1")
    await card.get_by_role("button", name="Cleared").click()
    await card.wait_for(state="detached")


async def clear_and_measure(page: Page, job: Page) -> None:
    """The part is left to its checks; there is none, so a person measures it on its own page."""
    card = await asked_to_clear(page)
    await card.get_by_role("button", name="Cleared").click()
    await card.wait_for(state="detached")
    await job.locator(".p-made").click()
    await job.get_by_text("Add a measured value or a remark").click()
    await job.get_by_label("Measured value").fill("12.01")
    await job.get_by_role("button", name="Good").click()
    await expect(job.get_by_text("12.010 mm")).to_be_visible()
    await job.go_back()


async def test_upload_quantity_three_clear_measure_and_watch_it_finish(
    site: RealSite, browser: Browser, tmp_path: Path
) -> None:
    complaints: list[str] = []
    page = await signed_in(site, browser, complaints)
    program = {"name": "hook.gcode", "mimeType": "text/plain", "buffer": print_program(25)}
    await page.set_input_files("input[type=file]", program)
    await page.wait_for_url("**/programs/*")
    await expect(page.locator("tr", has_text="K1")).to_contain_text("Fits")
    await page.get_by_label("Quantity").fill(str(QUANTITY))
    await page.get_by_role("button", name="Queue").click()
    await page.wait_for_url("**/jobs/*")
    await expect(page.locator(".headline")).to_have_text("0 good of 3")

    watching = await page.context.new_page()
    await watching.goto(page.url)
    await page.goto("/machines/K1")
    await expect(page.locator(".headline [data-k=p]")).to_have_text(re.compile("[1-9]"), timeout=PATIENCE_S * 1000)
    await page.screenshot(path=tmp_path / "machine.png", full_page=True)

    for good in range(1, QUANTITY):
        await clear_and_count(page)
        await expect(watching.locator(".headline")).to_have_text(f"{good} good of 3")
    await clear_and_measure(page, watching)
    await expect(watching.locator(".headline")).to_have_text("3 good of 3")
    await expect(watching.get_by_text("Done", exact=True)).to_be_visible()
    await expect(watching.locator(".p-good")).to_have_count(QUANTITY)
    await watching.screenshot(path=tmp_path / "job.png", full_page=True)
    job = site.get("jobs")[0]
    assert (job["state"], job["good"]) == ("done", QUANTITY)
    results = [part["results"][-1] for part in site.get("parts?job=" + job["code"])]
    assert [result["given_by"] for result in results] == ["admin"] * QUANTITY
    assert results[-1]["value"] == 12.01
    await page.context.close()
    assert not complaints
