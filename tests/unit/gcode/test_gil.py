"""Other threads run while a program is read: the core frees the GIL, so that the event loop is never held up (I9)."""

from __future__ import annotations

import threading
import time

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS

PROGRAM = b"G28\nG90\nM83\nG1 F3000\n" + b"".join(
    b"G1 X%d.%d Y%d.5 E.04\n" % (n % 200, n % 10, n % 180) for n in range(400_000)
)


def test_another_thread_runs_in_the_middle_of_one_block() -> None:
    """One `feed` call reads the whole program. A thread that counts meanwhile can only do so if the GIL is free.

    With the GIL held, the counter gets at most one turn before and one after the call, each of the interpreter's
    switch interval; the counts inside are told apart by the time they were made.
    """
    scan = gcode_core.Scanner(DIALECTS["marlin"].reads, True, False)
    stamps: list[float] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            stamps.append(time.perf_counter())

    thread = threading.Thread(target=count)
    thread.start()
    try:
        begun = time.perf_counter()
        scan.feed(PROGRAM)
        ended = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    quarter = (ended - begun) / 4
    inside = [stamp for stamp in stamps if begun + quarter < stamp < ended - quarter]
    assert len(inside) > 10, (
        f"{len(inside)} turns of another thread in the middle of {ended - begun:.3f} s of reading"
    )
