"""Asks the preflight gate about programs and configurations, once each, and keeps the answer on record (I2)."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.record import Record
from fleetctl.model.machine import Machine
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.situation import Situation
from fleetctl.store import programs
from fleetctl.store.programs import Preflight


class Gate:
    """The controller's way to the gate."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def ask(self, sha256: str, machine: Machine) -> Preflight:
        """What the gate says of a program on a machine as it is set up now. Raises NotFound."""
        configuration = machine.configuration_hash
        known = await self._record.look(lambda conn: programs.find_preflight(conn, sha256, configuration, RULE_SET))
        return known or await self._check(sha256, machine)

    async def fill(self, situation: Situation) -> bool:
        """Ask for everything that a decision in this situation lacks; True when something was missing."""
        missing = {
            (item.job.program_sha256, machine.configuration_hash): machine
            for item in situation.jobs
            for machine in situation.machines
            if (item.job.program_sha256, machine.configuration_hash) not in situation.fits
        }
        for (sha256, _), machine in missing.items():
            await self._check(sha256, machine)
        return bool(missing)

    async def _check(self, sha256: str, machine: Machine) -> Preflight:
        program = await self._record.look(lambda conn: programs.get(conn, sha256))
        verdict = check(program.analysis, machine.profile, machine.setup)
        preflight = Preflight(
            program_sha256=program.sha256,
            configuration_hash=machine.configuration_hash,
            rule_set=verdict.rule_set,
            passed=verdict.passed,
            findings=verdict.findings,
            at_s=self._record.now_s(),
        )

        def remember(conn: sa.Connection, stamp: Stamp) -> None:
            programs.put_preflight(conn, msgspec.structs.replace(preflight, at_s=stamp.at_s))

        await self._record.change("gate", remember)
        return preflight
