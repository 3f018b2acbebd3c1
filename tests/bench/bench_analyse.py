"""How fast programs are read: MB per CPU-second of `analyze`, beside plain Python splitting the same bytes.

Prints one JSON object. The yardstick tells a fast machine from a fast core: compare ratios, not numbers.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from fleetctl.gcode import analyze
from fleetctl.sim import sample

ROUNDS = 5
LEAST_BYTES = 20_000_000


def cpu_rate(work: Callable[[], object], size_bytes: int) -> dict[str, float]:
    """Median and spread of MB per CPU-second over some rounds."""
    rates = []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        work()
        rates.append(size_bytes / 1e6 / (time.process_time() - begun_s))
    return {"median": round(statistics.median(rates), 1), "least": round(min(rates), 1), "most": round(max(rates), 1)}


def measure(program: bytes) -> dict[str, object]:
    """One program, repeated until it is large."""
    text = program * (LEAST_BYTES // len(program) + 1)
    return {
        "size_mb": round(len(text) / 1e6, 1),
        "lines": text.count(b"\n"),
        "analyze_mb_per_cpu_s": cpu_rate(lambda: analyze(text), len(text)),
        "yardstick_split_mb_per_cpu_s": cpu_rate(lambda: text.split(b"\n"), len(text)),
    }


def main() -> None:
    """Measure and print."""
    found = {"print": measure(sample.bracket()), "mill": measure(sample.milled_plate())}
    sys.stdout.write(json.dumps({"bench": "analyse", "python": sys.version.split()[0], **found}) + "\n")


if __name__ == "__main__":
    main()
