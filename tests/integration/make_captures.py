"""Makes the committed captures anew, under the virtual clock, from our simulators: run it when a driver is meant to
say something else than before, and look at the difference that git shows.

    python -m tests.integration.make_captures
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from fleetctl_plugins.grbl.driver import DRIVER as GRBL
from fleetctl_plugins.grbl.simulator import simulator as grbl_simulator
from fleetctl_plugins.marlin.driver import DRIVER as MARLIN
from fleetctl_plugins.marlin.simulator import simulator as marlin_simulator

from fleetctl.agent.blocking import inline
from fleetctl.agent.captures import Captures
from fleetctl.agent.wire import DeedAsked, JogAsked, Wire, told_activity, told_end
from fleetctl.driver.api import Driver, DriverType, EndKind, MachineSpec, Progress
from fleetctl.model.deeds import Deed, Heat, JogStep, Override, SetWorkOffset
from fleetctl.model.machine import Activity
from fleetctl.model.profile import PROFILES, Envelope
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.testing.captures import perform
from fleetctl.testing.loop import VirtualClock, run
from fleetctl.testing.suite.bench import Recorder, Source
from fleetctl.transport.memory import MemoryMachine, MemoryTransport

FOLDER = Path(__file__).resolve().parents[1] / "data" / "captures"
SECONDS = 40.0

PRINT = b"; a few moves\nM302 S0\nG90\nM82\nG1 Z5 F600\n" + b"".join(
    b"G1 X%d Y%d E%d F2400\n" % (20 + 30 * (i % 2), 20 + i, i) for i in range(30)
)
CUT = b"G21 G90 G94\nM3 S5000\n" + b"".join(b"G1 X-%d Y-%d F1500\n" % (5 + 9 * (i % 2), 5 + i) for i in range(20))


BED, TABLE = PROFILES["generic-220"].envelope, PROFILES["generic-mill-3018"].envelope


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is captured: a machine, its program, and what people asked, each so many seconds after the one before."""

    name: str
    driver: DriverType
    make_machine: Callable[[int], SimulatedMachine]
    program: bytes
    asked: tuple[tuple[float, str, str], ...]


def deed(deed: Deed, within: Envelope | None = None) -> str:
    """The text of a deed by hand, as the agent writes it down."""
    return msgspec.json.encode(DeedAsked(deed=deed, within=within)).decode()


def beat(velocity_mm_s: dict[str, float], within: Envelope | None) -> str:
    """The text of one heartbeat."""
    return msgspec.json.encode(JogAsked(velocity_mm_s=velocity_mm_s, valid_s=0.15, within=within)).decode()


SCENES = (
    Scene(
        name="marlin-print",
        driver=MARLIN,
        make_machine=marlin_simulator,
        program=PRINT + b"M107\n",
        asked=(
            (4.05, "home", ""),
            (8.03, "command", "M503"),
            (1.01, "heat", deed(Heat(heater="T0", target_degc=40.0))),
            (1.02, "jog-step", deed(JogStep(distance_mm={"X": 5.0}, feed_mm_s=20.0), BED)),
            (1.0, "start", ""),
            (3.03, "override", deed(Override(what="flow", percent=95.0))),
            (3.04, "pause", ""),
            (3.05, "resume", ""),
        ),
    ),
    Scene(
        name="grbl-cut",
        driver=GRBL,
        make_machine=grbl_simulator,
        program=CUT + b"M5\nG0 X-1 Y-1\nM30\n",
        asked=(
            (2.05, "home", ""),
            (6.03, "command", "$$"),
            (0.51, "jog", beat({"X": -5.0}, TABLE)),
            (0.083, "jog", beat({"X": -5.0}, TABLE)),
            (0.084, "jog", beat({}, TABLE)),
            (1.33, "set-work-offset", deed(SetWorkOffset(frame="G54", axes_mm={"X": 0.0, "Y": 0.0}))),
            (1.0, "start", ""),
            (2.03, "override", deed(Override(what="feed", percent=120.0))),
            (2.04, "pause", ""),
            (2.05, "resume", ""),
        ),
    ),
)


class Told(Recorder):
    """Tells the wire what the driver tells, as a session does."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        self.wire.told(told_activity(activity, reason))
        super().activity(activity, reason, position_lost)

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        self.wire.told(told_end(kind, reason))
        super().ended(kind, reason, progress)


async def capture(scene: Scene, folder: Path) -> Path:
    """Play the scene and give its capture."""
    clock, wire = VirtualClock(), Wire()
    captures = Captures(folder, inline, clock)
    profile = PROFILES[scene.driver.profiles[0]]
    header = {"machine": scene.name, "driver": scene.driver.name, "profile": msgspec.to_builtins(profile)}
    await captures.begin(scene.name, wire, SECONDS, "memory://bench", header)
    machine = MemoryMachine(scene.make_machine(1), clock, latency_s=0.001)
    told = Told(wire)
    transport = wire.over(MemoryTransport("memory://bench", machine, clock))
    spec = MachineSpec(name=scene.name, port="memory://bench", profile=profile)
    driver: Driver = scene.driver.make(spec, transport, clock, told)
    await driver.connect(clock.monotonic() + 30.0)
    tasks = []
    for after_s, verb, text in scene.asked:
        await clock.sleep(after_s)
        text = Source(scene.program).sha256 if verb == "start" else text
        wire.verb(verb, text)
        tasks.append(asyncio.create_task(perform(driver, verb, text, scene.program)))
    await asyncio.gather(*tasks)
    while not captures.state(scene.name).ended:
        await clock.sleep(0.5)
    await driver.close()
    machine.power_off()
    return folder / f"{scene.name}.jsonl"


def main() -> None:
    """Write all captures and their programs."""
    for scene in SCENES:
        made = run(capture(scene, FOLDER), seed=1)
        (FOLDER / f"{scene.name}.gcode").write_bytes(scene.program)
        print(made)


if __name__ == "__main__":
    main()
