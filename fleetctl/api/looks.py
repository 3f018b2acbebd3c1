"""Which glyph and which look a state has on every page: grey is fine, amber is your turn, red is broken. Pure.

Glyph names are symbols of `web/static/sprite.svg`. Looks: `plain`, `outline`, `amber`, `red`.
"""

from __future__ import annotations

from fleetctl.fleet.shapes import FloorShape, MachineShape, TodoItem
from fleetctl.scheduling.reason import Need, Reason

PAUSED_TOO_LONG_S = 15 * 60
"""A pause this old asks for a person (research ui.md, section 5)."""

MACHINE_GLYPH = {
    "fault": "fault",
    "suspect": "fault",
    "waiting": "hand",
    "no-answer": "noanswer",
    "paused": "paused",
    "running": "running",
    "locked-out": "lock",
    "maintenance": "wrench",
    "offline": "off",
    "connecting": "connecting",
    "uncleared": "tray",
    "ready": "ready",
}

RUN_GLYPH = {
    "claimed": "connecting",
    "preparing": "connecting",
    "running": "running",
    "paused": "paused",
    "waiting": "hand",
    "finished": "good",
    "failed": "fault",
    "cancelled": "scrap",
    "interrupted": "noanswer",
    "refused": "scrap",
}

PART_GLYPH = {
    "planned": "planned",
    "made": "unknown",
    "good": "good",
    "delivered": "good",
    "rework": "rework",
    "hold": "hold",
    "scrap": "scrap",
    "unmade": "dot",
}

NEED_GLYPH = {
    Need.FAULT: "fault",
    Need.PERSON: "hand",
    Need.CLEAR_FOR_WORK: "tray",
    Need.RUN_AT_RISK: "noanswer",
    Need.PAUSED: "paused",
    Need.WHEN_CONVENIENT: "trayopen",
    Need.NOBODY: "connecting",
}

_NEED_LOOK = {
    Need.FAULT: "red",
    Need.PERSON: "amber",
    Need.CLEAR_FOR_WORK: "amber",
    Need.RUN_AT_RISK: "amber",
    Need.PAUSED: "outline",
    Need.WHEN_CONVENIENT: "outline",
    Need.NOBODY: "plain",
}


def look_of(reason: Reason | None, age_s: float = 0.0) -> str:
    """How urgent a reason looks; a pause turns amber when it is old."""
    if reason is None:
        return "plain"
    if reason.need is Need.PAUSED and age_s > PAUSED_TOO_LONG_S:
        return "amber"
    return _NEED_LOOK[reason.need]


def machine_look(machine: MachineShape, now_s: float) -> str:
    """How urgent a machine looks."""
    return look_of(machine.why, now_s - machine.since_s)


def machine_glyph(machine: MachineShape) -> str:
    """The glyph of a machine's state; an uncleared machine that nothing waits for has the open tray."""
    if machine.word == "uncleared" and look_of(machine.why) not in ("amber", "red"):
        return "trayopen"
    return MACHINE_GLYPH.get(machine.word, "connecting")


def machine_sentence(machine: MachineShape) -> str:
    """The one sentence of a machine: why it waits when a person could do something, else what it does."""
    if machine.why is not None and machine.why.need < Need.NOBODY:
        return machine.why.sentence
    if machine.word == "running" and machine.run is not None:
        return f"Running {machine.run.job}"  # the per cent beside it is live, so it is not in the sentence
    return machine.sentence


def todo_glyph(item: TodoItem) -> str:
    """The glyph of something to do."""
    return {"part": "hold", "stop": "stop"}.get(item.kind, NEED_GLYPH[item.reason.need])


def todo_page(item: TodoItem) -> str:
    """The page of what there is to do."""
    return "/stop" if item.kind == "stop" else f"/{item.kind}s/{item.subject}"


def urgent(todo: tuple[TodoItem, ...]) -> tuple[TodoItem, ...]:
    """What needs a person now, most urgent first; what is only convenient is not counted."""
    return tuple(item for item in todo if item.reason.need < Need.WHEN_CONVENIENT)


def seen(floor: FloorShape) -> dict[str, int]:
    """The versions of machines and their runs that a page shows, by the target of an action on them.

    A button of a job names a machine: without the machine's version a late tap would clear a bed nobody looked at.
    """
    found = {f"machines/{machine.name}": machine.version for machine in floor.machines}
    return found | {f"runs/{machine.run.code}": machine.run.version for machine in floor.machines if machine.run}
