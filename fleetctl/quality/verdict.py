"""What the results of one part mean for it, by rule: not assessed is never good (I7)."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.model.part import PartState, Result


def state_after_checks(results: Sequence[Result]) -> PartState:
    """Where a part that was just made goes once every check has spoken.

    One fail is scrap, and scrap is made again by itself (I3). All passes, at least one, are good. A check that
    could not assess holds the part (I7). No result at all leaves it made: a person must assess it.
    """
    if Result.FAIL in results:
        return PartState.SCRAP
    if Result.NOT_ASSESSED in results:
        return PartState.HOLD
    return PartState.GOOD if results else PartState.MADE
