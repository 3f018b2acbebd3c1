"""The drawing of a tool path on the page of a program: a real program, drawn, by layers, with the keyboard."""

from __future__ import annotations

import os

import pytest
from playwright.async_api import expect

from fleetctl.gcode import tool_path
from tests.browser.browser_room import Room
from tests.unit.api.fake_floor import SHA

PAGE = f"/programs/{SHA[:12]}"
PAINTED = """() => {
  const canvas = document.querySelector('.toolpath canvas'), copy = new OffscreenCanvas(canvas.width, canvas.height)
  const paint = copy.getContext('2d', { willReadFrequently: true })
  paint.drawImage(canvas, 0, 0)
  const pixels = paint.getImageData(0, 0, canvas.width, canvas.height).data
  let painted = 0, low = canvas.width, high = 0
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i]) {
    painted++
    const x = (i >> 2) % canvas.width
    low = Math.min(low, x)
    high = Math.max(high, x)
  }
  return [painted / canvas.width, low / canvas.width, high / canvas.width]
}"""


def tower(layers: int) -> bytes:
    """Squares that shrink from 40 mm to almost nothing, with a travel across between two."""
    lines = ["G21", "G90", "M83", "G28", "M104 S200"]
    for layer in range(layers):
        low, high = 80 + 19 * layer / layers, 120 - 19 * layer / layers
        lines += [
            f";LAYER:{layer}", f"G0 X{low} Y{low} Z{0.2 * (layer + 1):.2f} F6000", ";TYPE:WALL-OUTER",
            f"G1 X{high} E2", f"G1 Y{high} E2", f"G1 X{low} E2", f"G1 Y{low} E2", f"G0 X{high} Y{high}",
        ]  # fmt: skip
    return "\n".join(lines).encode()


class Paths:
    """Has the path of one program for every hash."""

    def __init__(self, program: bytes) -> None:
        self.program = program

    async def of(self, sha256: str, detail: str) -> bytes:
        return tool_path(self.program, detail=detail).to_bytes()


@pytest.mark.parametrize("size", ["desk", "phone"])
async def test_a_program_is_drawn_layer_by_layer_with_the_keyboard(size: str, busy: Room) -> None:
    busy.world.paths = Paths(tower(20))
    page = await busy.page(PAGE, size=size)
    button = page.get_by_role("button", name="Draw from above")
    await button.focus()
    await page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="Layer")
    await slider.wait_for()
    assert await slider.evaluate("node => node === document.activeElement && node.value") == "20"
    assert await page.locator(".toolpath output").inner_text() == "Layer 20 of 20, Z 4.00 mm"
    _, low, high = await page.evaluate(PAINTED)
    assert low > 0.4 and high < 0.6
    await page.keyboard.press("Home")
    await expect(page.locator(".toolpath output")).to_have_text("Layer 1 of 20, Z 0.20 mm")
    painted, low, high = await page.evaluate(PAINTED)
    assert low < 0.05 and high > 0.95
    await page.get_by_label("Show travel").check()
    await page.wait_for_timeout(50)
    assert (await page.evaluate(PAINTED))[0] > painted
    if folder := os.environ.get("FLEETCTL_PICTURES"):
        await page.locator(".toolpath").screenshot(path=f"{folder}/toolpath-{size}.png")
    assert busy.complaints == []


async def test_what_cannot_be_drawn_is_said(busy: Room) -> None:
    busy.world.paths = Paths(b"M104 S0\nM140 S0\n")
    page = await busy.page(PAGE)
    await page.get_by_role("button", name="Draw from above").click()
    await page.get_by_text("This program moves nothing.").wait_for()
    assert busy.complaints == []
    busy.world.paths = Paths(b"")
    # Another browser: the first keeps what it got, for the path of a hash never changes.
    page = await busy.page(PAGE)
    await page.get_by_role("button", name="Draw from above").click()
    await page.get_by_text("It cannot be drawn: The file is empty.").wait_for()
    # Chromium itself writes a line about the refused request.
    assert all("Failed to load resource" in complaint for complaint in busy.complaints)
    busy.complaints.clear()
