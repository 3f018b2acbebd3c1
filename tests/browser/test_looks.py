"""How pages look: they fit every screen, targets are as large as fingers, and nothing is warm while all is well."""

from __future__ import annotations

import base64

import pytest
from playwright.async_api import Page

from tests.browser.browser_room import Room
from tests.unit.api.fake_floor import SHA, crowd

PAGES = (
    "/", "/?view=dense", "/?view=wall", "/todo", "/machines/K1", "/machines/K4", "/machines/M1", "/machines/add",
    "/machines/K3/operate", "/machines/M2/operate", "/queue", "/jobs/J-0001", "/jobs/J-0002", "/runs/R-0001",
    "/parts/P-00008", "/upload", f"/programs/{SHA[:12]}", "/stop", "/stop?machine=K1", "/more", "/login",
)  # fmt: skip

SMALL_TARGETS = """least => [...document.querySelectorAll(
    'button, .button, .stop, summary, select, nav a, .brand, input:not([type=hidden]), .grid a, .tile, .row')]
  .map(node => node.type === 'checkbox' || node.type === 'radio' ? node.closest('label') : node)
  .map(node => [node, node.getBoundingClientRect()])
  .filter(([node, box]) => box.width && box.height && getComputedStyle(node).visibility === 'visible')
  .filter(([node, box]) => box.height < least - 0.5 || box.width < least - 0.5)
  .map(([node, box]) => `${node.outerHTML.slice(0, 90)} ${box.width} x ${box.height}`)"""

WARM_PIXELS = """async picture => {
  const image = new Image()
  image.src = 'data:image/png;base64,' + picture
  await image.decode()
  const canvas = new OffscreenCanvas(image.width, image.height), paint = canvas.getContext('2d')
  paint.drawImage(image, 0, 0)
  const pixels = paint.getImageData(0, 0, image.width, image.height).data
  let warm = 0
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b] = [pixels[i], pixels[i + 1], pixels[i + 2]]
    // Red, orange, amber and yellow: red leads blue by far, and green does not lead red.
    if (r - b > 60 && r >= g) warm++
  }
  return warm
}"""


async def warm_pixels(page: Page) -> int:
    """How many pixels of the whole page are red, orange or amber."""
    picture = base64.b64encode(await page.screenshot(full_page=True)).decode()
    blank = await page.context.new_page()
    try:
        return int(await blank.evaluate(WARM_PIXELS, picture))
    finally:
        await blank.close()


@pytest.mark.parametrize("size", ["desk", "phone", "small"])
async def test_no_page_scrolls_sideways_and_targets_are_large(size: str, busy: Room) -> None:
    page = await busy.page(size=size)
    wrong = []
    for path in PAGES:
        await page.goto(path)
        await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            wrong.append(f"{path}: {wide} px too wide")
        least = 24 if size == "desk" else 44
        wrong += [f"{path}: {small}" for small in await page.evaluate(SMALL_TARGETS, least)]
    assert not wrong, "\n".join(wrong)


async def test_the_buttons_of_to_do_are_for_gloves(busy: Room) -> None:
    page = await busy.page("/todo", size="phone")
    boxes = [await one.bounding_box() for one in await page.locator(".todo .act > button, .todo .pair button").all()]
    assert len(boxes) >= 4
    assert all(box and box["height"] >= 56 for box in boxes)
    alone = await page.locator(".todo .act > button").first.bounding_box()
    assert alone and alone["width"] > 300


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_warm_while_nobody_is_needed(scheme: str, calm: Room) -> None:
    page = await calm.page(color_scheme=scheme)
    for path in (
        "/",
        "/?view=dense",
        "/?view=wall",
        "/todo",
        "/queue",
        "/machines/K1",
        "/jobs/J-0001",
        "/upload",
        "/more",
    ):
        await page.goto(path)
        assert await warm_pixels(page) == 0, path


async def test_red_and_amber_are_seen_when_somebody_is_needed(busy: Room) -> None:
    page = await busy.page("/")
    assert await warm_pixels(page) > 1000


async def test_the_top_of_sixty_machines_names_the_one_fault(calm: Room) -> None:
    calm.world.machine = crowd(60).machine
    page = await calm.page("/")
    box = await page.get_by_text("Fault: thermal runaway.").first.bounding_box()
    assert box and box["y"] + box["height"] < 200


async def test_shape_and_word_are_there_without_colour(busy: Room) -> None:
    page = await busy.page("/", forced_colors="active")
    for name, glyph, word in (
        ("K3", "fault", "Fault"),
        ("K4", "tray", "Clear the bed"),
        ("M2", "lock", "Locked out"),
    ):
        card = page.locator(f'[data-f="card/{name}"]')
        assert word in await card.inner_text()
        assert f"#{glyph}" in await card.locator(".chip use").first.get_attribute("href")


DARK_PIXELS = """async picture => {
  const image = new Image()
  image.src = 'data:image/png;base64,' + picture
  await image.decode()
  const paint = new OffscreenCanvas(image.width, image.height).getContext('2d')
  paint.drawImage(image, 0, 0)
  const pixels = paint.getImageData(0, 0, image.width, image.height).data
  return pixels.filter((value, i) => i % 4 === 0 && value < 90).length
}"""


async def test_the_glyphs_are_drawn(busy: Room) -> None:
    """A sprite that the content policy or a wrong id hides leaves an empty box; ink in it proves it is drawn."""
    page = await busy.page("/")
    shot = await page.locator('[data-f="card/K4"] .chip svg').first.screenshot()
    blank = await page.context.new_page()
    assert await blank.evaluate(DARK_PIXELS, base64.b64encode(shot).decode()) > 40
