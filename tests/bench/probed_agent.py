"""The agent with a stop watch in it: how long from where the loop learns of an answer to where the next line is out.

usage: probed_agent.py -m fleetctl agent ...     as the interpreter would be called; SIGUSR1 begins to count anew,
SIGUSR2 writes percentiles in microseconds to DATA/inside.json, of every answer since.

The watch begins when the selector returns and ends when the write of the next line has returned, so the wait for
other machines' lines of the same turn is in it. It costs some tenths of a microsecond, so CPU is measured without it.
"""

from __future__ import annotations

import json
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fleetctl.cli import main as fleetctl
from fleetctl.transport.serial_port import Port

_woken_ns = 0
_taken_ns: list[int] = []


class _Selector(selectors.EpollSelector):
    def select(self, timeout: float | None = None) -> Any:
        global _woken_ns
        ready = super().select(timeout)
        _woken_ns = time.monotonic_ns()
        return ready


_write = Port.write


def _timed_write(port: Port, data: Any) -> int:
    taken = _write(port, data)
    _taken_ns.append(time.monotonic_ns() - _woken_ns)
    return taken


def _tell(target: Path) -> None:
    times = sorted(_taken_ns)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = (
        {name: round(times[int(share * (len(times) - 1))] / 1000) for name, share in shares.items()} if times else {}
    )
    target.with_suffix(".new").write_text(json.dumps({"lines": len(times)} | found))
    target.with_suffix(".new").rename(target)


def main() -> None:
    """Patch, then be the agent."""
    selectors.DefaultSelector = _Selector  # type: ignore[misc]
    Port.write = _timed_write  # type: ignore[method-assign, assignment]
    data = Path(sys.argv[sys.argv.index("--data") + 1])
    signal.signal(signal.SIGUSR1, lambda *_: _taken_ns.clear())
    signal.signal(signal.SIGUSR2, lambda *_: _tell(data / "inside.json"))
    sys.argv = sys.argv[2:]
    fleetctl()


if __name__ == "__main__":
    main()
