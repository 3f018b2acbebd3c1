"""Readings on their way to the controller: spread over their quarter second, so that lines pass between them."""

from __future__ import annotations

import asyncio
import itertools

from fleetctl.agent.link import TELEMETRY_AT_ONCE, TELEMETRY_EVERY_S
from fleetctl.model.messages import TelemetryReport
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import FakeMachine, assigned, online, running

MACHINES = 120


@under_virtual_clock()
async def test_those_of_many_machines_go_out_few_together_and_all_within_a_quarter_second() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        await asyncio.sleep(2 * TELEMETRY_EVERY_S)
        before = len(controller.of(TelemetryReport))
        board = rig.agent.shared.telemetry
        for number in range(MACHINES):
            report = TelemetryReport(machine_id=f"x{number}", at_s=0.0)
            board.changed(f"x{number}", lambda report=report: report)  # type: ignore[misc]
        counted = [before]
        step_s = TELEMETRY_EVERY_S / MACHINES
        for _ in range(MACHINES + 1):
            await asyncio.sleep(step_s)
            counted.append(len(controller.of(TelemetryReport)))
        assert counted[-1] - before == MACHINES
        assert max(after - earlier for earlier, after in itertools.pairwise(counted)) == TELEMETRY_AT_ONCE
        last = [report.machine_id for report in controller.of(TelemetryReport)[before:]]
        assert last == [f"x{number}" for number in range(MACHINES)]


@under_virtual_clock()
async def test_a_machine_alone_is_told_of_at_once_and_four_times_a_second() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        await asyncio.sleep(2 * TELEMETRY_EVERY_S)
        board = rig.agent.shared.telemetry
        before = len(controller.of(TelemetryReport))
        for count in range(100):
            report = TelemetryReport(machine_id="x", at_s=float(count))
            board.changed("x", lambda report=report: report)  # type: ignore[misc]
            await asyncio.sleep(0.01)
            if count == 0:
                assert len(controller.of(TelemetryReport)) == before + 1
        told = [report.at_s for report in controller.of(TelemetryReport)[before:]]
        assert len(told) == 4
        assert told[-1] >= 74.0
