"""Run by bench_gcode.py with the Python of an environment that has the peers: what one of them needs for one file.

usage: peer_parsers.py printrun|octoprint FILE     prints one JSON object
"""

from __future__ import annotations

import json
import resource
import sys


def printrun(path: str) -> float:
    """Printrun's gcoder, with its compiled lines; seconds of planned time."""
    from printrun import gcoder

    with open(path, encoding="ascii", errors="replace") as file:
        return gcoder.GCode(file).duration.total_seconds()


def octoprint(path: str) -> float:
    """OctoPrint's interpreter; seconds of planned time."""
    from octoprint.util import gcodeInterpreter

    interpreter = gcodeInterpreter.gcode()
    interpreter.load(path, speedx=200 * 60, speedy=200 * 60)
    return float(interpreter.get_result()["total_time"]) * 60


def spent_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Import first, so that only the reading is measured."""
    peer, path = sys.argv[1:]
    if peer == "printrun":
        import printrun.gcoder  # noqa: F401
    else:
        import octoprint.util.gcodeInterpreter  # noqa: F401
    begun_s = spent_s()
    planned_s = {"printrun": printrun, "octoprint": octoprint}[peer](path)
    json.dump({"cpu_s": spent_s() - begun_s, "planned_s": planned_s}, sys.stdout)


if __name__ == "__main__":
    main()
