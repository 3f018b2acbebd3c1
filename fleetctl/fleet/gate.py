"""Asks the preflight gate about programs and configurations, once each, and keeps the answer on record (I2)."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.record import Record
from fleetctl.model.machine import Machine
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.situation import Situation
from fleetctl.store import programs
from fleetctl.store.programs import Preflight, Program

PORTION = 20
"""Sayings put on record in one unit of work, so that none holds up the writer."""

Renew = Callable[[Program], Awaitable[Program]]
"""Gives a program with facts of the present version of the reader."""


class Gate:
    """The controller's way to the gate."""

    def __init__(self, record: Record, renew: Renew | None = None) -> None:
        self._record = record
        self._renew = renew

    async def ask(self, sha256: str, machine: Machine) -> Preflight:
        """What the gate says of a program on a machine as it is set up now. Raises NotFound."""
        return (await self.ask_all(sha256, [machine]))[machine.configuration_hash]

    async def ask_all(self, sha256: str, machines: Sequence[Machine]) -> dict[str, Preflight]:
        """The same of several machines, by their configuration. Machines that are set up alike are asked of once."""
        wanted = {machine.configuration_hash: machine for machine in machines}
        said = await self._record.look(lambda conn: programs.preflights_of(conn, [sha256], wanted, RULE_SET))
        found = {preflight.configuration_hash: preflight for preflight in said}
        missing = [machine for configuration, machine in wanted.items() if configuration not in found]
        found |= await self._check(sha256, missing)
        return found

    async def fill(self, situation: Situation) -> bool:
        """Ask for everything that a decision in this situation lacks; True when something was missing."""
        missing: dict[str, dict[str, Machine]] = {}
        configurations = {machine.configuration_hash: machine for machine in situation.machines}
        for sha256 in dict.fromkeys(item.job.program_sha256 for item in situation.jobs):
            for configuration, machine in configurations.items():
                if (sha256, configuration) not in situation.fits:
                    missing.setdefault(sha256, {})[configuration] = machine
        for sha256, machines in missing.items():
            await self._check(sha256, list(machines.values()))
        return bool(missing)

    async def _check(self, sha256: str, machines: Sequence[Machine]) -> dict[str, Preflight]:
        """Ask the gate itself: the program is read once, and what is said goes on record in portions."""
        found: dict[str, Preflight] = {}
        if not machines:
            return found
        program = await self._record.look(lambda conn: programs.get(conn, sha256))
        if self._renew is not None:
            program = await self._renew(program)  # nothing is judged by the facts of an earlier reader
        for start in range(0, len(machines), PORTION):
            portion = [self._say(program, machine) for machine in machines[start : start + PORTION]]
            await self._record.change("gate", functools.partial(_remember, portion))
            found |= {preflight.configuration_hash: preflight for preflight in portion}
        return found

    def _say(self, program: Program, machine: Machine) -> Preflight:
        verdict = check(program.analysis, machine.profile, machine.setup)
        return Preflight(
            program_sha256=program.sha256,
            configuration_hash=machine.configuration_hash,
            rule_set=verdict.rule_set,
            passed=verdict.passed,
            findings=verdict.findings,
            at_s=self._record.now_s(),
        )


def _remember(said: Sequence[Preflight], conn: sa.Connection, stamp: Stamp) -> None:
    for preflight in said:
        programs.put_preflight(conn, msgspec.structs.replace(preflight, at_s=stamp.at_s))
