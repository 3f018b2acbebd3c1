"""What results of checks mean for a part (I7)."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from fleetctl.model.part import PartState, Result
from fleetctl.quality.verdict import state_after_checks


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([], PartState.MADE),
        ([Result.PASS], PartState.GOOD),
        ([Result.PASS, Result.PASS], PartState.GOOD),
        ([Result.FAIL], PartState.SCRAP),
        ([Result.PASS, Result.FAIL], PartState.SCRAP),
        ([Result.NOT_ASSESSED], PartState.HOLD),
        ([Result.PASS, Result.NOT_ASSESSED], PartState.HOLD),
        ([Result.NOT_ASSESSED, Result.FAIL], PartState.SCRAP),
    ],
)
def test_the_rule(results: list[Result], state: PartState) -> None:
    assert state_after_checks(results) is state


def test_good_needs_a_pass_and_nothing_else() -> None:
    for size in range(5):
        for results in combinations_with_replacement(Result, size):
            good = state_after_checks(results) is PartState.GOOD
            assert good == (size > 0 and set(results) == {Result.PASS})
