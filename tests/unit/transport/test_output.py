"""The two lanes of unsent output."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.output import OutputBuffer, StallWatch


def drain(output: OutputBuffer, takes: list[int] | None = None) -> bytes:
    """Everything that leaves, taken in pieces of the given sizes, then whole."""
    sent, sizes = b"", list(takes or [])
    while piece := output.next_piece():
        count = min(len(piece), sizes.pop(0) if sizes else len(piece))
        output.consume(count)
        sent += piece[:count]
    return sent


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 9)))
def test_ordinary_bytes_leave_in_order(chunks: list[bytes], takes: list[int]) -> None:
    output = OutputBuffer()
    for chunk in chunks:
        output.push(chunk)
    assert len(output) == len(b"".join(chunks))
    assert drain(output, takes) == b"".join(chunks)
    assert len(output) == 0


def test_a_real_time_byte_goes_at_the_very_next_place() -> None:
    output = OutputBuffer()
    output.push(b"G1 X1\nG1 X2\n")
    output.next_piece()
    output.consume(3)
    output.push_urgent(b"!", at_line_start=False)
    assert drain(output) == b"!X1\nG1 X2\n"


def test_an_urgent_line_waits_for_the_end_of_the_line_that_is_partly_out() -> None:
    output = OutputBuffer()
    output.push(b"G1 X1\nG1 X2\n")
    output.next_piece()
    output.consume(3)
    output.push_urgent(b"M108\n", at_line_start=True)
    assert drain(output) == b"X1\nM108\nG1 X2\n"


def test_an_urgent_line_goes_first_between_lines() -> None:
    output = OutputBuffer()
    output.push(b"G1 X1\nG1 X2\n")
    output.next_piece()
    output.consume(6)
    output.push_urgent(b"M108\n", at_line_start=True)
    output.push_urgent(b"M410\n", at_line_start=True)
    assert drain(output, [2, 1, 1, 1, 2]) == b"M108\nM410\nG1 X2\n"


def test_an_urgent_line_goes_even_when_the_line_before_it_never_ends() -> None:
    output = OutputBuffer()
    output.push(b"G1 X")
    output.next_piece()
    output.consume(4)
    output.push_urgent(b"\nM112\n", at_line_start=True)
    assert drain(output) == b"\nM112\n"


@given(st.lists(st.integers(1, 4), max_size=12), st.lists(st.integers(1, 4), max_size=12))
def test_urgent_lines_never_cut_a_line(takes: list[int], more_takes: list[int]) -> None:
    output = OutputBuffer()
    output.push(b"a1\nb22\nc333\n")
    sent = b""
    for take in takes:
        piece = output.next_piece()
        output.consume(min(take, len(piece)))
        sent += piece[:take]
    output.push_urgent(b"U1\n", at_line_start=True)
    output.push_urgent(b"U2\n", at_line_start=True)
    sent += drain(output, more_takes)
    lines = sent.split(b"\n")
    assert sorted(lines) == [b"", b"U1", b"U2", b"a1", b"b22", b"c333"]
    assert lines.index(b"U2") == lines.index(b"U1") + 1


def test_clear_drops_both_lanes_and_counts() -> None:
    output = OutputBuffer()
    output.push(b"12345")
    output.push_urgent(b"!", at_line_start=False)
    assert output.clear() == 6
    assert output.next_piece() == b""


@under_virtual_clock()
async def test_a_stall_is_told_once_and_only_without_progress() -> None:
    stalls: list[float] = []
    loop = asyncio.get_running_loop()
    watch = StallWatch(10.0, lambda: stalls.append(loop.time()))
    begin = loop.time()
    watch.waiting()
    await asyncio.sleep(9)
    watch.progressed()
    watch.waiting()
    await asyncio.sleep(9)
    assert stalls == []
    watch.waiting()
    await asyncio.sleep(60)
    assert stalls == [begin + 19]
