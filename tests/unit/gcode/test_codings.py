"""heatshrink and MeatPack: what the packers of these tests pack comes back, however the bytes are split."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl._ext.containers import Heatshrink, Meatpack
from tests.unit.gcode import packers

TEXTS = st.one_of(
    st.binary(max_size=400),
    st.lists(
        st.sampled_from(
            [
                b"G1 X10.5 Y20.25 E.013\n",
                b"G1 X1\n",
                b";TYPE:Perimeter\n",
                b"M104 S215\n",
                b"\n",
                b"T0\n",
                b"\xc3\xa9\n",
            ]
        ),
        max_size=60,
    ).map(b"".join),
)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces of these lengths, over and over."""
    pieces, at = [], 0
    while at < len(data):
        length = cuts[len(pieces) % len(cuts)]
        pieces.append(data[at : at + length])
        at += length
    return pieces


@given(TEXTS, st.sampled_from([11, 12]), CUTS)
def test_heatshrink_comes_back(data: bytes, window: int, cuts: list[int]) -> None:
    reader = Heatshrink(window)
    packed = packers.heatshrink(data, window)
    assert b"".join(reader.feed(piece) for piece in in_pieces(packed, cuts)) == data


def test_heatshrink_reaches_back_over_its_whole_window() -> None:
    """A copy from 2048 or 4096 bytes before, and none from further."""
    rng = random.Random(7)
    mark = b"what is far away"
    for bits in (11, 12):
        data = mark + rng.randbytes((1 << bits) - len(mark)) + mark + rng.randbytes(5000) + mark
        assert Heatshrink(bits).feed(packers.heatshrink(data, bits)) == data


def test_a_heatshrink_copy_may_overlap_what_it_makes() -> None:
    """A literal `a`, then 16 bytes from one byte back: 9 + 16 bits."""
    packed = packers._Bits()
    packed.put(1, 1)
    packed.put(ord("a"), 8)
    packed.put(0, 1)
    packed.put(0, 11)
    packed.put(15, 4)
    assert Heatshrink(11).feed(packed.whole()) == b"a" * 17


def test_heatshrink_takes_only_the_windows_of_bgcode() -> None:
    for bits in (0, 4, 10, 13, 100, -1):
        with pytest.raises(ValueError):
            Heatshrink(bits)


@given(TEXTS, CUTS)
def test_meatpack_with_blanks_comes_back_whatever_the_text(data: bytes, cuts: list[int]) -> None:
    text = data.replace(b"\xff", b"") + b"\n"
    reader = Meatpack()
    reader.begin()
    packed = packers.meatpack(text)
    assert b"".join(reader.feed(piece) for piece in in_pieces(packed, cuts)) == text
    assert reader.whole_signs


WORDS = st.lists(
    st.tuples(st.sampled_from("XYZEFIJSP"), st.decimals(-999, 999, places=3, allow_nan=False).map(str)),
    max_size=5,
    unique_by=lambda word: word[0],
)
LINES = st.one_of(
    st.tuples(st.sampled_from(["G0", "G1", "G92", "G28"]), WORDS).map(
        lambda line: " ".join([line[0], *(letter + number for letter, number in line[1])])
    ),
    st.sampled_from([";LAYER_CHANGE", "; G1 X1Y2 stays", "M117 G1X1 Y2", "M104 S215", "T0", "GET_POSITION A=1"]),
)


@given(st.lists(LINES, min_size=1, max_size=40), CUTS)
def test_blanks_of_g_lines_are_put_back_and_other_lines_are_left_alone(lines: list[str], cuts: list[int]) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    reader = Meatpack()
    reader.begin()
    packed = packers.meatpack(text, no_spaces=True, comments=True)
    assert b"".join(reader.feed(piece) for piece in in_pieces(packed, cuts)) == text


def test_a_checksum_made_without_the_blanks_is_dropped_with_them() -> None:
    reader = Meatpack()
    packed = packers.meatpack(b"G1 X1*33\nM105*12\n", no_spaces=True)
    assert reader.feed(packed) == b"G1 X1\nM105*12\n"


def test_two_line_ends_of_a_packed_line_are_one() -> None:
    """libbgcode's packer ends every G line twice; its own converter makes one of them."""
    reader = Meatpack()
    assert reader.feed(packers.meatpack(b"G90\n\nM83\n", no_spaces=True)) == b"G90\nM83\n"
    assert Meatpack().feed(packers.meatpack(b"G90\n\nM83\n")) == b"G90\n\nM83\n"


def test_the_modes_begin_anew_with_each_block_and_the_line_goes_on() -> None:
    reader = Meatpack()
    reader.begin()
    first = reader.feed(packers.ON + packers.NO_SPACES + packers._packed(b"G1X1", packers._SIGNS))
    reader.begin()
    assert first + reader.feed(b"Y2\n") == b"G1 X1Y2\n"


@given(st.binary(max_size=3000), st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_any_bytes_give_the_same_however_they_are_split_and_never_more_than_promised(
    data: bytes, cuts: list[int]
) -> None:
    for make, growth in ((lambda: Heatshrink(11), 8), (lambda: Heatshrink(12), 8), (Meatpack, 4)):
        whole, split = make(), make()
        at_once = whole.feed(data)
        assert at_once == b"".join(split.feed(piece) for piece in in_pieces(data, cuts))
        assert len(at_once) <= growth * len(data) + 16


def test_more_than_64_kib_at_once_is_refused_not_read() -> None:
    for reader in (Heatshrink(12), Meatpack()):
        assert len(reader.feed(b"\xff" * 65536)) <= 65536 * 9
        with pytest.raises(ValueError, match="64 KiB"):
            reader.feed(bytes(65537))
