"""How a run ends for each way in which trust in a machine is lost: one outcome each, on every driver.

The rows are those of the table in docs/explanation/safety.md; what a driver does alone is in its own tests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from fleetctl.model.messages import MachineReport, RunReport, Stop
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.floor import SUBJECTS, Pretend, floor
from tests.unit.agent.rig import until

LINES_BEFORE = 20
HOT = 120.0
"""How long a machine may stay hot after an end before the test looks, in seconds."""

NOISE = 900.0
"""The same on a line that garbles every attempt for a while."""


@dataclass(frozen=True)
class Row:
    """One row: the machine's fault, how the run ends, words of the reason, what the machine counts as afterwards, and
    what is still switched on (nothing, where the firmware listens)."""

    fault: tuple[str, ...]
    end: str
    reason: str
    activity: str
    on: frozenset[str] = frozenset()


AT = f"@{LINES_BEFORE}"
DEAF_PRINTER = frozenset({"hotend0", "bed", "fan"})
ROWS = {
    "marlin silence": Row((f"silence{AT}",), "interrupted", "no answer from the firmware", "fault", DEAF_PRINTER),
    "marlin banner": Row((f"reset{AT}",), "interrupted", "the board was reset", "idle"),
    "marlin thermal error": Row((f"thermal{AT}",), "failed", "Thermal Runaway", "fault", frozenset({"fan"})),
    "marlin killed": Row((f"kill{AT}",), "failed", "Printer halted", "fault", frozenset({"fan"})),
    "marlin resend storm": Row((f"garble{AT}",) * 36, "interrupted", "asks for the same line too often", "fault"),
    "grbl silence": Row(
        (f"silence{AT}",), "interrupted", "no answer from the controller", "fault", frozenset({"spindle"})
    ),
    "grbl banner": Row((f"reset{AT}",), "interrupted", "the controller was reset", "idle"),
    "grbl alarm": Row((f"hard-limit{AT}",), "interrupted", "ALARM:1", "fault"),
}


@pytest.mark.parametrize("row", ROWS)
@under_virtual_clock()
async def test_each_way_has_one_outcome(row: str) -> None:
    """I6, I12: nothing more is sent, the position is suspect, and nothing goes on by itself afterwards."""
    wanted = ROWS[row]
    pretend = Pretend("m1", SUBJECTS[row.split()[0]], wanted.fault)
    async with floor(pretend) as room:
        room.start("m1")
        assert await room.ended() == wanted.end
        report = room.controller.last(RunReport)
        assert wanted.reason in report.reason and "line" in report.reason
        assert report.started and report.acknowledged_line >= LINES_BEFORE and report.planner_depth > 0
        await asyncio.sleep(NOISE if "storm" in row else HOT)
        machine = room.controller.last(MachineReport)
        assert (machine.position, machine.activity) == ("suspect", wanted.activity)
        assert set(pretend.on) == wanted.on
        moves = [line for line in pretend.executed if line.startswith(("G0", "G1"))]
        await asyncio.sleep(600.0)
        assert [line for line in pretend.executed if line.startswith(("G0", "G1"))] == moves
        assert len(moves) < len(pretend.subject.cleaned(pretend.subject.program)) - 10
        assert room.controller.states().count("running") == 1


@pytest.mark.parametrize("driver", SUBJECTS)
@under_virtual_clock()
async def test_a_cable_that_is_pulled(driver: str) -> None:
    """I12: the run is over at once; when the cable is back the machine is made safe, and nothing moves."""
    pretend = Pretend("m1", SUBJECTS[driver])
    async with floor(pretend) as room:
        room.start("m1")
        await until(lambda: len(pretend.executed) >= LINES_BEFORE, 600.0)
        pretend.link.unplug()
        assert await room.ended(within_s=1.0) == "interrupted"
        assert "cable" in room.controller.last(RunReport).reason
        await asyncio.sleep(60.0)
        done = len(pretend.executed)
        pretend.link.plug_in()
        await until(lambda: room.controller.last(MachineReport).link == "online", 120.0)
        await asyncio.sleep(60.0)
        own = pretend.subject.safe_lines | pretend.subject.sync_lines
        assert set(pretend.executed[done:]) <= own
        assert pretend.on == {} and room.controller.last(MachineReport).position == "suspect"


@pytest.mark.parametrize("driver", SUBJECTS)
@under_virtual_clock()
async def test_a_software_stop(driver: str) -> None:
    pretend = Pretend("m1", SUBJECTS[driver])
    async with floor(pretend) as room:
        room.start("m1")
        await until(lambda: len(pretend.executed) >= LINES_BEFORE, 600.0)
        room.controller.say(Stop(command_id="stop-1", machine_id="id-m1"))
        assert await room.ended(within_s=5.0) == "interrupted"
        assert room.controller.last(RunReport).reason == "software stop"
        await asyncio.sleep(HOT)
        assert room.controller.last(MachineReport).position == "suspect"
        assert {name for name in pretend.on if name != "fan"} == set()


@under_virtual_clock()
async def test_a_lost_acknowledgement_on_marlin_is_asked_for_and_nothing_is_repeated() -> None:
    """I6: a question, not the line again; the numbers of the lines tell that nothing is missing."""
    pretend = Pretend("m1", SUBJECTS["marlin"], ("lost-ok@20",))
    async with floor(pretend) as room:
        room.start("m1")
        assert await room.ended() == "finished"
        expected = pretend.subject.cleaned(pretend.subject.program)
        assert pretend.executed[: len(expected)] == expected


@under_virtual_clock()
async def test_a_lost_acknowledgement_on_grbl_holds_the_machine() -> None:
    """I6: lines have no numbers there; when the controller rests and an answer is owed, nobody knows which."""
    pretend = Pretend("m1", SUBJECTS["grbl"], ("lost-ok@20",))
    async with floor(pretend) as room:
        room.start("m1")
        assert await room.ended() == "interrupted"
        assert "an acknowledgement was lost after line" in room.controller.last(RunReport).reason
        await asyncio.sleep(HOT)
        machine = room.controller.last(MachineReport)
        assert (machine.position, pretend.on) == ("suspect", {})
        assert any("acknowledgement was lost" in each.reason for each in room.controller.of(MachineReport))
