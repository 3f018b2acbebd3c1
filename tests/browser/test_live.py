"""What scripts add: values and states change by themselves, nothing is taken from under a hand, stop is held."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from fleetctl.scheduling.reason import Need, Reason
from tests.browser.browser_room import Room
from tests.unit.api.fake_controller import replace
from tests.unit.api.fake_floor import machine, needs


async def test_values_and_bars_move(busy: Room) -> None:
    page = await busy.page("/machines/K1")
    await expect(page.locator("progress").first).to_have_js_property("value", 20)
    run = busy.world.machine["K1"].run
    progress = replace(run.progress, fraction=0.625, acknowledged_line=18750)
    busy.world.read("K1", run=replace(run, progress=progress), temperatures_degc={"T0": (216.4, 215.0)})
    await expect(page.locator("progress").first).to_have_js_property("value", 62)
    await expect(page.locator('[data-k="line"]')).to_have_text("18,750 of 30,000")
    await expect(page.locator('[data-k="t-T0"]')).to_have_text("216 / 215 °C")
    await expect(page.locator(".headline")).to_contain_text("62 %")


async def test_a_reading_that_was_not_there_at_first_appears(busy: Room) -> None:
    run = busy.world.machine["K1"].run
    unknown = replace(run, progress=replace(run.progress, end_s=None))
    busy.world.machine["K1"] = replace(busy.world.machine["K1"], run=unknown, temperatures_degc={})
    for path in ("/", "/machines/K1"):
        page = await busy.page(path)
        here = page.locator('[data-m="K1"]').first
        await expect(here.locator("progress").first).to_have_js_property("value", 20)
        await expect(here.get_by_text("ready about")).to_have_count(0)
        busy.world.read("K1", run=run, temperatures_degc={"T0": (150.0, 215.0)})
        await expect(here.get_by_text("ready about")).to_be_visible()
        await expect(here.get_by_text("150 / 215 °C")).to_be_visible()
        busy.world.read("K1", run=unknown, temperatures_degc={})


async def test_a_state_change_redraws_card_list_and_badge(calm: Room) -> None:
    page = await calm.page("/")
    await expect(page.get_by_text("Nothing needs you.")).to_be_visible()
    needs(calm.world, "K3", "fault", "Fault: door open.", Need.FAULT, "reset", "Reset the fault")
    calm.world.tell("machine.changed", "K3")
    await expect(page.locator('[data-f="needs"]')).to_contain_text("Fault: door open.")
    await expect(page.locator('[data-f="card/K3"] .chip.red')).to_have_count(1)
    await expect(page.locator(".top .badge")).to_have_text("1")
    await expect(page.locator('[data-f="group/Printers"]')).to_have_text("Printers · 4 · 1 needs you")


async def test_the_order_follows_the_need_once_no_hand_is_there(calm: Room) -> None:
    page = await calm.page("/")
    names = page.locator("[data-rank] h3 a")
    assert await names.all_inner_texts() == ["M1", "M2", "K2", "K1", "K3", "K4"]
    await page.mouse.move(300, 300)
    fault = Reason(code="fault", sentence="Fault: door open.", need=Need.FAULT)
    calm.world.change_machine("K4", why=fault, word="fault", sentence=fault.sentence)
    await expect(page.locator('[data-f="card/K4"] .chip.red')).to_have_count(1)
    assert await names.all_inner_texts() == ["M1", "M2", "K2", "K1", "K3", "K4"]
    await expect(names).to_have_text(["M1", "M2", "K4", "K2", "K1", "K3"], timeout=10_000)


async def test_a_machine_that_is_added_appears(calm: Room) -> None:
    page = await calm.page("/")
    await expect(page.locator("[data-rank]")).to_have_count(6)
    calm.world.machine["K9"] = machine("K9")
    calm.world.tell("machine.added", "K9")
    await expect(page.locator("[data-rank]")).to_have_count(7)


async def test_an_action_redraws_without_loading_the_page(busy: Room) -> None:
    page = await busy.page("/")
    await page.evaluate("window.same = true")
    await page.locator('[data-f="card/K4"]').get_by_role("button", name="Cleared").click()
    await expect(page.locator('[data-f="card/K4"]')).to_contain_text("Ready")
    assert await page.evaluate("window.same")
    assert busy.world.calls == [("clear", "K4", None, (), "admin:lan")]


async def test_a_late_tap_is_refused_and_the_page_shows_what_is_so(busy: Room) -> None:
    page = await busy.page("/todo", size="phone")
    busy.world.machine["K4"] = replace(busy.world.machine["K4"], version=9)  # changed, and the news is not here yet
    await page.get_by_role("button", name="Cleared").click()
    await expect(page.locator("#problem")).to_contain_text("It changed meanwhile")
    await expect(page.locator('form[action$="/K4/clear"] [name=version]')).to_have_value("9")
    assert not busy.world.calls
    busy.complaints[:] = [said for said in busy.complaints if "409" not in said and "Response Status" not in said]


async def test_text_that_is_being_typed_is_left_alone(busy: Room) -> None:
    page = await busy.page("/machines/K1")
    field = page.get_by_label("Material")
    await field.fill("PLA wh")
    async with page.expect_response(lambda answer: "/fragments" in answer.url):
        busy.world.change_machine("K1", position="suspect")
    await expect(field).to_have_value("PLA wh")
    await expect(field).to_be_focused()


async def test_what_happened_between_drawing_and_listening_is_fetched(busy: Room) -> None:
    page = await busy.page()

    async def late(route: object) -> None:
        if busy.world.machine["K4"].word != "ready":
            await busy.world.machines.clear("K4", None, (), "somebody", None)
        await route.continue_()  # type: ignore[attr-defined]

    await page.route("**/live", late)
    await page.goto("/")
    await expect(page.locator('[data-f="card/K4"]')).to_contain_text("Ready")


async def stop_button(page: Page) -> dict[str, float]:
    box = await page.get_by_role("button", name="Stop all").bounding_box()
    assert box is not None
    return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}


async def test_a_short_press_stops_nothing_and_a_long_one_stops_everything(busy: Room) -> None:
    page = await busy.page("/")
    await page.get_by_role("button", name="Stop all").click()
    await expect(page.locator("#said")).to_have_text("Keep it pressed to stop.")
    assert not busy.world.latch.stopped
    at = await stop_button(page)
    await page.mouse.move(at["x"], at["y"])
    await page.mouse.down()
    await page.wait_for_url("**/stop")
    await page.mouse.up()
    assert busy.world.latch.stopped
    await expect(page.get_by_role("button", name="Stopped")).to_be_visible()


async def test_sliding_off_cancels_the_stop(busy: Room) -> None:
    page = await busy.page("/")
    at = await stop_button(page)
    await page.mouse.move(at["x"], at["y"])
    await page.mouse.down()
    await expect(page.locator(".stop.holding")).to_have_count(1)
    await page.mouse.move(400, 400)
    await expect(page.locator(".stop.holding")).to_have_count(0)
    await page.mouse.up()
    assert not busy.world.latch.stopped


async def test_by_keyboard_enter_arms_and_enter_stops(busy: Room) -> None:
    page = await busy.page("/")
    await page.get_by_role("button", name="Stop all").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text("Press Enter again to stop.")
    assert not busy.world.latch.stopped
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/stop")
    assert busy.world.latch.stopped


async def test_one_machine_is_stopped_and_says_so(busy: Room) -> None:
    page = await busy.page("/machines/K1")
    await page.get_by_role("button", name="Stop K1").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text("K1 confirmed the stop.")
    assert busy.world.log[-1].kind == "stop.pressed"
    assert not busy.world.latch.stopped


async def test_a_stop_elsewhere_is_seen_here(busy: Room) -> None:
    page = await busy.page("/queue")
    await expect(page.get_by_role("button", name="Stop all")).to_be_visible()
    await busy.world.stop.everything("operator:minh")
    await expect(page.get_by_text("Everything is stopped by operator:minh")).to_be_visible()
    await expect(page.get_by_role("button", name="Stopped")).to_be_visible()


async def test_a_dropped_file_becomes_a_program_and_a_bad_one_says_its_line(busy: Room) -> None:
    page = await busy.page("/upload")
    drop = """([name, text]) => { const data = new DataTransfer(); data.items.add(new File([text], name))
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })) }"""
    await page.evaluate(drop, ["bad.gcode", "\0"])
    await expect(page.locator(".failed")).to_have_text(
        "Line 1: This file holds bytes that no G-code has. Send the sliced file."
    )
    busy.complaints[:] = [said for said in busy.complaints if "422" not in said]
    await page.evaluate(drop, ["lid.gcode", "G28\nG1 X1\n"])
    await page.wait_for_url("**/programs/*")
    await expect(page.get_by_role("heading", level=1)).to_have_text("lid.gcode")


async def test_a_lost_link_is_told_and_the_page_comes_back_by_itself(busy: Room) -> None:
    page = await busy.page("/")
    await expect(page.locator(".lost-line")).to_be_hidden()
    await busy.leave()
    await expect(page.locator(".lost-line")).to_be_visible(timeout=10_000)
    await expect(page.locator('[data-f="card/K4"] button')).to_have_css("pointer-events", "none")
    await busy.world.machines.clear("K4", None, (), "somebody", None)
    await busy.come_back()
    await expect(page.locator(".lost-line")).to_be_hidden(timeout=15_000)
    await expect(page.locator('[data-f="card/K4"]')).to_contain_text("Ready")
    busy.complaints[:] = [said for said in busy.complaints if "ERR_" not in said]


@pytest.mark.parametrize("path", ["/", "/todo", "/queue"])
async def test_the_page_is_used_by_keyboard_alone(path: str, busy: Room) -> None:
    page = await busy.page(path)
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip").first).to_be_focused()
    reached = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("document.activeElement.textContent.trim().slice(0, 40)"))
    assert any("Stop all" in text for text in reached)
    if path != "/queue":
        assert {"Reset the fault", "Cleared", "Cycle start"} <= reached


async def test_a_tap_without_an_answer_says_so_and_is_sent_once_more_only_by_hand(busy: Room) -> None:
    page = await busy.page("/todo", size="phone")
    button = page.locator("#do-machines-K3-reset")
    await page.route("**/api/v1/**", lambda route: route.abort())
    await button.click()
    await expect(button).to_have_text("No answer, retry")
    await expect(page.locator("#problem")).to_contain_text("may have arrived all the same")
    await page.unroute("**/api/v1/**")
    await page.context.set_offline(True)
    await button.click()
    await expect(button).to_have_text("Not sent, retry")
    await page.context.set_offline(False)
    assert not busy.world.calls
    await expect(button).to_have_text("Reset the fault")  # drawn anew once the link is back
    await button.click()
    await expect(page.locator("#problem")).to_be_empty()
    await expect(page.get_by_text("Fault: heater 1")).to_have_count(0)
    assert [call[0] for call in busy.world.calls] == ["reset"]
    busy.complaints.clear()  # the browser itself notes the requests that failed
