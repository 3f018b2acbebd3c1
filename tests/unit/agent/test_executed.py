"""The interval in which execution stopped: moves that the planner may hold, counted in lines of the program."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from fleetctl.agent.blocking import inline
from fleetctl.agent.executed import WORDS_ALONE, in_lines
from fleetctl.agent.programs import BLOCK_BYTES, NOTHING, ProgramCache, Stretch
from fleetctl.agent.records import RunRecord
from fleetctl.gcode import DIALECTS
from fleetctl.model.messages import RunReport, Stop
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.floor import SUBJECTS, Pretend, floor
from tests.unit.agent.rig import PRINTER, SHA, FakeMachine, Rig, at_work, online, running, until

COMMENTED = b"".join(
    b"; feature\n; width\nG1 X%d Y5 E1\nM204 S500\nG1 X%d Y9 E1\n" % (n, n + 5) for n in range(10, 90)
)
"""Five lines for each move that surely takes a place in the planner."""

ACKNOWLEDGED = 200
ENDS_AT = len(b"".join(COMMENTED.splitlines(keepends=True)[:ACKNOWLEDGED]))


def commented(rig: Rig) -> None:
    rig.programs.content[SHA] = COMMENTED


def test_the_dialects_with_bare_words_are_those_of_the_core() -> None:
    assert {name for name, dialect in DIALECTS.items() if dialect.cnc} == WORDS_ALONE


@under_virtual_clock()
async def test_an_interrupted_run_leaves_all_moves_of_the_planner_in_doubt() -> None:
    """One move is certain in five lines (M204 begins anew), so four moves are twenty lines and not four."""
    machine = FakeMachine()
    async with running({"m1": machine}, prepare=commented) as rig:
        controller = await at_work(rig)
        machine.acknowledge(ACKNOWLEDGED, depth=4, ends_at_bytes=ENDS_AT)
        machine.unplug()
        await until(lambda: "interrupted" in controller.states())
        report = controller.last(RunReport)
        assert (report.acknowledged_line, report.planner_depth) == (200, 20)


@under_virtual_clock()
async def test_a_killed_agent_finds_the_same_in_the_file() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}, prepare=commented) as rig:
        await at_work(rig)
        machine.acknowledge(ACKNOWLEDGED, depth=4, ends_at_bytes=ENDS_AT)
        await asyncio.sleep(0.2)
        file = await rig.kill()
    async with running({"m1": machine}, file, "boot-2", prepare=commented) as second:
        controller = await online(second)
        await until(lambda: "interrupted" in controller.states())
        report = controller.of(RunReport)[0]
        assert (report.acknowledged_line, report.planner_depth) == (200, 20)


@under_virtual_clock()
async def test_without_the_text_every_line_is_in_doubt() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.acknowledge(120, depth=4)
        machine.unplug()
        await until(lambda: "interrupted" in controller.states())
        assert controller.last(RunReport).planner_depth == 120


@pytest.mark.parametrize("driver", SUBJECTS)
@under_virtual_clock()
async def test_real_drivers_say_where_their_line_ends(driver: str) -> None:
    """Sixteen moves may be in the planner, with two lines of comment before each: all of them are in doubt."""
    pretend = Pretend("m1", SUBJECTS[driver])
    program = pretend.subject.program.replace(b"\nG1", b"\n; a comment\n\nG1")
    async with floor(pretend) as room:
        room.rig.programs.content[driver] = program
        room.start("m1")
        await until(lambda: len(pretend.executed) >= 30, 600.0)
        room.controller.say(Stop(command_id="stop-1", machine_id="id-m1"))
        await room.ended(within_s=5.0)
        report = room.controller.last(RunReport)
        surely = report.acknowledged_line - report.planner_depth
        doubtful = program.splitlines()[surely : report.acknowledged_line]
        assert len([line for line in doubtful if line.startswith(b"G1")]) == 16
        assert surely > 0


def record(line: int, ends_at: int, depth: int = 3) -> RunRecord:
    return RunRecord(
        run_id="r",
        machine_id="m",
        state="running",
        acknowledged_line=line,
        planner_depth=depth,
        acknowledged_bytes=ends_at,
    )


def test_half_a_line_at_the_beginning_of_what_is_known_is_no_move() -> None:
    text = b"1 X10\nG1 X20\nG1 X30\nG1 X40\n"
    assert in_lines(record(40, 1000 + len(text)), Stretch(text, 1000), PRINTER).planner_depth == 40
    assert in_lines(record(40, 1000 + len(text), 2), Stretch(text, 1000), PRINTER).planner_depth == 2


def test_text_that_does_not_end_where_the_line_does_is_not_used() -> None:
    text = b"G1 X10\nG1 X20\nG1 X30\nG1 X40\n"
    assert in_lines(record(4, len(text)), Stretch(text, 0), PRINTER).planner_depth == 3
    assert in_lines(record(4, len(text) + 1), Stretch(text, 0), PRINTER).planner_depth == 4
    assert in_lines(record(4, len(text)), NOTHING, PRINTER).planner_depth == 4


async def stored(root: Path, content: bytes) -> tuple[ProgramCache, str]:
    sha256 = hashlib.sha256(content).hexdigest()
    (root / sha256[:2]).mkdir()
    (root / sha256[:2] / sha256).write_bytes(content)
    return ProgramCache(root, inline), sha256


@under_virtual_clock()
async def test_what_a_feeder_may_still_hold_stays_at_hand(tmp_path: Path) -> None:
    """48 KiB at the least behind what was given out: 32 KiB of the feeder's, and some more."""
    content = b"".join(b"G1 X%d\n" % n for n in range(40_000))
    cache, sha256 = await stored(tmp_path, content)
    program = await cache.open(sha256)
    given = 0
    while block := await program.read(16_384):
        given += len(block)
        behind = given - 32 * 1024
        if behind > BLOCK_BYTES:
            text, first = program.before(behind)
            assert first + len(text) == behind and content[first:behind] == text
            assert len(text) >= 15 * 1024
    program.close()
    assert program.before(given).text == content[program.before(given).first_byte :]
    assert program.before(given + 1) == NOTHING


@under_virtual_clock()
async def test_the_file_of_a_program_that_was_cut_off(tmp_path: Path) -> None:
    content = b"".join(b"G1 X%d\n" % n for n in range(20_000))
    cache, sha256 = await stored(tmp_path, content)
    end = content.index(b"\n", 100_000) + 1
    assert await cache.before(sha256, end) == Stretch(content[end - BLOCK_BYTES : end], end - BLOCK_BYTES)
    assert await cache.before(sha256, 12) == Stretch(content[:12], 0)
    assert await cache.before(sha256, end - 1) == NOTHING  # no line ends there: it is not the file that was sent
    assert await cache.before("f" * 64, end) == NOTHING
    assert await cache.before("../../etc", end) == NOTHING


def test_a_planner_that_holds_nothing_leaves_nothing_in_doubt() -> None:
    assert in_lines(record(9, 100, 0), NOTHING, PRINTER).planner_depth == 0
