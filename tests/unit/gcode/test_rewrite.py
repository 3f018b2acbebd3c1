"""strip, fold, number and unnumber change no fact of a program, only its comments, blanks, numbers and signs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import CannotTransform, FleetctlError, ForbiddenByte, LineTooLong, NotGcode, UsageError
from fleetctl.gcode import DIALECTS, Analysis, analyze
from fleetctl.gcode.transform import preview, transform
from fleetctl.protocol.feeder import Feeder, frame_line

from .sliced import MILLS, PRINTERS, milled, printed
from .strategies import cnc_line, printer_line, programs

SOME = settings(max_examples=60, derandomize=True, deadline=None, database=None)
NOT_FACTS = {
    *("sha256", "size_bytes", "lines", "hazards", "findings", "metadata", "claims", "thumbnails", "slicer"),
    *("longest_line_bytes", "longest_code_bytes", "longest_spaced_bytes", "letters", "ending", "dialect_detected"),
}
"""What comments, line numbers and their bytes may change."""


def rewritten(program: bytes, work: str, dialect: str, block: int = 1 << 20, **parameters: Any) -> bytes:
    out: list[bytes] = []
    transform(program, work, parameters, out.append, dialect=dialect)
    return b"".join(out)


_WHERE = ("line", "column", "columns", "lines_i64", "offsets_i64")


def without_lines(value: object) -> object:
    """The same without lines and columns: what goes away moves the rest."""
    if isinstance(value, dict):
        return {key: without_lines(each) for key, each in value.items() if not str(key).endswith(_WHERE)}
    return [without_lines(each) for each in value] if isinstance(value, list | tuple) else value


def facts(analysis: Analysis) -> object:
    kept = {key: each for key, each in msgspec.to_builtins(analysis).items() if key not in NOT_FACTS}
    return without_lines(kept)


def same_facts(program: bytes, work: str, dialect: str, **parameters: Any) -> bytes:
    """Rewrite and compare; returns what came out."""
    made = rewritten(program, work, dialect, **parameters)
    try:
        before = facts(analyze(program, dialect=dialect))
    except NotGcode:
        return made
    assert facts(analyze(made, dialect=dialect)) == before
    return made


@pytest.mark.parametrize("dialect", [*PRINTERS, *MILLS])
@pytest.mark.parametrize("work", ["strip", "fold", "unnumber", "number"])
def test_sliced_and_milled_programs_keep_their_facts(work: str, dialect: str) -> None:
    for seed in range(8):
        program = printed(dialect, seed) if dialect in PRINTERS else milled(dialect, seed)
        program = program.replace(b"; c\n", "; Größe – ä\n".encode(), 3).replace(b"G1 X", b"G1   X", 5)
        if work == "number" and (dialect in MILLS or dialect == "klipper"):
            with pytest.raises(CannotTransform):
                rewritten(program, work, dialect)
            continue
        made = same_facts(program, work, dialect)
        assert rewritten(made, work, dialect) == made, "twice is once"
        if work == "strip":
            assert len(made) < len(program) and b"\n\n" not in made and b"  " not in made
        if work == "fold":
            made.decode("ascii")


@given(program=programs(printer_line()), work=st.sampled_from(["strip", "fold", "unnumber", "number"]))
@SOME
def test_odd_lines_of_printers_keep_their_facts(program: bytes, work: str) -> None:
    same_facts(program, work, "marlin")


@given(program=programs(cnc_line()), work=st.sampled_from(["strip", "fold", "unnumber"]))
@SOME
def test_odd_lines_of_mills_keep_their_facts(program: bytes, work: str) -> None:
    try:
        same_facts(program, work, "linuxcnc")
    except UsageError as error:
        assert "inside a number" in error.message


@given(data=st.binary(max_size=300), work=st.sampled_from(["strip", "fold", "unnumber", "number"]))
@SOME
def test_no_bytes_do_harm(data: bytes, work: str) -> None:
    try:
        rewritten(data, work, "marlin")
    except FleetctlError as error:
        assert error.message


@pytest.mark.parametrize("work", ["strip", "fold", "unnumber", "number"])
def test_any_split_of_the_bytes_gives_the_same_program(work: str) -> None:
    from fleetctl._ext.rewrite import Rewriter

    program = printed("marlin", 3).replace(b"\n", b"\r\n", 40).replace(b"; c", "; ü".encode())[:3000]

    def split(size: int) -> bytes:
        rewriter = Rewriter(work, parens=True, cnc=False, texts=True, quotes=False)
        parts = [rewriter.push(program[at : at + size]) for at in range(0, len(program), size)]
        return b"".join(parts) + rewriter.finish()

    whole = split(len(program))
    assert all(split(size) == whole for size in (1, 2, 3, 7, 64, 1000))


CASES: tuple[tuple[str, str, str, str], ...] = (
    ("strip", "marlin", "G1  X1 (a) Y2 ; c\n\n; free text\n;LAYER:3\n; layer_height = 0.2\nG28\n",
     "G1 X1 Y2\n;LAYER:3\n; layer_height = 0.2\nG28\n"),
    ("strip", "klipper", "G1 X1 (Y2) ; c\nSET_PIN PIN=a VALUE=1 ; c\n", "G1 X1 (Y2)\nSET_PIN PIN=a VALUE=1\n"),
    ("strip", "grbl", "G1 X 1 (a) Y2\r\n(only)\r\nM30", "G1X1Y2\r\nM30"),
    ("strip", "linuxcnc", "G0 X1 (MSG, look) (not)\n#1 = [2 + 3] ; c\n", "G0X1(MSG, look)\n#1 = [2 + 3]\n"),
    ("strip", "marlin", "M117 Hi  (you) ; c\nN7 G1  X1*86 ; c\n", "M117 Hi  (you)\nN7 G1  X1*86\n"),
    ("fold", "marlin", "; Größe – “x” Łódź\nM117 Fußgänger ☃\n", "; Grose - _x_ Lodz\nM117 Fusganger _\n"),
    ("fold", "grbl", "G0 X1 (Äpfel) ; naïve\n", "G0 X1 (Apfel) ; naive\n"),
    ("number", "marlin", "G28 ; home\n\n; text\nG1 X1\nN99 G1 X2*85\n",
     "N1 G28*18 ; home\n\n; text\nN2 G1 X1*99\nN3 G1 X2*97\n"),
    ("unnumber", "marlin", "N1 G28*18 ; home\nN2 M117 a*b*61\nG1 X1\n", "G28 ; home\nM117 a*b\nG1 X1\n"),
    ("unnumber", "linuxcnc", "N10 G0 X[2*3]\nN20 (c)\n", "G0 X[2*3]\n(c)\n"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_what_comes_out(case: tuple[str, str, str, str]) -> None:
    work, dialect, given_, expected = case
    assert rewritten(given_.encode(), work, dialect).decode() == expected


def test_markers_go_too_when_nobody_wants_them() -> None:
    made = rewritten(printed("marlin", 2), "strip", "marlin", keep_markers=False)
    assert b";" not in made
    assert analyze(made, dialect="marlin").layers_from == "z"


def test_numbers_and_checksums_are_those_that_go_over_the_wire() -> None:
    program = printed("marlin", 4).replace(b" ; c", b"")
    made = [line for line in rewritten(program, "number", "marlin").splitlines() if line.startswith(b"N")]
    feeder = Feeder(line_limit_bytes=95, text_commands=True)
    feeder.push(program)
    feeder.finish()
    sent = []
    while lines := feeder.take_numbered(64, len(sent) + 1):
        sent += [line.rstrip(b"\n") for line, _, _ in lines]
    assert made == sent
    assert made[0] == frame_line(1, b"M140 S60").rstrip(b"\n")


REFUSALS = (
    ("fold", "marlin", b"G28\nG1 X\xc3\xa45\n", ForbiddenByte, 2),
    ("fold", "klipper", "G28\nEXCLUDE_OBJECT_START NAME=Größe\n".encode(), ForbiddenByte, 2),
    ("number", "marlin", b"G28\nM110 N0\n", UsageError, 2),
    ("number", "rrf", b"G28\nvar x = 1\n", UsageError, 2),
    ("strip", "marlin", b"G28\n;" + b"x" * 300_000 + b"\n", LineTooLong, 2),
    ("strip", "grbl", b"G21\nG0 X1(c)2\n", UsageError, 2),
)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case[0]}-{case[1]}")
def test_what_cannot_be_rewritten_names_its_line(case: tuple[str, str, bytes, type[FleetctlError], int]) -> None:
    work, dialect, program, kind, line = case
    with pytest.raises(kind) as refused:
        rewritten(program, work, dialect)
    assert refused.value.line == line and refused.value.hint


@pytest.mark.parametrize("dialect", ["klipper", *MILLS])
def test_checksums_are_refused_where_they_are_misread(dialect: str) -> None:
    with pytest.raises(CannotTransform, match=DIALECTS[dialect].title.split(" ")[0]):
        preview(b"G28\nG1 X5\n", "number", {}, dialect=dialect)
