"""The Marlin engine line by line: what it sends for what it hears, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from fleetctl_plugins.marlin.engine import MarlinEngine

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    Identified,
    MachineFault,
    PositionSuspect,
    Progress,
    Ready,
    RunEnded,
    RunEndKind,
    RunFinished,
    StateChanged,
    Verb,
    VerbDone,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder, frame_line

CAPABILITIES = ("AUTOREPORT_TEMP", "AUTOREPORT_POS", "EMERGENCY_PARSER")


class Talk:
    """One engine; `says` gives lines from the board, `sent` takes what the engine sent since the last look."""

    def __init__(self) -> None:
        self.engine = MarlinEngine()
        self.now = 100.0
        self.told: list[EngineEvent] = []

    def says(self, *lines: str) -> None:
        self.engine.receive("".join(line + "\n" for line in lines).encode(), self.now)
        self.told += self.engine.events()

    def sent(self) -> list[str]:
        """Lines without number and checksum."""
        return [strip(line) for line in self.engine.take_output().decode().splitlines() if line]

    def program(self) -> list[str]:
        """The lines sent next that are no polls; polls are answered on the way."""
        while (lines := self.sent()) and lines[0] in ("M105", "M114"):
            self.says("X:0.00 Y:0.00 Z:0.00 E:0.00" if lines[0] == "M114" else "ok T:20.0 /0.0 B:20.0 /0.0")
            if lines[0] == "M114":
                self.says("ok")
        return lines

    def passes(self, seconds: float) -> None:
        """Let time pass, each deadline at its moment."""
        end = self.now + seconds
        while (due := self.engine.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.engine.elapse(self.now)
        self.now = end
        self.told += self.engine.events()

    def events(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.told if isinstance(event, kind)]

    def answer_all(self) -> None:
        """Say ok to everything, with the answers that questions have, until nothing more is asked."""
        for _ in range(200):
            lines = self.sent()
            if not lines:
                return
            for line in lines:
                if line == "M114":
                    self.says("X:0.00 Y:0.00 Z:0.00 E:0.00")
                self.says("ok T:20.0 /0.0 B:20.0 /0.0" if line == "M105" else "ok")
        raise AssertionError("it never stops asking")


def strip(line: str) -> str:
    return line.partition(" ")[2].rpartition("*")[0] if line.startswith("N") and "*" in line else line


def feeder(lines: Iterable[str]) -> Feeder:
    made = Feeder(line_limit_bytes=95, text_commands=True)
    made.push("".join(line + "\n" for line in lines).encode())
    made.finish()
    return made


def greeted(capabilities: Iterable[str] = CAPABILITIES) -> Talk:
    talk = Talk()
    talk.engine.connected(talk.now)
    assert talk.sent() == ["M110 N0"]
    talk.says("ok")
    assert talk.engine.take_output() == frame_line(0, b"M110 N0")
    talk.says("ok")
    assert talk.engine.take_output() == frame_line(1, b"M115")
    talk.says("FIRMWARE_NAME:Marlin 2.1 UUID:u-1", *(f"Cap:{name}:1" for name in capabilities), "ok")
    talk.answer_all()
    assert talk.events(Ready)
    talk.told.clear()
    return talk


def running(lines: Iterable[str] = ("G28", "G1 X1", "G1 X2", "G1 X3"), **options: Iterable[str]) -> Talk:
    talk = greeted(**options)
    talk.engine.start(feeder(lines), talk.now)
    talk.told += talk.engine.events()
    return talk


# Greeting


def test_knocks_until_somebody_answers() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.passes(7.0)
    assert talk.sent() == ["M110 N0"]
    talk.passes(2.0)
    assert talk.sent() == ["M110 N0"]


def test_stray_oks_are_not_the_answer_to_m115() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.says("ok", "ok", "ok", "ok")
    talk.sent()
    assert not talk.events(Identified)
    talk.says("FIRMWARE_NAME:Marlin 2.1", "ok")
    facts = {"firmware_name": "Marlin 2.1", "quirks": "Marlin 2"}
    assert talk.events(Identified) == [Identified("Marlin", "2.1", facts, 16)]


def test_a_board_that_boots_while_we_greet_is_greeted_again() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.sent()
    talk.says("start", "echo:Marlin 2.1")
    assert talk.sent() == []
    talk.passes(0.6)
    assert talk.sent() == ["M110 N0"]
    assert not talk.events(PositionSuspect)


# A program


def test_one_line_in_flight_and_nothing_numbered_twice() -> None:
    talk = running()
    assert talk.sent() == ["G28"]
    talk.says("ok")
    assert talk.sent() == ["G1 X1"]
    assert talk.sent() == []


def test_finished_only_after_m400_and_m114() -> None:
    talk = running(["G1 X1"])
    assert talk.sent() == ["G1 X1"]
    talk.says("ok")
    assert talk.sent() == ["M400"]
    talk.says("ok")
    assert talk.sent() == ["M114"]
    talk.says("ok")  # surplus: M114 says X: first
    assert not talk.events(RunFinished)
    talk.says("X:1.00 Y:0.00 Z:0.00 E:0.00", "ok")
    assert talk.events(RunFinished) == [RunFinished(1, len(b"G1 X1\n"))]
    assert talk.told[-1] == StateChanged(Activity.IDLE, "")


def test_progress_counts_source_lines_once_a_batch() -> None:
    talk = running(["; a comment", "G1 X1", "", "G1 X2"])
    talk.sent()
    talk.says("ok")
    assert talk.events(Progress)[-1] == Progress(2, 4, len("; a comment\nG1 X1\n"))


@pytest.mark.parametrize("with_ok", [True, False])
def test_a_resend_is_answered_with_just_that_line(with_ok: bool) -> None:
    talk = running()
    talk.sent()
    talk.says("ok")
    first = talk.engine.take_output()
    number = int(first.split()[0][1:])
    talk.says("Error:checksum mismatch, Last Line: 1", f"Resend: {number}", *(["ok"] if with_ok else []))
    if not with_ok:
        assert talk.sent() == []
        talk.passes(0.6)
    assert talk.engine.take_output() == first
    talk.says("ok")
    assert talk.sent() == ["G1 X2"]


def test_the_ok_of_a_request_acknowledges_no_line() -> None:
    talk = running(["G1 X1", "G1 X2", "G1 X3", "G1 X4", "G1 X5"])
    talk.sent()
    talk.says("ok N9 P15 B3")
    second = int(talk.engine.take_output().splitlines()[1].split()[0][1:])
    talk.says("Error:checksum mismatch, Last Line: 1", f"Resend: {second}", "ok")
    last = talk.events(Progress)[-1]
    assert isinstance(last, Progress)
    assert last.acknowledged_line == 1  # X2 is still in the firmware's queue, X3 and X4 were thrown away
    assert talk.sent() == ["G1 X3", "G1 X4"]
    talk.says("ok")
    assert talk.events(Progress)[-1] == Progress(2, 5, 12)


def test_a_request_for_a_line_that_never_was_ends_the_run() -> None:
    talk = running()
    talk.sent()
    talk.says("Resend: 900")
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.INTERRUPTED
    assert talk.sent() == []


def test_the_same_request_for_ever_ends_the_run() -> None:
    talk = running()
    for _ in range(30):
        lines = talk.engine.take_output()
        if talk.events(RunEnded):
            break
        number = lines.split()[0][1:].decode()
        talk.says(f"Resend: {number}", "ok")
    assert "too often" in str(talk.events(RunEnded)[0])


def test_advanced_ok_widens_the_window_and_an_old_one_does_not() -> None:
    talk = running(["G1 X1", "G1 X2", "G1 X3", "G1 X4", "G1 X5"])
    assert talk.sent() == ["G1 X1"]
    talk.says("ok N9 P15 B3")
    assert talk.sent() == ["G1 X2", "G1 X3", "G1 X4"]
    talk.says("ok")
    assert talk.sent() == ["G1 X5"]


def test_a_wide_window_never_overfills_the_receive_ring() -> None:
    talk = running([f"G1 X100.000 Y100.000 Z10.000 E{number}.00000 F1200" for number in range(9)])
    talk.sent()
    talk.says("ok N9 P15 B8")
    assert len(talk.engine.take_output()) <= 127


# Missing answers


def test_i6_silence_brings_a_question_and_never_the_line_again() -> None:
    talk = running(["G1 X1", "G1 X2"])
    assert talk.sent() == ["G1 X1"]
    talk.passes(31.0)
    assert talk.sent() == ["M105"]
    talk.passes(31.0)
    assert talk.sent() == []
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.INTERRUPTED
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert fault.position_lost


def test_a_lost_ok_is_proven_by_the_answer_to_the_question() -> None:
    talk = running(["G1 X1", "G1 X2"])
    talk.sent()
    talk.passes(31.0)
    assert talk.sent() == ["M105"]
    talk.says("ok T:20.0 /0.0 B:20.0 /0.0")
    assert talk.program() == ["G1 X2"]
    assert not talk.events(RunEnded)


def test_a_lost_line_is_asked_for_after_the_question() -> None:
    talk = running(["G1 X1", "G1 X2"])
    lost = talk.engine.take_output()
    talk.passes(31.0)
    talk.sent()
    talk.says(f"Resend: {lost.split()[0][1:].decode()}", "ok")
    assert talk.engine.take_output() == lost


def test_busy_keeps_the_clock_from_running_out() -> None:
    talk = running(["G29", "G1 X2"])
    talk.sent()
    for _ in range(200):
        talk.passes(2.0)
        talk.says("echo:busy: processing")
    assert talk.sent() == []
    assert not talk.events(RunEnded)


def test_heating_reports_keep_the_clock_and_automatic_ones_do_not() -> None:
    talk = running(["M109 S200", "G1 X2"])
    talk.sent()
    for _ in range(900):
        talk.passes(1.0)
        talk.says(" T:50.0 /200.0 B:20.0 /0.0 @:127 B@:0 W:?")
    assert talk.sent() == []
    for _ in range(610):
        talk.passes(1.0)
        talk.says(" T:50.0 /200.0 B:20.0 /0.0 @:127 B@:0")
    assert talk.sent() == ["M105"]


# People


@pytest.mark.parametrize("says", ["echo:busy: paused for user", "//action:prompt_show"])
def test_m0_waits_for_a_person_for_ever(says: str) -> None:
    talk = running(["M0 change", "G1 X1"])
    talk.sent()
    talk.says("//action:prompt_begin change", says)
    assert talk.events(WaitingForPerson) == [WaitingForPerson("change")]
    talk.passes(90_000.0)
    assert not talk.events(RunEnded)
    talk.engine.resume(talk.now)
    assert talk.engine.take_urgent() == b"M108\n"
    talk.says("ok")
    assert talk.told[-2:-1] == [StateChanged(Activity.RUNNING, "")]
    assert talk.program() == ["G1 X1"]


def test_m0_without_a_word_is_taken_for_a_wait() -> None:
    talk = running(["M0", "G1 X1"], capabilities=("AUTOREPORT_TEMP", "AUTOREPORT_POS"))
    talk.sent()
    talk.passes(6.0)
    assert talk.events(WaitingForPerson)
    with pytest.raises(MachineError, match="button"):
        talk.engine.resume(talk.now)
    talk.engine.make_safe(talk.now)
    done = [event for event in talk.engine.events() if isinstance(event, VerbDone)]
    assert done[0].error


def test_pause_drains_and_resume_goes_on() -> None:
    talk = running()
    talk.sent()
    talk.engine.pause(talk.now)
    assert talk.sent() == []
    talk.says("ok")
    talk.answer_all()
    assert talk.told[-1] == StateChanged(Activity.PAUSED, "paused")
    talk.engine.resume(talk.now)
    assert talk.sent() == ["G1 X1"]


def test_heat_taken_away_in_a_pause_comes_back_before_the_next_line() -> None:
    talk = running()
    talk.says(" T:200.0 /205.0 B:60.0 /60.0")
    talk.sent()
    talk.engine.pause(talk.now)
    talk.says("ok")
    talk.answer_all()
    talk.engine.make_safe(talk.now)
    assert talk.sent() == ["M104 S0"]
    talk.says("ok")
    assert talk.sent() == ["M140 S0"]
    talk.says(" T:190.0 /0.0 B:60.0 /0.0", "ok")
    talk.engine.resume(talk.now)
    assert talk.sent() == ["M190 S60"]
    talk.says("ok")
    assert talk.sent() == ["M109 S205"]
    talk.says("ok")
    assert talk.sent() == ["G1 X1"]


def test_cancel_switches_off_and_waits_for_the_planner() -> None:
    talk = running()
    talk.sent()
    talk.engine.cancel(talk.now)
    assert talk.engine.take_urgent() == b"M108\n"  # G28 is slow: break a wait if there is one
    talk.says("ok")
    seen: list[str] = []
    while lines := talk.sent():
        seen += lines
        talk.says(*(["X:0.00 Y:0.00 Z:0.00 E:0.00"] if lines == ["M114"] else []), "ok")
    assert seen == ["M104 S0", "M140 S0", "M107", "M400", "M114"]
    assert talk.events(RunEnded) == [RunEnded(RunEndKind.CANCELLED, "cancelled", 1, 0, len("G28\n"))]


def test_the_panel_s_cancel_is_a_cancel() -> None:
    talk = running()
    talk.sent()
    talk.says("//action:cancel", "ok")
    talk.answer_all()
    assert talk.events(RunEnded) == [RunEnded(RunEndKind.CANCELLED, "cancelled at the machine", 1, 0, len("G28\n"))]


# Ends


def test_stop_goes_out_plain_and_numbered_and_drops_the_rest() -> None:
    talk = running()
    talk.engine.stop(talk.now)
    assert talk.engine.discards_output()
    assert not talk.engine.discards_output()
    plain, numbered, *rest = talk.engine.take_urgent().decode().split("\n")[1:]
    assert plain == "M112"
    assert strip(numbered) == "M112"
    assert rest[:2] == ["M104 S0", "M140 S0"]
    assert talk.sent() == []
    talk.says("Error:M112 Shutdown", "Error:Printer halted. kill() called!")
    assert talk.told[-1] == VerbDone(Verb.STOP)
    assert [type(event) for event in talk.told].count(RunEnded) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error:Thermal Runaway, system stopped! Heater_ID: 0", "thermal"),
        ("Error:Printer halted. kill() called!", "kill"),
        ("!! Halted", "kill"),
    ],
)
def test_a_halt_fails_the_run_and_is_a_fault(text: str, kind: str) -> None:
    talk = running()
    talk.says(text)
    (end,) = talk.events(RunEnded)
    (fault,) = talk.events(MachineFault)
    assert isinstance(end, RunEnded)
    assert isinstance(fault, MachineFault)
    assert (end.kind, fault.kind, fault.position_lost) == (RunEndKind.FAILED, kind, True)
    talk.sent()
    talk.says("ok", "ok")
    assert talk.sent() == []
    with pytest.raises(MachineError):
        talk.engine.start(feeder(["G1"]), talk.now)


def test_an_unknown_error_ends_the_run_in_a_controlled_way() -> None:
    talk = running()
    talk.sent()
    talk.says("Error:something new", "ok")
    talk.answer_all()
    (end,) = talk.events(RunEnded)
    assert isinstance(end, RunEnded)
    assert end.kind is RunEndKind.FAILED
    assert "something new" in end.reason


def test_i12_a_banner_ends_the_run_and_sends_nothing_but_the_greeting() -> None:
    talk = running()
    talk.sent()
    talk.says("start")
    assert [type(event) for event in talk.told[-2:]] == [RunEnded, PositionSuspect]
    talk.passes(0.6)
    assert talk.sent() == ["M110 N0"]


def test_a_board_that_does_not_come_back_is_a_fault() -> None:
    talk = greeted()
    talk.says("start")
    talk.passes(30.0)
    assert talk.events(MachineFault)


# Commands


@pytest.mark.parametrize("text", ["", "  ", "N5 G1", "M110 N0", "m 0110 N0", "G1\nG2", "G1 é"])
def test_what_is_not_a_command_is_refused(text: str) -> None:
    talk = greeted()
    with pytest.raises(UsageError):
        talk.engine.command(text, talk.now)
    assert talk.sent() == []


def test_one_command_at_a_time() -> None:
    talk = greeted()
    talk.engine.command("G28", talk.now)
    with pytest.raises(MachineBusy):
        talk.engine.command("G28", talk.now)
    with pytest.raises(MachineBusy):
        talk.engine.start(feeder(["G1"]), talk.now)


def test_any_split_of_the_same_bytes_gives_the_same_events() -> None:
    heard = b"ok\nT:20.0 /0.0\nok\nX:1.0 Y:2.0 Z:3.0 E:0\nError:checksum mismatch, Last Line: 1\nResend: 7\nok\n"

    def told(pieces: Iterable[bytes]) -> tuple[list[EngineEvent], bytes]:
        talk = running()
        output = b""
        for piece in pieces:
            talk.engine.receive(piece, talk.now)
            output += talk.engine.take_output()
        events = [event for event in talk.engine.events() if not isinstance(event, Progress)]
        return events, output

    whole = told(heard.splitlines(keepends=True))
    assert told(heard[i : i + 1] for i in range(len(heard))) == whole


def waiting(line: str, **options: Iterable[str]) -> Talk:
    """A program that waits for a person at full heat."""
    talk = running([line, "G1 X1"], **options)
    assert talk.sent() == [line]
    talk.says(" T:205.0 /205.0 B:60.0 /60.0", "echo:busy: paused for user")
    assert talk.events(WaitingForPerson)
    return talk


def test_heat_goes_off_while_m0_waits_and_comes_back_before_the_next_line() -> None:
    talk = waiting("M0")
    talk.engine.make_safe(talk.now)
    assert talk.engine.take_urgent() == b"M108\n"
    assert talk.sent() == [], "the board still waits"
    talk.says("ok")
    assert talk.sent() == ["M400"]
    talk.says("ok")
    talk.answer_all()
    assert VerbDone(Verb.MAKE_SAFE) in talk.told
    assert StateChanged(Activity.PAUSED, "it waited long for a person") in talk.told
    talk.passes(4.0)
    assert "G1 X1" not in talk.program(), "nothing moves until a person says so"
    talk.engine.resume(talk.now)
    talk.told += talk.engine.events()
    sent = []
    while lines := talk.program():
        sent += lines
        talk.says("ok")
        if "G1 X1" in sent:
            break
    assert sent[-3:] == ["M190 S60", "M109 S205", "G1 X1"]


@pytest.mark.parametrize(
    ("line", "capabilities"), [("M600", CAPABILITIES), ("M0", ("AUTOREPORT_TEMP", "AUTOREPORT_POS"))]
)
def test_a_wait_that_cannot_be_taken_over_keeps_its_heat_and_says_so(
    line: str, capabilities: tuple[str, ...]
) -> None:
    talk = waiting(line, capabilities=capabilities)
    talk.engine.make_safe(talk.now)
    talk.told += talk.engine.events()
    assert talk.engine.take_urgent() == b""
    assert any(isinstance(done, VerbDone) and "heat stays on" in done.error for done in talk.told)


@pytest.mark.parametrize("done", [1, 60])
def test_i6_a_board_that_was_reset_unseen_gets_no_line_again(done: int) -> None:
    """Its banner was lost; it counts from 1, and asks for lines that were carried out long ago."""
    talk = running([f"G1 X{number}" for number in range(100)])
    for _ in range(done):
        assert talk.program()
        talk.says("ok")
    talk.program()
    talk.says("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
    talk.passes(5.0)
    assert not [line for line in talk.sent() if line.startswith("G")]
    (end,) = talk.events(RunEnded)
    (fault,) = talk.events(MachineFault)
    assert isinstance(end, RunEnded) and isinstance(fault, MachineFault)
    assert end.kind is RunEndKind.INTERRUPTED and "reset" in end.reason
    assert fault.position_lost


def test_i6_a_board_that_was_reset_unseen_after_a_program_does_not_get_it_again() -> None:
    talk = running(["G1 X1", "G1 X2"])
    talk.answer_all()
    assert talk.events(RunFinished)
    talk.passes(5.0)
    assert talk.sent()
    talk.says("Resend: 8", "ok")
    talk.passes(5.0)
    assert not [line for line in talk.sent() if line.startswith("G")]
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault) and fault.position_lost


def test_a_person_who_asks_for_temperatures_is_told_them_though_they_stand_in_the_ok() -> None:
    talk = greeted()
    ticket = talk.engine.command("M105", talk.now)
    assert talk.sent() == ["M105"]
    talk.says("ok T:201.5 /210.0 B:60.0 /60.0")
    assert talk.events(CommandDone) == [CommandDone(ticket, ("T:201.5 /210.0 B:60.0 /60.0",), ok=True)]
