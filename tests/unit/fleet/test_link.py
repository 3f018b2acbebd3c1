"""The line to an agent when the store fails, when somebody presses the stop in the middle of a greeting, and what
goes out on it without being asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleetctl.errors import Conflict, StoreUnavailable
from fleetctl.fleet.link import ASSIGN_REST_S
from fleetctl.fleet.shapes import NewMachine
from fleetctl.model.machine import Clearance, Link
from fleetctl.model.messages import (
    Acknowledge,
    Assign,
    Hello,
    Leave,
    Release,
    Start,
    Stop,
    StopOutcome,
    Verb,
    Withdraw,
)
from fleetctl.model.profile import Setup
from fleetctl.model.run import RunState
from fleetctl.store import machines, runs, settings
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.fleet.conftest import AGENT, Book
from tests.unit.fleet.desk import Desk, desk_of, until
from tests.unit.fleet.test_scale import statements


@under_virtual_clock()
async def test_i15_a_stop_pressed_during_the_greeting_reaches_the_agent(book: Book) -> None:
    """Hello was written before it, and the line counts as connected only after it."""

    def prepare(desk: Desk) -> None:
        async def press() -> None:
            desk.agent.before_welcome = None
            await desk.stop.everything("tester")

        desk.agent.before_welcome = press

    async with desk_of(book, prepare) as desk:
        await desk.connected()
        assert desk.agent.of(Hello)[0].stop_id == ""
        await until(lambda: desk.agent.of(Stop))
        assert desk.agent.of(Stop)[0].command_id == book.look(settings.stop).stop_id


@under_virtual_clock()
async def test_a_line_that_breaks_is_begun_anew_again_and_again(book: Book) -> None:
    async with desk_of(book) as desk:
        for times in range(1, 4):
            await until(lambda times=times: len(desk.agent.of(Hello)) == times)  # type: ignore[misc]
            await desk.connected()
            desk.agent.peer.close()
            await until(lambda: not desk.link.connected)


@under_virtual_clock()
async def test_an_agent_of_another_protocol_is_told_to_end_when_idle_and_then_replaced(book: Book) -> None:
    machine = book.machine()

    def prepare(desk: Desk) -> None:
        desk.agent.welcome = {"protocol_version": 99}

    async with desk_of(book, prepare) as desk:
        await until(lambda: desk.agent.of(Leave))
        assert not desk.link.connected
        assert desk.agents.leaving() == {AGENT}
        await asyncio.sleep(30.0)
        assert len(desk.agent.of(Hello)) == 1, "the line is kept until it has ended"
        assert [type(message) for message in desk.agent.heard] == [Hello, Leave]
        desk.agent.stop_outcomes = (StopOutcome(machine_id=machine.id, outcome="sent"),)
        pressed = await desk.stop.everything("tester")  # I15: whatever it speaks
        assert desk.agent.of(Stop) and pressed.outcomes == {"K1": "sent"}
        desk.agent.welcome = {}
        desk.agent.peer.close()
        await desk.connected()
        assert desk.agents.leaving() == frozenset()
        assert len(desk.agent.of(Leave)) == 1


@under_virtual_clock()
async def test_i15_a_stop_on_record_reaches_an_agent_of_another_protocol(book: Book) -> None:
    def prepare(desk: Desk) -> None:
        desk.agent.welcome = {"protocol_version": 99}
        held = settings.Stop(stopped=True, stop_id="stop-7")
        book.change(lambda conn, stamp: settings.set_stop(conn, held))

    async with desk_of(book, prepare) as desk:
        await until(lambda: desk.agent.of(Leave))
        assert [stop.command_id for stop in desk.agent.of(Stop)] == ["stop-7"]


@pytest.mark.parametrize("turns", range(12))
@under_virtual_clock()
async def test_it_ends_when_it_is_told_to_while_the_agent_leaves(book: Book, turns: int) -> None:
    """`fleetctl serve` asks its agent to leave and ends: the end of the line must not make it begin a new one."""
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.peer.close()
        for _ in range(turns):
            await asyncio.sleep(0)


@under_virtual_clock()
async def test_i15_a_release_during_the_greeting_reaches_the_agent(book: Book) -> None:
    book.change(lambda conn, stamp: settings.set_stop(conn, settings.Stop(stopped=True, stop_id="stop-1")))

    def prepare(desk: Desk) -> None:
        desk.agent.welcome = {"stop_id": "stop-1"}

        async def release() -> None:
            desk.agent.before_welcome = None
            await desk.stop.release("tester")

        desk.agent.before_welcome = release

    async with desk_of(book, prepare) as desk:
        await until(lambda: desk.agent.of(Release))
        assert desk.agent.of(Release)[0].command_id == "stop-1"
        assert not desk.agent.of(Stop)


@under_virtual_clock()
async def test_i15_a_stop_reaches_the_machines_while_the_store_fails_and_is_stored_later(book: Book) -> None:
    async with desk_of(book) as desk:
        await desk.connected()
        desk.disk.full = True
        desk.agent.reports("machine-K1", 1 << 30)
        await asyncio.sleep(30.0)
        assert len(desk.agent.of(Hello)) == 1, "the line does not end because the store fails"
        with pytest.raises(StoreUnavailable, match="went out"):
            await desk.stop.everything("tester")
        assert len(desk.agent.of(Stop)) == 1
        assert desk.stop.owed, "nothing may be claimed"
        assert not book.look(settings.stop).stopped
        desk.disk.full = False
        await until(lambda: not desk.stop.owed)
        stop = book.look(settings.stop)
        assert (stop.stopped, stop.stop_id, stop.by) == (True, desk.agent.of(Stop)[0].command_id, "tester")


@under_virtual_clock()
async def test_i15_a_stop_reaches_an_agent_whose_arrival_the_store_does_not_take(book: Book) -> None:
    def prepare(desk: Desk) -> None:
        desk.disk.full = True

    async with desk_of(book, prepare) as desk:
        await until(lambda: desk.agent.of(Hello))
        await asyncio.sleep(1.0)
        assert not desk.link.connected
        with pytest.raises(StoreUnavailable):
            await desk.stop.everything("tester")
        assert desk.agent.of(Stop)


@under_virtual_clock()
async def test_a_caller_that_leaves_while_the_stop_is_stored_leaves_nothing_owed(book: Book) -> None:
    async with desk_of(book) as desk:
        await desk.connected()
        pressing = asyncio.create_task(desk.stop.everything("tester"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        pressing.cancel()
        await asyncio.wait([pressing])
        await until(lambda: not desk.stop.owed)
        assert book.look(settings.stop).stopped


@under_virtual_clock()
async def test_reports_are_acknowledged_once_the_store_takes_them(book: Book) -> None:
    machine = book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        desk.disk.full = True
        desk.agent.reports(machine.id, 7, link=Link.CONNECTING)
        await asyncio.sleep(10.0)
        assert not desk.agent.of(Acknowledge)
        desk.disk.full = False
        await until(lambda: desk.agent.of(Acknowledge))
        assert book.again(machine).facts.link is Link.CONNECTING


@under_virtual_clock()
async def test_what_is_no_message_does_not_end_the_line(book: Book) -> None:
    machine = book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.peer.send(b"\xc1 nonsense")
        desk.agent.reports(machine.id, 7)
        await until(lambda: desk.agent.of(Acknowledge))
        assert len(desk.agent.of(Hello)) == 1


@under_virtual_clock()
async def test_what_is_withdrawn_is_told_to_the_agent_at_once(book: Book) -> None:
    """A run that waits for cycle start must not begin on an order or a set-up that is gone (I2)."""
    job = book.job()
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        [run] = book.dispatch()
        desk.agents.commands_waiting(AGENT)
        await until(lambda: desk.agent.of(Start))
        await desk.jobs.cancel(job.code, "tester")
        await until(lambda: desk.agent.of(Withdraw), within_s=1.0)
        with pytest.raises(Conflict, match="withdrawn"):
            await desk.runs.cycle_start(run.code, "tester")
        assert not desk.agent.of(Verb)


@pytest.mark.parametrize("what", ["cancel", "setup", "service", "attended", "stop"])
@under_virtual_clock()
async def test_a_run_that_has_not_begun_is_withdrawn(book: Book, what: str) -> None:
    book.job()
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        [run] = book.dispatch()
        if what == "cancel":
            await desk.runs.cancel(run.code, "tester")
        elif what == "setup":
            await desk.machines.set_setup("K1", Setup(material="PETG"), "tester")
        elif what == "service":
            await desk.machines.set_service("K1", "locked-out", "tester")
        elif what == "attended":
            await desk.machines.set_unattended("K1", False, "tester")
        else:
            await desk.stop.machine("K1", "tester")
        await until(lambda: desk.agent.of(Withdraw), within_s=1.0)
        assert desk.agent.of(Withdraw)[0].run_id == run.id
        assert {kept.kind for kept in book.look(runs.pending_commands, AGENT)} == {"start", "withdraw"}


@under_virtual_clock()
async def test_a_machine_that_was_stopped_takes_no_work_until_a_person_says_so(book: Book) -> None:
    machine = book.machine()
    book.job()
    async with desk_of(book) as desk:
        await desk.connected()
        await desk.stop.machine("K1", "tester")
        assert book.again(machine).facts.clearance is Clearance.UNCLEARED
        assert book.plan() == []


@under_virtual_clock()
async def test_nobody_moves_a_machine_that_is_locked_out(book: Book) -> None:
    book.job()
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        [run] = book.dispatch()
        book.report(book.report(run, RunState.RUNNING), RunState.PAUSED)
        await desk.machines.set_service("K1", "locked-out", "tester")
        for moving in (
            desk.machines.home("K1", "tester"),
            desk.machines.command("K1", "G28", "tester"),
            desk.runs.resume(run.code, "tester"),
            desk.runs.cycle_start(run.code, "tester"),
        ):
            with pytest.raises(Conflict, match="locked out"):
                await moving
        assert not desk.agent.of(Verb)
        await desk.runs.cancel(run.code, "tester")
        assert [verb.verb for verb in desk.agent.of(Verb)] == ["cancel"]


@under_virtual_clock()
async def test_one_device_gets_no_second_name(book: Book, tmp_path: Path) -> None:
    device, by_id = tmp_path / "ttyUSB0", tmp_path / "usb-1a86_board-port0"
    device.touch()
    by_id.symlink_to(device)
    async with desk_of(book) as desk:
        book.machine()
        await desk.machines.add(NewMachine(name="K2", driver="marlin", port=str(device)), "tester")
        for name in (str(by_id), f"serial://{device}?baud=250000", f"{device}?baud=250000"):
            with pytest.raises(Conflict, match="belongs to K2"):
                await desk.machines.add(NewMachine(name="K3", driver="marlin", port=name), "tester")
        await desk.machines.add(NewMachine(name="K4", driver="marlin", port=str(tmp_path / "ttyUSB1")), "tester")


@under_virtual_clock()
async def test_what_a_machine_did_is_not_reported_as_failed_because_the_store_fails(book: Book) -> None:
    """Else a person would believe that a machine goes on which they have paused."""
    book.job()
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        [run] = book.dispatch()
        book.report(run, RunState.RUNNING)
        desk.disk.full = True
        await desk.runs.pause(run.code, "tester")
        await desk.machines.home("K1", "tester")
        assert [verb.verb for verb in desk.agent.of(Verb)] == ["pause", "home"]


@under_virtual_clock()
async def test_a_new_set_up_is_told_to_the_agent(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        await desk.machines.set_setup("K1", Setup(offsets_mm={"G54": (1.0, 2.0, 3.0)}), "tester")
        await until(lambda: desk.agent.of(Assign), within_s=1.0)
        assert desk.agent.of(Assign)[-1].machines[0].work_offsets_mm == {"G54": (1.0, 2.0, 3.0)}


@under_virtual_clock()
async def test_a_start_never_overtakes_the_set_up_that_it_was_claimed_for(book: Book) -> None:
    """Else the driver would compare the machine with the offsets of before, and let a wrong one pass."""
    machine = book.machine()
    book.job()
    async with desk_of(book) as desk:
        await desk.connected()
        setup = Setup(material="PLA", offsets_mm={"G54": (1.0, 2.0, 3.0)})
        book.change(lambda conn, stamp: machines.set_setup(conn, machine, setup))
        book.pass_gate(book.again(machine))
        assert book.dispatch()
        desk.agents.commands_waiting(AGENT)
        await until(lambda: desk.agent.of(Start))
        kinds = [type(message) for message in desk.agent.heard]
        assert kinds.index(Assign) < kinds.index(Start)
        assert desk.agent.of(Assign)[0].machines[0].work_offsets_mm == setup.offsets_mm


@under_virtual_clock()
async def test_i14_a_start_never_overtakes_that_a_person_must_press_cycle_start(book: Book) -> None:
    """The list of machines went out a moment ago, and the next one waits; the start must not be faster."""
    machine = book.machine()
    book.change(lambda conn, stamp: machines.set_unattended(conn, machine, "ann", stamp.at_s))
    book.job()
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agents.assignments_changed(AGENT)
        await until(lambda: desk.agent.of(Assign))
        assert desk.agent.of(Assign)[0].machines[0].unattended
        await desk.machines.set_unattended("K1", False, "ann")
        assert book.dispatch()
        desk.agents.commands_waiting(AGENT)
        await until(lambda: desk.agent.of(Start))
        before = desk.agent.heard[: desk.agent.heard.index(desk.agent.of(Start)[0])]
        told = [message for message in before if isinstance(message, Assign)]
        assert not told[-1].machines[0].unattended


@under_virtual_clock()
async def test_machines_that_are_added_one_by_one_are_told_together(book: Book) -> None:
    """The list names all machines: one for each that is added would be megabytes."""
    async with desk_of(book) as desk:
        await desk.connected()
        begun_s = asyncio.get_running_loop().time()
        for number in range(40):
            await desk.machines.add(NewMachine(name=f"N{number}", driver="marlin", port=f"memory://N{number}"), "ann")
            await asyncio.sleep(0.02)
        await until(lambda: len(desk.agent.of(Assign)[-1].machines) == 40, within_s=1.0)
        assert len(desk.agent.of(Assign)) <= 2 + (asyncio.get_running_loop().time() - begun_s) / ASSIGN_REST_S


@under_virtual_clock()
async def test_runs_that_are_claimed_one_by_one_are_started_without_a_look_for_each(book: Book) -> None:
    for number in range(20):
        book.machine(f"N{number}")
    book.job(quantity=20)
    async with desk_of(book) as desk:
        await desk.connected()
        with statements(book) as sent:
            for plan in book.plan():
                book.claim(plan)
                desk.agents.commands_waiting(AGENT)
                await asyncio.sleep(0)
            await until(lambda: len(desk.agent.of(Start)) == 20, within_s=1.0)
        assert len({start.run_id for start in desk.agent.of(Start)}) == len(desk.agent.of(Start)) == 20
        looks = [statement for statement, _ in sent if "FROM commands" in statement]
        assert 1 <= len(looks) <= 4
