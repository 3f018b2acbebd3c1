"""Runs one simulated machine behind an endpoint, in real time or faster, until it is told to stop.

Sleeps until a byte, a deadline or a stop; never polls in a tight loop. It must not know which machine or which kind
of endpoint it serves.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable

from fleetctl.sim.endpoints import Endpoint
from fleetctl.sim.machine import SimulatedMachine


class Stopper:
    """Ends `simulate` from a signal handler or another thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.stopped = False

    def stop(self) -> None:
        """May be called more than once, and from a signal handler."""
        self.stopped = True
        try:
            self._writer.send(b".")
        except BlockingIOError:  # enough is in it to wake the loop
            pass

    def fileno(self) -> int:
        return self._reader.fileno()

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def simulate(
    machine: SimulatedMachine,
    endpoint: Endpoint,
    speedup: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    *,
    stopper: Stopper | None = None,
    reset_on_open: bool = False,
    observe: Callable[[], float | None] | None = None,
) -> None:
    """Serve until `stopper.stop()`. Machine time is `speedup` times the seconds of `clock` since the call.

    What the machine has said before the call is lost: it was switched on before anybody could hear it.
    `reset_on_open` resets the machine whenever a host opens the port, as boards do that hang on DTR. `observe` is
    called in each turn of the loop and answers after how many wall seconds it wants another turn, if at all.
    """
    began_s = clock() - machine.now_s / speedup
    machine.take_output()
    with selectors.DefaultSelector() as selector:
        if stopper is not None:
            selector.register(stopper, selectors.EVENT_READ)
        endpoint.register(selector)
        while stopper is None or not stopper.stopped:
            now_s = (clock() - began_s) * speedup
            came, data = endpoint.poll()
            if came and reset_on_open:
                machine.take_output()
                machine.reset(now_s)
            if data:
                machine.receive(data, now_s)
            else:
                machine.elapse(now_s)
            endpoint.write(machine.take_output())
            timeouts = [endpoint.poll_after_s(), observe() if observe is not None else None]
            if (deadline_s := machine.next_deadline()) is not None:
                timeouts.append(max(0.0, deadline_s / speedup + began_s - clock()))
            selector.select(min((wait for wait in timeouts if wait is not None), default=None))
