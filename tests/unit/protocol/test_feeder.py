"""The compiled feeder against a small reference, and its rules one by one."""

import functools
import itertools
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import FleetctlError, ForbiddenByte, LineTooLong
from fleetctl.protocol.feeder import Feeder, frame_line

Given = list[tuple[bytes, int, int]]


def checksum(line: bytes) -> int:
    return functools.reduce(operator.xor, line)


def reference(program: bytes, *, limit: int, remove_spaces: bool) -> tuple[Given, tuple[type, int] | None]:
    """The rules again, in plain words, for programs without free text."""
    given: Given = []
    size = len(program)
    program = program.removeprefix(b"\xef\xbb\xbf")
    offset = size - len(program)
    for number, raw in enumerate(re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", program), 1):
        offset += len(raw)
        text = raw.rstrip(b"\r\n").lstrip(b" \t")
        text = re.sub(rb"^[Nn][ \t]*[0-9][0-9. \t]*", b"", text)
        kept, comment = bytearray(), False
        for at, byte in enumerate(text):
            char = bytes([byte])
            if comment:
                comment = char != b")"
            elif char == b";" or (char == b"*" and re.fullmatch(rb"[0-9 \t]*(?:[;(].*)?", text[at + 1 :], re.S)):
                break
            elif char == b"(":
                comment = True
                kept += b" "
            elif char == b"\t":
                kept += b" "
            elif byte < 32 or byte > 126 or char in b"!?~*":
                return given, (ForbiddenByte, number)
            else:
                kept += char.upper()
        words = bytes(kept).split()
        line = (b"" if remove_spaces else b" ").join(words)
        if line in (b"", b"%"):
            continue
        if len(line) > limit:
            return given, (LineTooLong, number)
        given.append((line + b"\n", number, offset))
    return given, None


def feed(program: bytes, cuts: list[int], batch: int, **options: object) -> tuple[Given, tuple[type, int] | None]:
    feeder = Feeder(**options)  # type: ignore[arg-type]
    edges = [0, *sorted({cut % (len(program) + 1) for cut in cuts}), len(program)]
    given: Given = []
    try:
        for begin, end in itertools.pairwise(edges):
            feeder.push(program[begin:end])
            while lines := feeder.take(batch):
                assert len(lines) <= batch
                given += lines
        feeder.finish()
        while lines := feeder.take(batch):
            given += lines
    except FleetctlError as error:
        assert error.line is not None
        assert not feeder.exhausted
        with pytest.raises(type(error)):
            feeder.take(1)
        return given, (type(error), error.line)
    assert feeder.exhausted
    assert feeder.offset_bytes == len(program)
    return given, None


PIECES = st.sampled_from(
    [
        *[b"G1", b"g0", b" ", b"\t", b"X1.5", b"y-2", b"(", b")", b";", b"N10", b"n 5 ", b"*33", b"*x", b"/"],
        *[b"\n", b"\r\n", b"\r", b"%", b"M110 N3", b"\xc3\x84", b"!", b"?", b"~", b"\x18", b"M117 Hi!"],
        b"123456789012345678901234567890",
    ]
)
CALM = st.sampled_from([b"G1 X1", b" Y2", b"\n", b"\r\n", b";c\xc3\n", b"(\xff!)", b"\n\n", b"N7 ", b"*12", b"\r"])


@settings(max_examples=400)
@given(
    st.lists(st.one_of(CALM, PIECES), max_size=40).map(b"".join),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.integers(1, 5),
    st.booleans(),
)
def test_feeder_agrees_with_the_reference(program: bytes, cuts: list[int], batch: int, remove_spaces: bool) -> None:
    expected = reference(program, limit=40, remove_spaces=remove_spaces)
    assert feed(program, cuts, batch, line_limit_bytes=40, remove_spaces=remove_spaces) == expected


@given(st.binary(max_size=200), st.booleans())
def test_nothing_that_a_controller_takes_as_real_time_ever_comes_out(program: bytes, remove_spaces: bool) -> None:
    """I13."""
    given_lines, _ = feed(program, [], 3, line_limit_bytes=80, remove_spaces=remove_spaces)
    sent = b"".join(line for line, _, _ in given_lines)
    assert not set(sent) & (set(b"?!~") | set(range(0x80, 0x100)) | (set(range(0x20)) - {0x0A}) | {0x7F})


@given(st.lists(CALM, max_size=30).map(b"".join), st.integers(0, 99_998))
def test_numbered_lines_are_the_raw_ones_framed(program: bytes, first: int) -> None:
    raw, fault = feed(program, [], 4, line_limit_bytes=4000)
    feeder = Feeder(line_limit_bytes=4000)
    feeder.push(program)
    feeder.finish()
    for number, (line, source, offset) in enumerate(raw, first):
        body = b"N%d %s" % (number, line[:-1])
        framed = b"%s*%d\n" % (body, checksum(body))
        assert feeder.take_numbered(1, number) == [(framed, source, offset)]
        assert frame_line(number, line[:-1]) == framed
    assert feeder.exhausted == (fault is None)


def one(program: bytes, **options: object) -> list[bytes]:
    return [line for line, _, _ in feed(program, [], 9, **{"line_limit_bytes": 95, **options})[0]]


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (b"g1 x1 y2", b"G1 X1 Y2\n"),
        (b"  G1\tX1   Y2 ; move", b"G1 X1 Y2\n"),
        (b"N12 G1 X5*33", b"G1 X5\n"),
        (b"G1 (first (no nest) X1", b"G1 X1\n"),
        (b"G1 X1 (never closed", b"G1 X1\n"),
        (b"\xef\xbb\xbfG28", b"G28\n"),
        (b"/G1 X1", b"/G1 X1\n"),
    ],
)
def test_a_line_is_cleaned(program: bytes, line: bytes) -> None:
    assert one(program) == [line]


def test_spaces_are_removed_for_controllers_that_count_bytes() -> None:
    assert one(b"G1 X1 (c) Y2", remove_spaces=True) == [b"G1X1Y2\n"]


@pytest.mark.parametrize("program", [b"", b"\n\n", b"; c", b"(c)\r\n", b"%\n", b"N5\n", b" \t\n"])
def test_lines_without_a_command_vanish(program: bytes) -> None:
    assert one(program) == []


@pytest.mark.parametrize("byte", [b"\xc3\x84", b"!", b"?", b"~", b"\x18", b"\x00", b"\x7f", b"\x85", b"5*x"])
def test_a_forbidden_byte_names_its_line_and_stops_the_program_there(byte: bytes) -> None:
    feeder = Feeder(line_limit_bytes=80)
    feeder.push(b"G1 X1\n; fine here: " + byte + b"\nG1 X" + byte + b"2\nG1 X3\n")
    assert feeder.take(9) == [(b"G1 X1\n", 1, 6)]
    for _ in range(2):
        with pytest.raises(ForbiddenByte) as caught:
            feeder.take(9)
        assert caught.value.line == 3


def test_a_line_too_long_for_the_controller_is_refused_with_its_frame_counted() -> None:
    feeder = Feeder(line_limit_bytes=20)
    feeder.push(b"G1 X123456789\nG1 X1234567890123456\n")
    assert feeder.take_numbered(1, 5) == [(b"N5 G1 X123456789*%d\n" % checksum(b"N5 G1 X123456789"), 1, 14)]
    with pytest.raises(LineTooLong, match="at most 20") as caught:
        feeder.take_numbered(1, 6)
    assert caught.value.line == 2


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    feeder = Feeder(line_limit_bytes=80)
    feeder.push(b";" + b"x" * 70_000)
    assert not feeder.exhausted
    with pytest.raises(LineTooLong, match="hardly G-code"):
        feeder.take(1)


def test_a_program_cannot_set_our_line_numbers() -> None:
    feeder = Feeder(line_limit_bytes=80)
    feeder.push(b"M110 N0\nm110\nM 110 N7\nm0110 N8\nM1101\nG28\n")
    feeder.finish()
    assert [line[:8] for line, _, _ in feeder.take_numbered(9, 1)] == [b"N1 M1101", b"N2 G28*1"]


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("M117 Schöne Größe!", b"M117 Schone Grose!\n"),
        ("m117 Layer (1/20)?", b"M117 Layer (1/20)?\n"),
        ("M117 ≤5 µm ; comment", b"M117 _5 _m\n"),
        ("N4 M117 Hi*33", b"M117 Hi\n"),
        ("M117 a*3", b"M117 a*3\n"),
        ("M23 Part.gco", b"M23 Part.gco\n"),
        (r"M23 folder\Part.gco", b"M23 folder/Part.gco\n"),
        ("M117 Now M110 comes, N5", b"M117 Now m110 comes, N5\n"),
        ("M0 Click to go on!", b"M0 Click to go on!\n"),
    ],
)
def test_display_texts_stay_readable_where_there_are_no_real_time_bytes(program: str, line: bytes) -> None:
    assert one(program.encode(), text_commands=True) == [line]


def test_what_stands_in_quotes_is_text_only_to_firmware_that_takes_it_so() -> None:
    program = b'M98 P"a;b/Probe.g" R1\nG1 X1 "open ; (y2\n'
    assert one(program[:22], text_commands=True) == [b'M98 P"A\n']
    lines = one(program, text_commands=True, quotes=True)
    assert lines == [b'M98 P"a;b/Probe.g" R1\n', b'G1 X1 "open ; (y2\n']
    assert feed(b'M98 P"\xc3\xa4"', [], 1, line_limit_bytes=95, quotes=True)[1] == (ForbiddenByte, 1)


def test_a_long_message_is_cut_and_a_long_file_name_is_not() -> None:
    assert one(b"M117 " + b"a" * 200, text_commands=True) == [b"M117 " + b"a" * 90 + b"\n"]
    assert feed(b"M23 " + b"a" * 200, [], 1, line_limit_bytes=95, text_commands=True)[1] == (LineTooLong, 1)
    feeder = Feeder(line_limit_bytes=95, text_commands=True)
    feeder.push(b"M117 " + b"a" * 200 + b"\n")
    assert 90 <= len(feeder.take_numbered(1, 123456)[0][0]) <= 96


def test_data_is_asked_for_until_the_program_is_complete() -> None:
    feeder = Feeder(line_limit_bytes=80)
    assert feeder.needs_data
    feeder.push(b"G1 X1\n" * 20_000)
    assert not feeder.needs_data
    while feeder.take(1000):
        pass
    assert feeder.needs_data
    assert not feeder.exhausted
    feeder.finish()
    assert not feeder.needs_data
    assert feeder.exhausted
    with pytest.raises(ValueError, match="after finish"):
        feeder.push(b"G28")


def test_a_program_is_not_exhausted_before_its_last_line_is_taken() -> None:
    feeder = Feeder(line_limit_bytes=80)
    feeder.push(b"G28\n; the end\n")
    feeder.finish()
    assert not feeder.exhausted
    assert feeder.take(1) == [(b"G28\n", 1, 4)]
    assert feeder.exhausted


def test_a_line_longer_than_the_store_asks_for_its_end() -> None:
    """Slicers write the outlines of all objects into one comment; a printer must not wait for ever before it."""
    program = b"G1 X1\n; objects_info = " + b"x" * 40_000 + b"\nG1 X2\n"
    feeder = Feeder(line_limit_bytes=95)
    given: list[bytes] = []
    at = 0
    while at < len(program):
        given += [line for line, _, _ in feeder.take(8)]
        assert feeder.needs_data
        feeder.push(program[at : at + 16_384])
        at += 16_384
    given += [line for line, _, _ in feeder.take(8)]
    assert given == [b"G1 X1\n", b"G1 X2\n"]


def test_what_stands_beside_a_stop_is_kept_until_it_is_asked_for() -> None:
    feeder = Feeder(line_limit_bytes=79, remove_spaces=True, keep_notes=True)
    feeder.push(b"(far)\nG1 X1\n; turn it over\n\nM00\nM6 T1 (" + b"x" * 500 + b")\n(near)\nM30 (end)\n")
    feeder.finish()
    assert [line for line, _, _ in feeder.take(9)] == [b"G1X1\n", b"M00\n", b"M6T1\n", b"M30\n"]
    assert feeder.note_at(2) == b""
    assert feeder.note_at(5) == b"; turn it over"
    assert feeder.note_at(5) == b""
    assert feeder.note_at(6) == b"M6 T1 (" + b"x" * 233
    assert feeder.note_at(8) == b""


def test_nothing_is_kept_where_nobody_asks() -> None:
    feeder = Feeder(line_limit_bytes=79)
    feeder.push(b"M0 (turn it over)\n")
    feeder.finish()
    feeder.take(1)
    assert feeder.note_at(1) == b""
