"""A heater follows its closed formula."""

from __future__ import annotations

import math

import pytest

from fleetctl.sim.heat import Heater


@pytest.fixture
def heater() -> Heater:
    return Heater(ceiling_degc=400.0, rise_s=100.0, fall_s=200.0)


def test_it_rises_towards_the_ceiling_and_stays_at_the_target(heater: Heater) -> None:
    heater.set_target(200, 0.0)
    assert heater.temperature(50) == pytest.approx(400 - 375 * math.exp(-0.5))
    reach_s = heater.reaches_at_s(200, 1e9)
    assert reach_s == pytest.approx(100 * math.log(375 / 200))
    assert heater.temperature(1000) == 200
    assert heater.power(10) == 1.0 and 0 < heater.power(1000) < 1


def test_it_cools_to_ambient_and_reads_where_it_was_when_changed(heater: Heater) -> None:
    heater.set_target(200, 0.0)
    heater.set_target(0, 1000.0)
    assert heater.temperature(1000) == 200 and heater.power(1000) == 0
    assert heater.temperature(1200) == pytest.approx(25 + 175 * math.exp(-1))
    assert heater.reaches_at_s(0, 100) == pytest.approx(1000 + 200 * math.log(175 / 75))
    assert heater.temperature(1e6) == pytest.approx(25)


def test_it_cools_down_to_a_lower_target_and_no_further(heater: Heater) -> None:
    heater.set_target(200, 0.0)
    heater.set_target(100, 1000.0)
    assert heater.temperature(1e6) == 100


def test_what_cannot_be_reached_is_never_reached(heater: Heater) -> None:
    heater.set_target(500, 0.0)
    assert heater.reaches_at_s(450, 1e9) is None
    assert heater.temperature(1e6) == pytest.approx(400)
