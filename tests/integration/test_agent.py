"""A real agent process on real pseudo-terminals, with the test as its controller on the real socket."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from fleetctl.errors import LinkError
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Acknowledge,
    Answer,
    Hello,
    Leave,
    MachineAssignment,
    MachineReport,
    Release,
    RunReport,
    Start,
    Stop,
    StopReport,
    TelemetryReport,
    ToAgent,
    ToController,
    Verb,
    Welcome,
    decode_to_controller,
    encode,
)
from fleetctl.model.profile import PROFILES
from fleetctl.transport.peer import PeerLink, connect_peer
from tests.integration.real_site import RealMachine, executed_lines, mill_program, print_program

WITHIN_S = 30.0
M = TypeVar("M")


async def until(what: str, condition: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """The first truthy value of `condition`."""
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {within_s:g} s in vain for: {what}"
        await asyncio.sleep(0.02)
    return value


class Controller:
    """The test's end of the socket; acknowledges every report."""

    def __init__(self, link: PeerLink) -> None:
        self.link = link
        self.received: list[ToController] = []
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for data in self.link:
            message = decode_to_controller(data)
            self.received.append(message)
            if isinstance(message, MachineReport | RunReport):
                self.say(Acknowledge(sequence=message.sequence))

    def say(self, message: ToAgent) -> None:
        self.link.send(encode(message))

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.received if isinstance(message, kind)]

    def states(self, run_id: str) -> list[str]:
        return [report.state for report in self.of(RunReport) if report.run_id == run_id]

    def online(self) -> set[str]:
        latest = {report.machine_id: report for report in self.of(MachineReport)}
        return {machine_id for machine_id, report in latest.items() if report.link == "online"}

    async def close(self) -> None:
        self.link.close()
        await asyncio.wait([self._task])


class AgentSite:
    """A data directory with one agent process and its machines."""

    def __init__(self, home: Path) -> None:
        self.data = home / "data"
        self.data.mkdir()
        self.home = home
        self.machines: dict[str, RealMachine] = {}
        self.process: subprocess.Popen[bytes]
        self.controllers: list[Controller] = []

    def start_agent(self) -> None:
        command = [sys.executable, "-m", "fleetctl", "agent", "--data", str(self.data)]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill_agent(self) -> None:
        self.process.kill()
        self.process.wait(10)

    async def dial(self, stop_id: str = "") -> Controller:
        deadline_s = time.monotonic() + WITHIN_S
        while True:
            try:
                link = await connect_peer(self.data / "agent.sock", asyncio.get_running_loop().time() + 1.0)
                break
            except LinkError:
                assert time.monotonic() < deadline_s
                await asyncio.sleep(0.05)
        controller = Controller(link)
        self.controllers.append(controller)
        assignments = tuple(self._assignment(machine) for machine in self.machines.values())
        controller.say(Hello(protocol_version=PROTOCOL_VERSION, site="test", stop_id=stop_id, machines=assignments))
        await until("a welcome", lambda: controller.of(Welcome))
        await until("all machines online", lambda: controller.online() == set(self.machines))
        return controller

    def _assignment(self, machine: RealMachine) -> MachineAssignment:
        profile = PROFILES["generic-220" if machine.driver == "marlin" else "generic-mill-3018"]
        return MachineAssignment(
            machine_id=machine.name, name=machine.name, driver=machine.driver, port=str(machine.port), profile=profile
        )

    def store(self, program: bytes) -> str:
        sha256 = hashlib.sha256(program).hexdigest()
        path = self.data / "programs" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(program)
        return sha256

    async def end(self) -> None:
        for controller in self.controllers:
            await controller.close()
        if self.process.poll() is None:
            self.kill_agent()
        for machine in self.machines.values():
            machine.end()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AgentSite]:
    made = AgentSite(tmp_path)
    for name, driver in (("K1", "marlin"), ("M1", "grbl")):
        made.machines[name] = RealMachine(SimpleNamespace(home=tmp_path), name, driver)  # type: ignore[arg-type]
    made.start_agent()
    try:
        yield made
    finally:
        await made.end()


def start(run_id: str, machine: str, sha256: str) -> Start:
    return Start(
        command_id=f"start {run_id}",
        run_id=run_id,
        epoch=1,
        machine_id=machine,
        program_sha256=sha256,
        not_after_s=time.time() + 60.0,
    )


def verb(what: str, machine: str, command_id: str = "") -> Verb:
    return Verb(
        command_id=command_id or f"{what} {machine}", machine_id=machine, verb=what, not_after_s=time.time() + 15.0
    )


async def test_programs_reach_the_machines_whole_and_a_mill_waits_for_cycle_start(site: AgentSite) -> None:
    controller = await site.dial()
    assert stat.S_IMODE((site.data / "agent.sock").stat().st_mode) == 0o600
    printing, milling = print_program(40), mill_program(40)
    controller.say(start("r1", "K1", site.store(printing)))
    controller.say(start("r2", "M1", site.store(milling)))
    await until("the gate", lambda: controller.states("r2") == ["preparing", "waiting"])
    # The controller goes away and comes back while one run streams and the other waits.
    await controller.close()
    again = await site.dial()
    assert set(again.of(Welcome)[0].active_runs) == {"r1", "r2"}
    assert site.machines["M1"].executed() == []
    again.say(verb("cycle-start", "M1"))
    await until("two finished runs", lambda: "finished" in again.states("r1") and "finished" in again.states("r2"))
    for name, program in (("K1", printing), ("M1", milling)):
        machine = site.machines[name]
        wanted = executed_lines(machine.driver, program)
        await until(f"the trace of {name}", lambda m=machine: m.state().get("runs_made") == 1)  # type: ignore[misc]
        assert [line for line in machine.executed() if line in set(wanted)] == wanted
    assert again.of(TelemetryReport)
    again.say(Leave(when="idle"))
    await until("the end of the agent", lambda: site.process.poll() is not None)
    assert site.process.returncode == 0


async def test_after_a_kill_nothing_is_resumed_and_everything_is_off(site: AgentSite) -> None:
    controller = await site.dial()
    sha256 = site.store(print_program())
    message = start("r1", "K1", sha256)
    controller.say(message)
    await until("some lines", lambda: site.machines["K1"].state().get("executed", 0) > 15, 60.0)
    assert not site.machines["K1"].is_safe()
    site.kill_agent()
    site.start_agent()
    # The journal knows the machines: it is made safe before any controller asks.
    await until("heaters off", site.machines["K1"].is_safe)
    second = await site.dial()
    await until("the report", lambda: second.states("r1") == ["interrupted"])
    report = second.of(RunReport)[0]
    assert report.started and report.acknowledged_line > 0
    second.say(message)
    await until("the report again", lambda: second.states("r1")[1:] == ["interrupted"])
    assert site.machines["K1"].state()["runs_made"] == 0


async def test_a_stop_reaches_both_machines_and_holds(site: AgentSite) -> None:
    controller = await site.dial()
    printing = site.store(print_program())
    controller.say(start("r1", "K1", printing))
    controller.say(start("r2", "M1", site.store(mill_program())))
    await until("the gate", lambda: "waiting" in controller.states("r2"))
    controller.say(verb("cycle-start", "M1"))
    for machine in site.machines.values():
        await until("both at work", lambda m=machine: m.state().get("executed", 0) > 12, 60.0)  # type: ignore[misc]
    controller.say(Stop(command_id="stop-1"))
    report = await until("the outcome", lambda: controller.of(StopReport))
    assert {outcome.outcome for outcome in report[0].outcomes} <= {"confirmed", "sent"}
    assert report[0].last_byte_s < 0.5
    ended = {"failed", "cancelled", "interrupted"}
    await until("two ends", lambda: ended & set(controller.states("r1")) and ended & set(controller.states("r2")))
    for machine in site.machines.values():
        await until("everything off", machine.is_safe)
    site.kill_agent()
    await asyncio.to_thread(site.machines["K1"].power_cycle)  # nothing else wakes a killed Marlin
    site.start_agent()
    second = await site.dial()
    assert second.of(Welcome)[0].stop_id == "stop-1"
    second.say(start("r3", "K1", printing))
    await until("no start", lambda: second.states("r3") == ["cancelled"])
    second.say(Release(command_id="stop-1"))
    second.say(verb("clear-fault", "M1"))
    second.say(verb("home", "M1", "refused or done"))
    await until("answers", lambda: len(second.of(Answer)) == 2)


async def test_a_second_agent_is_refused_and_a_signal_ends_the_first(site: AgentSite) -> None:
    await site.dial()
    command = [sys.executable, "-m", "fleetctl", "agent", "--data", str(site.data)]
    second = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert second.returncode != 0
    os.kill(site.process.pid, signal.SIGTERM)
    await until("the end", lambda: site.process.poll() is not None)
    assert site.process.returncode == 0
