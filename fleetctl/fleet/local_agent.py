"""Reaches an agent on this computer, and starts it when it is not there.

The agent gets a session of its own, so that it outlives the controller and is adopted by the next one.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time

import msgspec

from fleetctl.clock import Clock
from fleetctl.config import Config
from fleetctl.errors import LinkUnavailable
from fleetctl.transport.peer import PeerLink, connect_peer

log = logging.getLogger(__name__)

CONNECT_WITHIN_S = 2.0
START_WITHIN_S = 20.0
"""A fresh interpreter on a Raspberry Pi takes several seconds to import everything."""

POLL_S = 0.1

STUCK_TOLD_S = 15.0
"""The watchdog writes every five seconds while a call holds its agent up; older words are no longer so."""


class LocalAgent:
    """Dials an agent's socket in a data directory; starts `fleetctl agent` when nobody answers."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """`config.agent` is the name of the agent."""
        self._config = config
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    async def dial(self) -> PeerLink:
        """A line to the agent. Raises LinkUnavailable when it does not come up."""
        try:
            return await self._connect()
        except LinkUnavailable:
            await asyncio.to_thread(self._start)
        give_up_s = self._clock.monotonic() + START_WITHIN_S
        while True:
            try:
                return await self._connect()
            except LinkUnavailable:
                if self._clock.monotonic() > give_up_s:
                    raise
            await self._clock.sleep(POLL_S)

    async def _connect(self) -> PeerLink:
        return await connect_peer(self._config.agent_socket, self._clock.monotonic() + CONNECT_WITHIN_S)

    def _start(self) -> None:
        """Start the agent, unless the one we started is still on its way up."""
        if self._process is not None and self._process.poll() is None:
            return
        config = self._config
        command = [sys.executable, "-m", "fleetctl", "agent", "--data", str(config.data), "--name", config.agent]
        with config.agent_log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        log.info("started agent %s, process %d", config.agent, self._process.pid)


def stuck_in(config: Config) -> str:
    """What holds an agent of this computer up at this moment, as its watchdog wrote it; empty when nothing does."""
    try:
        written = config.agent_stuck.stat().st_mtime
        told = msgspec.json.decode(config.agent_stuck.read_bytes(), type=_Stuck)
    except (OSError, msgspec.DecodeError):
        return ""
    if time.time() - written > STUCK_TOLD_S:
        return ""
    return f"stuck for {told.late_s:.0f} s in {told.where}"


class _Stuck(msgspec.Struct):
    late_s: float
    where: str
