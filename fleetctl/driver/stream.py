"""A complete driver for any machine that is fed line by line: give it an engine, get a `Driver`.

It turns verbs into engine calls and engine events into calls of the listener, sees to it that a run ends exactly
once, and bounds every wait. It must not know any firmware's words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import msgspec

from fleetctl.clock import Clock
from fleetctl.driver.api import (
    Capabilities,
    EndKind,
    Identity,
    Listener,
    MachineSpec,
    ProgramSource,
    Prompt,
    Telemetry,
)
from fleetctl.driver.operating import ByHand
from fleetctl.driver.progress import ProgressTeller
from fleetctl.driver.streamer import Streamer
from fleetctl.errors import FleetctlError, LinkError, MachineBusy, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    AnswersQuestions,
    ChecksFirst,
    CommandDone,
    Engine,
    EngineEvent,
    Identified,
    MachineFault,
    Measured,
    Message,
    Overrides,
    Position,
    PositionSuspect,
    Progress,
    Prompted,
    Ready,
    RunBegun,
    RunEnded,
    RunFinished,
    RunRefused,
    StateChanged,
    Switches,
    Temperatures,
    Verb,
    VerbDone,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder
from fleetctl.transport.base import Transport
from fleetctl.transport.blanking import blank_url

PATIENCE_S: dict[Verb, float] = {Verb.HOME: 300.0, Verb.CLEAR_FAULT: 20.0, Verb.MAKE_SAFE: 5.0, Verb.STOP: 3.0}
"""How long each verb may take: homing a large slow machine takes minutes, a board boots within seconds."""

START_PATIENCE_S = 10.0
"""How long an engine may ask the machine before a program; it gives up earlier by itself."""

COMMAND_PATIENCE_S = 900.0
"""Probing a bed or heating a chamber by hand takes many minutes."""


class StreamDriver(ByHand):
    """`Driver` over an engine. `planner_depth` is how many acknowledged moves the machine may not have executed.

    `make_feeder` gives a new feeder with the line limit and the cleaning that the firmware wants.
    """

    def __init__(
        self,
        spec: MachineSpec,
        transport: Transport,
        clock: Clock,
        listener: Listener,
        *,
        engine: Engine,
        capabilities: Capabilities,
        make_feeder: Callable[[], Feeder],
        planner_depth: int = 16,
    ) -> None:
        self.capabilities = capabilities
        self._spec = spec
        self._clock = clock
        self._listener = listener
        self._engine = engine
        self._make_feeder = make_feeder
        self._streamer = Streamer(
            engine,
            transport,
            clock,
            on_event=self._event,
            on_lost=self._lost,
            on_unreadable=self._unreadable,
        )
        self._teller = ProgressTeller(clock, listener, planner_depth)
        self._identity = Identity(firmware="")
        self._telemetry = Telemetry()
        self._activity = Activity.IDLE
        self._ready: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._verbs: dict[Verb, asyncio.Future[str]] = {}
        self._commands: dict[int, asyncio.Future[CommandDone]] = {}
        self._measured: dict[int, dict[str, tuple[float, ...]]] = {}
        self._run_in_hand = False
        self._unreadable_reason = ""
        self._prompt: Prompt | None = None

    # Link

    async def connect(self, deadline_s: float) -> Identity:
        """Open the link and identify the machine by `deadline_s` (`Clock.monotonic`). Raises LinkError."""
        self._ready = asyncio.get_running_loop().create_future()
        try:
            await self._streamer.open(deadline_s)
            async with asyncio.timeout_at(deadline_s):
                await self._ready
        except TimeoutError as error:
            self._streamer.close()
            raise LinkError(
                f"Nothing on {blank_url(self._spec.port)} answered in the words of this driver.",
                machine=self._spec.name,
                hint="Check the driver, the speed of the port, and that nothing else uses it.",
            ) from error
        except BaseException:
            self._streamer.close()
            raise
        finally:
            self._ready = None
        return self._identity

    async def close(self) -> None:
        """Close the link; a run in hand ends as interrupted."""
        if self._streamer.is_open:
            self._streamer.close()
            self._let_go(LinkError("The link was closed.", machine=self._spec.name))

    # Runs

    async def start(self, program: ProgramSource) -> None:
        """Begin to execute. Raises MachineBusy, MachineError, LinkError; then no byte of the program went out."""
        self._need_link()
        if self._run_in_hand:
            raise MachineBusy("A run is in hand.", machine=self._spec.name)
        self._run_in_hand = True
        self._unreadable_reason = ""
        self._teller.begin()
        try:
            await self._streamer.begin(self._make_feeder(), program)
            if isinstance(self._engine, ChecksFirst):
                await self._until_begun()
        except BaseException:
            self._run_in_hand = False
            self._streamer.forget_program()
            raise

    async def _until_begun(self) -> None:
        """Wait while the engine asks the machine. Raises what stands in the way; then it never begins."""
        self._begun = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(START_PATIENCE_S):
                await self._begun
        except (TimeoutError, asyncio.CancelledError) as error:
            # Nobody waits any more: an engine that still asks must not begin afterwards.
            with contextlib.suppress(FleetctlError):  # it gave up by itself, or the link is gone
                self._act(self._engine.cancel)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise MachineError("It was not ready for the program in time.", machine=self._spec.name) from error
        finally:
            self._begun = None

    def set_work_offsets(self, offsets_mm: Mapping[str, tuple[float, float, float]]) -> None:
        """The work offsets on record, for an engine that compares them before each program."""
        if isinstance(self._engine, ChecksFirst):
            self._engine.expect_offsets(offsets_mm)

    async def pause(self) -> None:
        """Hold; `activity(PAUSED)` follows when motion rests."""
        self._claim(self.capabilities.pause, "pause")
        self._act(self._engine.pause)

    async def resume(self) -> None:
        """Go on after `pause`, or after the firmware waited for a person."""
        self._act(self._engine.resume)

    async def cancel(self) -> None:
        """End the run in a controlled way; `ended` follows."""
        self._act(self._engine.cancel)

    # Safety and service

    def discard_unsent(self) -> None:
        """Drop unsent output; the stop follows at once."""
        if self._streamer.is_open:
            self._streamer.discard_unsent()

    def stop(self) -> None:
        """Drop unsent output and send the fastest stop, now; what it brings is told in the next turn of the loop."""
        if self._streamer.is_open:
            self._expect(Verb.STOP)
            self._streamer.at_once(lambda: self._engine.stop(self._clock.monotonic()))

    async def stopped(self) -> bool:
        """True once the firmware confirmed the last stop, False after three seconds without a word."""
        confirmation = self._verbs.get(Verb.STOP)
        if confirmation is None:
            return False
        await asyncio.wait([confirmation], timeout=PATIENCE_S[Verb.STOP])
        return confirmation.done() and not confirmation.cancelled() and not confirmation.result()

    async def make_safe(self) -> None:
        """Heaters, spindle, laser and coolant off; returns when the firmware took it."""
        await self._do(Verb.MAKE_SAFE, self._engine.make_safe)

    async def clear_fault(self) -> None:
        """Reset because a person asked. Raises MachineError when the firmware stays in its fault."""
        await self._do(Verb.CLEAR_FAULT, self._engine.clear_fault)

    async def home(self) -> None:
        """Home; returns when all axes rest at home. Raises MachineError when that failed."""
        self._claim(self.capabilities.home, "home")
        await self._do(Verb.HOME, self._engine.home)

    async def command(self, text: str) -> list[str]:
        """Run one line outside a run. Raises MachineError with the firmware's answer when it refused."""
        self._need_link()
        ticket = self._engine.command(text, self._clock.monotonic())
        done = await self._answer(ticket, repr(text), COMMAND_PATIENCE_S)
        if not done.ok:
            raise MachineError(f"{text!r} was refused: {' '.join(done.lines)}", machine=self._spec.name)
        return list(done.lines)

    async def _answer(self, ticket: int, what: str, patience_s: float) -> CommandDone:
        """Send what the engine wants sent, and wait for the answer to this ticket. Raises MachineError."""
        answer: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self._commands[ticket] = answer
        self._streamer.pump()
        try:
            async with asyncio.timeout(patience_s):
                return await answer
        except TimeoutError as error:
            raise MachineError(f"No answer to {what}.", machine=self._spec.name) from error
        finally:
            self._commands.pop(ticket, None)

    def prompt(self) -> Prompt | None:
        """What the firmware asks a person now."""
        return self._prompt

    async def answer_prompt(self, choice: int) -> None:
        """Give a person's answer. Raises MachineError when nothing is asked or the firmware would not hear it."""
        engine = self._engine
        if not isinstance(engine, AnswersQuestions):
            raise MachineError("This machine asks nothing.", machine=self._spec.name)
        self._act(lambda now: engine.answer_prompt(choice, now))

    # How verbs go to the engine

    def _need_link(self) -> None:
        if not self._streamer.is_open:
            raise LinkError("There is no link.", machine=self._spec.name)

    def _claim(self, claimed: bool, verb: str) -> None:
        if not claimed:
            raise MachineError(f"This machine cannot {verb}.", machine=self._spec.name)

    def _act(self, verb: Callable[[float], None]) -> None:
        self._need_link()
        verb(self._clock.monotonic())
        self._streamer.pump()

    def _expect(self, verb: Verb) -> asyncio.Future[str]:
        answer = self._verbs.get(verb)
        if answer is None or answer.done():
            answer = self._verbs[verb] = asyncio.get_running_loop().create_future()
        return answer

    async def _do(self, verb: Verb, act: Callable[[float], None]) -> None:
        """Ask and wait; several callers of one verb share its answer."""
        asked_before = verb in self._verbs and not self._verbs[verb].done()
        answer = self._expect(verb)
        if not asked_before:
            try:
                self._act(act)
            except FleetctlError:
                answer.cancel()
                raise
        await asyncio.wait([answer], timeout=PATIENCE_S[verb])
        if not answer.done():
            answer.cancel()
            raise MachineError(f"No answer to {verb}.", machine=self._spec.name, hint="Look at the machine.")
        if answer.cancelled():
            raise MachineError(f"{verb} was abandoned.", machine=self._spec.name)
        if problem := answer.result():
            raise MachineError(problem, machine=self._spec.name)

    # What the engine says

    def _event(self, event: EngineEvent) -> None:
        match event:
            case Progress():
                self._teller.progress(event)
            case Temperatures(readings_degc=readings):
                self._tell_telemetry(temperatures_degc={**self._telemetry.temperatures_degc, **readings})
            case Position():
                self._tell_telemetry(
                    position_mm=event.position_mm or self._telemetry.position_mm,
                    feed_mm_s=event.feed_mm_s,
                    spindle_rpm=event.spindle_rpm,
                )
            case Message(text=text):
                self._tell_telemetry(message=text)
            case Prompted(text=text, choices=choices):
                self._prompt = Prompt(text, choices) if text or choices else None
            case Overrides(percent=percent):
                self._tell_telemetry(overrides_percent={**self._telemetry.overrides_percent, **percent})
            case Switches(closed=closed, on=on):
                self._tell_telemetry(switches_closed=closed, accessories_on=on)
            case StateChanged(activity=activity, reason=reason):
                self._tell_activity(activity, reason)
            case WaitingForPerson(reason=reason):
                self._tell_activity(Activity.WAITING, reason)
            case MachineFault():
                self._tell_activity(Activity.FAULT, event.text or event.kind, event.position_lost)
            case PositionSuspect(reason=reason):
                self._tell_activity(self._activity, reason, True)
            case RunFinished() | RunEnded():
                self._run_event(event)
            case RunBegun():
                if self._begun is not None and not self._begun.done():
                    self._begun.set_result(None)
            case RunRefused(reason=reason, hint=hint):
                self._refuse(MachineError(reason, machine=self._spec.name, hint=hint))
            case _:
                self._answer_event(event)

    def _run_event(self, event: RunFinished | RunEnded) -> None:
        self._teller.acknowledged(event.acknowledged_line, event.acknowledged_bytes)
        if isinstance(event, RunFinished):
            self._end(EndKind.FINISHED, "", depth=0)
        elif self._unreadable_reason:
            self._end(EndKind.FAILED, self._unreadable_reason, event.planner_depth)
        else:
            self._end(EndKind(event.kind.value), event.reason, event.planner_depth)

    def _answer_event(self, event: EngineEvent) -> None:
        match event:
            case Identified():
                self._identity = Identity(
                    firmware=event.firmware,
                    version=event.version,
                    board_uuid=event.facts.get("uuid", ""),
                    board_model=event.facts.get("board", ""),
                    facts=event.facts,
                )
                if event.planner_depth is not None:
                    self._teller.planner_depth = event.planner_depth
            case Ready():
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(None)
            case Measured(ticket=ticket, values=values):
                self._measured[ticket] = values
            case CommandDone(ticket=ticket):
                answer = self._commands.get(ticket)
                if answer is not None and not answer.done():
                    answer.set_result(event)
            case VerbDone(verb=verb, error=error):
                outcome = self._verbs.get(verb)
                if outcome is not None and not outcome.done():
                    outcome.set_result(error)

    def _tell_telemetry(
        self,
        *,
        temperatures_degc: dict[str, tuple[float, float]] | None = None,
        position_mm: tuple[float, float, float] | None = None,
        feed_mm_s: float | None = None,
        spindle_rpm: float | None = None,
        message: str | None = None,
        overrides_percent: dict[str, float] | None = None,
        switches_closed: tuple[str, ...] | None = None,
        accessories_on: tuple[str, ...] | None = None,
    ) -> None:
        old = self._telemetry
        self._telemetry = Telemetry(
            temperatures_degc=old.temperatures_degc if temperatures_degc is None else temperatures_degc,
            position_mm=old.position_mm if position_mm is None else position_mm,
            feed_mm_s=old.feed_mm_s if feed_mm_s is None else feed_mm_s,
            spindle_rpm=old.spindle_rpm if spindle_rpm is None else spindle_rpm,
            message=old.message if message is None else message,
            overrides_percent=old.overrides_percent if overrides_percent is None else overrides_percent,
            switches_closed=old.switches_closed if switches_closed is None else switches_closed,
            accessories_on=old.accessories_on if accessories_on is None else accessories_on,
        )
        self._listener.telemetry(self._telemetry)

    def _tell_activity(self, activity: Activity, reason: str, position_lost: bool = False) -> None:
        self._activity = activity
        self._listener.activity(activity, reason, position_lost)

    # Ends

    def _refuse(self, error: FleetctlError) -> bool:
        """Let `start` raise this if it still waits for the engine; whether it raises, now or by an earlier call."""
        begun = self._begun
        if begun is None:
            return False
        if not begun.done():
            begun.set_exception(error)
        return begun.cancelled() or begun.exception() is not None

    def _end(self, kind: EndKind, reason: str, depth: int) -> None:
        if not self._run_in_hand or self._refuse(MachineError(reason, machine=self._spec.name)):
            return
        self._run_in_hand = False
        self._streamer.forget_program()
        last = self._teller.finish()
        self._listener.ended(kind, reason, msgspec.structs.replace(last, planner_depth=depth))

    def _unreadable(self, reason: str) -> None:
        """The program cannot be read on: the machine is brought to a controlled end."""
        self._unreadable_reason = f"The program could not be read to its end: {reason}"
        self._refuse(MachineError(self._unreadable_reason, machine=self._spec.name))
        try:
            self._act(self._engine.cancel)
        except FleetctlError as error:
            self._end(EndKind.FAILED, f"{self._unreadable_reason} ({error})", self._teller.planner_depth)

    def _lost(self, reason: LinkError) -> None:
        connecting = self._ready is not None
        self._let_go(reason)
        if not connecting:
            self._listener.lost(str(reason))

    def _let_go(self, reason: LinkError) -> None:
        """Everything that waits for the machine ends here."""
        self._refuse(reason)
        self._end(EndKind.INTERRUPTED, str(reason), self._teller.planner_depth)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(reason)
        for ticket, command in self._commands.items():
            if not command.done():
                command.set_result(CommandDone(ticket=ticket, lines=(str(reason),), ok=False))
        for outcome in self._verbs.values():
            if not outcome.done():
                outcome.set_result(str(reason))
