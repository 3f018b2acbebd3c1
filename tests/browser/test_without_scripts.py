"""The main job with scripts off: every action is a link or a form."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.browser_room import Room


async def test_upload_quantity_and_queue(busy: Room) -> None:
    page = await busy.page("/upload", java_script_enabled=False)
    await page.set_input_files(
        "input[type=file]", {"name": "lid.gcode", "mimeType": "text/plain", "buffer": b"G28\nG1 X1\n"}
    )
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("lid.gcode")
    await page.get_by_label("Quantity").fill("3")
    await page.get_by_role("button", name="Queue").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("J-0003")
    assert busy.world.job["J-0003"].quantity == 3


async def test_clear_with_a_bad_part_from_to_do(busy: Room) -> None:
    page = await busy.page("/todo", size="phone", java_script_enabled=False)
    card = page.locator("li", has_text="Clear the bed: 6 parts").first
    await card.get_by_text("Count the parts or mark bad ones").click()
    await card.get_by_label("P-00021").check()
    await card.get_by_role("button", name="Cleared").click()
    await expect(page.get_by_text("Clear the bed: 6 parts")).to_have_count(0)
    assert busy.world.calls == [("clear", "K4", None, ("P-00021",), "admin:lan")]


async def test_stop_has_two_steps_and_stays_pressed(busy: Room) -> None:
    page = await busy.page("/queue", java_script_enabled=False)
    await page.get_by_role("button", name="Stop all").click()
    assert not busy.world.latch.stopped
    await page.get_by_role("button", name="Stop every machine now").click()
    assert busy.world.latch.stopped
    await expect(page.get_by_text("6 of 6 machines confirmed the stop")).to_be_visible()
    await page.goto("/")
    await expect(page.get_by_role("button", name="Stopped")).to_have_attribute("aria-pressed", "true")
    await page.goto("/stop")
    await page.get_by_role("button", name="Release the stop").click()
    assert not busy.world.latch.stopped


async def test_the_machine_page_does_its_verbs(busy: Room) -> None:
    page = await busy.page("/machines/K1", java_script_enabled=False)
    await page.get_by_role("button", name="Pause").click()
    assert busy.world.run["R-0001"].state == "paused"
    await page.get_by_role("button", name="Resume").first.click()
    assert busy.world.run["R-0001"].state == "running"
    await page.goto("/machines/M1")
    await page.get_by_role("button", name="Cycle start").click()
    assert busy.world.run["R-0003"].state == "running"
    await page.goto("/machines/K3")
    await page.get_by_label("Material").fill("ABS")
    await page.get_by_role("button", name="Save the set-up").click()
    assert busy.world.machine["K3"].setup.material == "ABS"
    assert busy.world.machine["K3"].setup.nozzle_mm == 0.4


async def test_adding_a_machine_that_was_found(busy: Room) -> None:
    page = await busy.page("/machines/add", java_script_enabled=False)
    await page.get_by_role("link", name="Use it").click()
    await page.get_by_label("Name").fill("ender1")
    await page.get_by_label("Profile").select_option("generic-220")
    await page.get_by_role("button", name="Add the machine").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("ender1")
    assert busy.world.machine["ender1"].driver == "marlin"


async def test_signing_in_and_out(busy: Room) -> None:
    page = await busy.page(java_script_enabled=False)
    await page.context.clear_cookies()
    await page.goto("/queue")
    await page.get_by_label("Token").fill("operator-token")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/queue")
    await page.goto("/more")
    await page.get_by_role("button", name="Sign out on this device").click()
    await page.goto("/")
    assert "/login" in page.url


async def test_a_one_time_link_signs_in_by_one_click(busy: Room) -> None:
    busy.world.tokens.add("once", "first start 0192", "admin", "link")
    page = await busy.page(java_script_enabled=False)
    await page.context.clear_cookies()
    await page.goto("/login?once=once")
    await page.wait_for_url(busy.url + "/")
    await expect(page.get_by_text("admin:first start")).to_be_visible()
