"""The ledger of lines in flight never holds more than the machine can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.protocol.window import Window


@given(st.lists(st.one_of(st.integers(1, 80), st.just("ok")), max_size=200))
def test_character_counting_never_overfills_and_answers_in_order(steps: list[int | str]) -> None:
    window: Window[int] = Window(max_bytes=127)
    flight: list[tuple[int, int]] = []
    for tag, step in enumerate(steps):
        if isinstance(step, int):
            assert window.fits(step) == (sum(size for size, _ in flight) + step <= 127)
            if window.fits(step):
                window.sent(step, tag)
                flight.append((step, tag))
        else:
            assert window.answered() == (flight.pop(0)[1] if flight else None)
        assert window.used_bytes == sum(size for size, _ in flight) <= 127
        assert window.tags() == [tag for _, tag in flight]
        assert len(window) == len(flight)


def test_send_response_has_one_line_in_flight() -> None:
    window: Window[str] = Window(max_lines=1)
    window.sent(40, "first")
    assert not window.fits(1)
    assert window.free_lines() == 0
    with pytest.raises(ValueError, match="do not fit"):
        window.sent(1, "second")
    assert window.tags() == ["first"]
    assert window.answered() == "first"
    assert window.fits(1)


def test_both_bounds_hold_together() -> None:
    window: Window[int] = Window(max_lines=3, max_bytes=100)
    window.sent(60, 1)
    assert not window.fits(41)
    window.sent(20, 2)
    window.sent(20, 3)
    assert not window.fits(0)


def test_a_surplus_answer_is_counted_and_never_widens_the_window() -> None:
    window: Window[int] = Window(max_lines=2)
    assert window.answered() is None
    assert window.surplus_answers == 1
    window.sent(1, 1)
    window.sent(1, 2)
    assert not window.fits(1)


def test_a_banner_empties_the_ledger_and_names_what_was_lost() -> None:
    window: Window[int] = Window(max_bytes=127)
    window.sent(100, 7)
    window.sent(20, 8)
    assert window.reset() == [7, 8]
    assert window.used_bytes == 0
    assert window.oldest() is None
    assert window.fits(127)


@pytest.mark.parametrize("bounds", [{}, {"max_lines": 0}, {"max_bytes": 0}])
def test_a_window_without_room_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(**bounds)
