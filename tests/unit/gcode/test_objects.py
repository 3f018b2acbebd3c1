"""Objects on the plate: which lines make them, where they are, what they take."""

from __future__ import annotations

import pytest

from fleetctl.gcode import Analysis, analyze

START = b"G21\nG90\nM83\nG28\nM104 S200\n"
FIRST, SECOND = b"G0 X10 Y10 Z.2 F6000\nG1 X20 E1\n", b"G0 X40 Y5 Z.2\nG1 X42 Y8 E.5\n"
AFTER = b"G1 X90 Y90 E1\n"

MARKS: dict[str, tuple[bytes, bytes, bytes, str, list[tuple[str, int | None]]]] = {
    "Klipper": (
        b"EXCLUDE_OBJECT_START NAME=a\n", b"EXCLUDE_OBJECT_START NAME=b\n", b"EXCLUDE_OBJECT_END NAME=x\n", "klipper",
        [("a", None), ("b", None)],
    ),
    "M486": (b"M486 S0\nM486 Aa\n", b"M486 S1 Ab c\n", b"M486 S-1\n", "marlin", [("a", 0), ("b c", 1)]),
    "M486, RepRapFirmware": (
        b'M486 S0 A"a"\n', b'M486 A"b S7" S1\n', b"M486 S-1\n", "rrf", [("a", 0), ("b S7", 1)],
    ),
    "M486 without names": (b"M486 S3\n", b"M486 S4\n", b"M486 S-1\n", "marlin", [("", 3), ("", 4)]),
    "PrusaSlicer, Orca": (
        b"; printing object a id:0 copy 0\n", b"; printing object a id:0 copy 1\n",
        b"; stop printing object a id:0 copy 0\n", "marlin", [("a id:0 copy 0", 0), ("a id:0 copy 1", 0)],
    ),
    "Bambu Studio": (
        b"; OBJECT_ID: 79\n; start printing object, unique label id: 79\n",
        b"; start printing object, unique label id: 80\n", b"; stop printing object, unique label id: 79\n", "marlin",
        [("", 79), ("", 80)],
    ),
    "Cura": (b";MESH:a.stl\n", b";MESH:b.stl\n", b";MESH:NONMESH\n", "marlin", [("a.stl", None), ("b.stl", None)]),
}  # fmt: skip


@pytest.mark.parametrize(("begin_a", "begin_b", "end", "dialect", "names"), MARKS.values(), ids=MARKS)
def test_every_kind_of_mark(
    begin_a: bytes, begin_b: bytes, end: bytes, dialect: str, names: list[tuple[str, int | None]]
) -> None:
    data = START + (begin_a + FIRST + end + b"G0 X0\n" + begin_b + SECOND + end + AFTER) * 2
    facts = analyze(data, dialect=dialect)
    assert [(part.name, part.id) for part in facts.object_parts] == names
    assert facts.objects == tuple(name or str(number) for name, number in names)
    a, b = facts.object_parts
    assert (a.low_mm, a.high_mm) == ((10, 10, 0.2), (20, 10, 0.2))
    assert (b.low_mm, b.high_mm) == ((40, 5, 0.2), (42, 8, 0.2))
    assert (a.filament_mm, b.filament_mm) == (2.0, 1.0)
    lines = data.split(b"\n")
    assert a.first_line == lines.index(begin_a.split(b"\n")[0]) + 1
    assert a.last_line > a.first_line and lines[a.last_line - 1] + b"\n" == end
    assert facts.objects_past == 0


def define(name: str, more: str = "") -> bytes:
    return f"EXCLUDE_OBJECT_DEFINE NAME={name}{more}\n".encode()


def klipper(data: bytes) -> Analysis:
    return analyze(START + data, dialect="klipper")


def test_what_a_definition_tells() -> None:
    facts = klipper(
        define("'a'", " CENTER=104.7,-155.5 POLYGON=[[1,2],[3.5,2],[1, -4.25]]")
        + b'exclude_object_define name="b c" polygon=[]\n' + FIRST
    )  # fmt: skip
    a, b = facts.object_parts
    assert (a.name, a.centre_mm, a.outline_mm) == ("'a'", (104.7, -155.5), ((1, 2), (3.5, 2), (1, -4.25)))
    assert (b.name, b.centre_mm, b.outline_mm) == ("b c", None, ())
    assert (a.first_line, a.low_mm, a.filament_mm) == (0, (None, None, None), 0.0)


def test_one_object_written_in_two_kinds_of_marks_is_one() -> None:
    """Orca for Klipper writes both; an object counted twice would double the yield of a plate."""
    one = b"; printing object a id:0 copy 0\nEXCLUDE_OBJECT_START NAME=a_id_0\n" + FIRST
    one += b"EXCLUDE_OBJECT_END NAME=a_id_0\n; stop printing object a id:0 copy 0\n"
    facts = klipper(one + AFTER)
    assert facts.objects == ("a_id_0",)
    assert facts.object_parts[0].high_mm[0] == 20


def test_the_start_of_work_counts_for_a_new_object() -> None:
    facts = analyze(START + b";MESH:a\n" + FIRST + b";MESH:b\nG1 X30 E1\n", dialect="marlin")
    assert facts.object_parts[1].low_mm == (20, 10, 0.2)


def test_the_bulge_of_an_arc_counts() -> None:
    facts = analyze(START + b";MESH:a\nG1 X10 Y0 E1\nG3 X-10 Y0 I-10 J0 E1\n;MESH:NONMESH\n", dialect="marlin")
    assert facts.object_parts[0].high_mm[1] == 10


@pytest.mark.parametrize("count", [255, 256, 257, 300])
def test_at_most_256_and_the_marks_past_them_are_counted(count: int) -> None:
    facts = klipper(b"".join(define(f"n{i}") for i in range(count)) + FIRST)
    assert len(facts.object_parts) == len(facts.objects) == min(count, 256)
    assert facts.objects_past == max(0, count - 256)


def test_an_outline_without_room_is_left_out_whole() -> None:
    corners = ",".join(f"[{i},{i}]" for i in range(1500))
    facts = klipper(
        b"".join(define(f"n{i}", f" POLYGON=[{corners}]") for i in range(4)) + define("e", " POLYGON=[[1,2]]")
    )
    assert [len(part.outline_mm) for part in facts.object_parts] == [1500, 1500, 0, 0, 1]


@pytest.mark.parametrize(
    "damaged", ["POLYGON=[[1,2],[3", "POLYGON=[[,]]", "CENTER=,", "CENTER=1", "POLYGON=", "CENTER=1e9,x"]
)
def test_damaged_definitions_harm_nothing(damaged: str) -> None:
    part = klipper(define("a", " " + damaged) + FIRST).object_parts[0]
    assert part.centre_mm is None and part.outline_mm in ((), ((1, 2),))
