"""What the outside sees of the fleet: the shapes of the HTTP answers, the CLI's listings and the pages.

Times are Unix seconds UTC. Only shapes; who fills them is `fleet/views.py`.
"""

from __future__ import annotations

import msgspec

from fleetctl.model.board import Board
from fleetctl.model.messages import PromptShown
from fleetctl.model.profile import Profile, Setup
from fleetctl.scheduling.reason import Reason


class ProgressShape(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is. `end_s` is None while nobody knows. Executed is within `planner_depth` lines of acknowledged;
    while the run goes on this is counted from where its state last changed, so it is far too much then."""

    fraction: float = 0.0
    acknowledged_line: int = 0
    sent_line: int = 0
    lines: int = 0
    planner_depth: int = 0
    end_s: float | None = None


class RunShape(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    code: str
    job: str
    machine: str
    program: str
    program_sha256: str
    state: str
    active: bool
    reason: str
    started: bool
    settled: bool
    created_s: float
    started_s: float | None
    ended_s: float | None
    progress: ProgressShape
    parts: tuple[str, ...] = ()
    version: int = 1
    why: Reason | None = None
    stopped_between: tuple[int, int] | None = None
    """Of a run that began and did not finish: execution stopped behind the first of these lines (surely executed) and
    not behind the second (the last acknowledged one; a line that was on its way may be executed too)."""
    resumes: str | None = None
    """The interrupted run that this one continues."""
    continued_by: str | None = None
    continuable: bool = False
    """Whether a person may continue it from a line or a layer."""


class ResultShape(msgspec.Struct, frozen=True, kw_only=True):
    """One result a check or a person gave."""

    check: str
    result: str
    reason: str
    characteristic: str
    value: float | None
    least: float | None
    greatest: float | None
    unit: str
    given_by: str
    at_s: float


class PartShape(msgspec.Struct, frozen=True, kw_only=True):
    """One part. `place` None means surplus."""

    code: str
    job: str
    run: str
    machine: str
    place: int | None
    state: str
    live: bool
    version: int
    results: tuple[ResultShape, ...] = ()


class MachineShape(msgspec.Struct, frozen=True, kw_only=True):
    """One machine as it is now. `word` is the shown state; `sentence` the whole state line; `age_s` how long.
    `board_refused` answered last and is not the one on record."""

    name: str
    driver: str
    port: str
    group: str
    profile: Profile
    setup: Setup
    configuration_hash: str
    process: str
    link: str
    activity: str
    clearance: str
    service: str
    position: str
    reason: str
    firmware: str
    ready: bool
    unattended_by: str | None
    word: str
    sentence: str
    since_s: float
    version: int
    board: Board = Board()
    board_refused: Board | None = None
    why: Reason | None = None
    run: RunShape | None = None
    parts_to_clear: tuple[PartShape, ...] = ()
    temperatures_degc: dict[str, tuple[float, float]] = {}
    position_mm: tuple[float, float, float] | None = None
    spindle_rpm: float | None = None
    overrides_percent: dict[str, float] = {}
    message: str = ""
    """What the machine's own display shows."""
    switches_closed: tuple[str, ...] | None = None
    """Its inputs that are active, in words (`probe`, `X limit`, `safety door`); null: it does not tell."""
    accessories_on: tuple[str, ...] | None = None
    """What is switched on, in words (`spindle clockwise`, `flood`); null: it does not tell."""
    telemetry_at_s: float | None = None
    can: tuple[str, ...] = ()
    """What its driver claims, by name; empty while nobody hears it."""
    prompt: PromptShown | None = None
    readings_at_s: float | None = None
    """When the firmware told temperatures, position and spindle the last time."""
    readings_stale: bool = False
    """Whether that is too long ago to be taken for what is so now."""
    agent: str = ""
    """The agent that holds it."""


class WorkOffsetsShape(msgspec.Struct, frozen=True, kw_only=True):
    """Work offsets by frame, machine coordinates in mm: as the machine has them, as the set-up on record says, and
    the frames in which the two differ. While they differ no run starts there."""

    offsets_mm: dict[str, tuple[float, float, float]]
    on_record_mm: dict[str, tuple[float, float, float]]
    differ: tuple[str, ...]


class MeasurementShape(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe found, as it stands on record. `contact_mm` is machine coordinates, `work_mm` that axis in each
    work offset on record now; `stale` says why no offset is set from it any more."""

    number: int
    at_s: float
    by: str
    axis: str
    direction: int
    contact_mm: dict[str, float]
    work_mm: dict[str, float] = {}
    stale: str = ""


class ProbeShape(msgspec.Struct, frozen=True, kw_only=True):
    """Where a probe made contact, by axis in mm: machine coordinates, and in each work offset on record."""

    axis: str
    contact_mm: dict[str, float]
    work_mm: dict[str, dict[str, float]]


class JobShape(msgspec.Struct, frozen=True, kw_only=True):
    """One job. The counts add up: good + hold + running + to_make = quantity; scrap and surplus are beside it.

    `running` counts planned and made-but-unassessed parts, `hold` parts on hold or in rework.
    """

    code: str
    order: str
    title: str
    program: str
    program_sha256: str
    quantity: int
    yield_parts: int
    state: str
    priority: int
    due_s: float | None
    material: str
    machine: str | None
    group: str
    good: int
    hold: int
    running: int
    to_make: int
    scrap: int
    surplus: int
    created_s: float
    done_s: float | None
    version: int
    ready_s: float | None = None
    why: Reason | None = None


class MachineVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a machine could take a job now, and the first condition that stands in the way."""

    machine: str
    fits: bool
    reason: Reason | None = None


class ExplainShape(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job waits: the one reason, and every machine's first refusing condition."""

    job: str
    reason: Reason | None
    machines: tuple[MachineVerdict, ...]


class FindingShape(msgspec.Struct, frozen=True, kw_only=True):
    """One preflight finding. `severity` is error, warning or note; `line` 1-based, 0 for the whole program."""

    code: str
    severity: str
    line: int
    column: int
    message: str
    hint: str


class PreflightShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says of one program on one machine."""

    machine: str
    passed: bool
    rule_set: str
    configuration_hash: str
    findings: tuple[FindingShape, ...]


class TransformationShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a program was made from its parent; the same name, version and parameters give the same bytes."""

    name: str
    version: int
    parameters: msgspec.Raw


class ProgramShape(msgspec.Struct, frozen=True, kw_only=True):
    """One stored program with its facts. `analysis` is the JSON form of gcode.Analysis.

    `parent_sha256` is the program that it was made from, `transformation` how.
    """

    sha256: str
    name: str
    size_bytes: int
    dialect: str
    created_s: float
    analysis: msgspec.Raw
    machines: tuple[PreflightShape, ...] = ()
    parent_sha256: str | None = None
    transformation: TransformationShape | None = None


class EventShape(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the event log. `subject` is a human code or a machine name."""

    sequence: int
    at_s: float
    kind: str
    subject: str
    actor: str
    data: msgspec.Raw


class TodoItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person should do now: a machine or a part, the reason, since when."""

    kind: str
    subject: str
    reason: Reason
    since_s: float
    version: int
    job: str | None = None
    parts: tuple[PartShape, ...] = ()


class StopShape(msgspec.Struct, frozen=True, kw_only=True):
    """The latch and how machines took the last stop: sent, confirmed or unreachable, by machine name."""

    stopped: bool
    by: str = ""
    at_s: float | None = None
    outcomes: dict[str, str] = {}
    last_byte_s: float | None = None
    note: str = "This is a software stop, not a safety-rated emergency stop."


class FloorShape(msgspec.Struct, frozen=True, kw_only=True):
    """The whole room at one moment; `sequence` is the last event it includes."""

    sequence: int
    now_s: float
    stop: StopShape
    machines: tuple[MachineShape, ...]
    todo: tuple[TodoItem, ...]
    agents: dict[str, bool] = {}


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for: a stored program, how many good parts, and wishes. `yield_parts` parts per run."""

    program_sha256: str
    quantity: int
    title: str = ""
    yield_parts: int = 1
    material: str = ""
    machine: str | None = None
    group: str = ""
    priority: int = 0
    due_s: float | None = None
    hold: bool = False
    remake_interrupted: str = "at_clear"


class NewMachine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine to add. `profile` is the name of a profile or a whole one."""

    name: str
    driver: str
    port: str
    profile: str | Profile = ""
    group: str = ""
    setup: Setup = Setup()
    options: dict[str, str] = {}
    unattended: bool = False
    agent: str = ""
    """Which agent holds it: empty for the first one, `own` for one of its own, or a name."""
