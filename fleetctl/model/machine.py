"""What is true of one machine: five independent facts, and READY computed from them.

The facts are kept apart because they change for different reasons (DESIGN section 5): the link drops, the
firmware faults, a person clears the bed. Nothing here knows how a fact was found out.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetctl.model.board import Board
from fleetctl.model.profile import Process, Profile, Setup


class Link(StrEnum):
    """Whether bytes reach the machine."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"


class Activity(StrEnum):
    """What the firmware is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    FAULT = "fault"


class Clearance(StrEnum):
    """Whether the bed or vise is free for the next part."""

    CLEAR = "clear"
    UNCLEARED = "uncleared"


class Service(StrEnum):
    """Whether people let the machine work."""

    IN_SERVICE = "in-service"
    MAINTENANCE = "maintenance"
    LOCKED_OUT = "locked-out"


class Position(StrEnum):
    """Whether the firmware's idea of where the tool is can be trusted."""

    KNOWN = "known"
    SUSPECT = "suspect"


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The five facts of one machine, with the reason of the last fault or wait."""

    link: Link = Link.OFFLINE
    activity: Activity = Activity.IDLE
    clearance: Clearance = Clearance.UNCLEARED
    service: Service = Service.IN_SERVICE
    position: Position = Position.KNOWN
    reason: str = ""


class Word(StrEnum):
    """The one word shown for a machine, in order of precedence: the first that applies."""

    FAULT = "fault"
    SUSPECT = "suspect"
    WAITING = "waiting"
    RUN_AT_RISK = "no-answer"
    PAUSED = "paused"
    RUNNING = "running"
    LOCKED_OUT = "locked-out"
    MAINTENANCE = "maintenance"
    OFFLINE = "offline"
    CONNECTING = "connecting"
    UNCLEARED = "uncleared"
    READY = "ready"


PHRASE: dict[Word, str] = {
    Word.FAULT: "Fault",
    Word.SUSPECT: "Position suspect",
    Word.WAITING: "Waiting for a person",
    Word.RUN_AT_RISK: "No answer, run at risk",
    Word.PAUSED: "Paused",
    Word.RUNNING: "Running",
    Word.LOCKED_OUT: "Locked out",
    Word.MAINTENANCE: "Maintenance",
    Word.OFFLINE: "Off",
    Word.CONNECTING: "Connecting",
    Word.UNCLEARED: "Uncleared",
    Word.READY: "Ready",
}


def is_ready(facts: MachineFacts) -> bool:
    """READY: online, idle, clear, in service and position known (I2). Exactly when `unready_reasons` has none."""
    return (
        facts.link is Link.ONLINE
        and facts.activity is Activity.IDLE
        and facts.clearance is Clearance.CLEAR
        and facts.service is Service.IN_SERVICE
        and facts.position is Position.KNOWN
    )


def unready_reasons(facts: MachineFacts) -> list[str]:
    """Why the machine is not READY: one short clause per fact that stands in the way; empty when READY."""
    obstacles = (
        (facts.service is not Service.IN_SERVICE, "it is " + facts.service.value.replace("-", " ")),
        (facts.link is not Link.ONLINE, "it is " + facts.link.value),
        (facts.activity is not Activity.IDLE, _activity_clause(facts)),
        (facts.position is not Position.KNOWN, "its position is suspect: home it"),
        (facts.clearance is not Clearance.CLEAR, "nobody has confirmed that it is clear"),
    )
    return [clause for stands_in_the_way, clause in obstacles if stands_in_the_way]


def _activity_clause(facts: MachineFacts) -> str:
    clause = {
        Activity.FAULT: "it has a fault",
        Activity.WAITING: "it waits for a person",
        Activity.RUNNING: "it is running",
        Activity.PAUSED: "it is paused",
        Activity.IDLE: "it is idle",
    }[facts.activity]
    return f"{clause} ({facts.reason})" if facts.reason else clause


def word(facts: MachineFacts, *, has_run: bool) -> Word:
    """The one word for these facts. `has_run` says that a run is active on the machine."""
    rules = (
        (facts.activity is Activity.FAULT and facts.link is Link.ONLINE, Word.FAULT),
        (facts.position is Position.SUSPECT and facts.link is Link.ONLINE, Word.SUSPECT),
        (facts.link is not Link.ONLINE and has_run, Word.RUN_AT_RISK),
        (facts.link is Link.ONLINE and facts.activity is Activity.WAITING, Word.WAITING),
        (facts.link is Link.ONLINE and facts.activity is Activity.PAUSED, Word.PAUSED),
        (facts.link is Link.ONLINE and facts.activity is Activity.RUNNING, Word.RUNNING),
        (facts.service is Service.LOCKED_OUT, Word.LOCKED_OUT),
        (facts.service is Service.MAINTENANCE, Word.MAINTENANCE),
        (facts.link is Link.OFFLINE, Word.OFFLINE),
        (facts.link is Link.CONNECTING, Word.CONNECTING),
        (facts.clearance is Clearance.UNCLEARED, Word.UNCLEARED),
    )
    return next((shown for applies, shown in rules if applies), Word.READY)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine as it is on record. `version` counts every change; `since_s` is when `facts` last changed."""

    id: str
    name: str
    driver: str
    port: str
    group: str
    agent: str
    profile: Profile
    setup: Setup
    options: dict[str, str]
    configuration_hash: str
    unattended_by: str | None
    facts: MachineFacts
    firmware: str
    since_s: float
    version: int
    board: Board = Board()
    """The one on record: another one is refused until a person confirms it."""
    board_answered: Board = Board()
    """The one that answered last."""

    @property
    def starts_by_itself(self) -> bool:
        """Whether a run may begin without cycle start by a person (I14)."""
        return self.profile.process is Process.ADDITIVE or self.unattended_by is not None
