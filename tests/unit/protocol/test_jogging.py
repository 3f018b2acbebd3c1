"""However late an agent sends its moves, and whenever it dies: motion ends when the plan says, at the latest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.protocol.jogging import AFTER_S, VALID_S, JogLimits, JogPlan
from fleetctl.sim.motion import Move, Planner

BEAT_S = 0.08
BEATS = 12
LOOKS_S = 0.001


def rest_after_s(
    planner: Planner, limits: JogLimits, speed_mm_s: float, lateness_s: list[float], *, dies_s: float
) -> float:
    """Hold a key and vanish; how long the tool still moved after the newest heartbeat that the agent had. Between two
    moves it is late by one of `lateness_s` after the other, and it dies `dies_s` after the last heartbeat."""
    plan = JogPlan(limits)
    plan.begin({"X": 0.0})
    beats = [BEAT_S * n for n in range(BEATS)]
    heard_s = due_s = now_s = moved_s = here_mm = end_mm = 0.0
    late = iter(lateness_s)
    while now_s < BEAT_S * BEATS + 1.0:
        while beats and beats[0] <= now_s:
            heard_s = beats.pop(0)
            plan.renew({"X": speed_mm_s}, heard_s + VALID_S)
        planner.advance(now_s)
        while due_s <= now_s <= heard_s + dies_s and planner.free and (move := plan.take(now_s, None)):
            start_mm, end_mm = end_mm, end_mm + move.distance_mm["X"]
            length_mm = abs(end_mm - start_mm)
            unit = ((end_mm - start_mm) / length_mm, 0.0, 0.0)
            ends = ((start_mm, 0.0, 0.0), (end_mm, 0.0, 0.0))
            planner.push(Move(*ends, length_mm, move.feed_mm_s, limits.accel_of("X"), unit, unit), now_s)
        if due_s <= now_s:
            due_s = now_s + next(late, 0.0)
        now_s += LOOKS_S
        planner.advance(now_s)
        if (x_mm := planner.position(now_s)[0]) != here_mm:
            here_mm, moved_s = x_mm, now_s
    assert here_mm == pytest.approx(end_mm)
    assert here_mm * speed_mm_s > 0
    return moved_s - heard_s


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([20.0, 100.0, 300.0, 1000.0, 5000.0]),
    st.sampled_from([-60.0, -8.0, 0.7, 20.0, 400.0]),
    st.lists(st.sampled_from([0.002, 0.01, 0.03, 0.06, 0.1, 0.14]), max_size=60),
    st.sampled_from([0.0, 0.079, 0.15]),
)
def test_motion_ends_in_time_however_late_moves_are(
    replans: bool, accel_mm_s2: float, speed_mm_s: float, lateness_s: list[float], dies_s: float
) -> None:
    limits = JogLimits(accel_mm_s2={"X": accel_mm_s2}, starts_twice=not replans)
    planner = Planner(15, replans_current=replans)
    rest_s = rest_after_s(planner, limits, speed_mm_s, lateness_s, dies_s=dies_s)
    rounding_s = 0.001 / min(abs(speed_mm_s), 0.045 * accel_mm_s2)
    assert rest_s <= VALID_S + AFTER_S + 2 * LOOKS_S + 2 * rounding_s
