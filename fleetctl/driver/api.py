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
from typing import Literal, Protocol, runtime_checkable

import msgspec

from fleetctl.clock import Clock
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope, Profile
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
    jog: bool = False
    override: bool = False
    heat: bool = False
    set_work_offsets: bool = False
    probe: bool = False


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
    overrides_percent: dict[str, float] = {}
    """By name (`feed`, `rapid`, `spindle`, `flow`), as far as the machine or we know them."""
    switches_closed: tuple[str, ...] | None = None
    """Inputs that are active, in words (`probe`, `X limit`, `safety door`); None: the machine does not tell."""
    accessories_on: tuple[str, ...] | None = None
    """What is switched on, in words (`spindle clockwise`, `flood`); None: the machine does not tell."""


class Progress(msgspec.Struct, frozen=True):
    """Source lines of the program: sent to and acknowledged by the machine, and how many moves it may still hold.

    Executed lies between `planner_depth` moves before the acknowledged line and that line; the agent counts them back
    in the program. `acknowledged_bytes`: how many bytes of its file end with that line; 0 when the driver cannot say,
    and then nobody knows which lines are surely executed.
    """

    sent_line: int
    acknowledged_line: int
    planner_depth: int
    acknowledged_bytes: int = 0


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


OverrideName = Literal["feed", "rapid", "spindle", "flow"]

# What a person does by hand at one machine. A driver has these beside `Driver` and claims them in `Capabilities`;
# each is refused (MachineBusy, MachineError) in a fault and, but for `override`, during a run.


@runtime_checkable
class Jogs(Protocol):
    """Moves while a person holds a key, and steps. `within`: machine coordinates that must not be left; None when
    nobody knows where the tool is, and then only slow short steps are done (`protocol.jogging`)."""

    def jog(self, velocity_mm_s: Mapping[str, float], valid_s: float, *, within: Envelope | None = None) -> None:
        """Move like this by axis (X Y Z E) until `valid_s` from now, called again and again; {} stops. Motion is over
        0.05 s after `valid_s` at the latest, whoever has died. Raises MachineBusy, MachineError, UsageError."""
        ...

    async def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, *, within: Envelope | None = None
    ) -> None:
        """One bounded move from here; returns when the machine has taken it, and `jog({}, 0)` stops it."""
        ...


@runtime_checkable
class TakesOverrides(Protocol):
    """Changes how fast a program runs while it runs."""

    async def override(self, what: OverrideName, percent: float) -> None:
        """Set to this percentage of what the program says. Raises UsageError for one that it cannot have."""
        ...


@runtime_checkable
class Heats(Protocol):
    """Heats by hand."""

    async def heat(self, heater: str, target_degc: float) -> None:
        """Set the target of a heater (`T0`, `B`, `C`), 0 for off, and do not wait for it."""
        ...


@runtime_checkable
class SetsWorkOffsets(Protocol):
    """Shows and sets work offsets, machine coordinates in mm by frame (`G54`)."""

    async def work_offsets(self) -> dict[str, tuple[float, float, float]]:
        """As the controller has them now."""
        ...

    async def set_work_offset(
        self, frame: str, axes_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        """Where the tool is now gets these coordinates in that frame; gives all offsets as they are afterwards."""
        ...


@runtime_checkable
class SetsOffsetOrigins(Protocol):
    """What `SetsWorkOffsets` has besides when the tool need not be there: for what a probe found."""

    async def set_offset_origin(
        self, frame: str, origin_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        """Zero of these axes in that frame lies at these machine coordinates; gives all offsets as they are then."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Finds a surface, because a person asked."""

    async def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, *, within: Envelope | None = None
    ) -> dict[str, float]:
        """Move until contact, at most `distance_mm`; where it was, machine coordinates by axis. Raises MachineError
        without contact, and then most firmware is in a fault."""
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
