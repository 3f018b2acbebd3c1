"""When a board is another one."""

import pytest

from fleetctl.model.board import Board


@pytest.mark.parametrize(
    ("recorded", "answered", "contradiction"),
    [
        (Board(), Board(uuid="a", model="Ender"), ""),
        (Board(uuid="a"), Board(uuid="a", model="Ender"), ""),
        (Board(uuid="a"), Board(uuid="b"), "its id is b, on record is a"),
        (Board(uuid="a", model="Ender"), Board(model="Ender"), "its id is not told, on record is a"),
        (Board(model="Ender"), Board(model="MK3"), "it calls itself MK3, on record is Ender"),
        (Board(model="Ender"), Board(), ""),
        (Board(uuid="a", model="Ender"), Board(uuid="a", model="MK3"), "it calls itself MK3, on record is Ender"),
    ],
)
def test_what_contradicts_the_record(recorded: Board, answered: Board, contradiction: str) -> None:
    assert recorded.contradiction(answered) == contradiction


def test_what_is_said_for_the_first_time_is_learned_and_nothing_is_forgotten() -> None:
    first = Board().learned(Board(model="Ender"))
    assert first == Board(model="Ender")
    assert first.learned(Board(uuid="a", model="Ender")) == Board(uuid="a", model="Ender")
    assert Board(uuid="a", model="Ender").learned(Board(uuid="a")) == Board(uuid="a", model="Ender")
    assert not Board().known
    assert str(Board()) == "a board without a name"
    assert str(Board(uuid="a", model="Ender")) == "Ender a"
