"""Run by bench_streaming.py: what asyncio alone costs. One `add_reader` callback a port; nothing is kept.

usage: bare_loop.py SECONDS PORT...      prints one JSON object: lines, CPU seconds of this process, seconds
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
import tty
from functools import reduce


def framed(number: int, text: bytes) -> bytes:
    """A numbered line with its checksum."""
    line = b"N%d %s" % (number, text)
    return b"%s*%d\n" % (line, reduce(lambda a, b: a ^ b, line))


class Port:
    """One machine: an answer comes, the next line goes out."""

    def __init__(self, path: str, lines: list[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.sent = 0
        self._lines = lines
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._descriptor)
        loop.add_reader(self._descriptor, self._readable)
        os.write(self._descriptor, framed(0, b"M110 N0"))

    def _readable(self) -> None:
        if b"ok" in os.read(self._descriptor, 4096):
            os.write(self._descriptor, self._lines[self.sent])
            self.sent += 1


async def main() -> None:
    """Stream for some seconds after a second of warming up."""
    seconds = float(sys.argv[1])
    moves = [b"G1 X%d.%03d Y%d.5 E0.%05d" % (n % 97 + 100, n, n % 89, n) for n in range(997)]
    lines = [framed(n, moves[n % len(moves)]) for n in range(1, 50_000)]
    ports = [Port(path, lines, asyncio.get_running_loop()) for path in sys.argv[2:]]
    await asyncio.sleep(1.0)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    begun_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    sent = sum(port.sent for port in ports)
    await asyncio.sleep(seconds)
    after, passed_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - begun_s
    used_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    sent = sum(port.sent for port in ports) - sent
    sys.stdout.write(json.dumps({"lines": sent, "cpu_s": used_s, "seconds": passed_s}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
