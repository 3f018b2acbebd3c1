"""Run by bench_gcode.py with the Python of an environment that has the peers: what one of them needs for one file.

usage: peer_parsers.py printrun|octoprint FILE     prints one JSON object
"""

from __future__ import annotations

import importlib
import json
import resource
import sys


def read_with_printrun(path: str) -> float:
    """Printrun's gcoder, with its compiled lines; seconds of planned time."""
    from printrun import gcoder

    with open(path, encoding="ascii", errors="replace") as file:
        return gcoder.GCode(file).duration.total_seconds()


def read_with_octoprint(path: str) -> float:
    """OctoPrint's interpreter; seconds of planned time."""
    from octoprint.util import gcodeInterpreter

    interpreter = gcodeInterpreter.gcode()
    interpreter.load(path, speedx=200 * 60, speedy=200 * 60)
    return float(interpreter.get_result()["total_time"]) * 60


def spent_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


READERS = {
    "printrun": ("printrun.gcoder", read_with_printrun),
    "octoprint": ("octoprint.util.gcodeInterpreter", read_with_octoprint),
}


def main() -> None:
    """Import first, so that only the reading is measured."""
    peer, path = sys.argv[1:]
    module, read = READERS[peer]
    importlib.import_module(module)
    begun_s = spent_s()
    planned_s = read(path)
    json.dump({"cpu_s": spent_s() - begun_s, "planned_s": planned_s}, sys.stdout)


if __name__ == "__main__":
    main()
