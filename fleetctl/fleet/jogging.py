"""The controller's part of jogging: one hand at a time on each machine, heartbeats passed on while they are fresh.

A heartbeat goes to the agent at once, is never sent again, and is kept only until the next may go out (`EVERY_S`), by
the newest of its hand; what cannot be sent is dropped, and the machine comes to rest by itself. Must not know how a
person's frames arrive, nor what a machine makes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.errors import AgentUnavailable, Conflict
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.machines import refuse_locked_out
from fleetctl.fleet.record import Record
from fleetctl.model.machine import Machine
from fleetctl.model.messages import Jog, JogReport
from fleetctl.store import machines

VALID_S = 0.15
"""How long a heartbeat counts at the agent; pages and command line send one every 80 ms."""

LATE_S = 0.1
"""A heartbeat that took so much longer than the quickest one of its sender lay somewhere: its hand may be gone."""

BURST_S = 0.02
"""Heartbeats that follow each other so closely without saying when they were sent lay in one heap."""

LATE_TOLD = 5
"""After so many late heartbeats one behind the other the hand is told: it holds a key and nothing moves."""

LATE = "What the keys say comes late over the network; let go, and open the page anew if it stays so."

EVERY_S = 0.04
"""No hand sends the agent more heartbeats than one in this time, twice as many as pages send; of those that come in
between the newest goes out when the time is over. A stop goes out at once."""

HELD_S = 1.0
"""After so long without a heartbeat another hand may take the machine."""


class Jogging:
    """All hands on machines of this site."""

    def __init__(self, record: Record, agents: Agents, clock: Clock) -> None:
        """Nobody jogs."""
        self.clock = clock
        self._record = record
        self._agents = agents
        self._holders: dict[str, JogChannel] = {}
        agents.listen_to_jogs(self._heard)

    async def open(self, name: str, actor: str) -> JogChannel:
        """A channel for one hand; close it. Raises NotFound, Conflict where the machine is locked out."""
        return JogChannel(self, await self._movable(name), actor)

    async def _movable(self, name: str) -> Machine:
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        refuse_locked_out(machine)
        return machine

    async def still_allowed(self, channel: JogChannel) -> None:
        """Raises NotFound or Conflict once the machine is removed or locked out."""
        await self._movable(channel.machine.name)

    def hold(self, channel: JogChannel) -> None:
        """Take the machine in hand. Raises Conflict while another hand is on it."""
        machine_id = channel.machine.id
        holder = self._holders.get(machine_id)
        if holder is not None and holder is not channel and self.clock.monotonic() - holder.beat_s < HELD_S:
            raise Conflict(f"{holder.actor} moves it.", machine=channel.machine.name)
        self._holders[machine_id] = channel

    def let_go(self, channel: JogChannel) -> None:
        """Another hand may have it."""
        if self._holders.get(channel.machine.id) is channel:
            del self._holders[channel.machine.id]

    def holds(self, channel: JogChannel) -> bool:
        """Whether this is the hand on the machine."""
        return self._holders.get(channel.machine.id) is channel

    def send(self, channel: JogChannel, velocity_mm_s: Mapping[str, float], came_s: float) -> None:
        """The heartbeat that came at `came_s` to the agent, now. Raises AgentUnavailable."""
        machine = channel.machine
        not_after_s = self.clock.wall().timestamp() + VALID_S - (self.clock.monotonic() - came_s)
        jog = Jog(machine_id=machine.id, velocity_mm_s=dict(velocity_mm_s), not_after_s=not_after_s)
        self._agents.jog(machine.agent, jog)

    async def note(self, channel: JogChannel) -> None:
        """Put on record who moved the machine by hand."""

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.verb", channel.machine.name, verb="jog", text="")

        await self._record.note(channel.actor, unit)

    def _heard(self, report: JogReport) -> None:
        holder = self._holders.get(report.machine_id)
        if holder is not None:
            holder.told(report.refused)


class JogChannel:
    """One hand on one machine. `refused`: why it does not move, empty when it does; `news`: that has changed."""

    def __init__(self, jogging: Jogging, machine: Machine, actor: str) -> None:
        """Nothing is sent yet."""
        self.machine = machine
        self.actor = actor
        self.refused = ""
        self.news = asyncio.Event()
        self.beat_s = 0.0
        self._came_s = -BURST_S
        self._jogging = jogging
        self._moved = False
        self._moving = False
        self._quickest_s: float | None = None
        self._late = 0
        self._hindrance = ""
        self._passed_s = -EVERY_S
        self._newest: Mapping[str, float] = {}
        self._waiting: asyncio.TimerHandle | None = None

    def beat(self, velocity_mm_s: Mapping[str, float], at_s: float | None = None) -> None:
        """One heartbeat; without any speed it stops. `at_s`: when it was sent, by its sender's own clock."""
        moving = any(velocity_mm_s.values())
        if not moving:
            self._stop()
            return
        before_s, now_s = self._came_s, self._jogging.clock.monotonic()
        self._came_s = now_s
        if self._is_late(at_s) if at_s is not None else now_s - before_s < BURST_S:
            self._late += 1
            if self._late == LATE_TOLD:
                self._hinder(LATE)
            return
        self._late = 0
        try:
            self._jogging.hold(self)
        except Conflict as error:
            self._hinder(str(error))
            return
        self.beat_s, self._newest = now_s, velocity_mm_s
        if self._waiting is None:
            wait_s = self._passed_s + EVERY_S - now_s
            if wait_s > 0:
                self._waiting = asyncio.get_running_loop().call_later(wait_s, self._pass_on)
            else:
                self._pass_on()

    def _pass_on(self) -> None:
        """The newest heartbeat to the agent; it counts from when it came."""
        self._waiting = None
        self._passed_s = self._jogging.clock.monotonic()
        self._moving = self._moved = True
        try:
            self._jogging.send(self, self._newest, self.beat_s)
        except AgentUnavailable as error:
            self._hinder(str(error))
        else:
            self._hinder("")

    def _hinder(self, reason: str) -> None:
        """What stands in the way here, before the agent is asked; what the agent said stays."""
        if reason or self.refused == self._hindrance:
            self.told(reason)
        self._hindrance = reason

    def told(self, refused: str) -> None:
        """The agent, or another hand, stands in the way; or no longer."""
        if refused != self.refused:
            self.refused = refused
            self.news.set()

    async def close(self) -> None:
        """Stop, let go, and put on record that it was moved."""
        self._stop()
        self._jogging.let_go(self)
        if self._moved:
            await self._jogging.note(self)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        now_s = self._jogging.clock.monotonic()
        if not self._moving and (not self._jogging.holds(self) or now_s < self._passed_s + EVERY_S):
            return  # it stands still, or was told to a moment ago
        self._moving, self._passed_s = False, now_s
        self.told("")
        try:
            self._jogging.send(self, {}, now_s)
        except AgentUnavailable as error:
            self.told(f"{error} It comes to rest by itself.")

    def _is_late(self, at_s: float) -> bool:
        """Clocks differ; how much longer than the quickest one it took does not depend on them."""
        took_s = self._jogging.clock.monotonic() - at_s
        if self._quickest_s is None or took_s < self._quickest_s:
            self._quickest_s = took_s
        return took_s - self._quickest_s > LATE_S
