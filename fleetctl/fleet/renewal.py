"""Facts of programs that an earlier version of the reader stated: read again, one program at a time, off the loop.

A background task goes through all stored programs once at the start; the gate asks for one that it must judge before
its turn has come. It must not judge anything itself, and leaves the facts of a file that cannot be read as they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from fleetctl.errors import FleetctlError, StoreUnavailable
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.intake import OffLoop
from fleetctl.fleet.record import Record
from fleetctl.gcode import Analysis, analyze
from fleetctl.gcode.facts import FACTS_VERSION
from fleetctl.store import programs
from fleetctl.store.blobs import BlobStore
from fleetctl.store.programs import Program

log = logging.getLogger(__name__)

PORTION = 20
"""Programs whose version is looked at in one read."""


class Renewal:
    """Brings stored facts up to the present version of the reader."""

    def __init__(self, record: Record, blobs: BlobStore, off_loop: OffLoop) -> None:
        self._record = record
        self._blobs = blobs
        self._off_loop = off_loop
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Go through all programs once, the newest first. Without a store the rest waits for the next start, or for
        the gate to ask."""
        try:
            wanted = await self._record.look(programs.hashes)
            for start in range(0, len(wanted), PORTION):
                for sha256 in await self._stale(wanted[start : start + PORTION]):
                    await self.renewed(await self._program(sha256))
        except StoreUnavailable as error:
            log.warning("older facts of programs stay as they are for now: %s", error)

    async def renewed(self, program: Program) -> Program:
        """The program with facts of this version. One whose file is gone or damaged comes back as it is."""
        if program.analysis.facts_version == FACTS_VERSION:
            return program
        async with self._one_at_a_time:
            program = await self._program(program.sha256)
            if program.analysis.facts_version == FACTS_VERSION:
                return program
            try:
                fresh = await self._off_loop(lambda: self._read(program))
            except (OSError, FleetctlError) as error:
                log.warning("program %s cannot be read again: %s", program.sha256[:12], error)
                return program
            made = msgspec.structs.replace(program, analysis=fresh)
            await self._record.change("site", lambda conn, stamp: _store(conn, made, stamp))
            return made

    async def _program(self, sha256: str) -> Program:
        return await self._record.look(lambda conn: programs.get(conn, sha256))

    def _read(self, program: Program) -> Analysis:
        old = program.analysis
        return carried_over(old, analyze(self._blobs.path(program.sha256), dialect=program.dialect))

    async def _stale(self, sha256s: Sequence[str]) -> list[str]:
        found = await self._record.look(lambda conn: programs.facts_versions(conn, sha256s))
        return [sha256 for sha256 in sha256s if found.get(sha256, FACTS_VERSION) != FACTS_VERSION]


def carried_over(old: Analysis, fresh: Analysis) -> Analysis:
    """The fresh facts, with what was said beside the program by the container that it once came in."""
    fresh = msgspec.structs.replace(fresh, dialect_detected=old.dialect_detected)
    if old.container is None:
        return fresh
    fresh = msgspec.structs.replace(
        fresh,
        container=old.container,
        claims=old.claims,
        metadata=old.metadata,
        thumbnails=old.thumbnails,
        slicer=old.slicer,
        tools=old.tools,
        filament_g=old.filament_g,
        filament_mm3=old.filament_mm3,
    )
    if "secret" in old.hazards and "secret" not in fresh.hazards:
        fresh.hazards["secret"] = old.hazards["secret"]
    return fresh


def _store(conn: sa.Connection, program: Program, stamp: Stamp) -> None:
    programs.set_analysis(conn, program)
    log_event(conn, stamp, "program.read_again", program.sha256[:12], name=program.name)
