"""The one function that applies a legal transition, for every lifecycle.

A lifecycle is an enum and one literal dict from a state to the states that may follow. This module must not
know any particular lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from fleetctl.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)


def step(table: Mapping[S, frozenset[S]], current: S, following: S, what: str) -> S:
    """The state `following`, if `table` lets it follow `current`; otherwise IllegalTransition and nothing changed.

    `what` names the thing in the message, such as "run R-12".
    """
    if following not in table[current]:
        if following is current:
            raise IllegalTransition(f"{what} is {current.value} already.")
        raise IllegalTransition(f"{what} is {current.value} and cannot become {following.value}.")
    return following


def final_states(table: Mapping[S, frozenset[S]]) -> frozenset[S]:
    """The states that nothing follows."""
    return frozenset(state for state, following in table.items() if not following)
