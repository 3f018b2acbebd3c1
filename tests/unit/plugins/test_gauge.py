"""The simulated gauge: pass and fail by size, and never a verdict on a piece that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetctl_plugins.gauge import fleetctl_check_part

from fleetctl.errors import ConfigurationError
from fleetctl.model.part import Result
from fleetctl.plugin.hookspecs import PartToCheck
from fleetctl.sim.parts import Part
from fleetctl.sim.tray import lay


def question(tray: Path | None, ordinal: int = 0, run_id: str = "run-1", **options: str) -> PartToCheck:
    given = dict(options) if tray is None else {"tray": str(tray), **options}
    return PartToCheck(
        part_id=f"part-{ordinal}",
        part_code=f"P-{ordinal}",
        run_id=run_id,
        machine="K1",
        ordinal=ordinal,
        program_sha256="",
        program_name="",
        machine_options=given,
    )


def plate(run: int, *sizes_mm: float) -> list[Part]:
    return [Part(run, index, 10 * run + index, size, None, 0.0) for index, size in enumerate(sizes_mm)]


def test_no_tray_no_opinion() -> None:
    assert fleetctl_check_part(question(None)) is None


def test_each_piece_of_the_newest_plate_by_its_index(tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    lay(tray, plate(1, 25.0, 25.0))
    lay(tray, plate(2, 20.01, 20.3))
    good, bad = (fleetctl_check_part(question(tray, ordinal)) for ordinal in (0, 1))
    assert good is not None
    assert bad is not None
    assert (good.result, bad.result) == (Result.PASS, Result.FAIL)
    assert bad.value == pytest.approx(20.3, abs=0.02)
    assert (bad.least, bad.greatest) == (19.9, 20.1)
    assert "20.3" in bad.reason


def test_limits_come_from_the_machine_s_options(tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    lay(tray, plate(1, 25.0))
    result = fleetctl_check_part(question(tray, gauge_nominal_mm="25", gauge_tolerance_mm="0.5"))
    assert result is not None
    assert result.result is Result.PASS
    with pytest.raises(ConfigurationError, match="gauge_nominal_mm"):
        fleetctl_check_part(question(tray, gauge_nominal_mm="wide"))


def test_i7_a_piece_that_is_not_there_is_not_assessed(tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    missing = fleetctl_check_part(question(tray))
    assert missing is not None
    assert missing.result is Result.NOT_ASSESSED
    lay(tray, plate(1, 20.0))
    beyond = fleetctl_check_part(question(tray, ordinal=1))
    assert beyond is not None
    assert beyond.result is Result.NOT_ASSESSED


def test_a_plate_counts_for_one_run_only(tmp_path: Path) -> None:
    tray = tmp_path / "tray"
    lay(tray, plate(1, 20.0))
    first = fleetctl_check_part(question(tray, run_id="run-1"))
    second = fleetctl_check_part(question(tray, run_id="run-2"))
    assert first is not None
    assert second is not None
    assert (first.result, second.result) == (Result.PASS, Result.NOT_ASSESSED)
