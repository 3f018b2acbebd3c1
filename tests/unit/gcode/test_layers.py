"""The table of layers: what marks them, how high they are, when they come, what they take."""

from __future__ import annotations

import math
import random

import pytest

from fleetctl.gcode import Analysis, LayerTable, analyze

START = b"G21\nG90\nM83\nG28\nM104 S200\n"


def table(body: bytes, **asked: bool) -> Analysis:
    return analyze(START + body, dialect="marlin", **asked)


def heights(facts: Analysis) -> list[tuple[float | None, float | None]]:
    return [(layer.z_mm, layer.height_mm) for layer in facts.layer_table]


MARKED = {
    "PrusaSlicer, Orca": b";LAYER_CHANGE\n;Z:%s\n;HEIGHT:%s\n;HEIGHT:9\n",
    "Bambu Studio": b"; CHANGE_LAYER\n; Z_HEIGHT: %s\n; LAYER_HEIGHT: %s\n",
    "KISSlicer": b"; BEGIN_LAYER_OBJECT z=%s z_thickness=%s\n",
    "ideaMaker": b";LAYER:0\n;Z:%s\n;HEIGHT:%s\n",
}


@pytest.mark.parametrize("mark", MARKED.values(), ids=MARKED)
def test_heights_that_the_slicer_tells(mark: bytes) -> None:
    body = b"".join(mark % (z, h) + b"G1 X1 E1 F600\nG1 X0 Z9\n" for z, h in ((b".25", b"0.25"), (b"0.45", b"0.2")))
    facts = table(body)
    assert (facts.layers, facts.layers_from) == (2, "comments")
    assert heights(facts) == [(0.25, 0.25), (0.45, 0.2)]


def test_simplify3d_tells_the_height_in_the_marker() -> None:
    facts = table(b"; layer 1, Z = 0.2\nG1 X1 E1\n; layer 2, Z = 0.5\nG1 X2 E1\n; layer end\n")
    assert heights(facts) == [(0.2, None), (0.5, 0.3)]


def test_cura_tells_no_height_so_the_first_work_does() -> None:
    body = b";LAYER:0\nG0 Z5\nG0 Z.2\nG1 X1 E1\n;LAYER:1\nG0 Z.6\nG0 Z.4\nG1 X5 E1\nG1 X9 Z3 E1\n"
    assert heights(table(body)) == [(0.2, None), (0.4, 0.2)]


def test_heights_worked_at_where_there_are_no_comments() -> None:
    hop = b"G1 Z%d\nG0 X%d Y5\nG1 Z%s\nG1 X%d Y9 E1\n"
    body = b"".join(hop % (5 + i, i, b"%.1f" % (0.2 * (i // 3 + 1)), 9 - i) for i in range(9))
    facts = table(body)
    assert (facts.layers, facts.layers_from) == (3, "z")
    assert heights(facts) == [(0.2, None), (0.4, 0.2), (0.6, 0.2)]
    assert [layer.line for layer in facts.layer_table] == [9, 21, 33]


def test_a_vase_is_not_a_layer_for_each_line() -> None:
    turn = b"".join(b"G1 X%d Y%d Z%.3f E.5\n" % (i % 7, i % 5, 0.2 + i / 1000) for i in range(500))
    facts = table(b"G1 Z.2\nG1 X5 E1\nG1 X0 E1\n" + turn)
    assert facts.layers == len(facts.layer_table) == 1


def test_a_better_kind_of_marker_begins_the_table_anew() -> None:
    facts = table(b"; layer 1, Z = 7\nG1 X1 E1\n;LAYER_CHANGE\n;Z:0.3\nG1 X2 E1\n; layer 2, Z = 8\n")
    assert (facts.layers, [layer.line for layer in facts.layer_table]) == (1, [8])
    assert heights(facts) == [(0.3, None)]


def test_mills_have_no_layers() -> None:
    facts = analyze(b"G21 G90\nG1 Z-1 F100\nX5\nZ0\nX9\n;LAYER:1\n", dialect="grbl")
    assert (facts.layers, len(facts.layer_table), facts.layer_table) == (0, 0, LayerTable())


def body_of(rng: random.Random, layers: int) -> bytes:
    """Layers with a random number of random moves, so that markers fall anywhere in the planner's window."""
    lines = []
    for layer in range(layers):
        lines.append(f";LAYER:{layer}\nG1 Z{0.2 * (layer + 1):.2f} F{rng.choice((600, 3000, 9000))}")
        for _ in range(rng.choice((0, 1, 3, 200, 700))):
            pull = rng.choice((0.1, 0.1, 0.3, -0.2))
            lines.append(f"G1 X{rng.uniform(0, 99):.2f} Y{rng.uniform(0, 99):.2f} E{pull}")
        if rng.random() < 0.3:
            lines.append(f"T{rng.randrange(3)}\nG4 P{rng.randrange(900)}")
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("seed", range(6))
def test_time_offset_and_filament_of_each_layer(seed: int) -> None:
    data = START + body_of(random.Random(seed), 12)
    facts = analyze(data, dialect="marlin", time_at_line=True)
    times = facts.time_at_line
    assert times is not None and len(facts.layer_table) == 12
    for layer in facts.layer_table:
        assert layer.start_s == times[layer.line - 1]
        assert data[layer.offset_bytes :].startswith(b";LAYER:")
        assert data[: layer.offset_bytes].decode().count("\n") + 1 == layer.line
    before = analyze(data[: facts.layer_table[0].offset_bytes], dialect="marlin")
    assert sum(facts.layer_table.filament_mm) == pytest.approx(
        sum(facts.filament_mm.values()) - sum(before.filament_mm.values())
    )
    for index, layer in enumerate(facts.layer_table):
        assert facts.layer_table.at_line(layer.line) == index
    assert facts.layer_table.at_line(1) is None
    with pytest.raises(IndexError):
        facts.layer_table[12]


def test_only_so_many_are_kept_and_all_are_counted() -> None:
    facts = table(b";LAYER:1\nG1 X1 E1\nG1 X0 E1\n" * 20_005)
    assert (facts.layers, len(facts.layer_table)) == (20_005, 20_000)
    assert facts.layer_table[-1].filament_mm == pytest.approx(2 * 6)
    assert not any(math.isnan(s) for s in facts.layer_table.start_s)
    assert list(facts.layer_table.start_s) == sorted(facts.layer_table.start_s)
