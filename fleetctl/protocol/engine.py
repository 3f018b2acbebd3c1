"""The contract of a stream driver's engine: bytes and time in, bytes and events out.

An engine holds the state of one protocol with one machine. It has no clock, file, socket, randomness or
`await`; time is passed in as `now` (seconds of `Clock.monotonic`). It must not know the transport, the run's
id or the store. The streamer (`fleetctl.driver.stream`) calls it in this order, after every verb and every
input:

    if engine.discards_output(): transport.discard_output()
    transport.urgent(engine.take_urgent(), at_line_start=engine.urgent_is_lines)
    transport.write(engine.take_output())
    for event in engine.events(): ...
    arm a timer for engine.next_deadline()

Verbs are refused by raising an error of `fleetctl.errors`, and then nothing has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from fleetctl.model.machine import Activity
from fleetctl.protocol.feeder import Feeder


class RunEndKind(StrEnum):
    """How a run ended other than by finishing."""

    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


class EngineEvent(msgspec.Struct, frozen=True):
    """Something the machine said or did, in the order it happened."""


class Identified(EngineEvent, frozen=True):
    """The firmware said who it is. `facts` are its own words: buffer sizes, capabilities, and of the board
    `uuid` (its own number) and `board` (what somebody named it).

    `planner_depth`: how many acknowledged moves this firmware may not have executed; None: as the driver says.
    """

    firmware: str
    version: str = ""
    facts: dict[str, str] = {}
    planner_depth: int | None = None


class Ready(EngineEvent, frozen=True):
    """The link is usable: identified and in step. Comes once per `connected`."""


class Progress(EngineEvent, frozen=True):
    """How far a run is: 1-based source lines of the program, and `acknowledged_bytes` of its file.

    `sent_line` is the last line given out, `acknowledged_line` the last one the firmware answered for.
    Emitted at most once per drained batch of input, never per line.
    """

    acknowledged_line: int
    sent_line: int
    acknowledged_bytes: int


class StateChanged(EngineEvent, frozen=True):
    """The firmware does something else now."""

    activity: Activity
    reason: str = ""


class Temperatures(EngineEvent, frozen=True):
    """Heaters as (now, target) in degC by the heater's name (`T0`, `B`, `C`)."""

    readings_degc: dict[str, tuple[float, float]]


class Position(EngineEvent, frozen=True):
    """Where the firmware says the tool is, in machine coordinates; None for what it did not say."""

    position_mm: tuple[float, float, float] | None = None
    feed_mm_s: float | None = None
    spindle_rpm: float | None = None


class WaitingForPerson(EngineEvent, frozen=True):
    """The firmware waits for somebody (M0, filament change, door); no time-out runs meanwhile."""

    reason: str


class Prompted(EngineEvent, frozen=True):
    """The firmware asks a person; it wants the index of one of `choices`. Both empty: the question is gone."""

    text: str = ""
    choices: tuple[str, ...] = ()


class Message(EngineEvent, frozen=True):
    """A text that the firmware wants a person to see; nothing follows from it."""

    text: str


class Verb(StrEnum):
    """Verbs that move no program, whose end an engine announces with `VerbDone`."""

    HOME = "home"
    CLEAR_FAULT = "clear-fault"
    MAKE_SAFE = "make-safe"
    STOP = "stop"


class VerbDone(EngineEvent, frozen=True):
    """The firmware answered the verb; `error` is empty when it did what was asked.

    For `stop` it is the firmware's own confirmation, so an engine that cannot tell never sends it.
    """

    verb: Verb
    error: str = ""


class CommandDone(EngineEvent, frozen=True):
    """The command with this ticket was answered; `lines` are the answer without the final ok."""

    ticket: int
    lines: tuple[str, ...]
    ok: bool


class Measured(EngineEvent, frozen=True):
    """What the command with this ticket found out, by name; comes before its `CommandDone`."""

    ticket: int
    values: dict[str, tuple[float, ...]]


class Overrides(EngineEvent, frozen=True):
    """Percentages that the firmware applies now, by name (`feed`, `rapid`, `spindle`, `flow`)."""

    percent: dict[str, float]


class Switches(EngineEvent, frozen=True):
    """Which inputs of the machine are active now (`probe`, `X limit`, `safety door`), and what is switched on
    (`spindle clockwise`, `flood`), each in words; told in full."""

    closed: tuple[str, ...]
    on: tuple[str, ...]


class RunBegun(EngineEvent, frozen=True):
    """Only of an engine that `ChecksFirst`: the machine stands as it should, the first line goes out now."""


class RunRefused(EngineEvent, frozen=True):
    """Only of an engine that `ChecksFirst`: the run does not begin and no byte of its program went out. `hint` is
    what a person does about it."""

    reason: str
    hint: str = ""


class RunFinished(EngineEvent, frozen=True):
    """The program ended and the last motion is done, not only accepted. `acknowledged_bytes` as in `RunEnded`."""

    acknowledged_line: int
    acknowledged_bytes: int = 0


class RunEnded(EngineEvent, frozen=True):
    """The run ended early. Executed lies between the acknowledged line and `planner_depth` moves before; where that
    is in the program, the agent finds out. `acknowledged_bytes` of the program's file end with that line.
    """

    kind: RunEndKind
    reason: str
    acknowledged_line: int
    planner_depth: int
    acknowledged_bytes: int = 0


class MachineFault(EngineEvent, frozen=True):
    """The firmware faulted. `kind` is the firmware's word (`alarm:1`, `kill`, `thermal`), `text` what it
    said.
    """

    kind: str
    text: str
    position_lost: bool


class PositionSuspect(EngineEvent, frozen=True):
    """We no longer know where the tool is, although the firmware did not fault (I6)."""

    reason: str


class Engine(Protocol):
    """One machine's protocol state, from `connected` until the link is lost; then a new engine is made.

    `urgent_is_lines`: True when `take_urgent` gives whole lines, which must not cut a line in two; False for
    real-time bytes, which may go anywhere.
    """

    urgent_is_lines: bool

    def connected(self, now: float) -> None:
        """The link is open: begin to identify the machine, moving nothing (I12, I14)."""
        ...

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the machine, split anywhere; the same bytes give the same events however they are
        split.
        """
        ...

    def elapse(self, now: float) -> None:
        """Time passed, or the feeder was given more bytes: act on what is due. Calling it early is
        harmless.
        """
        ...

    def next_deadline(self) -> float | None:
        """When `elapse` must be called at the latest; None when only input can change anything."""
        ...

    def take_output(self) -> bytes:
        """Bytes to write now, in order; empty when there are none. Bounded by the protocol's window."""
        ...

    def take_urgent(self) -> bytes:
        """Bytes to send ahead of all unsent output; empty when there are none."""
        ...

    def discards_output(self) -> bool:
        """True once after a verb that wants unsent output dropped before the urgent bytes go (a stop)."""
        ...

    def events(self) -> list[EngineEvent]:
        """What happened since the last call, oldest first; drains."""
        ...

    def start(self, feeder: Feeder, now: float) -> None:
        """Stream the program from `feeder`. Raises MachineBusy or MachineError unless idle and ready."""
        ...

    def pause(self, now: float) -> None:
        """Hold motion in a controlled way; the run stays in hand."""
        ...

    def resume(self, now: float) -> None:
        """Go on after `pause` or after the firmware waited for a person."""
        ...

    def cancel(self, now: float) -> None:
        """End the run in a controlled way, heaters and spindle off; `RunEnded(CANCELLED)` follows."""
        ...

    def stop(self, now: float) -> None:
        """Fastest stop the firmware has; own unsent output is dropped. Never raises."""
        ...

    def command(self, text: str, now: float) -> int:
        """Send one line outside a run; gives the ticket that `CommandDone` will carry. Raises MachineBusy."""
        ...

    def clear_fault(self, now: float) -> None:
        """Reset after an alarm or kill because a person asked."""
        ...

    def home(self, now: float) -> None:
        """Home all axes because a person asked."""
        ...

    def make_safe(self, now: float) -> None:
        """Heaters, spindle, laser and coolant off; nothing moves. Allowed at any time."""
        ...


@runtime_checkable
class ChecksFirst(Protocol):
    """What an engine has besides when it asks the machine how it stands before a program's first byte.

    Its `start` is answered by exactly one of `RunBegun` and `RunRefused`, within seconds; `cancel` and `stop` before
    that refuse the run. Nothing but `RunRefused` is told of a run that did not begin.
    """

    def expect_offsets(self, offsets_mm: Mapping[str, tuple[float, float, float]]) -> None:
        """Work offsets on record by frame (`G54`), mm in machine coordinates, for every start from now on."""
        ...


@runtime_checkable
class AnswersQuestions(Protocol):
    """What an engine has besides when its firmware asks questions (`Prompted`)."""

    def answer_prompt(self, choice: int, now: float) -> None:
        """Give a person's answer. Raises MachineError when nothing is asked, or the firmware would not hear it."""
        ...
