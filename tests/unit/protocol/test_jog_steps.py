"""Steps that wait, whatever the firmware: what may be asked for, and what goes out of it."""

from __future__ import annotations

import pytest

from fleetctl.errors import MachineBusy, MachineError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone
from fleetctl.protocol.jog_steps import JogSteps, Step
from fleetctl.protocol.jogging import JogLimits

WITHIN = Envelope(least_mm=(0.0, 0.0, 0.0), greatest_mm=(100.0, 100.0, 100.0))
LIMITS = JogLimits(feed_mm_s={"X": 20.0})


def test_steps_go_out_in_order_and_the_end_is_reckoned_behind_them() -> None:
    steps = JogSteps()
    assert not steps
    assert steps.feed({"X": 10.0}, 50.0, WITHIN, LIMITS, begun=False) == 20.0
    steps.add({"X": 10.0}, 20.0, 1, 5.0)
    steps.add({"X": -5.0}, 10.0, 2, 5.0)
    steps.begin({"X": 50.0})
    assert steps.take(WITHIN, LIMITS, 5.0) == Step({"X": 10.0}, 20.0, 1)
    assert steps.take(WITHIN, LIMITS, 5.0) == Step({"X": -5.0}, 10.0, 2)
    assert steps.ends_s == 6.0
    assert steps.take(WITHIN, LIMITS, 5.0) is None and not steps


def test_a_step_that_would_leave_the_travel_is_refused_once_the_place_is_known() -> None:
    steps = JogSteps()
    steps.feed({"X": 30.0}, 10.0, WITHIN, LIMITS, begun=False)
    steps.add({"X": 30.0}, 10.0, 1, 0.0)
    steps.add({"X": 30.0}, 10.0, 2, 0.0)
    steps.begin({"X": 45.0})
    assert isinstance(steps.take(WITHIN, LIMITS, 0.0), Step)
    refused = steps.take(WITHIN, LIMITS, 0.0)
    assert isinstance(refused, CommandDone)
    assert (refused.ticket, refused.ok) == (2, False) and "105.000" in refused.lines[0]
    with pytest.raises(MachineError, match=r"105\.000"):
        steps.feed({"X": 30.0}, 10.0, WITHIN, LIMITS, begun=True)
    assert steps.ends_s == 3.0


def test_all_that_waits_or_runs_is_bounded_in_time() -> None:
    steps = JogSteps()
    steps.add({"X": 20.0}, 1.0, 1, 100.0)
    with pytest.raises(MachineBusy):
        steps.add({"X": 11.0}, 1.0, 2, 100.0)
    steps.begin({})
    assert isinstance(steps.take(None, LIMITS, 100.0), CommandDone)  # blind, and too far
    with pytest.raises(MachineBusy):
        steps.add({"X": 6.0}, 1.0, 2, 100.0, 5.0)
    steps.add({"X": 5.0}, 1.0, 3, 100.0, 5.0)
    assert steps.forget("stopped") == [CommandDone(3, ("stopped",), ok=False)]
    assert not steps and steps.forget("again") == []
