"""Finds out when the loop was late, and who held it up: one slow callback delays every stream (I9).

A thread looks at the loop's own stack while the loop is late, because afterwards nobody knows. A machine is only
named when one and the same call was seen twice, so that a busy computer blames nobody. Without the thread (in a
virtual loop) nothing is watched. Must not know what runs in the loop, only which objects belong to which machine.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

import msgspec

from fleetctl.clock import Clock

log = logging.getLogger(__name__)

BEAT_S = 0.05
LATE_S = 0.2
"""A serial buffer of 128 bytes at 115200 baud is empty after 11 ms, a planner of 16 moves after some tenths."""

RUNNERS = frozenset({("_run", "events.py"), ("select", "port_loop.py")})
"""The functions, with their files, whose callees are what a loop runs."""

STUCK_S = 5.0
"""A call that takes longer may never end: then it is said while it lasts."""


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """One call that held up the loop. `machine_id` is empty where it belongs to none; `where` is file, line and
    function of its innermost step."""

    machine_id: str
    late_s: float
    where: str
    stack: str = ""


Owner = Callable[[object], str]
"""The id of the machine that an object belongs to, or an empty text. Called from another thread."""


class LagMonitor:
    """Tells every time the loop was late by more than 0.2 s, with the call it was in.

    `owner` says whose an object is; `tell` is called in the loop once it goes on, `tell_stuck` from the thread while
    it does not, every 5 s.
    """

    def __init__(
        self,
        clock: Clock,
        owner: Owner = lambda _thing: "",
        tell: Callable[[Blocked], None] = lambda _blocked: None,
        tell_stuck: Callable[[Blocked], None] = lambda _blocked: None,
    ) -> None:
        """Watches nothing before `run`."""
        self._clock = clock
        self._owner = owner
        self._tell = tell
        self._tell_stuck = tell_stuck
        self._beat_at_s = 0.0
        self._call: FrameType | None = None
        self._seen: Blocked | None = None
        self._stuck_told_s = 0.0
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
        seen, self._seen, self._call = self._seen, None, None
        if late_s <= LATE_S:
            return
        if seen is None:
            log.warning("the loop was late by %.2f s; no single call was seen in it", late_s)
            return
        log.warning("the loop was late by %.2f s; it was in %s:\n%s", late_s, seen.where, seen.stack)
        self._tell(msgspec.structs.replace(seen, late_s=late_s))

    # In the thread

    def _sample(self) -> None:
        while not self._end.wait(BEAT_S):
            late_s = time.monotonic() - self._beat_at_s - BEAT_S
            if late_s <= LATE_S:
                self._stuck_told_s = 0.0
                continue
            try:
                self._look(late_s)
            except RuntimeError:  # a dict changed while it was read: this look is lost, the next one is soon
                log.debug("the loop's stack could not be read", exc_info=True)

    def _look(self, late_s: float) -> None:
        innermost = sys._current_frames().get(self._loop_thread)
        call = _call_of(innermost)
        if innermost is None or call is None:
            return
        if call is not self._call:
            self._call = call
            return
        if self._seen is None:
            code = innermost.f_code
            self._seen = Blocked(
                machine_id=self._owner_of(innermost),
                late_s=late_s,
                where=f"{code.co_filename}:{innermost.f_lineno} {code.co_name}",
                stack="".join(traceback.format_stack(innermost, limit=12)),
            )
        if late_s - self._stuck_told_s >= STUCK_S:
            self._stuck_told_s = late_s
            stuck = msgspec.structs.replace(self._seen, late_s=late_s)
            log.error("the loop has been stuck for %.0f s in %s:\n%s", late_s, stuck.where, stuck.stack)
            self._tell_stuck(stuck)

    def _owner_of(self, innermost: FrameType) -> str:
        """Whose call it is: the outermost object on the stack that belongs to a machine."""
        for frame in reversed(tuple(_outwards(innermost))):
            mine = frame.f_locals.get("self")
            if mine is not None and (machine_id := self._owner(mine)):
                return machine_id
        return ""


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _call_of(innermost: FrameType | None) -> FrameType | None:
    """The outermost frame of what the loop runs at the moment: what asyncio's `Handle._run` called, or a port that
    was served inside the loop's wait (`PortSelector.select`)."""
    inner: FrameType | None = None
    for frame in _outwards(innermost):
        code = frame.f_code
        if (code.co_name, code.co_filename.rpartition("/")[2]) in RUNNERS:
            return inner
        inner = frame
    return None
