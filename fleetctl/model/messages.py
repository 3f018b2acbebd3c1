"""What controller and agent say to each other: plain messages, one protocol for the local and the distant agent.

Commands carry an id that the agent journals before the first byte goes to a machine, so a command that comes
twice acts once. Reports carry a sequence number and are sent again until acknowledged; telemetry is not a
report and may be dropped. This module only states shapes; it must not know who sends them or how.
"""

from __future__ import annotations

import msgspec

from fleetctl.model.board import Board
from fleetctl.model.deeds import Deed
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.profile import Profile

PROTOCOL_VERSION = 1
"""Raised when a message changes so that the other side would misunderstand it. What every version understands, and
what must therefore never change: `protocol_version` of Hello and Welcome, Leave, Stop, StopReport. With these an
agent of another protocol is stopped, and told to end once it is idle (docs/explanation/upgrades.md)."""


class MachineAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that the agent must hold a session for."""

    machine_id: str
    name: str
    driver: str
    port: str
    profile: Profile
    unattended: bool = False
    position: Position = Position.KNOWN
    options: dict[str, str] = {}
    work_offsets_mm: dict[str, tuple[float, float, float]] = {}
    """Of the set-up on record, by frame (`G54`), machine coordinates: what the preflight gate reckoned with."""
    board: Board = Board()
    """The one on record; a machine where another answers stays offline."""


# --- controller to agent -------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """First message of the controller on a link: who it is, and the stop of everything that holds (I15).

    `stop_id` names the stop; empty means none. An agent that is not stopped yet obeys it as a Stop. An empty one
    releases nothing: only Release does.
    """

    protocol_version: int
    site: str
    stop_id: str
    machines: tuple[MachineAssignment, ...]


class Assign(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="assign"):
    """The complete list of machines this agent holds from now on."""

    machines: tuple[MachineAssignment, ...]


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="start"):
    """Execute a program once. Idempotent by `run_id`; not begun after `not_after_s` (Unix time)."""

    command_id: str
    run_id: str
    epoch: int
    machine_id: str
    program_sha256: str
    not_after_s: float


class Withdraw(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="withdraw"):
    """Never begin this run; if it has begun, cancel it. Answered by a RunReport either way."""

    command_id: str
    run_id: str
    machine_id: str


class Verb(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="verb"):
    """Do one thing to one machine now, because a person asked. Never kept to be done later: void after
    `not_after_s` (Unix time). `verb` is one of VERBS; `run_id` is the run it was meant for, if any."""

    command_id: str
    machine_id: str
    verb: str
    run_id: str | None = None
    text: str = ""
    deed: Deed | None = None
    """What exactly, for the verbs of `model.deeds`."""
    not_after_s: float


class Jog(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="jog"):
    """One heartbeat of somebody who holds a key: move like this, mm/s by axis; none: stop. Neither journalled nor
    answered nor sent again; void after `not_after_s` (Unix time), and motion ends by itself soon after."""

    machine_id: str
    velocity_mm_s: dict[str, float] = {}
    not_after_s: float


VERBS = (
    "pause",
    "resume",
    "cancel",
    "cycle-start",
    "clear-fault",
    "home",
    "trust-position",
    "make-safe",
    "command",
    "reconnect",
    "answer-prompt",
    "jog-step",
    "override",
    "heat",
    "work-offsets",
    "set-work-offset",
    "probe",
)


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stop"):
    """Stop one machine, or everything (`machine_id` None), and stay stopped until Release (I15)."""

    command_id: str
    machine_id: str | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="release"):
    """A person released the stop of everything."""

    command_id: str


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="acknowledge"):
    """All reports up to and including `sequence` are committed; the agent may forget them."""

    sequence: int


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="leave"):
    """The agent should end: `when` is `idle` (after the last run), or `now` (interrupt what runs, make safe)."""

    when: str


class Question(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="question"):
    """Ask what the agent knows of a machine, or have its link captured. Nothing of it reaches the machine, so it is
    not journalled and may be asked again. `about` is one of QUESTIONS; the other fields are for those that name them.
    """

    command_id: str
    machine_id: str
    about: str
    after: int = 0
    """console: entries numbered above this. capture-read: the offset in the file, bytes."""
    traffic: bool = False
    """console: all that goes over the link too, as long as somebody asks for it."""
    seconds: float = 0.0
    """capture-begin: how long."""


QUESTIONS = ("console", "capture-begin", "capture-end", "capture-status", "capture-read")


# --- agent to controller -------------------------------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """First message of the agent: who it is, and what it holds right now.

    `journal_id` is made once with the journal: a new one means that reports count from 1 again. `boot_id` is
    made at each start. `last_sequence` is the newest report in the journal: once it is committed, a run that is
    active on record, was acknowledged before and is not in `active_runs` is lost. After the Welcome the agent
    sends every unacknowledged report again, then a fresh MachineReport for each of its machines.
    """

    protocol_version: int
    agent: str
    journal_id: str
    boot_id: str
    version: str
    pid: int
    active_runs: tuple[str, ...]
    last_sequence: int
    leaving: bool = False
    """Whether it ends after its last run and takes no more."""
    stop_id: str = ""
    """The Stop of everything that holds here (its command id), so that neither side can forget one (I15)."""


class MachineReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="machine"):
    """What the agent knows of a machine; the latest one supersedes all before."""

    sequence: int
    machine_id: str
    link: Link
    activity: Activity
    position: Position
    reason: str = ""
    firmware: str = ""
    at_s: float
    board: Board = Board()
    """The one that answered last, also when it was refused."""


class RunReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="run"):
    """A run changed state. `state` is a RunState value; lines are source lines of the program.

    Executed lies between `acknowledged_line - planner_depth` and `acknowledged_line`: comments and modes among those
    lines are counted, so that the moves that the planner may hold are all among them. `started` says that a byte of
    the program may have reached the machine.
    """

    sequence: int
    run_id: str
    machine_id: str
    state: str
    reason: str = ""
    started: bool = False
    acknowledged_line: int = 0
    planner_depth: int = 0
    at_s: float


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="answer"):
    """The outcome of a Verb: `error` empty when it was done."""

    command_id: str
    error: str = ""
    lines: tuple[str, ...] = ()
    values: dict[str, tuple[float, ...]] = {}
    """What was found out: work offsets by frame, a probe's contact by axis; mm, machine coordinates."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reply"):
    """The answer to a Question: `error` empty when there is one, `data` a record (MessagePack) or bytes of a file."""

    command_id: str
    error: str = ""
    data: bytes = b""


class ConsoleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a machine's console. `way`: asked (by a person), answer, refused, told (by the driver), out, in."""

    number: int
    at_s: float
    way: str
    text: str


class ConsoleLines(msgspec.Struct, frozen=True, kw_only=True):
    """The newest lines of a console, oldest first. `first` and `last`: the numbers that are kept."""

    first: int = 1
    last: int = 0
    entries: tuple[ConsoleEntry, ...] = ()


class CaptureState(msgspec.Struct, frozen=True, kw_only=True):
    """The newest capture of a machine's link; `begun_s` None when there is none. `ended` says why it ended."""

    begun_s: float | None = None
    ends_s: float | None = None
    size_bytes: int = 0
    ended: str = ""

    @property
    def under_way(self) -> bool:
        """Whether it still records."""
        return self.begun_s is not None and not self.ended


class StopOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one machine took a stop: sent, confirmed or unreachable."""

    machine_id: str
    outcome: str


class StopReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stop-report"):
    """How every machine took a stop. `last_byte_s` is the time from receipt to the last stop byte written."""

    command_id: str
    outcomes: tuple[StopOutcome, ...]
    last_byte_s: float


class PromptShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the firmware asks a person now, and the answers that it takes, in order; none: not to be answered here."""

    text: str
    choices: tuple[str, ...] = ()


class TelemetryReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="telemetry"):
    """Latest readings of one machine; bounded and droppable (I9). Temperatures are (now, target) in degC."""

    machine_id: str
    at_s: float
    run_id: str | None = None
    acknowledged_line: int = 0
    sent_line: int = 0
    temperatures_degc: dict[str, tuple[float, float]] = {}
    position_mm: tuple[float, float, float] | None = None
    spindle_rpm: float | None = None
    can: tuple[str, ...] = ()
    """What the driver claims to be able to do (`Capabilities`), by name."""
    prompt: PromptShown | None = None
    read_at_s: float = 0.0
    """When the firmware told the readings (Unix time); progress goes on without any. 0: it never told one."""
    overrides_percent: dict[str, float] = {}
    message: str = ""
    switches_closed: tuple[str, ...] | None = None
    """Inputs of the machine that are active, in words; None: it does not tell."""
    accessories_on: tuple[str, ...] | None = None
    """What is switched on, in words; None: it does not tell."""


class LeavingReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="leaving"):
    """The agent is about to end, or stays after all: whether it takes runs. Said again in each Welcome."""

    leaving: bool


class BlockedReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="blocked"):
    """The driver of one machine held up its whole agent for `late_s` seconds; droppable (I9).

    `where` is file, line and function of the step that took so long.
    """

    machine_id: str
    driver: str
    late_s: float
    where: str
    at_s: float


class JogReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="jog-report"):
    """Why a machine is not jogged although somebody holds a key; empty when it is again. Droppable."""

    machine_id: str
    refused: str = ""


ToAgent = Hello | Assign | Start | Withdraw | Verb | Jog | Stop | Release | Acknowledge | Leave | Question
ToController = (
    Welcome
    | MachineReport
    | RunReport
    | Answer
    | StopReport
    | TelemetryReport
    | JogReport
    | BlockedReport
    | LeavingReport
    | Reply
)
Report = MachineReport | RunReport


class _HelloOfAny(msgspec.Struct, tag_field="type", tag="hello"):
    protocol_version: int


class _WelcomeOfAny(msgspec.Struct, tag_field="type", tag="welcome"):
    protocol_version: int


_of_any = msgspec.msgpack.Decoder(_HelloOfAny | _WelcomeOfAny)
_encoder = msgspec.msgpack.Encoder()
_to_agent = msgspec.msgpack.Decoder(ToAgent)
_to_controller = msgspec.msgpack.Decoder(ToController)


def encode(message: ToAgent | ToController) -> bytes:
    """One message as MessagePack."""
    return _encoder.encode(message)


def decode_to_agent(data: bytes) -> ToAgent:
    """The message in `data`. Raises msgspec.ValidationError when it is none of ours."""
    message: ToAgent = _to_agent.decode(data)
    return message


def decode_to_controller(data: bytes) -> ToController:
    """The message in `data`. Raises msgspec.ValidationError when it is none of ours."""
    message: ToController = _to_controller.decode(data)
    return message


def protocol_of(data: bytes) -> int | None:
    """Which protocol a Hello or Welcome says it is of, whatever else is in it; None when it is neither."""
    try:
        return int(_of_any.decode(data).protocol_version)
    except msgspec.DecodeError:
        return None
