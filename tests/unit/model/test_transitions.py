"""Every lifecycle is a table: walked transition by transition, and nothing beside the table is possible."""

from __future__ import annotations

from enum import StrEnum

import pytest

from fleetctl.errors import IllegalTransition
from fleetctl.model import job, part, run
from fleetctl.model.transitions import final_states, step

TABLES = {"run": run, "job": job, "part": part}
STATES = {"run": run.RunState, "job": job.JobState, "part": part.PartState}


@pytest.mark.parametrize("name", TABLES)
def test_every_state_has_a_row_and_a_phrase(name: str) -> None:
    assert set(TABLES[name].TRANSITIONS) == set(STATES[name]) == set(TABLES[name].PHRASE)


@pytest.mark.parametrize("name", TABLES)
def test_exactly_the_listed_steps_are_possible(name: str) -> None:
    table: dict[StrEnum, frozenset[StrEnum]] = TABLES[name].TRANSITIONS
    for current in table:
        for following in table:
            if following in table[current]:
                assert step(table, current, following, "it") is following
            else:
                already = f"{current.value} already" if following is current else ""
                said = already or f"{current.value} and cannot become {following.value}"
                with pytest.raises(IllegalTransition, match=said):
                    step(table, current, following, "it")


def test_ended_runs_are_final_and_hold_no_machine() -> None:
    assert final_states(run.TRANSITIONS) == run.ENDED
    assert not run.ENDED & run.ACTIVE
    assert {state.value for state in run.ENDED} == {"finished", "failed", "cancelled", "interrupted", "refused"}


def test_scrap_and_unmade_free_their_place_and_stay_so() -> None:
    gone = {part.PartState.SCRAP, part.PartState.UNMADE}
    assert frozenset(part.PartState) - part.LIVE == gone
    assert all(not part.TRANSITIONS[state] for state in gone)


def test_not_assessed_is_not_good() -> None:
    """I7: nothing but a result or a disposition leads to good."""
    assert part.PartState.GOOD not in part.TRANSITIONS[part.PartState.PLANNED]
    assert part.PartState.MADE not in part.COUNTED_GOOD
    assert part.PartState.HOLD not in part.COUNTED_GOOD
