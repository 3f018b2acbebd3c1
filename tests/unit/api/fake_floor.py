"""Rooms for the fake controller: one where all is well, and one where every state that a page can show is there."""

from __future__ import annotations

import math
import time

import msgspec

from fleetctl.fleet.shapes import (
    FindingShape,
    JobShape,
    MachineShape,
    PartShape,
    PreflightShape,
    ProgramShape,
    ProgressShape,
    ResultShape,
    RunShape,
)
from fleetctl.gcode.facts import Analysis, HeaterUse
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.scheduling.reason import Action, Need, Reason
from tests.unit.api.fake_controller import FakeController, replace

SHA = "4f0c" + "a1" * 30
PRINTERS = ("K1", "K2", "K3", "K4")
MILLS = ("M1", "M2")


def calm_floor() -> FakeController:
    """Six machines that work or are ready, two jobs, nothing that needs anybody."""
    world = FakeController()
    world.tokens.add("admin-token", "admin", "admin")
    world.tokens.add("operator-token", "lan", "operator")
    world.tokens.add("viewer-token", "wall", "viewer")
    world.tokens.add("slicer-token", "slicer", "submit")
    world.found = [
        FoundPort(port="/dev/ttyUSB0", title="CH340 serial converter", driver="marlin", identity="1a86:7523")
    ]
    world.intake.analysis = facts()
    world.program[SHA] = program()
    world.job["J-0001"] = job("J-0001", good=7, running=3, to_make=10, scrap=1)
    world.job["J-0002"] = job("J-0002", title="Base plate", quantity=4, to_make=4, state="queued")
    for name in PRINTERS:
        world.machine[name] = machine(name)
    for name in MILLS:
        world.machine[name] = machine(name, "generic-mill-3018")
    for number, name in enumerate(("K1", "K2", "M1"), 1):
        running(world, name, f"R-{number:04d}", 0.2 * number)
    for number in range(1, 9):
        world.part[f"P-{number:05d}"] = part(number, "good" if number != 5 else "scrap")
    for number, run in ((9, "R-0001"), (10, "R-0002"), (11, "R-0003")):
        world.part[f"P-{number:05d}"] = part(number, "planned", run)
    world.tell("site.started", "site")
    return world


def busy_floor() -> FakeController:
    """The same room with a fault, a bed to clear, a cycle start, a pause, a held part and a locked-out mill."""
    world = calm_floor()
    now_s = time.time()
    needs(
        world,
        "K3",
        "fault",
        "Fault: heater 1 stayed 22 K under its target for 40 s.",
        Need.FAULT,
        "reset",
        "Reset the fault",
    )
    world.machine["K3"] = replace(world.machine["K3"], activity="fault", since_s=now_s - 420)
    waiting = tuple(part(number, "made", "R-0002") for number in range(20, 26))
    world.part |= {one.code: one for one in waiting}
    needs(world, "K4", "uncleared", "Clear the bed: 6 parts of J-0001.", Need.CLEAR_FOR_WORK, "clear", "Cleared")
    world.machine["K4"] = replace(
        world.machine["K4"], clearance="uncleared", parts_to_clear=waiting, since_s=now_s - 130
    )
    start = Action(label="Cycle start", target="runs/R-0003", verb="start")
    why = Reason(
        code="cycle-start",
        sentence="M1: load stock in the vise, then press cycle start.",
        need=Need.PERSON,
        action=start,
    )
    run = replace(world.run["R-0003"], state="waiting", started=False, started_s=None, why=why)
    world.run["R-0003"] = run
    world.machine["M1"] = replace(
        world.machine["M1"], run=run, why=why, word="waiting", sentence=why.sentence, activity="waiting"
    )
    world.machine["M2"] = replace(
        world.machine["M2"], service="locked-out", word="locked-out", sentence="Locked out", ready=False
    )
    world.part["P-00008"] = part(8, "hold", results=(measured(12.61),))
    world.job["J-0002"] = replace(
        world.job["J-0002"],
        why=Reason(code="uncleared", sentence="Clear the bed of K4: 6 parts.", need=Need.CLEAR_FOR_WORK,
                   action=Action(label="Cleared", target="machines/K4", verb="clear")),
    )  # fmt: skip
    return world


def crowd(machines: int) -> FakeController:
    """Many printers, one with a fault far down."""
    world = calm_floor()
    for number in range(machines - len(world.machine)):
        name = f"N{number:03d}"
        world.machine[name] = machine(name, group=f"Room {number % 3 + 1}")
    needs(world, "N040", "fault", "Fault: thermal runaway.", Need.FAULT, "reset", "Reset the fault")
    return world


def machine(name: str, profile: str = "generic-220", group: str = "") -> MachineShape:
    """A machine that is ready."""
    printer = profile != "generic-mill-3018"
    return MachineShape(
        name=name,
        driver="marlin" if printer else "grbl",
        port=f"/dev/pts/{name[1:]}",
        group=group or ("Printers" if printer else "Mills"),
        profile=PROFILES[profile],
        setup=Setup(material="PETG black" if printer else "aluminium", nozzle_mm=0.4 if printer else None,
                    offsets_mm={} if printer else {"G54": (-250.0, -150.0, -30.0)}),
        configuration_hash="3f9a" * 16,
        process="additive" if printer else "subtractive",
        link="online",
        activity="idle",
        clearance="clear",
        service="in-service",
        position="known",
        reason="",
        firmware="Marlin 2.1.2" if printer else "Grbl 1.1h",
        ready=True,
        unattended_by=None,
        word="ready",
        sentence="Ready",
        since_s=time.time() - 60,
        version=3,
        temperatures_degc={"T0": (24.0, 0.0), "B": (23.0, 0.0)} if printer else {},
        position_mm=(0.0, 0.0, 10.0) if printer else (-150.0, -90.0, -10.0),
        spindle_rpm=None if printer else 0.0,
        telemetry_at_s=time.time(),
        can=("pause", "home", "jog", "override", "heat") if printer else
            ("pause", "home", "jog", "override", "set_work_offsets", "probe"),
        switches_closed=None if printer else (),
        accessories_on=None if printer else (),
        overrides_percent={"feed": 100.0, "flow": 100.0} if printer else
            {"feed": 100.0, "rapid": 100.0, "spindle": 100.0},
    )  # fmt: skip


def running(world: FakeController, name: str, code: str, fraction: float) -> None:
    """Put a run on a machine."""
    now_s = time.time()
    printer = name.startswith("K")
    run = RunShape(
        code=code,
        job="J-0001",
        machine=name,
        program="bracket-v3.gcode",
        program_sha256=SHA,
        state="running",
        active=True,
        reason="",
        started=True,
        settled=False,
        created_s=now_s - 700,
        started_s=now_s - 690,
        ended_s=None,
        progress=ProgressShape(
            fraction=fraction,
            acknowledged_line=int(30000 * fraction),
            sent_line=int(30000 * fraction) + 4,
            lines=30000,
            planner_depth=16,
            end_s=now_s + 3600 * (1 - fraction),
        ),
        parts=(f"P-{8 + int(code[2:]):05d}",),
        version=2,
    )
    world.run[code] = run
    world.machine[name] = replace(
        world.machine[name],
        run=run,
        word="running",
        sentence=f"J-0001 · {fraction:.0%}",
        activity="running",
        ready=False,
        temperatures_degc={"T0": (214.6, 215.0), "B": (60.1, 60.0)} if printer else {},
        spindle_rpm=None if printer else 9800.0,
    )


def needs(world: FakeController, name: str, word: str, sentence: str, need: Need, verb: str, label: str) -> None:
    """Make a machine wait for a person."""
    why = Reason(
        code=word, sentence=sentence, need=need, action=Action(label=label, target=f"machines/{name}", verb=verb)
    )
    world.machine[name] = replace(world.machine[name], why=why, word=word, sentence=sentence, ready=False)


def job(code: str, **facts: object) -> JobShape:
    """A job of twenty brackets."""
    values: dict[str, object] = {
        "title": "Bracket v3", "quantity": 20, "good": 0, "hold": 0, "running": 0, "to_make": 20, "scrap": 0,
        "surplus": 0,
        "state": "active", "due_s": time.time() + 86400, "ready_s": time.time() + 9000,
    } | facts  # fmt: skip
    return JobShape(
        code=code,
        order="O-0001",
        program="bracket-v3.gcode",
        program_sha256=SHA,
        yield_parts=1,
        priority=0,
        material="PETG black",
        machine=None,
        group="",
        created_s=time.time() - 8000,
        done_s=None,
        version=4,
        **values,  # type: ignore[arg-type]
    )


def part(number: int, state: str, run: str = "R-0001", results: tuple[ResultShape, ...] = ()) -> PartShape:
    """A part of J-0001."""
    return PartShape(
        code=f"P-{number:05d}",
        job="J-0001",
        run=run,
        machine={"R-0001": "K1", "R-0002": "K2", "R-0003": "M1"}[run],
        place=None if state == "scrap" else number,
        state=state,
        live=state != "scrap",
        version=2,
        results=results or ((measured(12.02),) if state == "good" else ()),
    )


def measured(value_mm: float) -> ResultShape:
    """What a gauge said."""
    return ResultShape(
        check="gauge",
        result="pass" if abs(value_mm - 12) < 0.1 else "not-assessed",
        reason="" if abs(value_mm - 12) < 0.1 else "The gauge timed out.",
        characteristic="width",
        value=value_mm,
        least=11.9,
        greatest=12.1,
        unit="mm",
        given_by="gauge",
        at_s=time.time() - 300,
    )


def facts() -> dict[str, object]:
    """The JSON form of an analysis, as the store keeps it."""
    heater = HeaterUse(first_line=3, max_degc=215.0, max_line=3, end_degc=0.0, end_line=29990)
    analysis = Analysis(
        sha256=SHA,
        size_bytes=812_000,
        lines=30000,
        commands=29500,
        dialect="marlin",
        dialect_detected=True,
        process="additive",
        slicer="PrusaSlicer 2.5.0",
        bounds_mm=((0.0, 0.0, 0.0), (140.0, 130.0, 40.2)),
        work_bounds_mm=((60.0, 60.0, 0.2), (140.0, 130.0, math.nan)),
        duration_s=4100.0,
        layers=200,
        filament_g={0: 21.4},
        temperatures={"nozzle": heater},
        objects=("bracket",),
    )
    return msgspec.json.decode(msgspec.json.encode(analysis))  # type: ignore[no-any-return]


def program() -> ProgramShape:
    """A program that fits the printers and no mill."""
    wrong = FindingShape(
        code="FQ004",
        severity="error",
        line=3,
        column=1,
        message="M109 heats a nozzle, and this mill has none.",
        hint="Send it to a printer.",
    )
    said = [
        PreflightShape(machine=name, passed=True, rule_set="1", configuration_hash="", findings=())
        for name in PRINTERS
    ] + [
        PreflightShape(machine=name, passed=False, rule_set="1", configuration_hash="", findings=(wrong,))
        for name in MILLS
    ]
    return ProgramShape(
        sha256=SHA,
        name="bracket-v3.gcode",
        size_bytes=812_000,
        dialect="marlin",
        created_s=time.time() - 9000,
        analysis=msgspec.Raw(msgspec.json.encode(facts())),
        machines=tuple(said),
    )
