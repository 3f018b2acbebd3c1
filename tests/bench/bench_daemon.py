"""What the daemon costs before it does anything: seconds until it answers, and memory of its two processes.

Prints one JSON object. Linux only: memory is the unique set size (USS) of /proc/PID/smaps_rollup.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

WITHIN_S = 60.0


def until(true: Callable[[], object]) -> float:
    """Seconds until `true` gives something."""
    begun_s = time.monotonic()
    while not true():
        if time.monotonic() - begun_s > WITHIN_S:
            raise SystemExit("the daemon did not come up")
        time.sleep(0.005)
    return time.monotonic() - begun_s


def own_mb(pid: int) -> float:
    """Memory that only this process uses, MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = sum(int(each) for each in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
    return round(kilobytes / 1000, 1)


def answers(address: Path) -> bool:
    """Whether the daemon answers a request."""
    if not address.exists():
        return False
    try:
        with urllib.request.urlopen(f"{address.read_text().strip()}/healthz", timeout=1.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    """Start a controller with its agent on an empty data directory, measure, and end both by their ids."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        command = [sys.executable, "-m", "fleetctl", "serve", "--data", folder, "--listen", "127.0.0.1:0"]
        controller = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first_answer_s = until(lambda: answers(data / "address"))
            until(lambda: (data / "agent.sock").exists() and (data / "agent.lock").read_text().strip())
            agent = int((data / "agent.lock").read_text())
            time.sleep(1.0)
            found = {
                "bench": "daemon",
                "first_answer_s": round(first_answer_s, 2),
                "controller_own_mb": own_mb(controller.pid),
                "agent_own_mb": own_mb(agent),
            }
        finally:
            controller.terminate()
            controller.wait(30.0)
        os.kill(agent, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{agent}").exists())
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
