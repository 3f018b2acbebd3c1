"""The core and LinuxCNC's own interpreter agree: same ends of motion, same arcs, same dwells, same refusals.

Needs `rs274` (Debian linuxcnc-uspace); without it everything here is skipped, by name.
"""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS
from fleetctl.gcode.analysis import scanner

from . import rs274_oracle
from .rs274_oracle import Canon
from .strategies import computed_program, expressions

pytestmark = pytest.mark.skipif(rs274_oracle.BINARY is None, reason=rs274_oracle.MISSING)

PRINTED_MM = 6e-5
"""Half of the last printed decimal, and a little for ours."""

REFUSALS = ("evaluation_error", "flow_error")
LINE_ERRORS = (
    "arc_radius", "arc_invalid", "feed_zero", "feed_missing", "negative_number", "repeated_group", "repeated_motion",
    "repeated_word", "number_missing", "stray_character", "unknown_number", "axes_missing", "axes_unused",
    "unused_word", "dwell_missing", "machine_curve", "unclosed_comment", "nested_comment", "checksum", "dollar_line",
)  # fmt: skip
"""What is wrong with one line by itself; the core goes on after it, the interpreter does not."""

OPEN = ("not_provable", "loop_cap")
GENERATED = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
"""Without shrinking: each try is a process."""


def read(program: bytes) -> gcode_core.Scanner:
    scan = scanner(DIALECTS["linuxcnc"], None)
    scan.keep_trail(100_000)
    scan.feed(program)
    scan.finish()
    return scan


def stops(points: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """The places where the tool came to, without the lines on which it stayed where it was."""
    kept: list[tuple[float, float, float]] = []
    for point in points:
        if not kept or max(abs(a - b) for a, b in zip(point, kept[-1], strict=True)) > 2 * PRINTED_MM:
            kept.append(point)
    return kept


def same_stops(scan: gcode_core.Scanner, canon: Canon, program: str, whole: bool) -> None:
    ours = stops([(x, y, z) for _, x, y, z in scan.trail() if not math.isnan(x + y + z)])
    theirs = stops(canon.points)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        assert a == pytest.approx(b, abs=2 * PRINTED_MM), f"stop {i}: {a} here, {b} there\n{program}"
    assert len(ours) == len(theirs) or (not whole and len(ours) > len(theirs)), (
        f"{ours[len(theirs) :]} here, {theirs[len(ours) :]} there\n{program}"
    )


def agree(lines: list[str], folder: Path) -> str:
    """Compare one program; says how it ended."""
    program = "\n".join(lines) + "\n"
    scan = read(program.encode())
    hazards = scan.hazards()
    canon = rs274_oracle.run(program.encode(), folder, limit_s=3.0)
    if canon is None:
        assert "loop_cap" in hazards or "not_provable" in hazards, program
        return "endless"
    if any(name in hazards for name in OPEN):
        return "open"
    refused = any(name in hazards for name in REFUSALS)
    wrong_line = any(name in hazards for name in LINE_ERRORS)
    told = f"{scan.reasons()} here, {canon.refused!r} there\n{program}"
    assert not refused or canon.refused, told
    assert refused or wrong_line or not canon.refused, told
    same_stops(scan, canon, program, not wrong_line)
    return "refused" if canon.refused else "same"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rs274")


@seed(20261128)
@GENERATED
@given(computed_program())
def test_generated_programs(folder: Path, lines: list[str]) -> None:
    agree(lines, folder)


@seed(20261129)
@GENERATED
@given(st.lists(expressions(("#31", "#<a>", "#[30+1]"), 3), min_size=1, max_size=25))
def test_generated_expressions(folder: Path, texts: list[str]) -> None:
    start = ["o9 if [1]", "o9 endif", "G21 G90 G0 X0 Y0 Z0", "#31=2.5 #<a>=-1"]
    agree([*start, *[f"G0 X[[{text}] MOD 100]" for text in texts], "M2"], folder)


OF_THE_MACHINE = re.compile(
    r"no percent sign or program end|tool table|M-code greater|Unknown [mg] code|Bad character '[uvw]'|tool radius"
)
"""What is refused for lack of a configured machine (tools, own codes, axes), or because the file is only a part."""

INEXACT = (
    "spline", "transform", "cutter_compensation", "probe", "arc_from_unknown", "offset_write", "canned_cycle",
)  # fmt: skip


def package_files() -> list[bytes]:
    """The different programs of LinuxCNC's package, with every axis at 0 to begin with."""
    listed = subprocess.run(["dpkg", "-L", "linuxcnc-uspace"], capture_output=True, text=True, check=False).stdout
    found = {}
    for name in sorted(listed.splitlines()):
        if name.endswith(".ngc") and Path(name).is_file():
            text = Path(name).read_bytes()
            head, rest = (b"%\n", text.split(b"\n", 1)[-1]) if text.lstrip().startswith(b"%") else (b"", text)
            found[rest] = head + b"G0 X0 Y0 Z0\n" + rest
    return [program for program in found.values() if len(program) < 300_000]


def test_programs_of_the_package(folder: Path) -> None:
    same = 0
    for program in package_files():
        scan = read(program)
        hazards = scan.hazards()
        told = program[:400].decode("latin-1")
        if any(name in hazards for name in OPEN):
            continue
        canon = rs274_oracle.run(program, folder)
        assert canon is not None, told
        if canon.refused:
            errors = any(name in hazards for name in (*REFUSALS, *LINE_ERRORS))
            assert errors or OF_THE_MACHINE.search(canon.refused), f"{canon.refused}\n{told}"
            continue
        assert not any(name in hazards for name in REFUSALS), f"{scan.reasons()}\n{told}"
        if any(name in hazards for name in INEXACT) or "G43" in scan.words():
            continue
        if "NURBS_FEED" in canon.calls:  # printed without its points
            continue
        boxes = [motion for _, motion, _, _ in scan.frames()]
        for a in range(3):
            spans = [box[a] for box in boxes if box[a]]
            # An inch is printed to 0.0001.
            assert min(span[0] for span in spans) == pytest.approx(canon.low[a], abs=2e-3), told
            assert max(span[2] for span in spans) == pytest.approx(canon.high[a], abs=2e-3), told
        assert scan.totals()["cutting_mm"] == pytest.approx(canon.cutting_mm, rel=5e-4, abs=5e-3), told
        assert scan.totals()["dwell_s"] == pytest.approx(canon.dwell_s, abs=1e-3), told
        same += 1
    assert same > 80
