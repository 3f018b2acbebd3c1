"""How fast programs are read, beside a yardstick in C and the interpreters of Printrun and OctoPrint, in one run.

Everything is CPU time of one thread, the file warm, without hashing; MB is 10^6 bytes. Core and yardstick take turns,
so that a machine that changes its speed changes both. Prints one JSON object, and what it is doing on stderr.

Three stages, each with all of the one before: `tokens` are words and numbers; `facts` modal state, bounds, extrusion,
layers and hazards; `time` planned time with look-ahead. Peers do in one call what they do.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gcode_files import Program, programs

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS, MotionLimits, analyze
from fleetctl.gcode.analysis import scanner

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "bench"
TURNS, LEAST_TURNS = 21, 5
TURN_MB = 10.0
BLOCK_BYTES = 1 << 20
PEER_BYTES = 12_000_000
PEER_ROUNDS = 5
PEERS = {"printrun": ("Printrun==2.2.0", "--no-deps"), "octoprint": ("OctoPrint==1.11.8",)}
STAGES = ("tokens", "facts", "time")
AS_THE_YARDSTICK = MotionLimits(
    max_feed_mm_s=(200.0,) * 4,
    max_accel_mm_s2=(1000.0,) * 4,
    junction_deviation_mm=0.01,
)
"""What the yardstick takes where a file says nothing; sliced files say it. Then both come to the same time (the
pockets within 0.4 %, the finishing pass within 0.1 %), so that it is the same job."""


def say(text: str) -> None:
    """Progress, for a person."""
    sys.stderr.write(text + "\n")


def processor() -> str:
    """The processor's name, as Linux gives it."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def compiled_yardstick() -> ctypes.CDLL:
    """The yardstick, compiled as the core is."""
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "yardstick.so"
    options = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", str(target), str(HERE / "yardstick.c"), "-lm"], check=True)
    library = ctypes.CDLL(str(target))
    library.yardstick.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int, ctypes.c_int]
    library.yardstick.restype = ctypes.c_double
    return library


def core_stages(program: Program, data: memoryview) -> dict[str, Callable[[], gcode_core.Scanner | None]]:
    """What the core does for each stage."""
    dialect = DIALECTS[program.dialect]

    def tokens() -> None:
        gcode_core.count_words(data, dialect.reads)

    def facts() -> gcode_core.Scanner:
        return feed(gcode_core.Scanner(dialect.reads, False, False))

    def planned() -> gcode_core.Scanner:
        return feed(scanner(dialect, None if program.says_limits else AS_THE_YARDSTICK))

    def feed(scan: gcode_core.Scanner) -> gcode_core.Scanner:
        for start in range(0, len(data), BLOCK_BYTES):
            scan.feed(data[start : start + BLOCK_BYTES])
        scan.finish()
        return scan

    return {"tokens": tokens, "facts": facts, "time": planned}


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    begun_s = time.thread_time()
    work()
    return time.thread_time() - begun_s


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    middle = statistics.median(values)
    return {"median": round(middle, 3), "least": round(min(values), 3), "most": round(max(values), 3)}


def in_turns(size_mb: float, works: Sequence[Callable[[], object]]) -> list[list[float]]:
    """MB per CPU second of each work, turn after turn. A turn on a small file reads it several times over."""
    times = max(1, round(TURN_MB / size_mb))

    def turn(work: Callable[[], object]) -> float:
        return size_mb * times / cpu_s(lambda: [work() for _ in range(times)])

    for work in works:
        work()
    return [[turn(work) for work in works] for _ in range(turns(size_mb))]


def turns(size_mb: float) -> int:
    """How many turns a file of this size gets."""
    return LEAST_TURNS if size_mb > 100 else TURNS


def measure(program: Program, library: ctypes.CDLL) -> dict[str, object]:
    """One program: core and yardstick in turns, and the ratio of each turn."""
    data = program.path.read_bytes()
    text = data + b"\n"
    size_mb = len(data) / 1e6
    stages = core_stages(program, memoryview(data))

    def yardstick(stage: int) -> Callable[[], float]:
        return lambda: library.yardstick(text, len(text), stage, program.cnc)

    ours, theirs, ratio = {}, {}, {}
    for number, stage in enumerate(STAGES, 1):
        rates = in_turns(size_mb, [stages[stage], yardstick(number)])
        ours[stage] = spread([core for core, _ in rates])
        theirs[stage] = spread([plain for _, plain in rates])
        ratio[stage] = spread([core / plain for core, plain in rates])
    uncut = in_turns(size_mb, [stages["time"], yardstick(4)])
    planned = stages["time"]()
    assert planned is not None
    return {
        "size_mb": round(size_mb, 1),
        "turns": turns(size_mb),
        "core_mb_per_cpu_s": ours,
        "yardstick_mb_per_cpu_s": theirs,
        "ratio": ratio,
        "ratio_of_time_with_arcs_as_one_move": spread([core / plain for core, plain in uncut]),
        "planned_s": {"core": round(planned.totals()["motion_s"], 1), "yardstick": round(yardstick(3)(), 1)},
    }


def peer_environment(peer: str) -> Path | None:
    """The Python of an environment with the peer in it; None, said aloud, where it cannot be had."""
    folder = BUILD / f"peer-{peer}"
    python = folder / "bin" / "python"
    if not (folder / ".made").exists():
        say(f"Installing {peer} into build/bench")
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *PEERS[peer]]
            subprocess.run(pip, check=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            say(f"{peer} cannot be had here: {error}")
            return None
        (folder / ".made").touch()
    return python


def head(program: Program) -> Path:
    """The program, or as much of it as a peer can read in a few seconds, cut at a line's end."""
    if program.path.stat().st_size <= PEER_BYTES:
        return program.path
    with program.path.open("rb") as file:
        text = file.read(PEER_BYTES)
    target = BUILD / f"head-{program.path.name}"
    target.write_bytes(text[: text.rindex(b"\n") + 1])
    return target


def seconds_each(program: Program, data: bytes) -> dict[str, float]:
    """CPU seconds of one reading by the core, the mean of as many as about a second holds."""
    found = {}
    for stage, work in core_stages(program, memoryview(data)).items():
        once_s = cpu_s(work)
        times = max(1, round(1.0 / once_s))
        found[stage] = cpu_s(lambda work=work, times=times: [work() for _ in range(times)]) / times  # type: ignore[misc]
    return found


def beside_peers(program: Program) -> dict[str, object]:
    """What the peers need for the head of a program, and how often faster the core is; it reads before and after."""
    path = head(program)
    data = path.read_bytes()
    size = len(data) / 1e6
    found: dict[str, object] = {"size_mb": round(size, 1)}
    for peer in PEERS:
        python = peer_environment(peer)
        if python is None:
            found[peer] = "not installed"
            continue
        rates, ratios = [], {stage: [] for stage in STAGES[1:]}  # type: ignore[var-annotated]
        for _ in range(PEER_ROUNDS):
            before = seconds_each(program, data)
            command = [str(python), str(HERE / "peer_parsers.py"), peer, str(path)]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            needed_s = json.loads(printed.splitlines()[-1])["cpu_s"]
            after = seconds_each(program, data)
            rates.append(size / needed_s)
            for stage, values in ratios.items():
                values.append(2.0 * needed_s / (before[stage] + after[stage]))
        times = {f"{stage}_times_faster": spread(values) for stage, values in ratios.items()}
        found[peer] = {"mb_per_cpu_s": spread(rates), **times}
    return found


def peak_memory() -> dict[str, float]:
    """How far the resident memory of a fresh process rises over the analysis of a file of 500 MB."""
    path = BUILD / "huge.gcode"
    lines = b"".join(b"G1 X%d.%03d Y%d.5 E.0%d\n" % (n % 200, n % 1000, n % 180, n % 90 + 10) for n in range(50_000))
    with path.open("wb") as file:
        file.write(b"G28\nG90\nM83\nM104 S200\nG1 F3000\n")
        while file.tell() < 500_000_000:
            file.write(lines)
    try:
        child = subprocess.run(
            [sys.executable, __file__, "--peak", str(path)], check=True, capture_output=True, text=True
        )
        return {"file_mb": round(path.stat().st_size / 1e6), "rise_mb": json.loads(child.stdout)}
    finally:
        path.unlink()


def print_peak(path: str) -> None:
    """In the child: an empty analysis first, then the real one."""
    analyze(b"G28\nG1 X1\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    analyze(path)
    json.dump(round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1), sys.stdout)


def main() -> None:
    """Measure and print."""
    yardstick = compiled_yardstick()
    say("Making the programs (the first time PrusaSlicer needs some minutes)")
    files = programs(BUILD / "programs")
    found: dict[str, object] = {}
    for program in files:
        say(f"Reading {program.name}")
        found[program.name] = measure(program, yardstick)
    peers = {}
    for program in [file for file in files if file.name in ("sliced 20 MB", "printed arcs")]:
        say(f"Peers: {program.name}")
        peers[program.name] = beside_peers(program)
    machine = {"processor": processor(), "cpus": os.cpu_count(), "load": os.getloadavg()}
    result = {"bench": "gcode", "python": platform.python_version(), "machine": machine}
    json.dump(result | {"programs": found, "peers": peers, "memory": peak_memory()}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2])
    else:
        main()
