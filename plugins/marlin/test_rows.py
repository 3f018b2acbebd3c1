"""The family's facts about people, power, identity and room: each is a behaviour of the pretend board, and here is
what the driver makes of it. What is about lost and spoiled bytes is in the fault matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fleetctl_plugins.marlin.simulator import MarlinSimulator, simulator
from fleetctl_plugins.marlin.simulator_kin import FIRMWARES
from fleetctl_plugins.marlin.test_conformance import MOVES, SUBJECT

from fleetctl.driver.api import AnswersPrompts, EndKind, Prompt
from fleetctl.errors import MachineBusy, MachineError
from fleetctl.model.machine import Activity
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench
from fleetctl.testing.wires import HalfOpen, Wire
from fleetctl.transport.base import Transport

ROW_OF = {
    "marlin2": "Marlin 2",
    "marlin1": "Marlin 1",
    "prusa-buddy": "Prusa Buddy",
    "prusa-mk3": "Prusa MK3",
    "reprapfirmware": "RepRapFirmware",
    "repetier": "Repetier",
    "smoothieware": "Smoothieware",
    "sprinter": "Sprinter",
}

CHANGE = b"G28\nG1 X50 F3000\nM600\nG1 X60\n"


def bench_of(wrap: Callable[[Transport], Transport] | None = None, **options: object) -> Bench:
    def switched_on(seed: int) -> MarlinSimulator:
        return simulator(seed, **options)

    return Bench(replace(SUBJECT, make_machine=switched_on), wrap=wrap)


def board(bench: Bench) -> MarlinSimulator:
    assert isinstance(bench.machine, MarlinSimulator)
    return bench.machine


def prompts(bench: Bench) -> AnswersPrompts:
    assert isinstance(bench.driver, AnswersPrompts)
    assert bench.driver.capabilities.prompts
    return bench.driver


async def inject(bench: Bench, kind: str) -> None:
    bench.machine.inject(kind, bench.link.now_s())
    bench.link.wake()
    await bench.clock.sleep(0.1)


async def running(bench: Bench, program: bytes = SUBJECT.program) -> None:
    await bench.connect()
    await bench.start(program)
    await bench.until_lines(8)


async def shut(bench: Bench) -> None:
    await bench.driver.close()
    bench.finish()


# Who answers


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_each_firmware_is_known_by_its_own_name(firmware: str) -> None:
    bench = bench_of(firmware=firmware)
    identity = await bench.connect()
    assert identity.facts["quirks"] == ROW_OF[firmware]
    assert identity.firmware != "Marlin-like"
    await shut(bench)


@pytest.mark.parametrize(("firmware", "has_one"), [("marlin2", True), ("marlin1", False), ("prusa-mk3", False)])
@under_virtual_clock()
async def test_a_uuid_that_many_boards_share_identifies_none(firmware: str, has_one: bool) -> None:
    bench = bench_of(firmware=firmware)
    assert bool((await bench.connect()).board_uuid) is has_one
    await shut(bench)


@under_virtual_clock()
async def test_another_board_on_the_same_port_says_another_uuid() -> None:
    found = []
    for uuid in ("6b1c1a52-0000-4000-8000-000000000001", "6b1c1a52-0000-4000-8000-000000000002"):
        bench = bench_of(board_uuid=uuid)
        found.append((await bench.connect()).board_uuid)
        await shut(bench)
    assert found[0] and found[0] != found[1]


@under_virtual_clock()
async def test_the_depth_told_is_that_of_the_firmware() -> None:
    bench = bench_of(firmware="prusa-buddy")
    await running(bench)
    assert bench.recorder.progresses[-1][1].planner_depth == 32
    await bench.driver.close()
    assert bench.recorder.ends[0][2].planner_depth == 32
    bench.finish()


@under_virtual_clock()
async def test_a_machine_that_prints_from_its_card_takes_no_program() -> None:
    bench = bench_of(card=True)
    await bench.connect()
    await inject(bench, "card-print")
    await bench.until(lambda: bench.recorder.now is Activity.RUNNING, 30.0)
    assert "card" in bench.recorder.activities[-1][1]
    with pytest.raises(MachineBusy, match="card"):
        await bench.start()
    await inject(bench, "card-print")
    await bench.until(lambda: bench.recorder.now is Activity.IDLE, 30.0)
    await bench.start()
    assert (await bench.end())[0] is EndKind.FINISHED
    await shut(bench)


# People


@under_virtual_clock()
async def test_m600_asks_and_a_person_answers() -> None:
    bench = bench_of()
    await bench.connect()
    await bench.start(CHANGE)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING, 60.0)
    assert bench.recorder.activities[-1][1] == "Nozzle Parked (0: Continue)"
    assert prompts(bench).prompt() == Prompt("Nozzle Parked", ("Continue",))
    await bench.clock.sleep(900.0)
    with pytest.raises(MachineError, match="choice 1"):
        await prompts(bench).answer_prompt(1)
    await prompts(bench).answer_prompt(0)
    for answer in (0, 1):
        await bench.clock.sleep(10.0)
        assert bench.recorder.now is not Activity.WAITING, "it loads or purges, and nobody can do anything"
        assert prompts(bench).prompt() is None
        await bench.clock.sleep(10.0)
        assert bench.recorder.activities[-1][:2] == (Activity.WAITING, "Paused (0: PurgeMore, 1: Continue)")
        assert prompts(bench).prompt() == Prompt("Paused", ("PurgeMore", "Continue"))
        assert not bench.recorder.ends
        await prompts(bench).answer_prompt(answer)
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert prompts(bench).prompt() is None
    assert [line for line in bench.executed if line not in SUBJECT.sync_lines] == CHANGE.decode().split("\n")[:-1]
    await shut(bench)


@under_virtual_clock()
async def test_resume_chooses_continue() -> None:
    bench = bench_of()
    await bench.connect()
    await bench.start(CHANGE)
    for question in ("Nozzle Parked", "Paused"):
        await bench.until(lambda: bench.recorder.now is Activity.WAITING, 60.0)
        assert bench.recorder.activities[-1][1].startswith(question)
        await bench.driver.resume()
        await bench.clock.sleep(5.0)
    assert (await bench.end())[0] is EndKind.FINISHED
    await shut(bench)


@under_virtual_clock()
async def test_a_text_that_can_only_be_dismissed_is_shown_and_is_no_question() -> None:
    bench = bench_of()
    await bench.connect()
    await bench.start(CHANGE)
    await bench.until(lambda: "M600" in bench.executed, 60.0)
    await bench.clock.sleep(4.0)
    assert bench.recorder.now is not Activity.WAITING
    assert bench.recorder.latest.message == "Pause"
    assert prompts(bench).prompt() is None
    await shut(bench)


@under_virtual_clock()
async def test_a_firmware_that_hears_nothing_while_it_waits_says_where_the_button_is() -> None:
    bench = bench_of(emergency_parser=False)
    await bench.connect()
    await bench.start(CHANGE)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING, 60.0)
    with pytest.raises(MachineError, match="button"):
        await prompts(bench).answer_prompt(0)
    board(bench).person_waited_for = False
    bench.link.wake()
    await bench.clock.sleep(20.0)
    board(bench).person_answer = 1
    bench.link.wake()
    assert (await bench.end())[0] is EndKind.FINISHED
    await shut(bench)


@under_virtual_clock()
async def test_nothing_is_answered_when_nothing_is_asked() -> None:
    bench = bench_of()
    await bench.connect()
    with pytest.raises(MachineError, match="asks nothing"):
        await prompts(bench).answer_prompt(0)
    await shut(bench)


@under_virtual_clock()
async def test_runout_waits_for_a_person_and_then_the_program_goes_on() -> None:
    bench = bench_of()
    await running(bench)
    await inject(bench, "runout")
    await bench.until(lambda: bench.recorder.now is Activity.WAITING, 120.0)
    assert "Nozzle Parked" in bench.recorder.activities[-1][1]
    await bench.clock.sleep(900.0)
    await prompts(bench).answer_prompt(0)
    await bench.until(lambda: prompts(bench).prompt() is not None, 60.0)
    await prompts(bench).answer_prompt(1)
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    expected = SUBJECT.cleaned(SUBJECT.program)
    assert [line for line in bench.executed if line not in SUBJECT.sync_lines] == expected
    await shut(bench)


@under_virtual_clock()
async def test_a_wait_without_a_word_has_no_deadline() -> None:
    bench = bench_of(silent_waits=True, host_actions=False)
    await bench.connect()
    await bench.start(CHANGE)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING, 60.0)
    await bench.clock.sleep(4 * 3600.0)
    assert not bench.recorder.ends
    await bench.driver.resume()
    assert (await bench.end())[0] is EndKind.FINISHED
    await shut(bench)


@under_virtual_clock()
async def test_a_link_that_dies_while_a_talking_machine_waits_is_noticed() -> None:
    links: list[HalfOpen] = []

    def wire(inner: Transport) -> Transport:
        links.append(HalfOpen(inner))
        return links[-1]

    bench = bench_of(wrap=wire)
    await bench.connect()
    await bench.start(CHANGE)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING, 60.0)
    await bench.clock.sleep(600.0)
    links[-1].dead = True
    kind, reason, _ = await bench.end()
    assert kind is EndKind.INTERRUPTED
    assert "not one line" in reason
    await shut(bench)


@under_virtual_clock()
async def test_texts_for_people_are_shown_and_nothing_follows() -> None:
    bench = bench_of()
    await running(bench)
    await inject(bench, "notification")
    assert bench.recorder.latest.message == "Layer 7 of 9"
    await inject(bench, "shutdown")
    assert "shut down" in bench.recorder.latest.message
    assert (await bench.end())[0] is EndKind.FINISHED
    await shut(bench)


# Power, heat, stops


@under_virtual_clock()
async def test_i12_power_panic_interrupts_and_sends_nothing() -> None:
    bench = bench_of(firmware="prusa-mk3")
    await running(bench)
    sent = len(bench.driver._streamer.engine._link.output)  # type: ignore[attr-defined]
    await inject(bench, "power-panic")
    kind, reason, _ = await bench.end()
    assert (kind, sent) == (EndKind.INTERRUPTED, 0)
    assert "power panic" in reason
    assert bench.recorder.now is Activity.FAULT
    assert bench.recorder.position_lost
    lines = len(bench.executed)
    bench.machine.reset(bench.link.now_s())
    bench.link.wake()
    await bench.until(lambda: bench.recorder.now is Activity.IDLE, 60.0)
    await bench.clock.sleep(600.0)
    assert len(bench.executed) == lines
    assert bench.machine.is_safe
    await shut(bench)


@under_virtual_clock()
async def test_an_error_in_two_lines_is_read_as_one() -> None:
    bench = bench_of(firmware="marlin1")
    await running(bench)
    await inject(bench, "maxtemp-in-two-lines")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert reason.startswith("Error:0 : Extruder switched off. MAXTEMP triggered !")
    assert bench.recorder.now is Activity.FAULT
    await shut(bench)


@under_virtual_clock()
async def test_smoothieware_is_stopped_by_ctrl_x_when_its_queue_is_stuck() -> None:
    bench = bench_of(firmware="smoothieware")
    await bench.connect()
    await bench.start(b"M109 S200\nG1 X5\n")
    await bench.clock.sleep(5.0)
    assert not bench.machine.is_safe
    bench.driver.stop()
    assert await bench.driver.stopped()
    assert bench.machine.is_safe
    await shut(bench)


@pytest.mark.parametrize("firmware", ["marlin1", "prusa-buddy", "prusa-mk3", "reprapfirmware", "repetier"])
@under_virtual_clock()
async def test_a_stop_is_heard_without_an_emergency_parser(firmware: str) -> None:
    bench = bench_of(firmware=firmware)
    await running(bench)
    bench.driver.stop()
    await bench.clock.sleep(0.1)
    bench.link.wake()
    assert bench.machine.is_safe
    position_mm = bench.machine.position_mm
    await bench.clock.sleep(60.0)
    assert bench.machine.position_mm == position_mm
    await shut(bench)


# Numbers and room


@under_virtual_clock()
async def test_i6_reprapfirmware_loses_a_line_without_a_word_and_we_do_not_guess() -> None:
    bench = bench_of(firmware="reprapfirmware", planner_blocks=16)
    await running(bench)
    engine = bench.driver._streamer.engine  # type: ignore[attr-defined]
    take = engine.take_output
    spoiled: list[bytes] = []

    def spoil() -> bytes:
        data: bytes = take()
        if not spoiled and b" G1 " in data:
            spoiled.append(data)
            return data.replace(b" G1 ", b" G1!")
        return data

    engine.take_output = spoil
    kind, reason, _ = await bench.end()
    assert kind is EndKind.INTERRUPTED
    assert "does not check that no line is missing" in reason
    assert bench.program_lines() == SUBJECT.cleaned(SUBJECT.program)[: len(bench.program_lines())]
    assert bench.recorder.position_lost
    await shut(bench)


@pytest.mark.parametrize("room", [4, 8])
@under_virtual_clock()
async def test_a_window_by_the_firmware_s_own_word_never_overfills_its_ring(room: int) -> None:
    bench = bench_of(advanced_ok=True, bufsize=room, planner_blocks=4)
    await bench.connect()
    engine = bench.driver._streamer.engine  # type: ignore[attr-defined]
    take, window = engine.take_output, engine._link.window
    in_flight: list[tuple[int, int]] = []

    def take_and_look() -> bytes:
        data: bytes = take()
        in_flight.append((len(window), window.used_bytes))
        return data

    engine.take_output = take_and_look
    lines = [
        f"G1 X{index % 200}.00000 Y{index % 180}.00000 F3000.000{' E0.00001' * (index % 4)}" for index in range(80)
    ]
    program = "\n".join(["G28", "M83", "M302 S0", *lines, ""]).encode()
    await bench.start(program)
    assert (await bench.end())[0] is EndKind.FINISHED
    assert [line for line in bench.executed if line not in SUBJECT.sync_lines] == ["G28", "M83", "M302 S0", *lines]
    assert max(count for count, _ in in_flight) > 1
    assert max(used for count, used in in_flight if count > 1) <= 127
    assert board(bench).lost_bytes == 0
    await shut(bench)


@pytest.mark.parametrize("firmware", ["marlin1", "prusa-buddy", "smoothieware"])
@under_virtual_clock()
async def test_room_is_believed_only_where_it_is_trusted(firmware: str) -> None:
    bench = bench_of(firmware=firmware, advanced_ok=True)
    await running(bench, b"M302 S0\nG28\n" + MOVES)
    most = 0
    engine = bench.driver._streamer.engine  # type: ignore[attr-defined]
    while not bench.recorder.ends:
        most = max(most, len(engine._link.window))
        await bench.clock.sleep(0.05)
    assert most == 1
    assert bench.recorder.ends[0][0] is EndKind.FINISHED
    await shut(bench)


@under_virtual_clock()
async def test_a_line_too_long_for_the_firmware_fails_the_run_before_it_is_sent() -> None:
    bench = bench_of()
    await bench.connect()
    long = b"G1 X1.00000" + b" E0.000001" * 9
    await bench.start(b"G28\n" + long + b"\nG1 X5\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert "line 2" in reason
    assert not any(line.startswith("G1") for line in bench.executed)
    await shut(bench)


class TwiceSpoiled(Wire):
    """The same line is garbled when it is sent and again when it is repeated."""

    left = 2

    def outgoing(self, data: bytes) -> bytes:
        """Another digit in it."""
        if self.left and b" Y41 " in data:
            self.left -= 1
            return data.replace(b" Y41 ", b" Y47 ")
        return data


@pytest.mark.parametrize("bursts", [True, False])
@under_virtual_clock()
async def test_a_repetition_that_is_spoiled_too_is_not_taken_for_an_echo(bursts: bool) -> None:
    wires: list[TwiceSpoiled] = []

    def wire(inner: Transport) -> Transport:
        wires.append(TwiceSpoiled(inner))
        return wires[-1]

    bench = bench_of(wire, advanced_ok=True, usb_bursts=bursts)
    await bench.connect()
    moves = [f"G1 X1 Y{number} F3000" for number in range(41, 60)]  # all behind a wait, so several are in flight
    begun_s = bench.clock.monotonic()
    await bench.start("\n".join(["G4 S2", *moves]).encode())
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert wires[0].left == 0
    assert [line for line in bench.executed if line.startswith("G1")] == moves
    assert bench.clock.monotonic() - begun_s < 15.0, "it waited for an answer that could not come"
    await shut(bench)


@pytest.mark.parametrize(("move", "fails"), [(b"G1 X60 E2", True), (b"G1 E-2 F1800", False)])
@under_virtual_clock()
async def test_a_move_without_its_plastic_fails_the_run(move: bytes, fails: bool) -> None:
    bench = bench_of()
    await bench.connect()
    await bench.start(b"G28\nM83\nG1 X50 F3000\n" + move + b"\nG1 X70\n")
    kind, reason, _ = await bench.end()
    assert kind is (EndKind.FAILED if fails else EndKind.FINISHED)
    if fails:
        assert reason == "the firmware says: cold extrusion prevented after line 3 of the program"
        assert bench.machine.is_safe
    else:
        assert bench.recorder.latest.message == "The firmware says: cold extrusion prevented."
    await shut(bench)


@under_virtual_clock()
async def test_texts_that_marlin_would_trip_over_are_printed_all_the_same() -> None:
    bench = bench_of()
    await bench.connect()
    await bench.start(b"G28\nM117 a\\b\nM117 Now M110 comes\nG1 X5 F3000\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert bench.executed[1:4] == ["M117 a/b", "M117 Now m110 comes", "G1 X5 F3000"]
    assert board(bench).resends == 0
    await shut(bench)


@pytest.mark.parametrize("firmware", ["marlin2", "marlin1", "prusa-mk3"])
@pytest.mark.parametrize("reports", [False, True])
@under_virtual_clock()
async def test_a_print_from_the_card_is_noticed_whatever_the_firmware_claims(firmware: str, reports: bool) -> None:
    """Marlin 1.1 and Prusa's 8-bit boards claim no card and have one."""
    bench = bench_of(firmware=firmware, card=True, card_reports=reports)
    await bench.connect()
    await inject(bench, "card-print")
    await bench.until(lambda: bench.recorder.now is Activity.RUNNING, 30.0)
    assert bench.recorder.activities[-1][1] == "it prints a file from its own card"
    await shut(bench)


@under_virtual_clock()
async def test_who_connects_in_the_middle_of_a_print_from_the_card_knows_it_at_once() -> None:
    """Not only with the next report: a run could start in between."""
    bench = bench_of(card=True)
    board(bench).prints_from_card = True
    await bench.connect()
    assert bench.recorder.now is Activity.RUNNING
    with pytest.raises(MachineBusy, match="card"):
        await bench.start()
    await shut(bench)


@under_virtual_clock()
async def test_a_print_from_the_card_that_is_paused_is_still_one_where_the_firmware_tells_it() -> None:
    bench = bench_of(firmware="prusa-mk3", card=True)
    await bench.connect()
    await inject(bench, "card-print")
    await bench.until(lambda: bench.recorder.now is Activity.RUNNING, 30.0)
    await inject(bench, "card-pause")
    await bench.clock.sleep(30.0)
    assert bench.recorder.now is Activity.RUNNING
    await inject(bench, "card-print")
    await bench.until(lambda: bench.recorder.now is Activity.IDLE, 30.0)
    await shut(bench)
