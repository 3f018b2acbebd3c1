"""The operator panel: jogging ends whatever happens, controls say why they are off, forms work without scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from fleetctl.model.deeds import Heat, JogStep, Override, Probe, SetWorkOffset
from fleetctl.model.messages import PromptShown
from fleetctl.store.panel import Panel
from tests.browser.browser_room import Room
from tests.unit.api.fake_floor import running
from tests.unit.api.fake_operating import FakeChannel

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92"
    "ef0000000049454e44ae426082"
)


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the world is plain values
            await asyncio.sleep(0.02)


async def armed(room: Room, path: str = "/machines/K3/operate", **options: object) -> tuple[Page, FakeChannel]:
    """A page with jog switched on and set to move while a key is held."""
    page = await room.page(path, **options)
    await page.get_by_role("button", name="Jog off").click()
    await page.get_by_label("while held").check()
    await until(lambda: room.world.jogging.channels)
    return page, room.world.jogging.channels[-1]


def by_hand(room: Room) -> list[object]:
    return [call[2] for call in room.world.calls if call[0] == "by hand"]


async def test_a_held_key_beats_until_it_is_let_go(calm: Room) -> None:
    page, channel = await armed(calm)
    await page.get_by_role("button", name="X plus").hover()
    await page.mouse.down()
    await until(lambda: len(channel.beats) >= 4)
    await page.mouse.up()
    await until(lambda: channel.beats[-1][0] == {})
    *moving, stop = channel.beats
    assert all(beat == {"X": 20.0} for beat, _ in moving)
    times = [at_s for _, at_s in moving]
    assert all(0 < after - before < 0.15 for before, after in pairwise(times)), times
    await asyncio.sleep(0.3)
    assert channel.beats[-1] == stop, "nothing is sent after the stop"


async def test_motion_stops_when_the_page_loses_the_hand(calm: Room) -> None:
    """Each of these is a way in which a finger or a page goes away without lifting the key."""
    page, channel = await armed(calm)
    for away in (
        "dispatchEvent(new Event('blur'))",
        "document.querySelector('.key.xp').dispatchEvent(new PointerEvent('pointercancel', {bubbles: true}))",
        "dispatchEvent(new Event('pagehide'))",
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange'))",
    ):
        await page.get_by_role("button", name="X plus").hover()
        await page.mouse.down()
        await until(lambda beats=channel.beats: beats and beats[-1][0])
        await page.evaluate(away)
        await until(lambda beats=channel.beats: beats[-1][0] == {})
        await page.mouse.up()
        if "pointercancel" not in away:
            opened = len(calm.world.jogging.channels)
            await expect(page.get_by_role("button", name="X plus")).to_be_disabled()
            await page.get_by_role("button", name="Jog off").click()
            await until(lambda opened=opened: len(calm.world.jogging.channels) > opened)
            channel = calm.world.jogging.channels[-1]


async def test_arrow_keys_move_while_the_pad_has_the_focus(calm: Room) -> None:
    page, channel = await armed(calm)
    await page.locator("[data-pad]").focus()
    await page.keyboard.down("ArrowUp")
    await until(lambda: channel.beats)
    assert channel.beats[0][0] == {"Y": 20.0}
    await page.keyboard.up("ArrowUp")
    await until(lambda: channel.beats[-1][0] == {})
    await page.keyboard.down("PageDown")
    await until(lambda: channel.beats[-1][0] == {"Z": -4.0})
    await page.get_by_label("One line for the machine").focus()
    await until(lambda: channel.beats[-1][0] == {})
    count = len(channel.beats)
    await page.keyboard.up("PageDown")
    await page.keyboard.press("ArrowUp")
    await asyncio.sleep(0.2)
    assert len(channel.beats) == count, "the pad does not have the focus any more"


async def test_a_step_is_one_move_by_tap_and_by_key(calm: Room) -> None:
    page = await calm.page("/machines/K3/operate", size="phone")
    await page.get_by_role("button", name="Jog off").tap()
    await page.get_by_label("10 mm", exact=True).check()
    await page.get_by_role("button", name="Z plus").tap()
    await until(lambda: len(by_hand(calm)) == 1)
    await page.locator("[data-pad]").focus()
    await page.keyboard.press("ArrowLeft")
    await until(lambda: len(by_hand(calm)) == 2)
    assert by_hand(calm) == [
        JogStep(distance_mm={"Z": 10.0}, feed_mm_s=4.0), JogStep(distance_mm={"X": -10.0}, feed_mm_s=20.0),
    ]  # fmt: skip
    assert not calm.world.jogging.channels[-1].beats


async def test_a_refused_jog_says_why(calm: Room) -> None:
    page, channel = await armed(calm)
    channel.refused = "It has a fault."
    channel.news.set()
    await expect(page.get_by_text("It was refused: It has a fault.")).to_be_visible()


async def test_jog_goes_off_when_a_run_begins(calm: Room) -> None:
    page, channel = await armed(calm)
    running(calm.world, "K3", "R-0001", 0.1)
    calm.world.change_machine("K3")
    await expect(page.get_by_text("Run R-0001 is on K3: wait for its end, or cancel it.").first).to_be_visible()
    await expect(page.get_by_role("button", name="Jog off")).to_be_disabled()
    await expect(page.get_by_role("button", name="X plus")).to_be_disabled()
    await until(channel.closed.is_set)


async def test_heat_and_overrides_by_their_controls(calm: Room) -> None:
    page = await calm.page("/machines/K3/operate")
    await page.get_by_label("Target of the nozzle").fill("210")
    await page.locator(".heater", has_text="Nozzle").get_by_role("button", name="Set").click()
    await until(lambda: len(by_hand(calm)) == 1)
    await page.get_by_role("button", name="Bed off").click()
    await until(lambda: len(by_hand(calm)) == 2)
    slider = page.get_by_label("Feed")
    await slider.focus()
    await slider.press("ArrowRight")
    await until(lambda: len(by_hand(calm)) == 3)
    assert by_hand(calm) == [Heat(heater="T0", target_degc=210.0), Heat(heater="B", target_degc=0.0),
                             Override(what="feed", percent=105.0)]  # fmt: skip


async def test_the_chart_is_drawn_and_has_a_table(calm: Room) -> None:
    calm.world.panels.warm_up("K3")
    page = await calm.page("/machines/K3/operate")
    await expect(page.locator(".chart canvas")).to_be_visible()
    await expect(page.locator(".chart .u-legend")).to_contain_text("Nozzle215 °C")
    await page.get_by_text("The same as a table").click()
    await expect(page.get_by_role("cell", name="215 / 215 °C").first).to_be_visible()


async def test_the_console_remembers_and_follows(calm: Room) -> None:
    page = await calm.page("/machines/K3/operate")
    line = page.get_by_label("One line for the machine")
    for text in ("M115", "M503"):
        await line.fill(text)
        await line.press("Enter")
        await expect(line).to_have_value("")
    calm.world.panels.say("told", "fault: thermal runaway")
    await expect(page.get_by_role("log")).to_contain_text("fault: thermal runaway")
    await page.reload()
    await line.press("ArrowUp")
    await expect(line).to_have_value("M503")
    await line.press("ArrowUp")
    await expect(line).to_have_value("M115")
    await line.press("ArrowDown")
    await line.press("ArrowDown")
    await expect(line).to_have_value("")
    await page.get_by_label("Show all traffic").check()
    await until(lambda: calm.world.panels.watched)


@asynccontextmanager
async def a_camera(status: int) -> AsyncIterator[str]:
    async def picture(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=PIXEL, content_type="image/png")

    app = web.Application()
    app.router.add_get("/snapshot", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/snapshot"
    await runner.cleanup()


async def test_the_camera_comes_through_the_daemon(calm: Room) -> None:
    page = await calm.page("/machines/K3/operate")
    await expect(page.get_by_role("heading", name="Camera")).to_have_count(0)
    async with a_camera(200) as url:
        calm.world.panels.panels["K3"] = Panel(camera_url=url)
        await page.reload()
        picture = page.get_by_role("img", name="The newest picture of K3")
        await expect(picture).to_have_js_property("naturalWidth", 1)
    async with a_camera(500) as url:
        calm.world.panels.panels["K3"] = Panel(camera_url=url)
        await page.reload()
        await expect(page.get_by_text("The camera gives no picture now.")).to_be_visible()
    assert all("502" in one for one in calm.complaints)
    calm.complaints.clear()


async def test_a_prompt_of_the_firmware_has_its_answers(calm: Room) -> None:
    page = await calm.page("/machines/K2/operate")
    await expect(page.get_by_text("K2 asks:")).to_have_count(0)
    # It comes with the readings, which are no event.
    calm.world.read("K2", prompt=PromptShown(text="Filament runout", choices=("Purge more", "Continue")))
    group = page.get_by_role("group", name="K2 asks: Filament runout")
    await expect(group.get_by_role("button")).to_have_text(["Purge more", "Continue"])
    await group.get_by_role("button", name="Continue").click()
    await until(lambda: ("prompt", "K2", 1, "admin:lan") in calm.world.calls)
    calm.world.read("K2", prompt=None)
    await expect(page.get_by_text("K2 asks:")).to_have_count(0)


async def test_everything_but_jogging_works_without_scripts(calm: Room) -> None:
    world = calm.world
    world.panels.panels["M2"] = Panel(macros={"Park": "G0 Z-1"})
    page = await calm.page("/machines/M2/operate", java_script_enabled=False)
    await expect(page.get_by_text("Jogging needs scripts in this browser")).to_be_visible()
    await page.get_by_label("X, mm").fill("0")
    await page.get_by_role("button", name="Set here").click()
    await page.locator("form", has_text="Rapids").get_by_role("button", name="Set").click()
    assert by_hand(calm) == [
        SetWorkOffset(frame="G54", axes_mm={"X": 0.0}), Override(what="rapid", percent=100.0),
    ]  # fmt: skip
    await page.get_by_role("button", name="Park", exact=True).click()
    assert ("macro", "M2", "Park", "admin:lan") in world.calls
    await page.goto("/machines/M2/operate")
    await page.get_by_text("Change the macros").click()
    await page.get_by_label("Name of a new macro").fill("Probe light")
    await page.get_by_label("Its lines").fill("M64 P0\nM65 P0")
    await page.get_by_role("button", name="Keep the macro").click()
    assert world.panels.panels["M2"].macros["Probe light"].splitlines() == ["M64 P0", "M65 P0"]
    await page.get_by_text("Capture the link").click()
    await page.get_by_role("button", name="Begin to capture").click()
    await expect(page.get_by_text("It is being captured")).to_be_visible()
    await page.get_by_role("button", name="End it now").click()
    await page.get_by_text("Capture the link").click()
    await expect(page.get_by_role("link", name="download it")).to_be_visible()
    await page.goto("/machines/K3/operate")
    await page.get_by_label("Target of the bed").fill("60")
    await page.locator(".heater", has_text="Bed").get_by_role("button", name="Set").click()
    assert by_hand(calm)[-1] == Heat(heater="B", target_degc=60.0)
    await page.get_by_label("One line for the machine").fill("M115")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("K3 answered to")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
async def test_probing_by_keyboard_is_a_form_a_confirmation_a_measurement_and_a_separate_offset(
    calm: Room, scripts: bool
) -> None:
    page = await calm.page("/machines/M2/operate", size="phone", java_script_enabled=scripts)
    probe = page.locator("#probe")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth") if scripts else True
    await probe.get_by_label("At most, mm").fill("15")
    await probe.get_by_label("At most, mm").press("Enter")
    await page.wait_for_url("**/operate/probe?*")
    await expect(page.get_by_text("drives on into whatever is there")).to_be_visible()
    now = page.get_by_role("button", name="Probe now: Z down")
    assert "drives on" in (await page.locator(f"#{await now.get_attribute('aria-describedby')}").inner_text())
    assert by_hand(calm) == []
    await now.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/operate#probe")
    assert by_hand(calm) == [Probe(axis="Z", direction=-1, distance_mm=15.0, feed_mm_s=1.0)]
    status = probe.get_by_role("status")
    await expect(status).to_contain_text("Z -12.500 mm")
    assert not [call for call in calm.world.calls if call[0] == "from probe"], "nothing is set by a probe"
    await status.get_by_label("thickness of the plate").fill("1.6")
    await status.get_by_role("button", name="Set Z from the measurement").click()
    await page.wait_for_load_state()
    await until(lambda: calm.world.calls[-1][0] == "from probe")
    assert calm.world.calls[-1][1:5] == ("M2", 41, "G54", 1.6)
