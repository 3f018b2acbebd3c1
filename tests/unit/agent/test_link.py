"""The line to the controller: what is sent again, what is dropped, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from fleetctl.driver.api import EndKind, Telemetry
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Acknowledge,
    Assign,
    Hello,
    Leave,
    MachineReport,
    RunReport,
    Stop,
    StopReport,
    TelemetryReport,
    Welcome,
    encode,
)
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.peer_memory import PeerFaults, memory_peer_pair
from tests.unit.agent.rig import FakeController, FakeMachine, assigned, at_work, online, running, start, until


@under_virtual_clock()
async def test_reports_are_sent_again_in_order_until_they_are_acknowledged() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}, reports_in_flight=64) as rig:
        first = await online(rig, assigned(), acknowledges=False)
        first.say(start(rig.clock))
        await until(lambda: "running" in first.states())
        await first.close()
        machine.end(EndKind.FINISHED)
        for _ in range(2):
            again = rig.connect(acknowledges=False)
            again.hello(assigned())
            await until(lambda: again.states() == ["preparing", "running", "finished"])  # noqa: B023
            numbers = [m.sequence for m in again.received if isinstance(m, RunReport | MachineReport)]
            assert numbers == sorted(numbers)
            await again.close()
        last = rig.connect()
        last.hello(assigned())
        await until(lambda: not rig.agent.journal.state.content.reports)
        await last.close()
        quiet = rig.connect()
        quiet.hello(assigned())
        await until(lambda: quiet.of(MachineReport))
        await asyncio.sleep(10.0)
        assert quiet.states() == []


@under_virtual_clock()
async def test_a_report_that_is_not_acknowledged_is_sent_again_on_the_same_link() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned(), acknowledges=False)
        await asyncio.sleep(10.0)
        numbers = [report.sequence for report in controller.of(MachineReport)]
        assert len(numbers) >= 3
        assert set(numbers[1:]) == {numbers[-1]}, "the newest supersedes those before"
        controller.say(Acknowledge(sequence=numbers[-1]))
        await until(lambda: not rig.agent.journal.state.content.reports)
        assert len(controller.of(MachineReport)) == len(numbers)


@pytest.mark.parametrize("seed", range(20))
def test_on_a_link_that_loses_and_doubles_messages_every_report_arrives(seed: int) -> None:
    @under_virtual_clock()
    async def live() -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            faults = PeerFaults(random.Random(seed), delay_s=(0.0, 0.05), lose=0.3, duplicate=0.2)
            ours, theirs = memory_peer_pair(faults)
            serving = asyncio.ensure_future(rig.agent.link.serve(ours))
            controller = FakeController(theirs)
            message = start(rig.clock, within_s=1000.0)
            sessions = rig.agent.supervisor.sessions
            while not any(session.facts.link == "online" for session in sessions.values()):
                controller.hello(assigned())
                await asyncio.sleep(0.2)
            while not machine.starts:
                controller.say(message)
                await asyncio.sleep(0.2)
            await until(lambda: "running" in controller.states(), 300.0)
            machine.end(EndKind.FINISHED)
            await until(lambda: not rig.agent.journal.state.content.reports, 300.0)
            states = {report.sequence: report.state for report in controller.of(RunReport)}
            in_order = [state for _, state in sorted(states.items())]
            assert [s for n, s in enumerate(in_order) if s not in in_order[:n]] == [
                "preparing",
                "running",
                "finished",
            ]
            assert machine.starts == 1
            ours.close()
            await asyncio.wait([serving])
            await controller.close()

    live()


@under_virtual_clock()
async def test_a_newer_controller_replaces_the_older_once_it_says_hello() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        first = await online(rig, assigned())
        second = rig.connect()
        await asyncio.sleep(1.0)
        assert first.peer.lost is None
        second.hello(assigned())
        await until(lambda: first.peer.lost is not None, 1.0)
        await until(lambda: second.of(MachineReport))


@under_virtual_clock()
async def test_a_visitor_without_hello_is_sent_away_and_commands_nothing() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        first = await online(rig, assigned())
        visitor = rig.connect()
        visitor.say(start(rig.clock))
        await until(lambda: visitor.peer.lost is not None, 12.0)
        assert visitor.received == []
        assert first.peer.lost is None
        assert machine.starts == 0


@pytest.mark.parametrize("readable", [True, False])
def test_a_controller_of_another_protocol_gives_no_work_and_the_agent_ends_when_its_run_has(readable: bool) -> None:
    """Also one whose Hello has become another thing: only its number is read."""

    @under_virtual_clock()
    async def upgraded() -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            before = await at_work(rig)
            await before.close()
            after = rig.connect(acknowledges=False)
            if readable:
                after.say(Hello(protocol_version=99, site="test", stop_id="", machines=()))
            else:
                after.peer.send(msgspec.msgpack.encode({"type": "hello", "protocol_version": 99, "machines": "new"}))
            await until(lambda: after.received)
            assert after.last(Welcome).protocol_version == PROTOCOL_VERSION
            after.say(start(rig.clock, "run-2"))
            after.say(Assign(machines=()))
            after.say(Leave(when="idle"))
            await asyncio.sleep(60.0)
            assert machine.driver is not None and machine.driver.running, "its run goes on, whoever asks for what"
            assert after.peer.lost is None and after.of(RunReport) == []
            machine.end(EndKind.FINISHED)
            async with asyncio.timeout(60.0):
                await asyncio.wait([rig.task])
            states = [r.state for r in rig.agent.journal.state.content.reports.values() if isinstance(r, RunReport)]
            assert states[-1] == "finished", "its successor finds it there"

    upgraded()


@under_virtual_clock()
async def test_i15_a_controller_of_another_protocol_may_stop() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        other = rig.connect(acknowledges=False)
        other.say(Hello(protocol_version=99, site="test", stop_id="", machines=()))
        other.say(Stop(command_id="stop-1"))
        await until(lambda: other.of(StopReport))
        assert "stop" in machine.calls and rig.agent.journal.state.content.stop_id == "stop-1"


@under_virtual_clock()
async def test_what_is_no_message_changes_nothing() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.peer.send(b"\x81\xa4type\xa5dance")
        controller.peer.send(b"")
        controller.peer.send(b"\xff" * 100)
        controller.say(Acknowledge(sequence=10**9))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        assert controller.peer.lost is None


@under_virtual_clock()
async def test_telemetry_is_bounded_to_four_a_second_and_the_newest() -> None:
    """I9."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        for number in range(1000):
            machine.listener.telemetry(Telemetry(temperatures_degc={"T0": (float(number), 200.0)}))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
        reports = controller.of(TelemetryReport)
        assert 35 <= len(reports) <= 42
        assert reports[-1].temperatures_degc == {"T0": (999.0, 200.0)}


class _FullPeer:
    """A link whose other side takes nothing."""

    lost = None

    def __init__(self, *messages: bytes) -> None:
        self._messages = list(messages)
        self._closed = asyncio.Event()
        self.refused = 0

    def send(self, message: bytes) -> bool:
        self.refused += 1
        return False

    def __aiter__(self) -> _FullPeer:
        return self

    async def __anext__(self) -> bytes:
        if self._messages:
            return self._messages.pop(0)
        await self._closed.wait()
        raise StopAsyncIteration

    def close(self) -> None:
        self._closed.set()

    async def wait_closed(self) -> None:
        await self._closed.wait()


@under_virtual_clock()
async def test_a_controller_that_takes_nothing_delays_no_session() -> None:
    """I9."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        hello = Hello(protocol_version=1, site="test", stop_id="", machines=(assigned(),))
        peer = _FullPeer(encode(hello), encode(start(rig.clock)))
        serving = asyncio.ensure_future(rig.agent.link.serve(peer))
        await until(lambda: "id-m1" in rig.agent.supervisor.sessions)
        await until(lambda: rig.agent.supervisor.sessions["id-m1"].facts.link == "online")
        rig.agent.commands.take(start(rig.clock, "run-2"))
        await until(lambda: machine.starts)
        await until(lambda: machine.received != b"", 0.1)
        for line in range(1, 2000):
            machine.acknowledge(line)
            machine.listener.telemetry(Telemetry())
            await asyncio.sleep(0.001)
        machine.end(EndKind.FINISHED)
        content = rig.agent.journal.state.content
        assert content.runs["run-2"].state == "finished"
        assert peer.refused < 100, "a full link is not asked without pause"
        assert len(content.reports) < 10
        peer.close()
        await asyncio.wait([serving])
        # Nothing was lost: the next controller gets it all.
        controller = rig.connect()
        controller.hello(assigned())
        await until(lambda: "finished" in controller.states("run-2"))


@under_virtual_clock()
async def test_days_without_a_controller_fill_nothing() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        await controller.close()
        for _ in range(40):
            machine.unplug()
            machine.plugged_in = True
            session = rig.agent.supervisor.sessions["id-m1"]
            await until(lambda: session.facts.link == "online", 60.0)  # noqa: B023
        assert len(rig.agent.journal.state.content.reports) == 1
