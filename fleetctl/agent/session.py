"""One machine: its link from connecting to loss, again and again, and the run in hand.

Responsible for the facts of the machine and for what must follow from them: a lost link ends the run at once,
reconnecting never resumes (I12), what ended badly is made safe. It only sequences; a run's own steps are in
`execution`, verbs in `verbs`. Must not know other machines, the controller or any firmware's words.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fleetctl.agent.backoff import BackOff
from fleetctl.agent.console import Console
from fleetctl.agent.early import make_safe_while_connecting
from fleetctl.agent.ears import Ears
from fleetctl.agent.execution import DRAIN_PATIENCE_S, END_PATIENCE_S, PRESS_CYCLE_START, STOPPED_UNBEGUN, Execution
from fleetctl.agent.facts import Facts
from fleetctl.agent.jogging import JogHand
from fleetctl.agent.recognition import Recognition
from fleetctl.agent.safing import Safing
from fleetctl.agent.shared import Shared
from fleetctl.agent.telemetry import Readings
from fleetctl.agent.wire import Wire, told_activity, told_end
from fleetctl.driver.api import (
    Driver,
    EndKind,
    MachineSpec,
    Progress,
    TakesWorkOffsets,
    Telemetry,
)
from fleetctl.errors import BoardChanged, FleetctlError, LinkError, UsageError
from fleetctl.model.board import Board
from fleetctl.model.machine import Activity, Link
from fleetctl.model.messages import MachineAssignment, PromptShown, Start
from fleetctl.model.run import RunState
from fleetctl.transport.hotplug import Signature

T = TypeVar("T")

log = logging.getLogger(__name__)

CONNECT_PATIENCE_S = 30.0
"""Opening a port, waiting for a board to boot, and its identification."""

CLOSE_PATIENCE_S = 5.0
STEADY_AFTER_S = 10.0
"""A link that held this long was a good one: the next loss is retried soon."""

STOP_PATIENCE_S = 2.0
"""How long a machine may take to confirm a stop."""


class Session:
    """One machine of this agent. `run()` is its task; everything else is called from the loop's thread."""

    def __init__(self, assignment: MachineAssignment, shared: Shared) -> None:
        """Opens nothing. The position is what the journal knows, which is newer than the assignment's."""
        self.assignment = assignment
        position = shared.journal.state.content.positions.get(assignment.machine_id, assignment.position)
        self.facts = Facts(assignment.machine_id, position, shared)
        self.hand: Execution | None = None
        self.driver: Driver | None = None
        self.wire = Wire()
        self.console = Console(self.wire, shared.clock)
        self._shared = shared
        self._backoff = BackOff(shared.rng)
        self._tasks: asyncio.TaskGroup | None = None
        self._ears: Ears | None = None
        self._link_end: asyncio.Future[Exception] | None = None
        self._retry_now = asyncio.Event()
        self._retired = False
        self._stale = False
        self.blocks = False
        """Whether its driver was seen to hold up the whole agent."""
        self._recognition = Recognition(assignment, shared)
        self._readings = Readings(assignment.machine_id, shared.clock, shared.telemetry)
        self.safing = Safing(self, shared, self._readings)
        self.jog_hand = JogHand(self)

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.assignment.name

    @property
    def stopped(self) -> bool:
        """Whether everything is stopped until a person releases it (I15)."""
        return self._shared.journal.state.stopped

    @property
    def busy(self) -> bool:
        """Whether a run is in hand, or one that ended badly is still being made safe."""
        return self.hand is not None or self.safing.under_way

    @property
    def spindle_rpm(self) -> float | None:
        """How fast the spindle turns, as the machine told it last."""
        return self._readings.telemetry.spindle_rpm

    def now_s(self) -> float:
        """The clock of deadlines."""
        return self._shared.clock.monotonic()

    # The task

    async def run(self) -> None:
        """Hold the link, again and again, until `retire`."""
        try:
            await self._hold_links()
        finally:
            self.jog_hand.let_go()

    async def _hold_links(self) -> None:
        while not self._retired:
            self._retry_now.clear()
            self.facts.tell()
            begun_s = self._shared.clock.monotonic()
            device = self._shared.port_watch.look(self.assignment.port)
            await self._one_link()
            _heed_cancellation()
            if self._shared.clock.monotonic() - begun_s > STEADY_AFTER_S + CONNECT_PATIENCE_S:
                self._backoff.reset()
            if not self._retired:
                await self._wait_before_retry(device)

    async def _wait_before_retry(self, device: Signature | None) -> None:
        """Until the back-off is over, a person asks, or the port that was `device` is plugged in again."""
        with self._shared.port_watch.watching(self.assignment.port, device, self._retry_now.set):
            try:
                async with asyncio.timeout(self._backoff.next_s()):
                    await self._retry_now.wait()
                    self._backoff.reset()
                    self.facts.link = Link.CONNECTING
            except TimeoutError:
                pass

    async def _one_link(self) -> None:
        """One link from opening to loss. Whatever a driver raises ends only this."""
        ears = self._ears = Ears(self, self._shared.clock)
        self._link_end = asyncio.get_running_loop().create_future()
        try:
            self.driver = self._make_driver(ears)
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._connect_guarded(self.driver), name=f"{self.name}: connect")
                raise await self._link_end
        except Exception as error:  # noqa: BLE001 - the boundary of a session: a driver may raise anything
            self.break_link(error)
        finally:
            ears.shut()
            self._tasks = None
            driver, self.driver = self.driver, None
            if driver is not None:
                await self._close(driver)

    def _make_driver(self, ears: Ears) -> Driver:
        assignment = self.assignment
        self._stale = False
        driver_type = self._shared.drivers.get(assignment.driver)
        if driver_type is None:
            known = ", ".join(sorted(self._shared.drivers)) or "none"
            raise UsageError(f"There is no driver {assignment.driver!r}; installed: {known}.")
        transport = self.wire.over(self._shared.open_transport(assignment, driver_type, self._recognition.speed()))
        spec = MachineSpec(
            name=assignment.name,
            port=assignment.port,
            profile=assignment.profile,
            options=assignment.options,
            work_offsets_mm=assignment.work_offsets_mm,
        )
        return driver_type.make(spec, transport, self._shared.clock, ears)

    async def _connect(self, driver: Driver) -> None:
        """Open and identify; then, before the machine counts as online, make safe what a run left hot."""
        self.facts.activity, self.facts.activity_reason = Activity.IDLE, ""
        self.safing.new_link()
        deadline_s = self._shared.clock.monotonic() + CONNECT_PATIENCE_S
        unsafe = self.safing.owed
        early = self._early(driver) if unsafe else None
        try:
            async with asyncio.timeout_at(deadline_s + CLOSE_PATIENCE_S):
                identity = await driver.connect(deadline_s)
        except TimeoutError as error:
            raise LinkError(f"The driver did not connect within {CONNECT_PATIENCE_S:.0f} s.") from error
        finally:
            if early is not None:
                early.cancel()
        self.facts.board = Board(uuid=identity.board_uuid, model=identity.board_model)
        self._recognition.answered(self.facts.board)
        if self.stopped or (unsafe and not self.safing.works):
            await self.safing.make_safe(driver)
        self.facts.firmware = f"{identity.firmware} {identity.version}".strip()
        self.facts.link, self.facts.link_reason = Link.ONLINE, ""
        self.facts.tell()
        self._readings.driver = driver
        self._readings.post()

    async def _close(self, driver: Driver) -> None:
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await driver.close()
        except Exception:  # the boundary of a session: closing is the driver's code too
            log.exception("%s: the driver did not close its link", self.name)

    def _early(self, driver: Driver) -> asyncio.Task[None]:
        assert self._tasks is not None
        return self._tasks.create_task(make_safe_while_connecting(driver, self._shared.clock, self.name))

    async def _connect_guarded(self, driver: Driver) -> None:
        await self._guarded(self._connect(driver))

    def _link_ended(self, error: Exception) -> None:
        """Say why and what follows; a failure that is not a known error is a bug of the driver's."""
        cause = _first_cause(error)
        if not isinstance(cause, FleetctlError):
            log.error("%s: the driver failed", self.name, exc_info=error)
        self._offline(str(cause) if isinstance(cause, FleetctlError) else f"The driver failed: {cause!r}.")

    def _offline(self, reason: str) -> None:
        """The link is gone: the run is over at once, whatever may come later."""
        self.facts.link, self.facts.link_reason = Link.OFFLINE, reason
        if self.hand is not None:
            self.hand.cut_off(reason)
        self.facts.tell()

    def break_link(self, error: Exception) -> None:
        """Give the link up, now; it is opened again later."""
        if self._link_end is not None and not self._link_end.done():
            self._link_end.set_result(error)
            self._link_ended(error)

    def reconnect(self) -> None:
        """Open the link anew, now, because a person asked."""
        self._retry_now.set()
        self.break_link(LinkError("The link is opened anew because a person asked."))

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T | None]:
        """Do `work` as long as the link holds; what it raises ends the link. Raises LinkError unless online."""
        if self._tasks is None or self.facts.link is not Link.ONLINE:
            work.close()
            raise LinkError("There is no link.", machine=self.name)
        task = self._tasks.create_task(self._guarded(work), name=f"{self.name}: {name}")
        task.add_done_callback(lambda _: work.close())  # it never began when the link was lost first
        return task

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - the boundary of a session, for the tasks of one link
            self.break_link(error)
            return None

    # Runs

    def start(self, start: Start, obstacle: str = "") -> None:
        """Take the run in hand, or refuse it with the reason. `obstacle`: one that the caller knows of."""
        execution = Execution(start, self.assignment, self._shared, self._run_changed)
        execution.note = self.wire.verb
        obstacle = obstacle or self._obstacle()
        if obstacle:
            execution.end(RunState.REFUSED, obstacle)
            return
        driver = self.driver
        assert driver is not None  # online
        self.hand = execution
        self._readings.run_id, self._readings.progress = execution.run_id, Progress(0, 0, 0)
        execution.take()
        self.spawn(execution.carry_out(driver, self.facts.obstacle), f"run {start.run_id}")

    def _obstacle(self) -> str:
        if self.hand is not None:
            return f"run {self.hand.run_id} is in hand"
        if self._retired or self._stale:
            return "the session is about to end"
        return self._shared.journal.failing or self.facts.obstacle()

    def _run_changed(self, execution: Execution) -> None:
        """Called before each report of a run: the machine is told of first."""
        if self.hand is not execution:
            return
        self.facts.waits_for = PRESS_CYCLE_START if execution.at_gate else ""
        if execution.ended:
            self.hand = self._readings.run_id = None
            self._after_run(execution)
            self._shared.run_ended.set()
        self.facts.tell()

    def _after_run(self, execution: Execution) -> None:
        badly = execution.started and execution.state in (RunState.FAILED, RunState.INTERRUPTED)
        if badly and execution.state is RunState.INTERRUPTED:
            self.facts.lose_position()
        winds_down = self._retired  # and makes safe itself
        if execution.started and not winds_down and self.facts.link is Link.ONLINE and self.driver is not None:
            after = self.safing.make_safe_at_last if badly else self.safing.switch_off_what_was_left_on
            self.spawn(after(self.driver), "make safe")
        if self._stale:
            self.break_link(LinkError("The settings of the machine were changed."))

    def made_safe(self) -> None:
        """Heaters and spindle are off, because a person asked."""
        self.safing.done()

    # Stops

    @property
    def stop_rank(self) -> int:
        """When it is its turn in a stop of many: drivers that write through our own streamer first, then those that
        do their own I/O, at last the one that has blocked this agent before. Whoever blocks keeps nobody waiting."""
        return 2 if self.blocks else 0 if self._discard is not None else 1

    @property
    def _discard(self) -> Callable[[], None] | None:
        """That of a `DiscardsFirst`. Asking a protocol with `isinstance` takes longer than the discarding."""
        return getattr(self.driver, "discard_unsent", None)

    def discard_unsent(self) -> None:
        """The first half of a stop: what we have not sent yet never goes out. What the driver tells from here on
        waits until the stop is out on every link; `stop_sent` follows in the same turn of the loop."""
        if self._ears is not None:
            self._ears.keep()
        if self._discard is not None:
            try:
                self._discard()
            except Exception:  # the boundary of a session, as below
                log.exception("%s: the driver failed to discard its output", self.name)

    def stop_now(self) -> bool:
        """Send the stop, within this turn of the loop; whether there was a link to send it on."""
        if self.driver is None:
            return False
        if self.hand is not None and not self.hand.started:
            # The fault that the stop brings would refuse it, and that would count against its job.
            self.hand.end_as(RunState.CANCELLED, STOPPED_UNBEGUN)
        self.wire.verb("stop")
        try:
            self.driver.stop()
        except Exception:  # the boundary of a session: one bad driver must not keep the stop from the others
            log.exception("%s: the driver failed to stop", self.name)
            return False
        return self.facts.link is Link.ONLINE

    def stop_sent(self) -> None:
        """The stop is out on every link: what came of it is heard, and the run that had not begun never will."""
        if self._ears is not None:
            self._ears.pass_on()
        if self.hand is not None:
            self.hand.stop_sent()

    async def stop_confirmed(self) -> bool:
        """Whether the firmware confirmed the stop in time. A run that goes on all the same loses its link."""
        driver, hand = self.driver, self.hand
        deadline_s = self._shared.clock.monotonic() + STOP_PATIENCE_S
        confirmed = False
        try:
            async with asyncio.timeout_at(deadline_s):
                confirmed = driver is not None and await driver.stopped()
        except TimeoutError:
            pass
        except Exception:  # the boundary of a session, reached from the task of the stop
            log.exception("%s: the driver failed to confirm the stop", self.name)
        if hand is not None and not await hand.wait_ended(deadline_s):
            self.break_link(LinkError("The machine did not confirm the software stop."))
        return confirmed

    # Ends

    def assign(self, assignment: MachineAssignment) -> None:
        """New settings: at once when they do not touch the link, else when no run is in hand."""
        before, self.assignment = self.assignment, assignment
        self._retired = False
        self._tell_work_offsets()
        self._heed_board(before.board)
        if _link_settings(before) != _link_settings(assignment):
            self._stale = True
            self._recognition.doubt_speed()
            self._retry_now.set()
            driver = self.driver
            if self.hand is None and driver is not None and self._left_on:
                self.spawn(self._wind_down(driver, "The settings of the machine were changed."), "wind down")
            elif self.hand is None:
                self.break_link(LinkError("The settings of the machine were changed."))

    def _heed_board(self, before: Board) -> None:
        """The board on record is another one: a person confirmed it, or the record knew it before we did."""
        board = self.assignment.board
        if self._recognition.recorded(before, board):
            self.facts.lose_position()
            self._retry_now.set()
        if self.hand is None and self.facts.link is Link.ONLINE and board.contradiction(self.facts.board):
            self.break_link(BoardChanged("Another board answers than the one on record.", machine=self.name))

    def _tell_work_offsets(self) -> None:
        """Without a new link: opening a port resets many boards, and they would have to be homed again."""
        if isinstance(self.driver, TakesWorkOffsets):
            try:
                self.driver.set_work_offsets(self.assignment.work_offsets_mm)
            except Exception as error:  # noqa: BLE001 - the boundary of a session: a driver may raise anything
                self.break_link(error)

    def retire(self) -> None:
        """End `run()` when the link closes; with no run in hand, now. Nobody watches over heat after that."""
        self._retired = True
        self._retry_now.set()
        driver = self.driver
        if (self.busy or self._left_on) and driver is not None and self.facts.link is Link.ONLINE:
            self.spawn(self._wind_down(driver, "The agent was told to end."), "wind down")
        else:
            self.break_link(LinkError("The session ends."))

    @property
    def _left_on(self) -> bool:
        """Whether it would stay hot or turning without us. What moves without us is somebody else's program, such as
        one from the printer's own card."""
        on = self.safing.left_on and self.facts.activity is not Activity.RUNNING
        return on and self.facts.link is Link.ONLINE

    async def _wind_down(self, driver: Driver, reason: str) -> None:
        """Interrupt the run in a controlled way, make the machine safe, and let go."""
        hand = self.hand
        if hand is not None:
            hand.end_as(RunState.INTERRUPTED, "The agent was told to end.")
            try:
                await hand.cancel(driver)
            except FleetctlError as error:
                log.warning("%s: the run could not be cancelled (%s); stopping", self.name, error)
                driver.stop()
            # A cancel lets the machine finish what it has planned; after a stop it ends sooner.
            await hand.wait_ended(self._shared.clock.monotonic() + DRAIN_PATIENCE_S + END_PATIENCE_S)
        await self.safing.make_safe(driver)
        self.break_link(LinkError(reason))

    # What the driver tells

    def _told(self, text: str) -> None:
        self.wire.told(text)
        self.console.told(text)

    def heard_activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """The firmware changed what it does."""
        self._told(told_activity(activity, reason))
        self._look_for_a_prompt()
        self.facts.activity, self.facts.activity_reason = activity, reason
        if position_lost:
            self.facts.lose_position()
            if self.hand is not None and not self.hand.started:
                self.hand.end(RunState.REFUSED, reason or "the position of the machine was lost")
        if self.facts.link is Link.ONLINE:
            self.facts.tell()
        if self.hand is not None:
            self.hand.heard_activity(activity, reason)

    def _look_for_a_prompt(self) -> None:
        """What the firmware asks a person, if its driver says so; shown with the readings."""
        driver = self.driver
        # Not `isinstance`, which looks through the whole protocol, with every reading.
        asks = driver is not None and driver.capabilities.prompts and hasattr(driver, "prompt")
        prompt = driver.prompt() if asks else None  # type: ignore[union-attr]
        shown = None if prompt is None else PromptShown(text=prompt.text, choices=prompt.choices)
        if shown != self._readings.prompt:
            self._readings.prompt = shown
            self._readings.post()

    def heard_telemetry(self, telemetry: Telemetry) -> None:
        """New readings."""
        self._look_for_a_prompt()
        self._readings.read(telemetry)
        driver = self.driver
        if driver is not None and self.facts.link is Link.ONLINE and self.safing.begins_to_idle(telemetry):
            self.spawn(self.safing.watch_idle(driver), "heat without a run")

    def heard_progress(self, progress: Progress) -> None:
        """Lines were acknowledged."""
        if self.hand is not None:
            self.hand.heard_progress(progress)
        self._readings.progress = progress
        self._readings.post()

    def heard_ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The run in hand ended."""
        self._told(told_end(kind, reason))
        if self.hand is not None:
            self.hand.heard_ended(kind, reason, progress)

    def heard_lost(self, reason: str) -> None:
        """The link is gone."""
        self.break_link(LinkError(reason))


def _heed_cancellation() -> None:
    """A task group of Python 3.11 forgets that its task was cancelled when it ends because of an error in the same
    moment; the task itself still knows. Raises CancelledError."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _link_settings(assignment: MachineAssignment) -> tuple[object, ...]:
    return assignment.driver, assignment.port, assignment.profile, assignment.options


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
