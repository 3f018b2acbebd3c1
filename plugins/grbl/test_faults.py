"""Faults of the Grbl family that no other machine has, each with its one documented outcome (README).

Pass means: the machine executed exactly the program, or the run ended with a named reason. FAULT_SEEDS in the
environment says how many seeds are tried; few by default.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from fleetctl_plugins.grbl.simulator import GrblSimulator, simulator
from fleetctl_plugins.grbl.test_conformance import SUBJECT

from fleetctl.driver.api import EndKind
from fleetctl.errors import MachineError
from fleetctl.model.machine import Activity
from fleetctl.sim.faults import Fault, FaultyMachine
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench, Subject

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "3")))
FIRMWARES = ("grbl", "grblhal", "fluidnc")
PROFILES = {"grbl": "generic-mill-3018", "grblhal": "generic-mill-grblhal", "fluidnc": "generic-mill-fluidnc"}
SMALL: dict[str, dict[str, Any]] = {"grbl": {}, "grblhal": {"rx_bytes": 254, "planner_blocks": 17}, "fluidnc": {}}
PROGRAM = b"G21 G90 G94\n" + b"".join(b"G1 X-%d.%d Y-%d F1200\n" % (5 + i % 9, i % 10, i % 7) for i in range(50))
ENDED = b"M30\n"


def subject(firmware: str, *faults: Fault, program: bytes = PROGRAM + ENDED, **options: Any) -> Subject:
    """One firmware with faults on its wire, and options of its board."""

    def make(seed: int) -> GrblSimulator | FaultyMachine:
        board = simulator(seed, firmware=firmware, **(SMALL[firmware] | options))
        return FaultyMachine(board, faults, seed=seed) if faults else board

    return replace(SUBJECT, make_machine=make, program=program, profile_name=PROFILES[firmware])


def board_of(bench: Bench) -> GrblSimulator:
    """The pretend board behind the faults."""
    machine = bench.machine
    board = machine.machine if isinstance(machine, FaultyMachine) else machine
    assert isinstance(board, GrblSimulator)
    return board


async def begun(subject: Subject, seed: int = 1) -> Bench:
    bench = Bench(subject, seed=seed)
    await bench.connect()
    await bench.start()
    return bench


async def finish(bench: Bench) -> None:
    await bench.driver.close()
    bench.finish()


def expected(bench: Bench) -> list[str]:
    return bench.subject.cleaned(bench.subject.program)


# Somebody else does something to the machine


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize(("kind", "word"), [("sleep", "sleep"), ("check", "check mode"), ("jog-elsewhere", "jogged")])
@under_virtual_clock()
async def test_a_state_that_is_none_of_a_run_ends_it(firmware: str, kind: str, word: str) -> None:
    bench = await begun(subject(firmware))
    await bench.until_lines(8)
    bench.machine.inject(kind, bench.link.now_s())
    bench.link.wake()
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert word in reason
    assert bench.program_lines() == expected(bench)[: len(bench.program_lines())]
    await finish(bench)


@under_virtual_clock()
async def test_the_door_waits_for_a_person_and_the_run_goes_on() -> None:
    bench = await begun(subject("grbl"))
    await bench.until_lines(8)
    bench.machine.inject("door", bench.link.now_s())
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert "door" in bench.recorder.activities[-1][1]
    await bench.clock.sleep(3600.0)
    await bench.driver.resume()
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    assert bench.program_lines() == expected(bench)
    await finish(bench)


@under_virtual_clock()
async def test_a_door_says_why_it_holds_as_long_as_it_is_ajar_and_when_it_is_shut() -> None:
    bench = await begun(subject("grbl"))
    await bench.until_lines(8)
    bench.machine.inject("door-ajar", bench.link.now_s())
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert bench.recorder.activities[-1][1] == "safety door: its switch says that it is open"
    assert bench.recorder.latest.switches_closed == ("safety door",)
    await bench.driver.resume()
    await bench.clock.sleep(60.0)
    assert bench.recorder.now is Activity.WAITING
    bench.machine.inject("door-shut", bench.link.now_s())
    await bench.clock.sleep(5.0)
    assert bench.recorder.activities[-1][1] == "the safety door was opened and is shut again; resume"
    await bench.driver.resume()
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    await finish(bench)


@pytest.mark.parametrize(
    ("firmware", "number", "word"), [("grblhal", 10, "emergency stop"), ("fluidnc", 13, "hard stop")]
)
@under_virtual_clock()
async def test_an_emergency_stop_has_the_number_of_its_firmware(firmware: str, number: int, word: str) -> None:
    bench = await begun(subject(firmware))
    await bench.until_lines(8)
    bench.machine.inject("e-stop", bench.link.now_s())
    bench.link.wake()
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert f"ALARM:{number} (" in reason
    assert word in reason
    with pytest.raises(MachineError):
        await bench.driver.home()
    await bench.driver.clear_fault()
    await bench.until(lambda: bench.recorder.now is Activity.IDLE)
    await finish(bench)


@under_virtual_clock()
async def test_clearing_a_fault_that_stays_is_no_success() -> None:
    bench = await begun(subject("grblhal"))
    await bench.until_lines(8)
    board_of(bench).held = True
    bench.machine.inject("e-stop", bench.link.now_s())
    bench.link.wake()
    await bench.end()
    with pytest.raises(MachineError, match="still locked"):
        await bench.driver.clear_fault()
    await bench.clock.sleep(5.0)
    assert bench.recorder.activities[-1][0] is Activity.FAULT
    board_of(bench).held = False
    await bench.driver.clear_fault()
    await bench.until(lambda: bench.recorder.now is Activity.IDLE, 5.0)
    await finish(bench)


# 0x85


@pytest.mark.parametrize("firmware", ["grbl", "fluidnc"])
@under_virtual_clock()
async def test_a_jog_cancel_from_elsewhere_means_nothing_in_a_run(firmware: str) -> None:
    bench = await begun(subject(firmware))
    await bench.until_lines(8)
    bench.machine.inject("flush", bench.link.now_s())
    bench.link.wake()
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    assert bench.program_lines() == expected(bench)
    await finish(bench)


@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_grblhal_flushed_from_elsewhere_is_found_by_its_buffer(seed: int) -> None:
    bench = await begun(subject("grblhal", settings="10=3"), seed)
    await bench.until_lines(8 + 3 * seed)
    bench.machine.inject("flush", bench.link.now_s())
    bench.link.wake()
    at_flush = len(bench.executed)
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert "lines were lost" in reason
    assert bench.recorder.position_lost
    assert len(bench.executed) - at_flush < 20
    await finish(bench)


@under_virtual_clock()
async def test_grblhal_flushed_from_elsewhere_never_finishes_without_its_buffer_either() -> None:
    bench = await begun(subject("grblhal"))
    await bench.until_lines(8)
    bench.machine.inject("flush", bench.link.now_s())
    bench.link.wake()
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert "acknowledgement" in reason
    await finish(bench)


# Lines and answers that are lost, come twice, or arrive otherwise


@pytest.mark.parametrize("firmware", ["grbl", "grblhal"])
@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_a_line_lost_on_the_wire_is_found_by_the_buffer(firmware: str, seed: int) -> None:
    bench = await begun(subject(firmware, Fault("drop", after_lines=20 + 5 * seed), settings="10=3"), seed)
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert "lost" in reason
    assert bench.recorder.position_lost
    assert len(bench.executed) < len(PROGRAM.splitlines())
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_a_line_lost_on_the_wire_never_finishes(firmware: str, seed: int) -> None:
    bench = await begun(subject(firmware, Fault("drop", after_lines=20 + 5 * seed)), seed)
    ended, reason, _ = await bench.end()
    assert ended is EndKind.INTERRUPTED
    assert "acknowledgement was lost" in reason
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("settings", ["10=1", "10=3"])
@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_an_answer_that_comes_twice_ends_the_run_and_overflows_nothing(
    firmware: str, settings: str, seed: int
) -> None:
    fault = Fault("duplicate-out", after_lines=15 + 4 * seed)
    bench = await begun(subject(firmware, fault, settings=settings), seed)
    ended, reason, _ = await bench.end()
    done = bench.program_lines()
    if ended is EndKind.FINISHED:  # it was a report that came twice
        assert done == expected(bench)
    else:
        assert "answer" in reason
    assert done == expected(bench)[: len(done)]
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_a_garbled_line_is_seen_by_the_echo(firmware: str, seed: int) -> None:
    fault = Fault("garble", after_lines=20 + 3 * seed)
    bench = await begun(subject(firmware, fault, echo=True), seed)
    ended, reason, _ = await bench.end()
    if ended is EndKind.FINISHED:  # one bit made a small letter of a large one
        assert bench.program_lines() == expected(bench)
    else:
        assert "line " in reason
        assert "arrived as" in reason or "error:" in reason
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_an_echo_that_fits_changes_nothing(firmware: str) -> None:
    bench = await begun(subject(firmware, echo=True))
    ended, reason, _ = await bench.end()
    assert ended is EndKind.FINISHED, reason
    assert bench.program_lines() == expected(bench)
    await finish(bench)


# Buffers and line ends


@pytest.mark.parametrize(
    ("firmware", "options"),
    [
        ("grbl", {}),
        ("grbl", {"rx_bytes": 64}),
        ("grbl", {"rx_bytes": 255}),
        ("grblhal", {"rx_bytes": 254}),
        ("grblhal", {"rx_bytes": 1024}),
        ("fluidnc", {}),
        ("fluidnc", {"settings": "10=3"}),
    ],
)
@under_virtual_clock()
async def test_no_byte_overflows_whatever_the_buffer(firmware: str, options: dict[str, Any]) -> None:
    bench = await begun(subject(firmware, **options))
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    assert board_of(bench).lost_bytes == 0
    assert bench.program_lines() == expected(bench)
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_link_that_makes_crlf_is_refused_where_it_doubles_answers(firmware: str) -> None:
    bench = Bench(subject(firmware, crlf_link=True))
    await bench.connect()
    if firmware == "grbl":
        with pytest.raises(MachineError, match="more lines than were sent"):
            await bench.start()
        assert bench.executed == []
    else:
        await bench.start()
        ended, _, _ = await bench.end()
        assert ended is EndKind.FINISHED
        assert bench.program_lines() == expected(bench)
    await finish(bench)


@pytest.mark.parametrize(
    ("firmware", "most", "options"),
    [
        ("grbl", 79, {}),
        ("grbl", 62, {"rx_bytes": 64}),
        ("grblhal", 256, {"rx_bytes": 1024}),
        ("grblhal", 252, {}),
        ("fluidnc", 126, {}),
        ("fluidnc", 254, {"settings": "10=3", "rx_bytes": 512}),
    ],
)
@under_virtual_clock()
async def test_a_line_is_as_long_as_firmware_and_buffer_take_it_whole(
    firmware: str, most: int, options: dict[str, Any]
) -> None:
    """FluidNC would cut the rest off and carry out what is left; a line longer than the buffer would never go out."""
    line = b"G1X-5F600"
    line += b"Y-" + b"0" * (most - len(line) - 3) + b"4"
    for extra, kind in ((b"", EndKind.FINISHED), (b"4", EndKind.FAILED)):
        bench = await begun(subject(firmware, program=b"G21G90\n" + line + extra + b"\nM30\n", **options))
        ended, reason, _ = await bench.end()
        assert ended is kind, reason
        assert kind is EndKind.FINISHED or "line 2" in reason
        await finish(bench)


# Errors


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_an_error_is_told_once_and_commands_work_afterwards(firmware: str) -> None:
    program = PROGRAM + b"G1 X-1 P5\n" + PROGRAM + ENDED
    bench = await begun(subject(firmware, program=program))
    ended, reason, _ = await bench.end()
    assert ended is EndKind.FAILED
    assert f"line {PROGRAM.count(10) + 1}: error:36" in reason
    refused = expected(bench).index("G1X-1P5")
    # Grbl reads on behind the error until it holds; what it then carries out is ours to name, and no more than that.
    assert bench.executed[:refused] == expected(bench)[:refused]
    await bench.until(lambda: bench.recorder.now is Activity.IDLE)
    with pytest.raises(MachineError, match="error:20"):
        await bench.driver.command("G5.9 X1")
    await bench.driver.command("G0 X-2")
    assert bench.executed[-1] == "G0X-2"
    await finish(bench)


@under_virtual_clock()
async def test_grblhal_carries_out_nothing_behind_an_error() -> None:
    program = PROGRAM + b"G1 X-1 P5\n" + PROGRAM + ENDED
    bench = await begun(subject("grblhal", program=program))
    await bench.end()
    assert bench.executed == expected(bench)[: expected(bench).index("G1X-1P5")]
    await finish(bench)


# Reports


@pytest.mark.parametrize("options", [{"auto_report_s": 0.5}, {"legacy_rt": False}])
@under_virtual_clock()
async def test_grblhal_that_reports_by_itself_or_keeps_legacy_bytes_as_text(options: dict[str, Any]) -> None:
    bench = await begun(subject("grblhal", **options))
    await bench.until_lines(8)
    await bench.driver.pause()
    await bench.until(lambda: bench.recorder.now is Activity.PAUSED, 60.0)
    await bench.driver.resume()
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    assert bench.program_lines() == expected(bench)
    await finish(bench)


@pytest.mark.parametrize(("firmware", "alarm"), [("grbl", ""), ("grblhal", "ALARM:11"), ("fluidnc", "ALARM:14")])
@under_virtual_clock()
async def test_a_board_that_wants_homing_says_so_when_it_is_connected(firmware: str, alarm: str) -> None:
    bench = Bench(subject(firmware, settings="22=1", boot_s=0.5))
    identity = await bench.connect()
    assert identity.facts["dialect"] == firmware
    assert bench.recorder.now is Activity.FAULT
    assert alarm in bench.recorder.activities[-1][1]
    await bench.driver.home()
    await bench.until(lambda: bench.recorder.now is Activity.IDLE)
    await finish(bench)


@under_virtual_clock()
async def test_a_long_dwell_that_takes_longer_than_it_says_is_no_lost_answer() -> None:
    """Every report that Grbl gives meanwhile is added to it."""
    bench = await begun(subject("grbl", program=b"G21 G90\nG4 P600\nG0 X-5\nM30\n", dwell_stretch=1.1))
    ended, reason, _ = await bench.end()
    assert ended is EndKind.FINISHED, reason
    await finish(bench)


# The settings memory, and check mode


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_line_that_writes_the_settings_memory_goes_alone(firmware: str) -> None:
    bench = Bench(subject(firmware, eeprom_write_s=0.3))
    await bench.connect()
    await bench.driver.command("G10 L20 P1 X0 Y0 Z0")
    await bench.driver.command("$110=4000")
    await bench.start()
    ended, _, _ = await bench.end()
    assert ended is EndKind.FINISHED
    assert board_of(bench).settings[110] == 4000
    assert bench.program_lines() == ["G10L20P1X0Y0Z0", *expected(bench)]
    await finish(bench)


@under_virtual_clock()
async def test_a_reset_that_a_writing_board_did_not_hear_is_sent_again() -> None:
    bench = await begun(subject("grbl"))
    await bench.until_lines(8)
    board_of(bench).deaf_until_s = bench.link.now_s() + 0.5
    bench.driver.stop()
    assert await bench.driver.stopped()
    assert board_of(bench).is_safe
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_check_mode_only_where_leaving_it_loses_no_offset(firmware: str) -> None:
    bench = Bench(subject(firmware, eeprom_write_s=0.0))
    await bench.connect()
    board = board_of(bench)
    await bench.driver.command("G92 X5")
    with pytest.raises(MachineError, match="G92 is set"):
        await bench.driver.command("$C")
    assert board.state == "Idle"
    await bench.driver.command("G92.1")
    await bench.driver.command("$C")
    await bench.clock.sleep(2.0)
    assert board.state == "Check"
    assert bench.recorder.now is Activity.RUNNING
    with pytest.raises(MachineError, match="check mode all the same"):
        await bench.driver.command("G10 L20 P1 X0")
    with pytest.raises(MachineError):
        await bench.start()
    before = bench.executed[:]
    await bench.driver.command("G1 X-5 F600")
    assert bench.executed == before
    await bench.driver.command("$C")
    await bench.until(lambda: bench.recorder.now is Activity.IDLE)
    assert not bench.recorder.position_lost
    await finish(bench)


# What is on record, and what was left over


@pytest.mark.parametrize(
    ("firmware", "settings", "before", "program", "reason"),
    [
        ("grbl", "32=1", "", PROGRAM, "Laser mode is on"),
        ("grbl", "30=24000", "", PROGRAM, r"\$30 is 24000"),
        ("grbl", "", "M3 S100", PROGRAM, "spindle or laser is on"),
        ("grbl", "", "G1 X-1 F100", b"G21G90\nX-5 F600\n", "G1 is active"),
        ("grbl", "", "G1 X-1 F100", b"G21G90\nG1X-5\n", "F100 is left"),
        ("grbl", "", "S300", b"G21G90\nM3\nG0X-5\n", "S300 is left"),
        ("fluidnc", "", "G59.1", PROGRAM, ""),
    ],
)
@under_virtual_clock()
async def test_a_controller_that_stands_otherwise_refuses_the_run(
    firmware: str, settings: str, before: str, program: bytes, reason: str
) -> None:
    bench = Bench(subject(firmware, settings=settings, program=program + ENDED))
    await bench.connect()
    if before and reason:
        await bench.driver.command(before)
        await bench.clock.sleep(5.0)
    executed = bench.executed[:]
    if reason:
        with pytest.raises(MachineError, match=reason):
            await bench.start()
        assert bench.executed == executed
    await finish(bench)


@pytest.mark.parametrize(("firmware", "profile"), [("fluidnc", "grbl"), ("grbl", "grblhal"), ("grblhal", "fluidnc")])
@under_virtual_clock()
async def test_another_firmware_than_the_one_on_record_refuses_the_run(firmware: str, profile: str) -> None:
    bench = Bench(replace(subject(firmware), profile_name=PROFILES[profile]))
    await bench.connect()
    with pytest.raises(MachineError, match="on record as"):
        await bench.start()
    assert bench.executed == []
    await finish(bench)


@under_virtual_clock()
async def test_no_byte_of_ours_runs_a_macro_of_fluidnc() -> None:
    """0x87 is grblHAL's full report and FluidNC's macro 0."""
    bench = await begun(subject("fluidnc"))
    await bench.until_lines(8)
    await bench.driver.pause()
    await bench.until(lambda: bench.recorder.now is Activity.PAUSED, 60.0)
    await bench.driver.make_safe()
    await bench.driver.resume()
    await bench.end()
    assert board_of(bench).macros_run == 0
    await finish(bench)
