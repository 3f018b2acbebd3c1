"""Captures as tests: committed ones are replayed against the drivers of today, and a driver that differs fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.errors import LinkUnavailable
from fleetctl.testing.captures import ReplayDiffers, replay
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.base import Receiver, Transport
from fleetctl.transport.replay import load_capture
from tests.integration.make_captures import FOLDER, SCENES, Scene, capture

EACH = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


async def replay_scene(scene: Scene, wrap: Callable[[Transport], Transport] = lambda transport: transport) -> None:
    await replay(FOLDER / f"{scene.name}.jsonl", scene.driver, program=scene.program, wrap=wrap)


@EACH
@under_virtual_clock()
async def test_a_committed_capture_is_replayed(scene: Scene) -> None:
    """Is a driver meant to say something else? `python -m tests.integration.make_captures`, read the diff."""
    await replay_scene(scene)


class Altered:
    """A link between driver and replay that changes one thing: another driver, as far as the replay can see."""

    def __init__(self, inner: Transport, change: Callable[[bytes], bytes]) -> None:
        self.url = inner.url
        self._inner = inner
        self._change = change

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        await self._inner.open(receiver, deadline_s)

    def write(self, data: bytes) -> None:
        self._inner.write(self._change(data))

    @property
    def unsent_bytes(self) -> int:
        return 0

    def discard_output(self) -> int:
        return self._inner.discard_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        self._inner.urgent(data, at_line_start=at_line_start)

    def close(self) -> None:
        self._inner.close()


@EACH
@under_virtual_clock()
async def test_a_driver_that_sends_another_byte_fails(scene: Scene) -> None:
    last = b"M107" if scene.name.startswith("marlin") else b"M5"
    with pytest.raises(ReplayDiffers, match=r"Replay differs at record \d+: expected .*, sent "):
        await replay_scene(scene, lambda link: Altered(link, lambda data: data.replace(last, last.lower())))


@EACH
@under_virtual_clock()
async def test_a_driver_that_leaves_something_out_fails(scene: Scene) -> None:
    last = b"M107" if scene.name.startswith("marlin") else b"M5"
    with pytest.raises(ReplayDiffers):
        await replay_scene(scene, lambda link: Altered(link, lambda data: b"" if last in data else data))


@EACH
@under_virtual_clock()
async def test_a_driver_that_tells_something_else_fails(scene: Scene, tmp_path: Path) -> None:
    text = (FOLDER / f"{scene.name}.jsonl").read_text()
    assert text.count('"run finished"') == 1
    other = tmp_path / "other.jsonl"
    other.write_text(text.replace('"run finished"', '"run failed: it was too cold"'))
    with pytest.raises(ReplayDiffers, match="told 'run finished' where it told 'run failed: it was too cold' then"):
        await replay(other, scene.driver, program=scene.program)


@EACH
@under_virtual_clock()
async def test_the_wrong_program_is_named(scene: Scene) -> None:
    with pytest.raises(ReplayDiffers, match="The capture starts the program"):
        await replay(FOLDER / f"{scene.name}.jsonl", scene.driver, program=b"G28\n")


@EACH
@under_virtual_clock()
async def test_a_capture_from_the_middle_of_a_link_is_refused(scene: Scene, tmp_path: Path) -> None:
    first, *rows = (FOLDER / f"{scene.name}.jsonl").read_text().splitlines()
    assert '"way": "open"' in rows[0]
    (tmp_path / "middle.jsonl").write_text("\n".join([first, *rows[5:]]))
    with pytest.raises(LinkUnavailable, match="begins in the middle of a link"):
        await replay(tmp_path / "middle.jsonl", scene.driver, program=scene.program)


@EACH
def test_the_committed_programs_are_those_that_were_captured(scene: Scene) -> None:
    assert (FOLDER / f"{scene.name}.gcode").read_bytes() == scene.program
    header = load_capture(FOLDER / f"{scene.name}.jsonl").header
    assert (header["driver"], header["format"]) == (scene.driver.name, "fleetctl-capture-1")


@under_virtual_clock()
async def test_a_capture_made_now_is_replayed_now(tmp_path: Path) -> None:
    """The recorder and the player agree, whatever was committed."""
    for scene in SCENES:
        await replay(await capture(scene, tmp_path), scene.driver, program=scene.program)
