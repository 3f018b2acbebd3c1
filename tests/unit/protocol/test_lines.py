"""Lines come out the same however the link splits the bytes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.protocol.lines import LineSplitter

BYTES = st.lists(
    st.sampled_from([b"ok", b"\n", b"\r\n", b"\r", b"T:20 /0", b"\x00\x07", b"\xb0C", b"x" * 30, b"\t", b""]),
    max_size=30,
).map(b"".join)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    edges = [0, *places, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(BYTES, st.lists(st.integers(0, 10_000), max_size=10))
def test_any_split_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    whole, pieces = LineSplitter(20), LineSplitter(20)
    expected = whole.feed(data)
    got = [line for piece in split_at(data, cuts) for line in pieces.feed(piece)]
    assert got == expected
    assert (pieces.noise_bytes, pieces.overlong_lines) == (whole.noise_bytes, whole.overlong_lines)


@given(BYTES)
def test_lines_are_what_stands_between_line_ends(data: bytes) -> None:
    clean = bytes(b for b in data if b in b"\t\n\r" or 32 <= b != 127)
    expected = [part for part in clean.replace(b"\r", b"\n").split(b"\n")[:-1] if 0 < len(part) <= 20]
    assert LineSplitter(20).feed(data) == expected


def test_an_overlong_line_is_dropped_whole_and_counted_once() -> None:
    lines = LineSplitter(10)
    assert lines.feed(b"x" * 11) == []
    assert lines.feed(b"y" * 500) == []
    assert lines.feed(b"tail\nok\n") == [b"ok"]
    assert lines.overlong_lines == 1


def test_noise_of_a_reset_is_counted_and_taken_out() -> None:
    lines = LineSplitter()
    assert lines.feed(b"\x00\x00\xfe\x1bstart\r\n") == [b"\xfestart"]
    assert lines.noise_bytes == 3


def test_reset_forgets_a_line_that_has_begun() -> None:
    lines = LineSplitter()
    lines.feed(b"half a li")
    lines.reset()
    assert lines.feed(b"ok\n") == [b"ok"]
