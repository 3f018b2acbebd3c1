"""Message frames, however the stream splits them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.transport.frames import MAX_MESSAGE_BYTES, FrameReader, FrameTooLong, PeerFrameTooLong, frame


@given(st.lists(st.binary(max_size=300), max_size=10), st.integers(1, 50))
def test_messages_come_back_whole(messages: list[bytes], piece: int) -> None:
    stream = b"".join(frame(message) for message in messages)
    reader = FrameReader()
    got = [m for at in range(0, len(stream), piece) for m in reader.feed(stream[at : at + piece])]
    assert got == messages
    assert reader.pending_bytes == 0


def test_a_message_that_has_begun_is_pending() -> None:
    reader = FrameReader()
    assert reader.feed(frame(b"hello")[:-1]) == []
    assert reader.pending_bytes == 8


def test_the_largest_message_fits_and_one_byte_more_is_refused() -> None:
    largest = bytes(MAX_MESSAGE_BYTES)
    assert FrameReader().feed(frame(largest)) == [largest]
    with pytest.raises(FrameTooLong, match=str(MAX_MESSAGE_BYTES)):
        frame(largest + b"x")


def test_an_announced_length_over_the_limit_is_refused_before_it_is_kept() -> None:
    with pytest.raises(PeerFrameTooLong):
        FrameReader().feed((MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))


def test_messages_before_a_bad_length_are_not_lost() -> None:
    reader = FrameReader()
    assert reader.feed(frame(b"good") + b"\xff\xff\xff\xff") == [b"good"]
    with pytest.raises(PeerFrameTooLong):
        reader.feed(b"")
