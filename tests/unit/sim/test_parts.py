"""Parts, the tray they lie on, and the gauge that measures them."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from fleetctl.errors import UsageError
from fleetctl.sim.gauge import Gauge
from fleetctl.sim.parts import DEFECT_KINDS, PartMaker, PartSpec
from fleetctl.sim.tray import lay, look


def test_parts_are_seeded_and_do_not_depend_on_what_was_made_before() -> None:
    spec = PartSpec(parts_per_program=4, defect_rate=0.3)
    first = PartMaker(spec, 7)
    whole = [*first.make(1.0), *first.make(2.0)]
    later = PartMaker(spec, 7, runs_made=1, parts_made=4)
    assert later.make(2.0) == whole[4:]
    assert [part.run for part in whole] == [1] * 4 + [2] * 4 and [part.index for part in whole] == [0, 1, 2, 3] * 2
    assert PartMaker(spec, 8).make(1.0) != whole[:4]


def test_dimensions_and_defects_have_the_asked_distribution() -> None:
    parts = PartMaker(PartSpec(parts_per_program=4000, sigma_mm=0.05, defect_rate=0.1), 1).make(0.0)
    good = [part.true_mm for part in parts if part.defect is None]
    assert statistics.mean(good) == pytest.approx(20, abs=0.005)
    assert statistics.stdev(good) == pytest.approx(0.05, rel=0.05)
    bad = [part for part in parts if part.defect is not None]
    assert 320 < len(bad) < 480 and {part.defect for part in bad} == set(DEFECT_KINDS)
    assert all(abs(part.true_mm - 20) > 0.25 for part in bad)


def test_a_defect_can_be_ordered() -> None:
    parts = PartMaker(PartSpec(parts_per_program=3, defect_at=(2,)), 1).make(0.0)
    assert [part.defect is None for part in parts] == [True, False, True]


def test_the_seed_of_defects_leaves_good_dimensions_alone() -> None:
    one = PartMaker(PartSpec(parts_per_program=50, defect_rate=0.2, defect_seed=1), 7).make(0.0)
    two = PartMaker(PartSpec(parts_per_program=50, defect_rate=0.2, defect_seed=2), 7).make(0.0)
    assert [part.defect for part in one] != [part.defect for part in two]
    both_good = [(a, b) for a, b in zip(one, two, strict=True) if a.defect is None and b.defect is None]
    assert both_good and all(a.true_mm == b.true_mm for a, b in both_good)


@pytest.mark.parametrize("options", [{"defect_rate": 1.5}, {"parts_per_program": -1}])
def test_senseless_specifications_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        PartSpec(**options)  # type: ignore[arg-type]


def test_the_tray_keeps_parts_in_order_and_ignores_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "parts.jsonl"
    assert look(path) == []
    maker = PartMaker(PartSpec(parts_per_program=2), 7)
    plates = [maker.make(1.0), maker.make(2.0)]
    for plate in plates:
        lay(path, plate)
    with path.open("a") as tray:
        tray.write('{"run": 3, "ind')
    assert look(path) == [*plates[0], *plates[1]]


def test_the_gauge_reads_the_newest_plate_with_its_own_noise(tmp_path: Path) -> None:
    path = tmp_path / "parts.jsonl"
    gauge = Gauge(seed=3, noise_sigma_mm=0.002)
    assert gauge.newest(path) == []
    maker = PartMaker(PartSpec(parts_per_program=3), 7)
    lay(path, maker.make(1.0))
    lay(path, plate := maker.make(2.0))
    readings = gauge.newest(path)
    assert [(r.run, r.index, r.part) for r in readings] == [(2, 0, 4), (2, 1, 5), (2, 2, 6)]
    assert all(0 < abs(r.value_mm - p.true_mm) < 0.012 for r, p in zip(readings, plate, strict=True))
    assert gauge.newest(path) == readings and len(gauge.newest(path, 5)) == 5
    assert gauge.measure(plate[0], repeat=1).value_mm != readings[0].value_mm
    assert len(gauge.newest(path, 99)) == 6
