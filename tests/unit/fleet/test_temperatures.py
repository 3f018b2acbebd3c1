"""Temperatures of the last half hour."""

from fleetctl.fleet.temperatures import KEPT_S, SAMPLES, Temperatures

HEAT = {"T0": (20.0, 200.0), "B": (30.5, 60.0)}


def test_columns_hold_what_was_heard_at_most_every_two_seconds() -> None:
    heat = Temperatures()
    for at_s in (100.0, 100.25, 101.9, 102.0, 103.0, 104.1):
        heat.heard("K1", at_s, HEAT)
    columns = heat.columns("K1", 104.1)
    assert columns.at_s == (100.0, 102.0, 104.1)
    assert columns.heaters["B"].now_degc == (30.5, 30.5, 30.5)
    assert columns.heaters["T0"].target_degc == (200.0, 200.0, 200.0)
    assert heat.columns("K1", 104.1, after_s=102.0).at_s == (104.1,)
    assert heat.columns("K2", 104.1).at_s == ()


def test_a_loss_leaves_a_gap_and_a_new_heater_has_one_before_it() -> None:
    heat = Temperatures()
    heat.heard("K1", 100.0, {"T0": (20.0, 0.0)})
    heat.lost("K1")
    heat.heard("K1", 200.0, HEAT)
    columns = heat.columns("K1", 200.0)
    assert columns.at_s == (100.0, 101.0, 200.0)
    assert columns.heaters["T0"].now_degc == (20.0, None, 20.0)
    assert columns.heaters["B"].now_degc == (None, None, 30.5)
    heat.lost("K9")
    assert heat.columns("K9", 200.0).at_s == ()


def test_memory_is_bounded_and_only_half_an_hour_is_given() -> None:
    heat = Temperatures()
    for number in range(3 * SAMPLES):
        heat.heard("K1", 2.0 * number, HEAT)
    series = heat._series["K1"]
    assert len(series.at_s) <= SAMPLES * 9 // 8 + 1
    assert all(len(column) == len(series.at_s) for pair in series.heaters.values() for column in pair)
    now_s = 2.0 * (3 * SAMPLES - 1)
    columns = heat.columns("K1", now_s)
    assert columns.at_s[-1] == now_s and columns.at_s[0] > now_s - KEPT_S
    assert len(columns.at_s) == SAMPLES
    assert heat.columns("K1", now_s + 2 * KEPT_S).at_s == ()


def test_a_clock_that_is_set_back_begins_anew() -> None:
    heat = Temperatures()
    heat.heard("K1", 5000.0, HEAT)
    heat.heard("K1", 100.0, HEAT)
    assert heat.columns("K1", 100.0).at_s == (100.0,)
