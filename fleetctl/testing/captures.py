"""Captures as tests: a driver must do again what it did when the link was recorded.

    async def test_bug_17() -> None:
        await replay(Path("captures/bug-17.jsonl"), DRIVER, program=Path("captures/bug-17.gcode").read_bytes())

Inside a virtual loop (`fleetctl.testing.fixtures.under_virtual_clock`). It plays the machine's side and what people
asked, and compares every byte that the driver sends and all that it tells. It must not know any firmware.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fleetctl.agent.wire import DeedAsked, JogAsked, told_activity, told_end
from fleetctl.driver.api import AnswersPrompts, Driver, DriverType, EndKind, MachineSpec, Progress, Telemetry
from fleetctl.errors import FleetctlError, LinkUnavailable
from fleetctl.model.deeds import DEEDS, Heat, JogStep, Override, Probe, SetWorkOffset, WorkOffsets
from fleetctl.model.machine import Activity
from fleetctl.model.profile import PROFILES, Profile
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite.bench import Source
from fleetctl.transport.base import Transport
from fleetctl.transport.replay import EARLY_S, Capture, ReplayTransport, load_capture

CONNECT_S = 120.0
LATE_S = 60.0
"""How much longer than the recording a replay may take before it is given up."""


class ReplayDiffers(AssertionError):
    """The driver behaves differently than when the link was recorded."""


@dataclass
class _Told:
    """A `Listener` that writes down what a capture writes down."""

    texts: list[str] = field(default_factory=list)
    losses: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        self.texts.append(told_activity(activity, reason))

    def telemetry(self, telemetry: Telemetry) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        self.texts.append(told_end(kind, reason))

    def lost(self, reason: str) -> None:
        self.losses.put_nowait(reason)


async def perform(driver: Driver, verb: str, text: str, program: bytes | None) -> None:
    """Ask the driver for what a record of the way `verb` says. What it raises is its answer, so it passes."""
    deeds: dict[str, Callable[[], Awaitable[object]]] = {
        "pause": driver.pause,
        "resume": driver.resume,
        "cancel": driver.cancel,
        "clear-fault": driver.clear_fault,
        "home": driver.home,
        "make-safe": driver.make_safe,
        "command": lambda: driver.command(text),
        "start": lambda: driver.start(_source(program, text)),
    }
    with contextlib.suppress(FleetctlError):
        if verb == "stop":
            driver.stop()
        elif verb == "jog" or verb in DEEDS.values():
            await _by_hand(driver, verb, text)
        elif verb == "answer-prompt" and isinstance(driver, AnswersPrompts):
            await driver.answer_prompt(int(text))
        elif verb in deeds:
            await deeds[verb]()
        else:
            raise ReplayDiffers(f"The capture asks for {verb!r}, which cannot be replayed.")


async def _by_hand(driver: Any, verb: str, text: str) -> None:
    """A deed by hand. A driver that no longer has it differs, and says so by what it does not have."""
    if verb == "jog":
        beat = msgspec.json.decode(text, type=JogAsked)
        driver.jog(beat.velocity_mm_s, beat.valid_s, within=beat.within)
        return
    asked = msgspec.json.decode(text, type=DeedAsked)
    match asked.deed:
        case JogStep(distance_mm=distance_mm, feed_mm_s=feed_mm_s):
            await driver.jog_step(distance_mm, feed_mm_s, within=asked.within)
        case Override(what=what, percent=percent):
            await driver.override(what, percent)
        case Heat(heater=heater, target_degc=target_degc):
            await driver.heat(heater, target_degc)
        case WorkOffsets():
            await driver.work_offsets()
        case SetWorkOffset(frame=frame, origin_mm=origin_mm) if origin_mm:
            await driver.set_offset_origin(frame, origin_mm)
        case SetWorkOffset(frame=frame, axes_mm=axes_mm):
            await driver.set_work_offset(frame, axes_mm)
        case Probe(axis=axis, direction=direction, distance_mm=distance_mm, feed_mm_s=feed_mm_s):
            await driver.probe(axis, direction, distance_mm, feed_mm_s, within=asked.within)


def _source(program: bytes | None, sha256: str) -> Source:
    if program is None:
        raise ReplayDiffers(f"The capture starts the program {sha256[:12]}: give it, as `program`.")
    source = Source(program)
    if source.sha256 != sha256:
        raise ReplayDiffers(
            f"The capture starts the program {sha256[:12]}, not {source.sha256[:12]}, which was given."
        )
    return source


async def replay(
    path: Path,
    driver_type: DriverType,
    *,
    program: bytes | None = None,
    options: Mapping[str, str] | None = None,
    wrap: Callable[[Transport], Transport] = lambda transport: transport,
    early_s: float = EARLY_S,
) -> None:
    """Replay the last link of a capture that was opened in it. `options` stand in for those that are blanked.

    `early_s`: how much before its turn a timer of the driver may fire; more for a capture of a busy computer.

    Raises ReplayDiffers with the first difference, LinkUnavailable for a file that is no capture of a whole link.
    """
    capture = load_capture(path)
    records = capture.of_one_link()
    verbs: asyncio.Queue[str] = asyncio.Queue()
    over = asyncio.Event()
    told = _Told()
    clock = VirtualClock()
    link = ReplayTransport("replay://", records, clock, on_verb=verbs.put_nowait, on_end=over.set, early_s=early_s)
    driver = driver_type.make(_spec(capture, options), wrap(link), clock, told)
    span_s = records[-1].t_s - records[0].t_s
    tasks: list[asyncio.Task[None]] = []

    async def ask() -> None:
        while True:
            verb, _, text = (await verbs.get()).partition(" ")
            tasks.append(asyncio.create_task(perform(driver, verb, text, program)))

    async def connect() -> None:
        with contextlib.suppress(FleetctlError):
            await driver.connect(clock.monotonic() + CONNECT_S)

    tasks += [asyncio.create_task(connect()), asyncio.create_task(ask())]
    waits = [asyncio.create_task(over.wait()), asyncio.create_task(told.losses.get())]
    try:
        done, _ = await asyncio.wait(waits, timeout=span_s + LATE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error
        if waits[0] not in done:
            reason = waits[1].result() if waits[1] in done else "the driver sends nothing more"
            raise ReplayDiffers(f"{path.name}: {reason}; expected {link.expected}.")
        _compare(path, [record.data.decode() for record in records if record.way == "told"], told.texts)
    finally:
        for task in (*tasks, *waits):  # type: ignore[assignment]
            task.cancel()
        await driver.close()
        await asyncio.gather(*tasks, *waits, return_exceptions=True)


def _compare(path: Path, expected: list[str], told: list[str]) -> None:
    for number in range(max(len(expected), len(told))):
        was = expected[number] if number < len(expected) else "nothing more"
        now = told[number] if number < len(told) else "nothing more"
        if was != now:
            raise ReplayDiffers(f"{path.name}: the driver told {now!r} where it told {was!r} then.")


def _spec(capture: Capture, options: Mapping[str, str] | None) -> MachineSpec:
    header = capture.header
    try:
        profile = header.get("profile", "generic-220")
        return MachineSpec(
            name=str(header.get("machine", "replay")),
            port=str(header.get("url", "replay://")),
            profile=PROFILES[profile] if isinstance(profile, str) else msgspec.convert(profile, Profile),
            options=msgspec.convert(header.get("options", {}), dict[str, str]) | dict(options or {}),
            work_offsets_mm=msgspec.convert(header.get("work_offsets_mm", {}), dict[str, tuple[float, float, float]]),
        )
    except (KeyError, msgspec.ValidationError) as error:
        raise LinkUnavailable(f"The first line of the capture makes no sense: {error}.") from error
