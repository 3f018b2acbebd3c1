"""Continuing an interrupted run: what is proposed, a preview with the gate's word, and the person's confirmation.

It reads, asks the transformation and the gate, and lets `continuation` commit. It must not know G-code or firmware,
and it never continues anything by itself (I12): what was previewed is named by its hash, and only that is sent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping

import msgspec
import sqlalchemy as sa

from fleetctl.errors import AgentUnavailable, Conflict, LatchClosed, UsageError
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.continuation import continue_run, facts_when_clear, refusal
from fleetctl.fleet.continuation_shapes import (
    ContinuationOffer,
    ContinuationPreview,
    ContinuationRequest,
    Obstacle,
    StoppedIn,
)
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.proposals import proposals
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import FindingShape, RunShape
from fleetctl.fleet.transforming import Rehearsal, Transforming
from fleetctl.fleet.views import Views
from fleetctl.gcode.facts import Analysis
from fleetctl.model.machine import Activity, Link, Machine, Position, Service, unready_reasons
from fleetctl.model.run import Run
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.reason import Action
from fleetctl.store import machines, programs, runs, settings
from fleetctl.store.programs import Program

RESTART = "restart"


class Found(msgspec.Struct, frozen=True):
    """What the record says of a run that somebody wants to continue."""

    run: Run
    machine: Machine
    program: Program
    refusal: str
    stopped: bool
    earlier: Mapping[str, object]
    """What was said when a run was continued on this machine the last time."""


class Continuing:
    """What people do with an interrupted run besides clearing it away. `stop_owed()`: a stop was pressed that is not
    stored yet."""

    def __init__(
        self,
        record: Record,
        agents: Agents,
        gate: Gate,
        transforming: Transforming,
        views: Views,
        stop_owed: Callable[[], bool],
    ) -> None:
        self._record = record
        self._agents = agents
        self._gate = gate
        self._transforming = transforming
        self._views = views
        self._stop_owed = stop_owed

    async def offer(self, code: str) -> ContinuationOffer:
        """Where the run stopped, what is proposed, and what stands in the way. Raises NotFound."""
        found = await self._record.look(lambda conn: _found(conn, code))
        stopped = stopped_in(found.run, found.program.analysis)
        shape = await self._views.run(code)
        return ContinuationOffer(
            run=found.run.code,
            version=found.run.version,
            machine=found.machine.name,
            process=found.machine.profile.process.value,
            program=found.program.name,
            program_sha256=found.program.sha256,
            stopped=stopped,
            parts=shape.parts,
            proposals=proposals(found.machine, found.program.analysis, stopped, found.earlier),
            obstacles=self._obstacles(found),
            refusal=found.refusal,
        )

    async def preview(self, code: str, parameters: Mapping[str, object]) -> ContinuationPreview:
        """What would be sent, with the gate's word on it; nothing is stored.

        Raises NotFound, Conflict for a run that cannot be continued, UsageError and CannotTransform with what to say
        or choose instead.
        """
        found = await self._continuable(code)
        made = await self._transforming.rehearse(found.program.sha256, RESTART, parameters)
        return _preview(found, made, self._obstacles(found))

    async def confirm(self, code: str, asked: ContinuationRequest, actor: str) -> RunShape:
        """A person has seen the preview and stands at the machine: make the rest a program and claim the machine for
        it. On a mill it still waits for cycle start (I14).

        Raises as `preview`, and Conflict where the machine is not ready, where the gate refuses, or when what would
        be sent is not what was previewed.
        """
        if not asked.program_sha256:
            raise UsageError(
                "Give the program_sha256 of the preview.", hint="Look at the preview first; it names the program."
            )
        found = await self._continuable(code)
        if found.machine.agent not in self._agents.connected():
            raise AgentUnavailable(f"The agent that holds {found.machine.name} does not answer.")
        made = await self._transforming.rehearse(found.program.sha256, RESTART, asked.parameters)
        if made.sha256 != asked.program_sha256:
            raise Conflict("This is not what the preview showed.", hint="Look at the preview again, then confirm.")
        verdict = check(made.analysis, found.machine.profile, found.machine.setup)
        if not verdict.passed:
            first = verdict.first_error
            raise Conflict(
                f"The rest of the program does not fit {found.machine.name}: {first.message if first else ''}",
                machine=found.machine.name,
                line=first.line or None if first else None,
            )
        child = await self._transforming.transform(found.program.sha256, RESTART, asked.parameters, actor)
        await self._gate.ask(child.sha256, found.machine)

        if self._stop_owed():
            raise LatchClosed()

        def unit(conn: sa.Connection, stamp: Stamp) -> tuple[Run, Machine]:
            return continue_run(conn, code, child.sha256, RULE_SET, asked.version, stamp)

        run, machine = await self._record.change(actor, unit)
        self._agents.commands_waiting(machine.agent)
        return await self._views.run(run.code)

    async def _continuable(self, code: str) -> Found:
        found = await self._record.look(lambda conn: _found(conn, code))
        if found.refusal:
            raise Conflict(found.refusal, machine=found.machine.name)
        return found

    def _obstacles(self, found: Found) -> tuple[Obstacle, ...]:
        return tuple(obstacles(found.machine, found.stopped, found.machine.agent in self._agents.connected()))


def _found(conn: sa.Connection, code: str) -> Found:
    run = runs.coded(conn, code)
    machine = machines.get(conn, run.machine_id)
    earlier: Mapping[str, object] = {}
    if (last := runs.last_resuming(conn, machine.id)) is not None:
        made = programs.get(conn, last.program_sha256).transformation
        earlier = msgspec.json.decode(made)["parameters"] if made else {}
    program = programs.get(conn, run.program_sha256)
    return Found(run, machine, program, refusal(conn, run), settings.stop(conn).stopped, earlier)


def stopped_in(run: Run, analysis: Analysis) -> StoppedIn:
    """The interval in which execution stopped, with its layers."""
    least = run.surely_executed_line
    layers = analysis.layer_table
    first, last = layer_at(analysis, least + 1), layer_at(analysis, run.acknowledged_line)
    return StoppedIn(
        surely_executed_line=least,
        acknowledged_line=run.acknowledged_line,
        lines=analysis.lines,
        first_layer=first,
        last_layer=last,
        layers=len(layers),
        first_z_mm=layers[first - 1].z_mm if first else None,
        last_z_mm=layers[last - 1].z_mm if last else None,
    )


def layer_at(analysis: Analysis, line: int) -> int:
    """The layer in which a line is, from 1; 0 before the first one or where the program has none."""
    return bisect_right(analysis.layer_table.lines, line)


def obstacles(machine: Machine, stopped: bool, agent_answers: bool) -> list[Obstacle]:
    """What a person has to do first; the bed itself is left as it is."""
    found = []
    target = f"machines/{machine.name}"
    facts = facts_when_clear(machine)
    if stopped:
        found.append(
            Obstacle(
                sentence="Everything is stopped: release the stop first.",
                action=Action(label="Release the stop", target="estop", verb="release"),
            )
        )
    if not agent_answers:
        found.append(Obstacle(sentence=f"The agent that holds {machine.name} does not answer."))
    if facts.service is not Service.IN_SERVICE:
        back = Action(label="Back in service", target=target, verb="service")
        found.append(Obstacle(sentence=f"{machine.name} is {facts.service.value.replace('-', ' ')}.", action=back))
    if facts.link is not Link.ONLINE:
        found.append(Obstacle(sentence=f"{machine.name} is {facts.link.value}: switch it on and check its cable."))
    elif facts.activity is Activity.FAULT:
        reset = Action(label="Reset", target=target, verb="reset")
        found.append(Obstacle(sentence=f"{machine.name} has a fault ({facts.reason}): reset it.", action=reset))
    elif facts.position is Position.SUSPECT:
        trust = Action(label="I confirm its place", target=target, verb="trust-position")
        found.append(
            Obstacle(
                sentence=f"Nobody knows for sure where the tool of {machine.name} is. Home it only if the part is "
                "not in the way of any axis; else bring it where you know it to be, and confirm its place.",
                action=trust,
            )
        )
    elif reasons := unready_reasons(facts):
        found.append(Obstacle(sentence=f"{machine.name}: {reasons[0]}."))
    return found


def _preview(found: Found, made: Rehearsal, in_the_way: tuple[Obstacle, ...]) -> ContinuationPreview:
    run, first = found.run, made.preview.first_line
    verdict = check(made.analysis, found.machine.profile, found.machine.setup)
    least = run.surely_executed_line
    return ContinuationPreview(
        run=run.code,
        version=run.version,
        machine=found.machine.name,
        summary=made.preview.summary,
        first_line=first,
        layer=layer_at(found.program.analysis, first),
        position_mm=made.preview.at_mm,
        repeated_lines=max(0, run.acknowledged_line - first + 1),
        skipped_lines=max(0, first - least - 1),
        lines=made.preview.lines,
        warnings=(*_about_the_line(run, first, least), *made.preview.warnings),
        program_sha256=made.sha256,
        size_bytes=made.size_bytes,
        passed=verdict.passed,
        findings=tuple(
            FindingShape(**{name: getattr(each, name) for name in FindingShape.__struct_fields__})
            for each in verdict.findings
        ),
        obstacles=in_the_way,
    )


def _about_the_line(run: Run, first: int, least: int) -> list[str]:
    said = []
    if first > least + 1:
        said.append(f"Lines {least + 1} to {first - 1} may never have been executed, and this leaves them out.")
    if first <= run.acknowledged_line:
        said.append(f"Lines {first} to {run.acknowledged_line} may have been executed in part; they are done again.")
    return said
