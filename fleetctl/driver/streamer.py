"""The one loop that joins an engine, a transport and the clock, as callbacks on the event loop.

It carries the engine's bytes and deadlines, reads the program ahead into the feeder, and hands every event to
whoever made it. It must not know what any byte or event means, nor runs' ids, nor what is done about an end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fleetctl.clock import Clock
from fleetctl.driver.api import ProgramSource
from fleetctl.driver.glances import glances
from fleetctl.driver.turns import turns
from fleetctl.errors import FleetctlError, LinkError, OurProtocolError
from fleetctl.protocol.engine import Engine, EngineEvent
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lane import CompiledLane, HasLane, Lane
from fleetctl.transport.base import CarriesLane, Transport
from fleetctl.transport.blanking import blank_url

BLOCK_BYTES = 16_384
"""What is read ahead, beyond the feeder's own low water: seconds of any serial link, and little for each machine."""

_log = logging.getLogger(__name__)


class Streamer:
    """One open link with its engine; the `Receiver` of its transport.

    `on_event` gets each engine event in order; `on_lost` is called once when the link is gone or the engine
    broke, never after `close`; `on_unreadable` when the program in hand cannot be read on. All three are
    called from the loop's thread and must not raise.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        clock: Clock,
        *,
        on_event: Callable[[EngineEvent], None],
        on_lost: Callable[[LinkError], None],
        on_unreadable: Callable[[str], None],
    ) -> None:
        self.engine = engine
        self.is_open = False
        self._transport = transport
        self._clock = clock
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_unreadable = on_unreadable
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._feeder: Feeder | None = None
        self._reader: asyncio.Task[None] | None = None
        self._hungry = asyncio.Event()
        self._hunger_told = False
        self._just_dropped = False
        self._pumping = False
        self._pump_again = False
        # Looked up once: asking a protocol with `isinstance` costs more than a line.
        self._laned = engine if isinstance(engine, HasLane) else None
        self._lane: Lane | None = None if self._laned is None else self._laned.lane

    async def open(self, deadline_s: float) -> None:
        """Open the link and let the engine begin to identify the machine. Raises LinkUnavailable."""
        await self._transport.open(self, deadline_s)
        self.is_open = True
        if isinstance(self._lane, CompiledLane) and isinstance(self._transport, CarriesLane):
            self._transport.carry(self._lane, self)
        self.engine.connected(self._clock.monotonic())
        self.pump()

    def close(self) -> None:
        """Close the link and stop all timers and reading; idempotent. Nothing is reported afterwards.

        How far the lane has come is reported first: a run that resumes this one begins there.
        """
        self.is_open = False
        if self._feeder is not None and self._laned is not None:
            self._look()
        self.forget_program()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.close()

    # The program

    async def begin(self, feeder: Feeder, program: ProgramSource) -> None:
        """Start `program`: its first block is in the feeder before the engine is told, the rest is read ahead.

        Raises what the engine's `start` raises, or LinkError when the link went while reading.
        """
        block = await program.read(BLOCK_BYTES)
        if not self.is_open:
            raise LinkError("The link went away before the program began.")
        _push(feeder, block)
        self._hunger_told = False
        self.engine.start(feeder, self._clock.monotonic())
        self._feeder = feeder
        self._watch_lane(True)
        if block:
            self._reader = asyncio.get_running_loop().create_task(self._read_ahead(feeder, program))
            self._reader.add_done_callback(self._reader_done)
        # The first lines go out in the next turn of the loop, so that no end can be told before `start` returned.
        asyncio.get_running_loop().call_soon(self.pump)

    def discard_unsent(self) -> None:
        """Drop what the transport has not sent; only before a stop in the same turn of the loop, for the engine takes
        it as sent."""
        try:
            self._transport.discard_output()
            self._just_dropped = True
        except Exception as error:  # noqa: BLE001 - the boundary, as in `guarded`
            self._engine_broke(error)

    def forget_program(self) -> None:
        """The run is over: read no further."""
        self._feeder = None
        self._watch_lane(False)
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    async def _read_ahead(self, feeder: Feeder, program: ProgramSource) -> None:
        block = b"\n"
        while block:
            while not feeder.needs_data:
                self._hungry.clear()
                await self._hungry.wait()
            block = await program.read(BLOCK_BYTES)
            starving = not feeder.has_line
            _push(feeder, block)
            self._hunger_told = False
            if starving or not block:
                self.engine.elapse(self._clock.monotonic())
                self.pump()

    def _reader_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if not isinstance(error, FleetctlError | OSError):
            _log.error("Reading a program failed", exc_info=error)
        if task is self._reader:
            self._on_unreadable(str(error))

    # What the transport calls

    def data_received(self, data: bytes, now_s: float) -> None:
        """Bytes from the machine: first to the lane, which knows most of them; else to the engine."""
        lane = self._lane
        try:
            output = None if lane is None else lane.receive(data, now_s)
        except Exception as error:  # noqa: BLE001 - the boundary, as in `guarded`
            self._engine_broke(error)
            return
        if output is None:
            self.guarded(lambda: self.engine.receive(data, now_s))
            return
        if output:
            self._transport.write(output)
        self.lane_acted(now_s)

    def lane_acted(self, now_s: float) -> None:
        """The lane took bytes, here or at the port, and may want its engine to step or the program to be read on."""
        lane = self._lane
        assert lane is not None
        if lane.wants_data:
            lane.wants_data = False
            self._tell_hunger()
        if lane.wants_step:
            lane.wants_step = False
            self.guarded(lambda: self.engine.receive(b"", now_s))

    def _tell_hunger(self) -> None:
        """Let the program be read on, once; there is no hurry, for the feeder has some kilobytes left."""
        if not self._hunger_told:
            self._hunger_told = True
            turns().ask(self._hungry.set)

    def lane_broke(self, error: Exception) -> None:
        """The lane raised at the port."""
        self._engine_broke(error)

    def _watch_lane(self, watched: bool) -> None:
        """Look regularly how far the lane has come, while a program is in hand."""
        if self._lane is None or self._lane.is_watched == watched:
            return
        self._lane.is_watched = watched
        if watched:
            glances().watch(self._look)
        else:
            glances().leave(self._look)

    def _look(self) -> None:
        """Tell how far the lane has come meanwhile."""
        assert self._laned is not None
        try:
            progress = self._laned.progress()
            if progress is not None:
                self._on_event(progress)
        except Exception as error:  # noqa: BLE001 - the boundary, as in `guarded`
            self._engine_broke(error)

    def lost(self, reason: LinkError) -> None:
        """The link is gone."""
        if self.is_open:
            self.close()
            self._on_lost(reason)

    # What moves

    def guarded(self, step: Callable[[], None]) -> None:
        """Take one step of the engine and carry out what it wants; whatever it raises ends this link and no more."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the boundary: transports and timers call from the bare loop
            self._engine_broke(error)
        else:
            self.pump()

    def at_once(self, step: Callable[[], None]) -> None:
        """Like `guarded`, but only what is urgent goes out now; all else follows in the next turn of the loop.

        For a stop of many machines: the bytes of each leave before anybody is told of the first.
        """
        try:
            step()
            self._carry_urgent()
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            self._engine_broke(error)
        else:
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Carry out what the engine wants now. Call it after every verb; a call from inside an event waits its
        turn."""
        if self._pumping:
            self._pump_again = True
            return
        self._pumping = True
        try:
            self._pump_again = True
            while self._pump_again and self.is_open:
                self._pump_again = False
                self._carry()
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            self._engine_broke(error)
        finally:
            self._pumping = False

    def _carry(self) -> None:
        engine = self.engine
        self._carry_urgent()
        output = engine.take_output()
        if output:
            self._transport.write(output)
        for event in engine.events():
            self._on_event(event)
        if self._feeder is not None and self._feeder.needs_data:
            self._tell_hunger()
        self._arm(engine.next_deadline())

    def _carry_urgent(self) -> None:
        dropped, self._just_dropped = self._just_dropped, False
        if self.engine.discards_output() and not dropped:
            self._transport.discard_output()
        urgent = self.engine.take_urgent()
        if urgent:
            self._transport.urgent(urgent, at_line_start=self.engine.urgent_is_lines)

    def _arm(self, deadline_s: float | None) -> None:
        """A timer that is due too early is kept and set anew when it fires: deadlines move with every answer."""
        if deadline_s is None or not self.is_open:
            return
        if self._timer is not None:
            if self._timer_at_s <= deadline_s:
                return
            self._timer.cancel()
        self._timer_at_s = deadline_s
        self._timer = asyncio.get_running_loop().call_at(deadline_s, self._due)

    def _due(self) -> None:
        self._timer = None
        if not self.is_open:
            return
        deadline_s = self.engine.next_deadline()
        # The loop may fire a timer early by its clock's resolution.
        now_s = max(self._clock.monotonic(), self._timer_at_s)
        if deadline_s is not None and deadline_s > now_s:
            self._arm(deadline_s)
            return
        self.guarded(lambda: self.engine.elapse(now_s))

    def _engine_broke(self, error: Exception) -> None:
        """Nothing may be sent by an engine that no longer knows its own state."""
        _log.error("The engine of %s failed", blank_url(self._transport.url), exc_info=error)
        if self.is_open:
            self.close()
            reason = error if isinstance(error, LinkError) else OurProtocolError(f"The driver failed: {error!r}.")
            self._on_lost(reason)


def _push(feeder: Feeder, block: bytes) -> None:
    if block:
        feeder.push(block)
    else:
        feeder.finish()
