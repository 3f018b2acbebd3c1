"""What is done about each request for a line, as a table, and against a machine that loses lines at random."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import OurProtocolError
from fleetctl.protocol.feeder import frame_line
from fleetctl.protocol.numbering import MAX_REPEATS, NumberedHistory, Request


def history_of(lines: int, capacity: int = 100) -> NumberedHistory:
    history = NumberedHistory(capacity)
    for number in range(1, lines + 1):
        assert history.append(frame_line(number, b"G1 X%d" % number)) == number
    return history


@pytest.mark.parametrize(
    ("requested", "decision", "replay_from"),
    [
        (150, Request.REPEAT, 150),
        (141, Request.REPEAT, 141),
        (51, Request.REPEAT, 51),
        (50, Request.LOST, None),
        (0, Request.LOST, None),
        (151, Request.NOT_SENT_YET, None),
        (152, Request.LOST, None),
    ],
)
def test_a_request_after_150_lines_with_100_remembered(
    requested: int, decision: Request, replay_from: int | None
) -> None:
    history = history_of(150)
    assert history.requested(requested) is decision
    assert history.replay_from == replay_from


def test_the_same_bytes_are_repeated_in_order_and_then_new_lines_follow() -> None:
    history = history_of(5)
    history.requested(4)
    with pytest.raises(OurProtocolError, match="overtake"):
        history.append(b"N6 too early")
    assert history.replay() == (4, frame_line(4, b"G1 X4"))
    assert history.replay() == (5, frame_line(5, b"G1 X5"))
    assert history.replay() is None
    assert history.append(b"N6") == 6


def test_echoes_of_lines_in_flight_are_dropped_and_a_later_request_counts() -> None:
    history = history_of(8)
    assert history.requested(5, in_flight_behind=3) is Request.REPEAT
    assert [history.requested(5) for _ in range(3)] == [Request.ALREADY_REPEATED] * 3
    assert history.requested(5) is Request.REPEAT


def test_with_one_line_in_flight_every_request_counts() -> None:
    history = history_of(8)
    assert [history.requested(8) for _ in range(3)] == [Request.REPEAT] * 3


def test_acceptance_settles_a_request_and_its_echoes() -> None:
    history = history_of(8)
    history.requested(5, in_flight_behind=3)
    history.accepted(4)
    assert history.requested(5) is Request.ALREADY_REPEATED
    history.accepted(5)
    assert history.requested(5) is Request.REPEAT


def test_no_echo_is_due_after_the_firmware_emptied_its_buffer() -> None:
    history = history_of(8)
    history.requested(5, in_flight_behind=3)
    history.expect_no_echo()
    assert history.requested(5) is Request.REPEAT


def test_one_line_asked_for_too_often_is_given_up() -> None:
    history = history_of(3)
    answers = [history.requested(3) for _ in range(MAX_REPEATS + 1)]
    assert answers == [Request.REPEAT] * MAX_REPEATS + [Request.GIVE_UP]


def test_a_request_for_the_next_new_line_ends_a_repetition() -> None:
    history = history_of(8)
    history.requested(5)
    assert history.requested(9) is Request.NOT_SENT_YET
    assert history.replay() is None
    assert history.append(b"N9") == 9


def test_reset_starts_both_sides_anew() -> None:
    history = history_of(8)
    history.requested(5)
    history.reset()
    assert history.next_number == 1
    assert history.replay() is None
    assert history.requested(5) is Request.LOST


def test_a_line_outside_the_history_is_our_mistake() -> None:
    with pytest.raises(OurProtocolError, match="not in the history"):
        history_of(150).line(3)


def test_a_history_of_fewer_than_100_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        NumberedHistory(99)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_machine_that_loses_lines_gets_each_line_once_in_order(seed: int, window: int) -> None:
    """A model of Marlin: a bad line empties the buffer and is asked for; what was behind it asks again."""
    rng = random.Random(seed)
    history = NumberedHistory(100)
    executed: list[int] = []
    wire: list[int] = []
    while len(executed) < 60:
        while len(wire) < window:
            repeated = history.replay()
            if repeated is not None:
                wire.append(repeated[0])
            elif history.next_number <= 60:
                wire.append(history.append(b"N%d" % history.next_number))
            else:
                break
        number = wire.pop(0)
        if number == len(executed) + 1 and rng.random() < 0.8:
            executed.append(number)
            history.accepted(number)
            continue
        behind = len(wire)
        wanted = len(executed) + 1
        echoes = rng.randrange(behind + 1)  # some firmwares flush them, some answer each one
        wire.clear()
        decision = history.requested(wanted, in_flight_behind=behind)
        if decision is Request.GIVE_UP:
            return
        for _ in range(echoes):
            assert history.requested(wanted) in (Request.ALREADY_REPEATED, Request.REPEAT, Request.GIVE_UP)
        history.expect_no_echo()
        if decision is Request.ALREADY_REPEATED:
            assert history.requested(wanted) in (Request.REPEAT, Request.GIVE_UP)
    assert executed == list(range(1, 61))
