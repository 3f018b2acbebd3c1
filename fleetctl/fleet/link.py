"""The controller's end of the line to one agent: dial, greet, apply its reports in order, carry commands.

A line breaks and is dialled again; nothing here counts on it. Reports are acknowledged only once they are
committed; kept commands are sent again on every new line; verbs and stops are sent once, and fail when the
line breaks, because a late one would surprise somebody. A store that fails does not end a line: a stop must
reach the machines whatever the disk does.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import msgspec
import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.errors import AgentUnavailable, FleetctlError, LinkError, StoreUnavailable, TheirProtocolError
from fleetctl.fleet.agent_shapes import BlockedShape
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.connection import assignment, disconnected, held_by, hello, lost, stop_due, welcomed
from fleetctl.fleet.record import Record
from fleetctl.fleet.reports import apply_report
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Acknowledge,
    Answer,
    Assign,
    BlockedReport,
    JogReport,
    Leave,
    LeavingReport,
    MachineAssignment,
    MachineReport,
    Question,
    Reply,
    Report,
    RunReport,
    Stop,
    StopReport,
    TelemetryReport,
    ToAgent,
    ToController,
    Verb,
    Welcome,
    decode_to_controller,
    encode,
    protocol_of,
)
from fleetctl.store import machines, runs
from fleetctl.store.runs import CommandKind
from fleetctl.transport.peer import PeerLink

log = logging.getLogger(__name__)

Dial = Callable[[], Awaitable[PeerLink]]
"""Opens a line to the agent, starting the agent's process first where that is ours to do. Raises LinkError."""

WELCOME_WITHIN_S = 10.0
RETRY_S = (0.2, 5.0)
"""Pause before the next dial: first and greatest, doubled each time, with jitter."""

BATCH = 8
"""Reports applied in one unit of work: two milliseconds each on a slow disk, and a unit may take 20 ms."""

COMMANDS_REST_S = 0.05
ASSIGN_REST_S = 0.25
"""Pauses after kept commands and after the list of machines were looked for: hundreds of machines that are added or
started one by one make a few messages, not one list of all of them for each."""

STORE_RETRY_S = 2.0
"""Pause before the store is tried again on a line that goes on without it."""

REPORTS_KEPT = 1000
"""Reports that may wait for the store; an agent has far fewer on their way at a time."""

BLOCKED_KEPT = 20
"""Blocked calls that are remembered and, at most, wait to be put on record."""

T = TypeVar("T")


class AgentLink:
    """The line to one agent. `connected`: the record knows that the agent is here, and work may be given to it."""

    def __init__(
        self,
        name: str,
        site: str,
        dial: Dial,
        record: Record,
        telemetry: Telemetry,
        clock: Clock,
        rng: random.Random,
        version: str = "",
    ) -> None:
        """`version` is ours; an agent of another one is replaced when it is idle. Empty: any will do."""
        self._version = version
        self._dismissed = ""
        self.name = name
        self.connected = False
        self.leaving = False
        self.foreign = False
        """Whether an agent of another protocol is there, which ends when it is idle."""
        self.welcome: Welcome | None = None
        self.blocked: deque[BlockedShape] = deque(maxlen=BLOCKED_KEPT)
        self._unnoted: asyncio.Queue[BlockedShape] = asyncio.Queue(BLOCKED_KEPT)
        self.on_jog: Callable[[JogReport], None] | None = None
        self._site = site
        self._dial = dial
        self._record = record
        self._telemetry = telemetry
        self._clock = clock
        self._rng = rng
        self._peer: PeerLink | None = None
        self._greeted = False
        self._names: dict[str, str] = {}
        self._told: tuple[MachineAssignment, ...] = ()
        self._asked: dict[str, asyncio.Future[Answer | StopReport | Reply]] = {}
        self._commands = asyncio.Event()
        self._assignments = asyncio.Event()

    def commands_waiting(self) -> None:
        """Commands for this agent were committed."""
        self._commands.set()

    def assignments_changed(self) -> None:
        """The agent must hold other machines from now on."""
        self._assignments.set()

    def send(self, message: ToAgent) -> None:
        """Send one message now. Raises AgentUnavailable."""
        if self._peer is None or not self.connected:
            raise AgentUnavailable()
        _put(self._peer, message)

    async def ask(self, message: Verb | Stop | Question, within_s: float) -> Answer | StopReport | Reply:
        """Send and wait for the answer. A stop goes out as soon as the agent has answered, recorded or not.

        Raises AgentUnavailable.
        """
        answer: asyncio.Future[Answer | StopReport | Reply] = asyncio.get_running_loop().create_future()
        self._asked[message.command_id] = answer
        try:
            if isinstance(message, Stop) and self._greeted and self._peer is not None:
                _put(self._peer, message)
            else:
                self.send(message)
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError as error:
            raise AgentUnavailable(f"No answer within {within_s:g} s; look at the machine.") from error
        finally:
            self._asked.pop(message.command_id, None)

    async def run(self) -> None:
        """Hold the line until cancelled."""
        pause_s = RETRY_S[0]
        while True:
            try:
                self._peer = await self._dial()
                pause_s = RETRY_S[0]
                await self._converse(self._peer)
            except (FleetctlError, msgspec.DecodeError, TimeoutError) as error:
                log.warning("agent %s: %s", self.name, error)
            finally:
                self._greeted = False
                if self._peer is not None:
                    self._peer.close()
                    self._peer = None
            await self._gone()
            await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, RETRY_S[1])

    async def _gone(self) -> None:
        """Forget the line; say on record that nobody sees the machines."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(AgentUnavailable())
        if not self.connected:
            return
        self.connected = False
        for name in self._names.values():
            self._telemetry.forget(name)
        try:
            await self._record.change("agent", lambda conn, stamp: disconnected(conn, self.name, stamp))
        except StoreUnavailable as error:
            log.error("agent %s is lost and the store cannot record it: %s", self.name, error)

    async def _converse(self, peer: PeerLink) -> None:
        """Greet, then do everything on one line until it breaks."""
        greeting = await self._record.look(lambda conn: hello(conn, self.name, self._site))
        self._told = greeting.machines
        _put(peer, greeting)
        first = await self._first_word(peer)
        protocol = protocol_of(first)
        if protocol is not None and protocol != PROTOCOL_VERSION:
            await self._outlast(peer, protocol, greeting.stop_id)
        welcome = self.welcome = self._welcome(first)
        self.leaving = welcome.leaving
        self._greeted = True
        self._replace_when_idle(peer, welcome)
        reports: asyncio.Queue[Report] = asyncio.Queue(REPORTS_KEPT)
        broken: BaseExceptionGroup[Exception] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(peer, reports))
                missing = await self._change(functools.partial(_welcomed, welcome))
                await self._assignments_now()
                self.connected = True
                self._commands.set()
                await self._agree_on_the_stop(peer, welcome.stop_id)
                group.create_task(self._apply(peer, reports, welcome.last_sequence, missing))
                group.create_task(self._carry_commands(peer))
                group.create_task(self._carry_assignments(peer))
                group.create_task(self._note_blocked())
                # Until a task fails: a group that fails while it is being left stays cancelled (Python before 3.13).
                await asyncio.get_running_loop().create_future()
        except* (FleetctlError, msgspec.DecodeError) as errors:
            broken = errors
        # Raised outside the block: Debian 12's Python wraps what is raised in it in a group that nobody catches.
        if broken is not None:
            _end_if_cancelled()
            raise LinkError(str(_first(broken))) from broken

    def _replace_when_idle(self, peer: PeerLink, welcome: Welcome) -> None:
        """An agent of another version goes on with what it has in hand; the next dial starts the one of ours.

        Where the successor is of the same version again, what is installed is not what we are, and it stays.
        """
        if self._version and welcome.version not in (self._version, self._dismissed):
            self._dismissed = welcome.version
            log.info("agent %s is of version %s; it ends when it is idle", self.name, welcome.version)
            self.leaving = True
            _put(peer, Leave(when="idle"))

    async def _note_blocked(self) -> None:
        """Put on record which driver held up its agent, as far as there is time for it."""
        while True:
            blocked = await self._unnoted.get()
            await self._change(functools.partial(_note, self.name, blocked))

    async def _agree_on_the_stop(self, peer: PeerLink, held: str) -> None:
        """A stop that was pressed or released while we greeted was sent to nobody. `held`: what the agent holds.

        It looks again after each word, so that whoever presses or releases meanwhile has the last one (I15).
        """
        while (due := await self._look(functools.partial(stop_due, held))) is not None:
            _put(peer, due)
            held = due.command_id if isinstance(due, Stop) else ""

    async def _look(self, read: Callable[[sa.Connection], T]) -> T:
        """What the store says, once it can."""
        return await self._insist(lambda: self._record.look(read))

    async def _change(self, unit: Callable[[sa.Connection, Stamp], T]) -> T:
        """Committed, once the store can."""
        return await self._insist(lambda: self._record.change("agent", unit))

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await attempt()
            except StoreUnavailable as error:
                log.error("agent %s waits for the store: %s", self.name, error)
            await self._clock.sleep(STORE_RETRY_S)

    async def _first_word(self, peer: PeerLink) -> bytes:
        async with asyncio.timeout(WELCOME_WITHIN_S):
            return await _next(peer)

    def _welcome(self, data: bytes) -> Welcome:
        message = decode_to_controller(data)
        if not isinstance(message, Welcome):
            raise TheirProtocolError(f"agent {self.name} does not say who it is; install the same version on both.")
        return message

    async def _outlast(self, peer: PeerLink, protocol: int, stop_id: str) -> NoReturn:
        """An agent of another protocol was here before us: it finishes what it has in hand, ends, and the next dial
        starts the one of ours, which finds in its journal what came of the runs. Until then only a stop passes.

        Raises LinkError when it has ended.
        """
        log.warning(
            "agent %s speaks protocol %d, we speak %d; it ends when it is idle", self.name, protocol, PROTOCOL_VERSION
        )
        self.foreign = self._greeted = True
        try:
            if stop_id:
                _put(peer, Stop(command_id=stop_id))
            _put(peer, Leave(when="idle"))
            while True:
                data = await _next(peer)
                try:
                    message = decode_to_controller(data)
                except msgspec.DecodeError:
                    continue
                if isinstance(message, StopReport):
                    self._answered(message)
        finally:
            self.foreign = False

    def _answered(self, message: Answer | StopReport | Reply) -> None:
        answer = self._asked.get(message.command_id)
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _listen(self, peer: PeerLink, reports: asyncio.Queue[Report]) -> None:
        while True:
            data = await _next(peer)
            try:
                message = decode_to_controller(data)
            except msgspec.DecodeError as error:
                log.error("agent %s sent what is no message: %s; ignored", self.name, error)
            else:
                self._take(message, reports)

    def _take(self, message: ToController, reports: asyncio.Queue[Report]) -> None:
        if isinstance(message, TelemetryReport):
            if name := self._names.get(message.machine_id):
                self._telemetry.update(name, message)
        elif isinstance(message, LeavingReport):
            self.leaving = message.leaving
        elif isinstance(message, BlockedReport):
            self._heard_blocked(message)
        elif isinstance(message, JogReport):
            if self.on_jog is not None:
                self.on_jog(message)
        elif isinstance(message, MachineReport | RunReport):
            if reports.full():
                # Leaving one out and acknowledging a later one would lose it; a new line brings all again.
                raise TheirProtocolError(f"agent {self.name} sent {REPORTS_KEPT} reports without an acknowledgement.")
            reports.put_nowait(message)
        elif isinstance(message, Answer | StopReport | Reply):
            self._answered(message)

    def _heard_blocked(self, message: BlockedReport) -> None:
        machine = self._names.get(message.machine_id, message.machine_id)
        blocked = BlockedShape(
            machine=machine, driver=message.driver, late_s=message.late_s, where=message.where, at_s=message.at_s
        )
        log.warning(
            "agent %s: driver %s of %s held it up for %.1f s", self.name, blocked.driver, machine, blocked.late_s
        )
        self.blocked.append(blocked)
        if not self._unnoted.full():
            self._unnoted.put_nowait(blocked)

    async def _apply(
        self, peer: PeerLink, reports: asyncio.Queue[Report], last_at_welcome: int, missing: list[str]
    ) -> None:
        """Commit reports in order, acknowledge what is committed; then settle what was missing at the Welcome."""
        applied = await self._look(lambda conn: machines.last_sequence(conn, self.name))
        while True:
            if missing and applied >= last_at_welcome:
                candidates, missing = missing, []
                await self._change(functools.partial(_lost, candidates))
            batch = [await reports.get()]
            while len(batch) < BATCH and not reports.empty():
                batch.append(reports.get_nowait())
            await self._change(self._unit(batch))
            applied = max(applied, batch[-1].sequence)
            _put(peer, Acknowledge(sequence=batch[-1].sequence))
            self._commands.set()  # another firmware may have withdrawn a run

    def _unit(self, batch: list[Report]) -> Callable[[sa.Connection, Stamp], None]:
        def apply_batch(conn: sa.Connection, stamp: Stamp) -> None:
            for report in batch:
                apply_report(conn, self.name, report, stamp)

        return apply_batch

    async def _carry_commands(self, peer: PeerLink) -> None:
        sent: set[str] = set()
        while True:
            await self._commands.wait()
            self._commands.clear()
            pending = await self._look(lambda conn: runs.pending_commands(conn, self.name))
            unsent = [command for command in pending if command.id not in sent]
            if any(command.kind is CommandKind.START for command in unsent):
                # The agent goes by what it was told of the machine, such as the work offsets that the run was claimed
                # for, and whether a person must press cycle start: so that goes first.
                held = await self._assignments_now()
                if held != self._told:
                    self._assign(peer, held)
            for command in unsent:
                sent.add(command.id)
                _put(peer, command.message)
            await self._clock.sleep(COMMANDS_REST_S)

    async def _carry_assignments(self, peer: PeerLink) -> None:
        while True:
            await self._assignments.wait()
            self._assignments.clear()
            self._assign(peer, await self._assignments_now())
            await self._clock.sleep(ASSIGN_REST_S)

    def _assign(self, peer: PeerLink, held: tuple[MachineAssignment, ...]) -> None:
        self._told = held
        _put(peer, Assign(machines=held))

    async def _assignments_now(self) -> tuple[MachineAssignment, ...]:
        held = await self._look(lambda conn: held_by(conn, self.name))
        self._names = {machine.id: machine.name for machine in held}
        return tuple(assignment(machine) for machine in held)


def _welcomed(welcome: Welcome, conn: sa.Connection, stamp: Stamp) -> list[str]:
    return welcomed(conn, welcome, stamp)


def _note(agent: str, blocked: BlockedShape, conn: sa.Connection, stamp: Stamp) -> None:
    told = {"agent": agent, "driver": blocked.driver, "late_s": blocked.late_s, "where": blocked.where}
    log_event(conn, stamp, "agent.blocked", blocked.machine, **told)


def _lost(candidates: list[str], conn: sa.Connection, stamp: Stamp) -> None:
    lost(conn, candidates, stamp)


def _end_if_cancelled() -> None:
    """Raise the CancelledError that a task group loses when one of its tasks fails meanwhile (Python before 3.13)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _put(peer: PeerLink, message: ToAgent | bytes) -> None:
    """Queue one message; a line that takes no more is given up, so that the agent is greeted anew."""
    if not peer.send(message if isinstance(message, bytes) else encode(message)):
        raise AgentUnavailable("The line to the agent is gone or takes no more.")


async def _next(peer: PeerLink) -> bytes:
    """The next message. Raises LinkError at the end of the line."""
    try:
        return await anext(aiter(peer))
    except StopAsyncIteration:
        raise peer.lost or LinkError("The line to the agent was closed.") from None
