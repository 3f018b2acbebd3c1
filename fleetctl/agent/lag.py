"""Finds out when the loop was late, and what it was doing: one slow callback delays every stream (I9).

A thread looks at the loop's own stack while the loop is late, because afterwards nobody knows. Without the
thread (in a virtual loop) nothing is watched. Must not know what runs in the loop.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback

from fleetctl.clock import Clock

log = logging.getLogger(__name__)

BEAT_S = 0.05
LATE_S = 0.2
"""A serial buffer of 128 bytes at 115200 baud is empty after 11 ms, a planner of 16 moves after some tenths."""


class LagMonitor:
    """Logs every time the loop was late by more than 0.2 s, with the stack it was in."""

    def __init__(self, clock: Clock) -> None:
        """Watches nothing before `run`."""
        self._clock = clock
        self._beat_at_s = 0.0
        self._seen: str = ""
        self._end = threading.Event()
        self._loop_thread = 0
        self.worst_s = 0.0

    async def run(self) -> None:
        """Watch the running loop, until cancelled."""
        self._loop_thread = threading.get_ident()
        self._beat_at_s = time.monotonic()
        sampler = threading.Thread(target=self._sample, name="fleetctl-lag", daemon=True)
        sampler.start()
        try:
            while True:
                due_s = self._clock.monotonic() + BEAT_S
                await asyncio.sleep(BEAT_S)
                self._beat_at_s = time.monotonic()
                self._judge(self._clock.monotonic() - due_s)
        finally:
            self._end.set()

    def _judge(self, late_s: float) -> None:
        self.worst_s = max(self.worst_s, late_s)
        seen, self._seen = self._seen, ""
        if late_s > LATE_S:
            log.warning("the loop was late by %.2f s; it was in:\\n%s", late_s, seen or "(nothing seen)")

    def _sample(self) -> None:
        while not self._end.wait(BEAT_S):
            if time.monotonic() - self._beat_at_s > BEAT_S + LATE_S and not self._seen:
                frame = sys._current_frames().get(self._loop_thread)
                if frame is not None:
                    self._seen = "".join(traceback.format_stack(frame, limit=12))
