"""What may be asked of a mill by hand: the same bounds on every firmware."""

from __future__ import annotations

import math

import pytest

from fleetctl.errors import MachineError, UsageError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.by_hand import check_offset, check_probe, check_probe_way

WITHIN = Envelope(least_mm=(0.0, 0.0, -50.0), greatest_mm=(100.0, 100.0, 0.0))


def test_a_probe_goes_a_way_with_a_sign() -> None:
    assert check_probe("Z", -1, 12.5, 1.0) == -12.5
    assert check_probe("X", 1, 100.0, 10.0) == 100.0


@pytest.mark.parametrize(
    ("axis", "direction", "distance_mm", "feed_mm_s"),
    [("A", 1, 5, 1), ("Z", 0, 5, 1), ("Z", 1, 0, 1), ("Z", 1, 101, 1), ("Z", 1, math.nan, 1), ("Z", 1, 5, 11)],
)
def test_any_other_probe_is_refused(axis: str, direction: int, distance_mm: float, feed_mm_s: float) -> None:
    with pytest.raises(UsageError):
        check_probe(axis, direction, distance_mm, feed_mm_s)


def test_a_probe_stays_inside_the_travel_where_place_and_travel_are_known() -> None:
    check_probe_way("Z", -50.0, (0.0, 0.0, 0.0), WITHIN)
    check_probe_way("Z", -51.0, None, WITHIN)
    check_probe_way("Z", -51.0, (0.0, 0.0, 0.0), None)
    with pytest.raises(MachineError, match=r"Z -51\.000"):
        check_probe_way("Z", -51.0, (0.0, 0.0, 0.0), WITHIN)


@pytest.mark.parametrize(
    ("frame", "axes_mm"), [("G53", {"X": 1.0}), ("G54", {}), ("G54", {"A": 1.0}), ("G54", {"X": math.nan})]
)
def test_a_work_offset_that_makes_no_sense_is_refused(frame: str, axes_mm: dict[str, float]) -> None:
    check_offset("G54", {"X": 1.0, "Z": -9_999.0}, ("G54", "G55"))
    with pytest.raises(UsageError):
        check_offset(frame, axes_mm, ("G54", "G55"))
