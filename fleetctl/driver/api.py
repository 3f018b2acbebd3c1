"""The contract that a hardware developer implements, version 1. Read this file; write 40 to 120 lines.

A driver knows one firmware's or server's words. It holds the link to one machine, does what the verbs say, and
tells its listener what happened. It must not know jobs, parts, the store or other machines, and it decides
nothing: it never homes, unlocks, heats or resumes unless a verb asks for it (I12, I14).

A machine that we feed line by line needs only an engine (`fleetctl.protocol.engine`): wrap it in
`fleetctl.driver.stream.StreamDriver`. A machine that stores and runs the file itself implements `Driver` directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from fleetctl.clock import Clock
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Profile
from fleetctl.transport.base import Transport
from fleetctl.transport.probing import SpeedProbe

API_VERSION = 1


class Facet(StrEnum):
    """How a run reaches the machine."""

    STREAM = "stream"
    UPLOAD = "upload"
    OBSERVE = "observe"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine can do, named by behaviour; a verb that is not claimed is never called."""

    facets: frozenset[Facet]
    pause: bool = True
    home: bool = True
    prompts: bool = False


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What answered: firmware name and version, the board's own id and what it calls itself if it says so, and
    firmware facts. Another id or name than the one on record is refused until a person confirms it."""

    firmware: str
    version: str = ""
    board_uuid: str = ""
    board_model: str = ""
    facts: dict[str, str] = {}


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Latest readings; never an event. Temperatures are (now, target) in degC by heater name."""

    temperatures_degc: dict[str, tuple[float, float]] = {}
    position_mm: tuple[float, float, float] | None = None
    feed_mm_s: float | None = None
    spindle_rpm: float | None = None
    message: str = ""
    """What the machine's display shows for a person; the latest text."""


class Progress(msgspec.Struct, frozen=True):
    """Source lines of the program: sent to and acknowledged by the machine, and how many it may still hold.

    Executed lies between `acknowledged_line - planner_depth` and `acknowledged_line`.
    """

    sent_line: int
    acknowledged_line: int
    planner_depth: int


class EndKind(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class ProgramSource(Protocol):
    """The verified program, open for reading; the driver never sees a path (I4)."""

    sha256: str
    size_bytes: int

    async def read(self, limit_bytes: int) -> bytes:
        """The next block, read off the loop; empty at the end."""
        ...


class Listener(Protocol):
    """What a driver tells, from the loop's thread; none of these blocks or raises."""

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """The firmware changed what it does; `position_lost` when its position can no longer be trusted."""
        ...

    def telemetry(self, telemetry: Telemetry) -> None:
        """New readings; may be dropped."""
        ...

    def progress(self, progress: Progress) -> None:
        """Lines were acknowledged; may be coalesced."""
        ...

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The run in hand ended. Called exactly once for each `start` that returned."""
        ...

    def lost(self, reason: str) -> None:
        """The link is gone; the driver is finished and a new one will be made."""
        ...


class Driver(Protocol):
    """One machine, from `connect` until `close` or `Listener.lost`."""

    capabilities: Capabilities

    async def connect(self, deadline_s: float) -> Identity:
        """Open the link and identify the machine, moving nothing, by `deadline_s` (`Clock.monotonic`) at the latest.
        Raises LinkError."""
        ...

    async def start(self, program: ProgramSource) -> None:
        """Begin to execute; returns once the first byte may have gone out. Raises MachineBusy, MachineError; then
        no byte of the program went out."""
        ...

    async def pause(self) -> None:
        """Hold motion in a controlled way; the run stays in hand."""
        ...

    async def resume(self) -> None:
        """Go on after `pause` or after the firmware waited for a person."""
        ...

    async def cancel(self) -> None:
        """End the run in a controlled way, heaters and spindle off; `ended` follows."""
        ...

    def stop(self) -> None:
        """Software stop, now: drop unsent output, send the firmware's fastest stop. Never waits, never raises."""
        ...

    async def stopped(self) -> bool:
        """True once the firmware confirmed the last `stop`; False if it cannot say."""
        ...

    async def make_safe(self) -> None:
        """Heaters, spindle, laser and coolant off; nothing moves."""
        ...

    async def clear_fault(self) -> None:
        """Reset after an alarm or kill, because a person asked; position is suspect where the firmware lost it."""
        ...

    async def home(self) -> None:
        """Home all axes, because a person asked; afterwards the position is known."""
        ...

    async def command(self, text: str) -> list[str]:
        """Run one line outside a run and give the answer lines. Raises MachineBusy during a run."""
        ...

    async def close(self) -> None:
        """Close the link; idempotent."""
        ...


@runtime_checkable
class TakesWorkOffsets(Protocol):
    """What a driver has besides when it compares the machine's work offsets with those on record at each start."""

    def set_work_offsets(self, offsets_mm: Mapping[str, tuple[float, float, float]]) -> None:
        """The set-up on record changed; holds from the next start on. Neither waits nor raises."""
        ...


@runtime_checkable
class DiscardsFirst(Protocol):
    """What a driver has besides when a stop of many machines can be done in two steps, as `StreamDriver` can."""

    def discard_unsent(self) -> None:
        """Drop unsent output; `stop` follows in the same turn of the loop, once all machines have done this. Neither
        waits nor raises."""
        ...


class Prompt(msgspec.Struct, frozen=True):
    """A question of the firmware to a person. An answer is the index of one of `choices`; none means 0, go on."""

    text: str
    choices: tuple[str, ...] = ()


@runtime_checkable
class AnswersPrompts(Protocol):
    """What a driver has besides when its machine can ask a person something; claimed by `Capabilities.prompts`."""

    def prompt(self) -> Prompt | None:
        """What is asked now; None when nothing is. Its text and choices are the reason of WAITING too."""
        ...

    async def answer_prompt(self, choice: int) -> None:
        """Give a person's answer, the index of one of the choices, in a run as well. Raises MachineError when nothing
        is asked, the index is none of them, or the firmware would not hear it."""
        ...


class MachineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver is made for."""

    name: str
    port: str
    profile: Profile
    options: dict[str, str] = {}
    work_offsets_mm: dict[str, tuple[float, float, float]] = {}
    """The set-up on record, by frame (`G54`), machine coordinates; see `TakesWorkOffsets`."""


class DriverType(msgspec.Struct, frozen=True, kw_only=True):
    """What a plug-in registers. `make` must do no I/O. `tested_on` names hardware, else the driver says so."""

    name: str
    title: str
    make: Callable[[MachineSpec, Transport, Clock, Listener], Driver]
    profiles: tuple[str, ...] = ()
    tested_on: tuple[str, ...] = ()
    speed_probe: SpeedProbe | None = None
    """How a port's speed is found that nobody gave; None: it is 115200."""
    api_version: int = API_VERSION
