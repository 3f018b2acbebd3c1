"""What moves are for: slicers' words in one vocabulary, with time and filament; and filament as volume and mass."""

from __future__ import annotations

import math
import random

import pytest

from fleetctl._ext import gcode_core
from fleetctl.gcode import FEATURES, analyze
from fleetctl.gcode.trace import TRAVEL

START = b"G21\nG90\nM83\nG28\nM104 S200\n"
WORDS = {
    "outer_wall": ["TYPE:External perimeter", "TYPE:Outer wall", "TYPE:WALL-OUTER", " FEATURE: Outer wall",
                   " feature outer perimeter"],
    "inner_wall": ["TYPE:Perimeter", "TYPE:Inner wall", "TYPE:WALL-INNER", " FEATURE: Inner wall",
                   " feature inner perimeter"],
    "overhang": ["TYPE:Overhang perimeter", "TYPE:Overhang wall"],
    "infill": ["TYPE:Internal infill", "TYPE:Sparse infill", "TYPE:FILL", " feature infill"],
    "solid_infill": ["TYPE:Solid infill", "TYPE:Internal solid infill", "TYPE:SKIN", " feature solid layer"],
    "top": ["TYPE:Top solid infill", "TYPE:Top surface"],
    "bottom": ["TYPE:Bottom surface"],
    "bridge": ["TYPE:Bridge infill", "TYPE:Bridge", "TYPE:Internal Bridge"],
    "gap_fill": ["TYPE:Gap fill", "TYPE:Gap infill"],
    "support": ["TYPE:Support material", "TYPE:Support", "TYPE:SUPPORT", "TYPE:Support transition"],
    "support_interface": ["TYPE:Support material interface", "TYPE:Support interface", "TYPE:SUPPORT-INTERFACE"],
    "skirt": ["TYPE:Skirt", "TYPE:Skirt/Brim", "TYPE:Brim", "TYPE:SKIRT"],
    "wipe_tower": ["TYPE:Wipe tower", "TYPE:Prime tower", "TYPE:PRIME-TOWER"],
    "ironing": ["TYPE:Ironing"],
    "custom": ["TYPE:Custom"],
    "unknown": ["TYPE:", "TYPE:Floating vertical shell", "TYPE:" + "x" * 100, "TYPEX:Perimeter", "TYPE:Perimeters"],
}  # fmt: skip


def test_the_vocabulary_is_the_core_s() -> None:
    assert gcode_core.FEATURE_NAMES == FEATURES and set(FEATURES) >= TRAVEL


@pytest.mark.parametrize(("feature", "word"), [(key, word) for key, words in WORDS.items() for word in words])
def test_slicers_words(feature: str, word: str) -> None:
    facts = analyze(START + f";{word}\nG1 X10 E1 F600\nG0 X0\n;TYPE:Custom\n".encode(), dialect="marlin")
    work = {name: use.filament_mm for name, use in facts.features.items() if name not in TRAVEL}
    assert work == {feature: 1.0}


@pytest.mark.parametrize("seed", range(4))
def test_times_and_filament_add_up(seed: int) -> None:
    rng = random.Random(seed)
    lines = []
    for _ in range(3000):
        kind = rng.randrange(20)
        if kind == 0:
            lines.append(rng.choice([";TYPE:Perimeter", ";TYPE:SKIN", ";TYPE:Support", "G4 P100", "T1", "T0"]))
        elif kind < 4:
            lines.append(f"G0 X{rng.randrange(200)} Y{rng.randrange(200)}")
        else:
            lines.append(f"G1 X{rng.randrange(200)} Y{rng.randrange(200)} E{rng.choice([1, 1, 2, -1, 0.5])}")
    facts = analyze(START + "\n".join(lines).encode(), dialect="marlin")
    assert sum(use.duration_s for use in facts.features.values()) == pytest.approx(facts.duration_s, rel=1e-9)
    assert sum(use.filament_mm for use in facts.features.values()) == pytest.approx(sum(facts.filament_mm.values()))
    assert {"travel", "inner_wall", "solid_infill", "support", "wait"} <= set(facts.features)
    assert facts.features["wait"].duration_s == pytest.approx(facts.dwell_s)


def test_a_printer_s_moves_without_filament_are_travel() -> None:
    facts = analyze(START + b";TYPE:Perimeter\nG1 X100 F6000\nG1 E-1\nG1 X0 E-.1\nG1 E1.1\n", dialect="marlin")
    assert set(facts.features) == {"travel", "retract", "inner_wall"} - {"inner_wall"} | {"retract"}


def test_a_mill_s_moves() -> None:
    program = b"G21 G90 G0 X0 Y0 Z5\nG1 Z-1 F60\nG1 X10\nG2 X20 I5 J0\nG1 X25 Z-2\nG0 Z5\nG38.2 Z-9\nG4 P2\n"
    features = analyze(program, dialect="grbl").features
    assert set(features) == {"rapid", "plunge", "cut", "probe", "wait"}
    assert features["plunge"].duration_s == pytest.approx(6, rel=0.05)
    assert features["wait"].duration_s == 2


def test_filament_as_length_volume_and_mass() -> None:
    said = b"; filament_diameter = 1.75,2.85\n; filament_density = 1.24\n"
    facts = analyze(START + said + b"G1 X9 E10 F600\nT1\nG1 X0 E4\nT2\nG1 X9 E1\n", dialect="marlin")
    one, two, three = facts.tools
    assert (one.filament_mm, two.filament_mm, three.filament_mm) == (10, 4, 1)
    assert one.filament_mm3 == pytest.approx(10 * math.pi * 1.75**2 / 4)
    assert one.filament_g == pytest.approx(10 * math.pi * 1.75**2 / 4 * 1.24 / 1000)
    assert (two.filament_mm3, two.filament_g) == (pytest.approx(4 * math.pi * 2.85**2 / 4), None)
    assert (three.filament_mm3, three.filament_g) == (None, None)
    assert facts.filament_mm3 == {0: one.filament_mm3, 1: two.filament_mm3}


def test_a_volume_is_not_made_of_volumes_of_unknown_filament() -> None:
    known = analyze(START + b"; filament_diameter = 1.75\nM200 D1.75\nG1 X9 E10 F600\n", dialect="marlin")
    assert known.tools[0].filament_mm3 == pytest.approx(10, abs=1e-5)
    facts = analyze(START + b"; filament_diameter = 1.75\nM200 S1\nG1 X9 E10 F600\n", dialect="marlin")
    assert facts.tools[0].filament_mm3 is None and facts.filament_mm3 == {}
