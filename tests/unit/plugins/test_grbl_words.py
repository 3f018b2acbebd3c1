"""Grbl's numbers, reports and facts, and the words that may not be streamed."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl import switches, words
from fleetctl_plugins.grbl.dialects import GRBL
from fleetctl_plugins.grbl.sender import Ask, Sender
from fleetctl_plugins.grbl.status import StatusReader

from fleetctl.errors import ForbiddenByte, LineTooLong, MachineError
from fleetctl.protocol.feeder import Feeder


def test_a_report_with_machine_position() -> None:
    status = StatusReader().read(b"<Run|MPos:1.000,-2.500,3.000|Bf:15,128|FS:600,12000|WCO:0.000,0.000,0.000>")
    assert status is not None
    assert (status.state, status.sub_state) == ("Run", 0)
    assert status.position_mm == (1.0, -2.5, 3.0)
    assert status.feed_mm_s == 10.0
    assert status.spindle_rpm == 12000.0


def test_work_position_needs_the_offset_and_then_keeps_it() -> None:
    reader = StatusReader()
    first = reader.read(b"<Idle|WPos:1.000,2.000,3.000|F:0>")
    assert first is not None
    assert first.position_mm is None
    reader.read(b"<Idle|WPos:1.000,2.000,3.000|F:0|WCO:10.000,20.000,30.000>")
    later = reader.read(b"<Idle|WPos:2.000,2.000,3.000|F:0>")
    assert later is not None
    assert later.position_mm == (12.0, 22.0, 33.0)


def test_inches_become_millimetres() -> None:
    reader = StatusReader()
    reader.inches = True
    status = reader.read(b"<Idle|MPos:1.0000,0.0000,0.0000|FS:60,0>")
    assert status is not None
    assert status.position_mm == (25.4, 0.0, 0.0)
    assert status.feed_mm_s == 25.4


@pytest.mark.parametrize(
    "line",
    [
        b"<Idle|MPos:1.0,2.0>",
        b"<Idle|MPos:nan,0,0>",
        b"<Idle|MPos:0,0,inf>",
        b"<Idle|MPos:1.0,2.0,x|FS:0,0>",
        b"<Id<Idle|MPos:0,0,0>",
        b"<Ho1d:0|MPos:0,0,0>",
        b"<>",
    ],
)
def test_a_garbled_report_is_none(line: bytes) -> None:
    assert StatusReader().read(line) is None


def test_hold_is_at_rest_only_in_sub_state_0() -> None:
    reader = StatusReader()
    resting, moving = reader.read(b"<Hold:0|MPos:0,0,0>"), reader.read(b"<Hold:1|MPos:0,0,0>")
    assert resting is not None
    assert moving is not None
    assert resting.at_rest_in_hold
    assert not moving.at_rest_in_hold


@pytest.mark.parametrize("line", [b"G10L20P1X0\n", b"G28.1\n", b"G90G30.1\n", b"$H\n", b"$32=1\n"])
def test_words_that_write_the_settings_memory_are_refused(line: bytes) -> None:
    assert words.refusal(line)


@pytest.mark.parametrize("line", [b"G1X10\n", b"G28\n", b"G54\n", b"G0X28.1\n", b"G100\n"])
def test_other_words_are_not(line: bytes) -> None:
    assert words.refusal(line) == ""


@pytest.mark.parametrize(
    ("line", "seconds"),
    [(b"G4P2.5\n", 2.5), (b"G04P1\n", 1.0), (b"G40\n", 0.0), (b"G43.1Z1\n", 0.0), (b"G1X4\n", 0.0)],
)
def test_dwell(line: bytes, seconds: float) -> None:
    assert words.dwell_s(line) == seconds


def test_facts() -> None:
    told = ["[VER:1.1h.20190830:shop]", "[OPT:VN,15,128]", "$13=0", "$30=1000 (rpm)", "[G54:1.0,2.0,3.0]"]
    assert words.facts(told) == {
        "version": "1.1h.20190830",
        "build": "shop",
        "board": "shop",
        "planner_blocks": "15",
        "rx_bytes": "128",
        "$13": "0",
        "$30": "1000",
        "G54": "1.0,2.0,3.0",
    }


def test_numbers_that_nobody_knows_are_said_to_be_unknown() -> None:
    assert "unknown" in GRBL.alarm_text(17)
    assert "unknown" in GRBL.error_text(79)
    assert "hard limit" in GRBL.alarm_text(1)


def feeder(program: bytes) -> Feeder:
    made = Feeder(line_limit_bytes=79, remove_spaces=True)
    made.push(program)
    made.finish()
    return made


def test_never_more_bytes_in_flight_than_the_buffer_holds() -> None:
    sender = Sender()
    sender.begin(feeder(b"G1 X10.123 Y20.456 F600\n" * 40))
    sender.fill()
    in_flight = sum(map(len, sender.output))
    assert 127 - 22 < in_flight <= 127
    sender.window.answered()
    sender.fill()
    assert sender.window.used_bytes <= 127
    assert len(sender.output) == len(sender.window) + 1


def test_the_controller_s_own_buffer_size_counts() -> None:
    sender = Sender()
    sender.set_budget(64)
    sender.begin(feeder(b"G1 X10.123 Y20.456 F600\n" * 40))
    sender.fill()
    assert sender.window.used_bytes <= 63


def test_our_own_lines_go_alone() -> None:
    sender = Sender()
    sender.begin(feeder(b"G1 X1\n" * 4))
    sender.asks = [Ask("$G"), Ask("$#")]
    sender.fill()
    assert sender.output == [b"$G\n"]
    sender.fill()
    assert sender.output == [b"$G\n"]


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (b"G1 X1\nG10 L20 P1 X0\n", MachineError),
        (b"G1 X1\nG1 X\xc3\x84\n", ForbiddenByte),
        (b"G1 X1\n" + b"G1 X1.0000" * 9 + b"\n", LineTooLong),
    ],
)
def test_i13_what_may_not_be_sent_stops_the_program_with_its_line(program: bytes, error: type[Exception]) -> None:
    sender = Sender()
    sender.begin(feeder(program))
    with pytest.raises(error) as failure:
        for _ in range(3):
            sender.fill()
    assert getattr(failure.value, "line") == 2  # noqa: B009 - three error classes share it
    assert sender.output == [b"G1X1\n"]


@pytest.mark.parametrize("told", [0, 1, 2, 12, 28])
def test_a_receive_buffer_smaller_than_any_is_not_believed(told: int) -> None:
    sender = Sender()
    sender.set_budget(told)
    assert sender.budget_bytes == 127


def test_a_line_that_can_never_fit_is_an_error_and_not_a_wait() -> None:
    sender = Sender()
    sender.set_budget(64)
    feeder = Feeder(line_limit_bytes=79, remove_spaces=True)
    feeder.push(b"G1X1\nG1" + b"X1.00" * 14 + b"\n")
    sender.begin(feeder)
    sender.fill()
    sender.answered()
    with pytest.raises(LineTooLong, match="receive buffer 63"):
        sender.fill()


@pytest.mark.parametrize(
    "line",
    [b"/$H\n", b"/$RST=*\n", b"[ESP444]RESTART\n", b"G010L20P1X0\n", b"G1/0L2P1X0\n", b"G028.1\n", b"//G30.1\n"],
)
def test_what_must_not_come_from_a_file_is_seen_however_it_is_written(line: bytes) -> None:
    assert words.refusal(line)


@pytest.mark.parametrize("line", [b"/G1X10\n", b"G1X10.1Y-0.1\n", b"G100\n", b"G1X[#1/2]\n", b"S10G1X1\n", b"G28\n"])
def test_what_only_looks_like_it_passes(line: bytes) -> None:
    assert not words.refusal(line)


@pytest.mark.parametrize(
    ("dialect", "pins", "read"),
    [
        ("grbl", "PXD", ("probe", "X limit", "safety door")),
        ("grbl", "HSR", ("feed hold", "cycle start", "reset")),
        ("grblhal", "XZELTO", ("X limit", "Z limit", "emergency stop", "block delete", "optional stop off",
                               "probe not connected")),
        ("fluidnc", "PT0OE", ("probe", "tool setter", "macro 0 button", "homing button", "emergency stop")),
        ("grbl", "?", ("input ?",)),
    ],
)  # fmt: skip
def test_inputs_are_words_and_one_letter_means_what_its_firmware_means(
    dialect: str, pins: str, read: tuple[str, ...]
) -> None:
    assert switches.closed(pins, dialect) == read


def test_what_is_switched_on_is_words_and_a_laser_is_one() -> None:
    assert switches.running("SFM", laser=False) == ("spindle clockwise", "flood", "mist")
    assert switches.running("C", laser=False) == ("spindle counter-clockwise",)
    assert switches.running("S", laser=True) == ("laser at constant power",)
