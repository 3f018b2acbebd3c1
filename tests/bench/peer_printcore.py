"""Run by bench_streaming.py with the Python of an environment that has Printrun: what `printcore` needs for a file.

usage: peer_printcore.py FILE PORT      prints one JSON object: lines, CPU seconds of this process, seconds
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time

from printrun import gcoder
from printrun.printcore import printcore

WITHIN_S = 120.0


def used_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Read the file first, so that only the streaming is measured."""
    path, port = sys.argv[1:]
    with open(path, encoding="ascii") as file:
        program = gcoder.LightGCode(file)
    online, done = threading.Event(), threading.Event()
    core = printcore()
    core.onlinecb, core.endcb = online.set, done.set
    core.connect(port, 250000)
    if not online.wait(20.0):
        raise SystemExit("printcore did not connect")
    time.sleep(0.5)
    begun_s, before_s = time.monotonic(), used_s()
    core.startprint(program)
    if not done.wait(WITHIN_S):
        raise SystemExit("printcore did not come to the end")
    found = {"lines": len(program), "cpu_s": used_s() - before_s, "seconds": time.monotonic() - begun_s}
    core.disconnect()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
