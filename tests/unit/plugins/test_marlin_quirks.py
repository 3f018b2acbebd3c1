"""The table of firmwares, and what the engine makes of each manner, line by line."""

from __future__ import annotations

import pytest
from fleetctl_plugins.marlin import words
from fleetctl_plugins.marlin.quirks import ROWS, UNKNOWN, quirks_of
from fleetctl_plugins.marlin.words import Word

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    MachineFault,
    Message,
    Prompted,
    RunEnded,
    RunEndKind,
    RunFinished,
    StateChanged,
    WaitingForPerson,
)

from .test_marlin_engine import Talk, feeder, greeted, running


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("Marlin 2.1.2.1 (Jan 1 2024 12:00:00)", "Marlin 2"),
        ("Marlin bugfix-2.1.x (Github)", "Marlin 2"),
        ("Marlin 1.1.9 (Github)", "Marlin 1"),
        ("Marlin V1; Sprinter/grbl mashup for gen6", "Marlin 1"),
        ("Prusa-Firmware 3.13.3 based on Marlin", "Prusa MK3"),
        ("Prusa-Firmware-Buddy 6.1.2+7894 (Github)", "Prusa Buddy"),
        ("RepRapFirmware for Duet 2 WiFi/Ethernet", "RepRapFirmware"),
        ("Repetier_1.0.4", "Repetier"),
        ("Smoothieware", "Smoothieware"),
        ("Sprinter Experimental", "Sprinter"),
        ("Klipper", "Klipper"),
        ("Virtual Marlin 1.0", "Marlin 1"),
        ("Malyan", "unknown"),
        ("", "unknown"),
    ],
)
def test_each_name_finds_its_row(name: str, row: str) -> None:
    assert quirks_of({"firmware_name": name}).name == row


def test_every_row_names_its_source_and_no_two_share_a_name() -> None:
    assert all(row.source for row in (*ROWS, UNKNOWN))
    names = [start for row in ROWS for start in row.named_by]
    assert len(names) == len(set(names))
    assert all(start == start.lower() for start in names)


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("FIRMWARE_NAME: RepRapFirmware for Duet FIRMWARE_VERSION: 3.4.5 ELECTRONICS: 1", "RepRapFirmware", "3.4.5"),
        ("FIRMWARE_NAME:Smoothieware, FIRMWARE_VERSION:edge-1, PROTOCOL_VERSION:1.0", "Smoothieware", "edge-1"),
        ("NAME: Malyan\tVER: 2.9\tMODEL: M200\tHW: HA02", "Malyan", "2.9"),
    ],
)  # fmt: skip
def test_names_and_versions_in_their_several_places(line: str, name: str, version: str) -> None:
    assert words.firmware_facts([line])[:2] == (name, version)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"ok Emergency Stop Requested - reset or M999 required to exit HALT state", Word.HALT),
        (b"HALTED, M999 or $X to exit HALT state", Word.HALT),
        (b"ALARM: Hard limit +X", Word.HALT),
        (b"Entering Alarm/Halt state", Word.HALT),
        (b"Temperature reading is unreliable on T HALT asserted - reset or M999 required", Word.HALT),
        (b"Temperature: fine", Word.TEXT),
        (b"fatal:Heater/sensor error - Printer stopped", Word.HALT),
        (b"Error: Heater 1 fault: temperature excursion exceeded 15.0C", Word.HALT),
        (b"Error:0", Word.HALF_ERROR),
        (b"Error:", Word.HALF_ERROR),
        (b"INT4", Word.POWER_PANIC),
        (b"busy:paused for user interaction", Word.WAITS_FOR_PERSON),
        (b"busy:door open", Word.WAITS_FOR_PERSON),
        (b"busy:heating", Word.BUSY),
        (b"rs N12", Word.RESEND),
        (b"Smoothie Running @120MHz", Word.BANNER),
        (b"RepRapFirmware for Duet 2 WiFi/Ethernet Version 3.4.5 is up and running.", Word.BANNER),
        (b"SD printing byte 5/10", Word.CARD),
        (b"Not SD printing", Word.CARD),
        (b"skip 12", Word.TEXT),
    ],
)
def test_the_words_of_the_kin(line: bytes, word: Word) -> None:
    assert words.classify(line) is word


def test_the_number_in_an_ok() -> None:
    assert words.acknowledged(b"ok 12") == 12
    assert words.acknowledged(b"ok N12 P15 B3") == 12
    assert words.acknowledged(b"ok T:20.0 /0.0") is None
    assert words.acknowledged(b"ok - ignored") is None
    assert words.position(b"ok C: X:1.0000 Y:2.0000 Z:3.0000 E:0.0000") == (1.0, 2.0, 3.0)


def repetier() -> Talk:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.sent()
    talk.says("ok")
    talk.sent()
    talk.says("ok")
    assert talk.sent() == ["M115"]
    talk.says("ok 1", "FIRMWARE_NAME:Repetier_1.0.4 PROTOCOL_VERSION:1.0", "Cap:SDCARD:0")
    talk.passes(0.6)
    assert talk.sent() == ["M113 S2"]
    talk.says("ok 2")
    assert talk.sent() == ["M105"]
    talk.says("ok 3", "T:20.0 /0 B:20.0 /0 B@:0 @:0")
    assert talk.sent() == ["M114"]
    talk.says("ok 4")
    assert talk.told[-1] != StateChanged(Activity.IDLE, "")
    talk.says("X:0.00 Y:0.00 Z:0.00 E:0.00")
    assert StateChanged(Activity.IDLE, "") in talk.told
    talk.told.clear()
    return talk


def test_where_ok_means_read_a_command_is_done_when_the_planner_is_dry() -> None:
    talk = repetier()
    ticket = talk.engine.command("M119", talk.now)
    assert talk.sent() == ["M119"]
    talk.says("ok 5", "x_min:L", "y_min:L")
    assert talk.sent() == ["M400"]
    talk.says("ok 6")
    assert talk.sent() == ["M114"]
    talk.says("ok 7")
    assert not talk.told
    talk.says("X:0.00 Y:0.00 Z:0.00 E:0.00")
    done = talk.told[-1]
    assert (getattr(done, "ticket", 0), getattr(done, "lines", ())) == (ticket, ("x_min:L", "y_min:L"))


def test_where_ok_means_read_an_answer_that_got_lost_is_asked_for_again() -> None:
    talk = repetier()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    assert talk.sent() == ["G1 X1"]
    talk.says("ok 5")
    assert talk.sent() == ["M400"]
    talk.says("ok 6")
    assert talk.sent() == ["M114"]
    talk.says("ok 7")
    asked = 0
    for _ in range(8):
        talk.passes(5.0)
        for line in talk.engine.take_output().decode().splitlines():
            talk.says(f"ok {line[1:].split()[0]}", *(["T:20.0 /0"] if "M105" in line else []))
            asked += "M114" in line
    assert asked == 1
    assert not talk.events(RunFinished)
    talk.says("X:1.00 Y:0.00 Z:0.00 E:0.00")
    assert talk.events(RunFinished) == [RunFinished(1, len(b"G1 X1\n"))]


def test_a_skipped_line_s_ok_acknowledges_nothing() -> None:
    talk = repetier()
    talk.engine.command("G28", talk.now)
    assert talk.sent() == ["G28"]
    talk.says("skip 4", "ok")
    assert talk.sent() == []
    talk.says("ok 5")
    assert talk.sent() == ["M400"]


def test_wait_with_a_line_in_flight_brings_the_question_at_once() -> None:
    talk = running(["G1 X1", "G1 X2"])
    talk.sent()
    talk.passes(1.5)
    talk.says("wait")
    assert talk.sent() == []
    talk.passes(1.0)
    talk.says("wait")
    talk.passes(0.0)
    assert talk.sent() == ["M105"]


@pytest.mark.parametrize("talks", [True, False])
def test_the_two_clocks_name_what_was_missing(talks: bool) -> None:
    talk = running(["G1 X1", "G1 X2"])
    talk.sent()
    for _ in range(40):
        talk.passes(2.0)
        talk.sent()
        if talks and not talk.events(RunEnded):
            talk.says(" T:20.0 /0.0 B:20.0 /0.0")
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.INTERRUPTED
    assert ("talks but does not answer" in end.reason) is talks


def test_requests_without_end_are_a_storm_even_when_no_line_is_asked_for_ten_times() -> None:
    talk = running([f"G1 X{index}" for index in range(2000)])
    for _ in range(400):
        lines = talk.engine.take_output()
        if talk.events(RunEnded):
            break
        number = lines.split()[0][1:].decode()
        talk.says("Error:checksum mismatch, Last Line: 1", f"Resend: {number}", "ok")
        talk.engine.take_output()
        talk.says("ok")
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.INTERRUPTED
    assert end.acknowledged_line < 60


@pytest.mark.parametrize("spaced", ["//action:", "// action:", "//action: ", "//  action:"])
def test_the_spaces_of_an_action_vary(spaced: str) -> None:
    talk = running(["G1 X1", "G1 X2"])
    talk.sent()
    talk.says(f"{spaced}notification Layer 3", f"{spaced}shutdown", f"{spaced}cancel", "ok")
    assert talk.events(Message)[0] == Message("Layer 3")
    talk.answer_all()
    assert talk.events(RunEnded) == [RunEnded(RunEndKind.CANCELLED, "cancelled at the machine", 1, 0, len("G1 X1\n"))]


def test_a_prompt_is_told_with_its_choices_and_answered_by_its_index() -> None:
    talk = running(["M600", "G1 X1"])
    talk.sent()
    talk.says(
        "//action:prompt_begin Nozzle is hot",
        "//action:prompt_choice Purge",
        "//action:prompt_button Continue",
        "//action:prompt_show",
    )
    assert talk.events(Prompted)[-1] == Prompted("Nozzle is hot", ("Purge", "Continue"))
    assert talk.events(WaitingForPerson) == [WaitingForPerson("Nozzle is hot (0: Purge, 1: Continue)")]
    talk.engine.answer_prompt(0, talk.now)
    assert talk.engine.take_urgent() == b"M876 S0\n"
    talk.told += talk.engine.events()
    assert talk.events(Prompted)[-1] == Prompted()


def test_support_for_prompts_is_announced() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.sent()
    talk.says("ok", "ok")
    talk.sent()
    talk.says("FIRMWARE_NAME:Marlin 2.1", "Cap:PROMPT_SUPPORT:1", "Cap:SDCARD:0", "ok")
    assert talk.sent() == ["M876 P1"]


def test_the_kill_action_alone_is_a_halt() -> None:
    talk = running()
    talk.sent()
    talk.says("//action:poweroff")
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert fault.position_lost


def test_a_half_error_alone_is_an_error_after_a_moment() -> None:
    talk = running()
    talk.sent()
    talk.says("Error:0")
    assert not talk.events(RunEnded)
    talk.passes(0.6)
    talk.says("ok")
    talk.answer_all()
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.FAILED


def test_an_unknown_firmware_earns_trust_by_asking_for_a_line() -> None:
    def lost_ok(asked_before: bool) -> list[object]:
        talk = Talk()
        talk.engine.connected(talk.now)
        talk.sent()
        talk.says("ok", "ok")
        talk.sent()
        talk.says("FIRMWARE_NAME:Nobody 1.0", "ok")
        talk.answer_all()
        talk.engine.start(feeder(["G1 X1", "G1 X2"]), talk.now)
        number = talk.engine.take_output().split()[0][1:].decode()
        if asked_before:
            talk.says(f"Resend: {number}", "ok")
            talk.engine.take_output()
        talk.passes(31.0)
        assert "M105" in talk.sent()
        talk.says("ok T:20.0 /0.0 B:20.0 /0.0")
        return list(talk.events(RunEnded))

    assert lost_ok(asked_before=False)
    assert not lost_ok(asked_before=True)


def test_after_a_fault_each_firmware_gets_its_own_way_out() -> None:
    talk = greeted()
    talk.says("Error:Printer stopped due to errors. Fix the error and use M999 to restart.")
    talk.engine.clear_fault(talk.now)
    assert talk.engine.take_output().startswith(b"\nM999 S1\n")
