"""The Grbl engine line by line: what it sends for what it hears, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from fleetctl_plugins.grbl.engine import GrblEngine
from fleetctl_plugins.grbl.standing import set_by

from fleetctl.errors import ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    Identified,
    MachineFault,
    PositionSuspect,
    Progress,
    Ready,
    RunBegun,
    RunEnded,
    RunEndKind,
    RunFinished,
    RunRefused,
    StateChanged,
    Verb,
    VerbDone,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder

ANSWERS = {
    "$X": [],
    "$I": ["[VER:1.1h.20190830:]", "[OPT:V,15,128]"],
    "$$": ["$13=0", "$22=1"],
    "$#": [
        *(f"[G{number}:0.000,0.000,0.000]" for number in (54, 55, 56, 57, 58, 59, 28, 30, 92)),
        "[TLO:0.000]",
        "[PRB:0.000,0.000,0.000:0]",
    ],
    "$G": ["[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]"],
}
BANNER = "Grbl 1.1h ['$' for help]"


class Talk:
    """One engine and what it told; `state` is what every status query is answered with, '' for no answer."""

    def __init__(self, state: str = "Idle") -> None:
        self.engine = GrblEngine()
        self.now = 100.0
        self.state = state
        self.told: list[EngineEvent] = []
        self.urgent = b""
        self.lines: list[str] = []
        self.offsets: dict[str, str] = {}

    def offset_lines(self) -> list[str]:
        """What `$#` is answered with, `offsets` set otherwise than zero."""
        named = {line[1:].split(":")[0]: line for line in ANSWERS["$#"]}
        named |= {name: f"[{name}:{value}]" for name, value in self.offsets.items()}
        return list(named.values())

    def says(self, *lines: str) -> None:
        self.engine.receive("".join(line + "\r\n" for line in lines).encode(), self.now)
        self.listen()

    def listen(self) -> None:
        """Take what the engine gives, and answer its queries."""
        self.told += self.engine.events()
        self.lines += self.engine.take_output().decode().splitlines()
        urgent = self.engine.take_urgent()
        self.urgent += urgent.replace(b"?", b"")
        if b"?" in urgent and self.state:
            self.says(f"<{self.state}|MPos:0.000,0.000,0.000|FS:0,0>")

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.engine.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.engine.elapse(self.now)
            self.listen()
        self.now = end

    def identify(self) -> None:
        """Answer what identification asks."""
        while self.lines and self.lines[0] in ANSWERS:
            self.says(*ANSWERS[self.lines.pop(0)], "ok")

    def taken(self) -> tuple[list[str], bytes]:
        """Lines and real-time bytes since the last look, without queries."""
        lines, urgent = self.lines, self.urgent
        self.lines, self.urgent = [], b""
        return lines, urgent

    def taken_until_quiet(self) -> None:
        """Answer every line with ok until none comes."""
        while lines := self.taken()[0]:
            for line in lines:
                self.says(*ANSWERS.get(line, []), "ok")

    def events(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.told if isinstance(event, kind)]

    def end(self) -> RunEnded:
        (end,) = self.events(RunEnded)
        assert isinstance(end, RunEnded)
        return end


def feeder(lines: Iterable[str]) -> Feeder:
    made = Feeder(line_limit_bytes=79, remove_spaces=True, keep_notes=True)
    made.push("".join(line + "\n" for line in lines).encode())
    made.finish()
    return made


def greeted() -> Talk:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.listen()
    talk.identify()
    assert talk.events(Ready)
    talk.told.clear()
    return talk


def running(*lines: str) -> Talk:
    talk = greeted()
    talk.engine.start(feeder(lines or ("G1 X1", "G1 X2", "G1 X3")), talk.now)
    talk.listen()
    talk.identify()
    assert talk.events(RunBegun)
    talk.state = "Run"
    return talk


# Greeting


def test_nothing_but_queries_goes_out_until_it_rests() -> None:
    talk = Talk("Run")
    talk.engine.connected(talk.now)
    talk.passes(9.0)
    assert talk.taken() == ([], b"")
    assert not talk.events(Ready)
    talk.state = "Idle"
    talk.passes(0.5)
    talk.identify()
    (identified,) = talk.events(Identified)
    assert isinstance(identified, Identified)
    assert (identified.firmware, identified.version) == ("Grbl", "1.1h.20190830")
    assert identified.facts["rx_bytes"] == "128"


def test_oks_of_somebody_before_us_are_not_taken() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.listen()
    talk.says("ok", "ok")
    assert talk.lines == ["$I"]
    talk.identify()
    assert talk.events(Ready)


def test_a_hold_that_we_did_not_ask_for_is_a_fault_that_a_person_clears() -> None:
    talk = Talk("Hold:0")
    talk.engine.connected(talk.now)
    talk.listen()
    assert talk.events(Ready)
    assert talk.events(MachineFault)
    assert talk.taken() == ([], b"")


def test_i14_locked_at_power_on_stays_locked() -> None:
    talk = Talk("Alarm")
    talk.engine.connected(talk.now)
    talk.listen()
    talk.identify()
    talk.passes(60.0)
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert (fault.kind, fault.position_lost) == ("locked", True)
    assert talk.taken() == ([], b"")
    with pytest.raises(MachineError):
        talk.engine.start(feeder(["G1"]), talk.now)


# A program


def test_lines_go_out_as_far_as_the_buffer_holds_and_are_counted_back() -> None:
    talk = running(*[f"G1 X{number:05}.000 Y0.000 F1000" for number in range(20)])
    lines, _ = talk.taken()
    assert sum(len(line) + 1 for line in lines) <= 127
    assert len(lines) == 5
    talk.says("ok", "ok")
    assert len(talk.taken()[0]) == 2


def test_finished_after_the_dwell_was_answered_and_it_says_idle() -> None:
    talk = running("G1 X1")
    talk.taken()
    talk.says("ok")
    assert talk.taken()[0] == ["G4P0.01"]
    talk.passes(2.0)
    assert not talk.events(RunFinished)
    talk.says("ok")
    assert not talk.events(RunFinished)
    talk.state = "Idle"
    talk.passes(0.3)
    assert talk.events(RunFinished) == [RunFinished(1, len(b"G1 X1\n"))]


def test_an_error_holds_then_resets_and_names_the_line() -> None:
    talk = running("G1 X1", "G1 X2", "G1 Q3", "G1 X4")
    talk.taken()
    talk.says("ok", "ok", "error:20")
    assert talk.taken() == ([], b"!")
    talk.state = "Hold:1"
    talk.passes(0.5)
    assert talk.taken() == ([], b"")
    talk.state = "Hold:0"
    talk.passes(0.3)
    assert talk.taken() == ([], b"\x18")
    assert not talk.events(RunEnded)
    talk.state = "Idle"
    talk.says(BANNER)
    end = talk.end()
    assert end.kind is RunEndKind.FAILED
    assert "line 3" in end.reason
    assert "error:20" in end.reason
    assert end.acknowledged_line == 2
    talk.identify()
    assert talk.told[-1] == StateChanged(Activity.IDLE, "") or talk.events(StateChanged)
    assert not talk.events(PositionSuspect)


def test_a_stored_offset_in_a_program_is_not_sent() -> None:
    talk = running("G1 X1", "G10 L20 P1 X0")
    lines, urgent = talk.taken()
    assert (lines, urgent) == (["G1X1"], b"!")
    talk.state = "Hold:0"
    talk.passes(0.3)
    talk.says(BANNER)
    assert "G10" in talk.end().reason
    assert "line 2" in talk.end().reason


def test_a_hold_that_never_rests_is_reset_with_the_position_suspect() -> None:
    talk = running()
    talk.engine.cancel(talk.now)
    talk.listen()
    talk.taken()
    talk.state = "Hold:1"
    talk.passes(5.5)
    assert talk.taken()[1] == b"\x18"
    assert talk.events(PositionSuspect)


# Faults


@pytest.mark.parametrize(("number", "lost"), [(1, True), (2, False), (3, True), (5, False), (42, True)])
def test_i12_an_alarm_interrupts_the_run(number: int, lost: bool) -> None:
    talk = running()
    talk.taken()
    talk.says(f"ALARM:{number}")
    assert talk.end().kind is RunEndKind.INTERRUPTED
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert (fault.kind, fault.position_lost) == (f"alarm:{number}", lost)
    talk.state = "Alarm"
    talk.passes(60.0)
    assert talk.taken() == ([], b"")


def test_i12_a_banner_in_a_run_interrupts_it_and_flushes_what_was_on_the_wire() -> None:
    talk = running()
    talk.taken()
    talk.says(BANNER)
    assert talk.end().kind is RunEndKind.INTERRUPTED
    assert talk.events(PositionSuspect)
    assert talk.engine.discards_output()
    assert talk.taken() == ([], b"!\x18")


def test_i6_idle_with_an_unanswered_line_is_a_lost_acknowledgement() -> None:
    talk = running("G1 X1", "G1 X2")
    talk.taken()
    talk.says("ok")
    talk.state = "Idle"
    talk.passes(2.0)
    assert talk.end().kind is RunEndKind.INTERRUPTED
    assert talk.taken() == ([], b"!")
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert fault.position_lost


def test_a_dwell_looks_idle_and_is_not_a_lost_acknowledgement() -> None:
    talk = running("G4 P10", "G1 X2")
    talk.taken()
    talk.state = "Idle"
    talk.passes(12.0)
    assert not talk.events(RunEnded)
    talk.passes(2.0)
    assert talk.events(RunEnded)


def test_silence_in_a_run_interrupts_it() -> None:
    talk = running()
    talk.state = ""
    talk.passes(6.0)
    assert talk.end().kind is RunEndKind.INTERRUPTED
    assert "no answer" in talk.end().reason


# People


def test_pause_and_resume() -> None:
    talk = running()
    talk.taken()
    talk.engine.pause(talk.now)
    talk.state = "Hold:0"
    talk.listen()
    assert talk.taken() == ([], b"!")
    assert talk.told[-1] == StateChanged(Activity.PAUSED, "paused")
    talk.engine.resume(talk.now)
    talk.state = "Run"
    talk.listen()
    assert talk.taken()[1] == b"~"
    assert talk.told[-1] == StateChanged(Activity.RUNNING, "")


def stopped_at(*lines: str, modes: str = "M5 M9") -> Talk:
    """A run of these lines up to the stop in it, with everything before it answered."""
    talk = running(*lines)
    talk.state = "Idle"
    for _ in range(20):
        if talk.events(WaitingForPerson):
            break
        sent, _ = talk.taken()
        told = {"$G": [f"[GC:G1 G54 G17 G21 G90 G94 {modes} T0 F0 S0]"]}
        for line in sent:
            talk.says(*told.get(line, []), "ok")
    return talk


def waits(talk: Talk) -> list[str]:
    return [event.reason for event in talk.events(WaitingForPerson) if isinstance(event, WaitingForPerson)]


def test_m0_is_held_here_and_nothing_behind_it_is_sent_before_a_person_resumes() -> None:
    talk = running("G1 X1", "M0 (MSG, turn it over)", "G1 X2")
    assert talk.taken()[0] == ["G1X1"]
    talk.says("ok")
    assert talk.taken()[0] == ["G4P0.01"], "all before it is carried out first"
    talk.says("ok")
    assert talk.taken()[0] == ["$G"]
    talk.says("[GC:G1 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]", "ok")
    talk.state = "Idle"
    talk.passes(3600.0)
    assert waits(talk) == ["program stop (M0) in line 2: turn it over"]
    assert talk.taken() == ([], b"")
    assert not talk.events(RunEnded)
    assert progress(talk) == (1, 1), "the line of the stop is not done yet"
    talk.engine.resume(talk.now)
    talk.listen()
    assert talk.taken() == (["G1X2"], b"")
    assert progress(talk) == (2, 3)
    talk.says("ok")
    assert progress(talk) == (3, 3)


def progress(talk: Talk) -> tuple[int, int]:
    last = (talk.events(Progress) or [Progress(0, 0, 0)])[-1]
    assert isinstance(last, Progress)
    return last.acknowledged_line, last.sent_line


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["M00 ; look at it"], "program stop (M0) in line 1: look at it"),
        (["m1(optional)"], "program stop (M1) in line 1: optional"),
        (["(turn it", "", "(clamp it)", "N40 M01"], "program stop (M1) in line 4: clamp it"),
        (["(a pocket)", "G1 X1", "/M0"], "program stop (M0) in line 3"),
        (["T2 M6 (6 mm mill)"], "tool change (M6) in line 1: put in T2 (6 mm mill), then resume"),
    ],
)
def test_a_stop_says_what_stands_beside_it(lines: list[str], reason: str) -> None:
    assert waits(stopped_at(*lines, "G1 X9")) == [reason]


@pytest.mark.parametrize("line", ["M10 P1", "M3 S100", "#<AM0>=1", "M08", "M30"])
def test_what_only_looks_like_a_stop_is_sent(line: str) -> None:
    talk = running(line)
    assert talk.taken()[0] == [line.replace(" ", "")]


def test_what_is_on_the_line_of_a_stop_is_done_before_it() -> None:
    talk = running("G0 Z10 M0", "G1 X2")
    assert talk.taken()[0] == ["G0Z10"]
    talk.says("ok")
    assert talk.taken()[0] == ["G4P0.01"]


def test_an_error_on_the_line_of_a_stop_names_it() -> None:
    talk = running("G1 X1", "G7 M0", "G1 X2")
    talk.says("ok")
    talk.says("error:20")
    talk.state = "Hold:0"
    talk.passes(1.0)
    talk.says(BANNER)
    assert talk.end().kind is RunEndKind.FAILED
    assert talk.end().reason.startswith("line 2: error:20")


def test_the_spindle_is_off_while_a_person_is_waited_for_and_comes_back() -> None:
    talk = stopped_at("M0", "G1 X2", modes="M3 M8")
    assert waits(talk)
    assert talk.events(VerbDone) == []
    talk.engine.make_safe(talk.now)
    talk.listen()
    assert VerbDone(Verb.MAKE_SAFE) in talk.told
    talk.taken()
    talk.engine.resume(talk.now)
    talk.listen()
    sent = []
    while lines := talk.taken()[0]:
        sent += lines
        talk.says("ok")
    assert sent[:4] == ["M3", "G4P4", "M8", "G1X2"]


def test_a_laser_that_comes_back_on_does_not_wait_where_it_stands() -> None:
    talk = running("M0", "G1 X2")
    talk.engine._facts["$32"] = "1"
    for told in ([], ["[GC:G1 G54 G17 G21 G90 G94 M4 M9 T0 F0 S0]"], []):
        talk.says(*told, "ok")
    assert talk.taken()[0] == ["G4P0.01", "$G", "M5"]
    talk.engine.resume(talk.now)
    talk.listen()
    assert talk.taken()[0] == ["M4", "G1X2"]


def test_a_pause_while_it_comes_to_the_stop_needs_one_resume_only() -> None:
    talk = running("G1 X1", "M0", "G1 X2")
    talk.engine.pause(talk.now)
    talk.state = "Idle"  # it was at rest already, and a hold is nothing to it
    talk.taken()
    for told in ([], [], ["[GC:G1 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]"]):
        talk.says(*told, "ok")
    assert waits(talk) == ["program stop (M0) in line 2"]
    talk.taken()
    talk.engine.resume(talk.now)
    talk.listen()
    assert talk.taken()[0] == ["G1X2"]


def test_a_hold_at_the_machine_during_a_stop_needs_its_own_resume() -> None:
    talk = stopped_at("M0", "G1 X2")
    talk.state = "Hold:0"
    talk.passes(2.0)
    talk.taken()
    talk.engine.resume(talk.now)
    talk.state = "Idle"
    talk.listen()
    assert talk.taken() == ([], b"~")
    talk.passes(2.0)
    assert waits(talk)[-1] == "program stop (M0) in line 1"


def test_a_change_and_a_stop_on_one_line_wait_twice() -> None:
    talk = stopped_at("M6 T1 M0", "G1 X2")
    talk.engine.resume(talk.now)
    talk.listen()
    assert progress(talk)[0] == 0, "the line is not done"
    talk.taken_until_quiet()
    assert [reason.split(" in ")[0] for reason in waits(talk)] == ["tool change (M6)", "program stop (M0)"]


def test_m1_is_passed_over_where_nobody_wants_to_stop() -> None:
    talk = greeted()
    talk.engine.expect(stops_at_m1=False)
    talk.engine.start(feeder(["M1", "M1 G1 X1", "M0"]), talk.now)
    talk.listen()
    talk.identify()
    assert talk.taken()[0] == ["G1X1"]
    talk.says("ok")
    assert progress(talk) == (2, 2)


def test_a_run_that_waits_is_cancelled_and_its_stop_is_not_done() -> None:
    talk = stopped_at("G1 X1", "M0", "G1 X2")
    talk.engine.cancel(talk.now)
    talk.passes(2.0)
    talk.says(BANNER)
    assert (talk.end().kind, talk.end().acknowledged_line) == (RunEndKind.CANCELLED, 1)


def test_the_spindle_stops_in_a_hold_once_and_the_run_lives() -> None:
    talk = running()
    talk.engine.pause(talk.now)
    talk.state = "Hold:0"
    talk.listen()
    talk.taken()
    talk.engine.make_safe(talk.now)
    talk.engine.make_safe(talk.now)
    talk.listen()
    assert talk.taken() == ([], b"\x9e")
    assert not talk.events(RunEnded)
    assert VerbDone(Verb.MAKE_SAFE) in talk.told


def test_stop_is_hold_and_reset_at_once_and_the_banner_confirms_it() -> None:
    talk = running()
    talk.engine.stop(talk.now)
    assert talk.engine.discards_output()
    talk.state = "Alarm"
    talk.listen()
    assert talk.taken()[1] == b"!\x18"
    talk.says("ALARM:3", BANNER)
    assert VerbDone(Verb.STOP) in talk.told
    assert talk.end().kind is RunEndKind.INTERRUPTED
    assert talk.events(PositionSuspect)


def test_stopping_a_machine_at_rest_keeps_its_position() -> None:
    talk = greeted()
    talk.engine.stop(talk.now)
    talk.says(BANNER)
    talk.identify()
    (fault,) = talk.events(MachineFault)
    assert isinstance(fault, MachineFault)
    assert not fault.position_lost
    assert not talk.events(PositionSuspect)


def test_clearing_a_fault_resets_and_unlocks() -> None:
    talk = running()
    talk.says("ALARM:1")
    talk.state = "Alarm"
    talk.passes(2.0)
    talk.taken()
    talk.engine.clear_fault(talk.now)
    talk.listen()
    assert talk.taken()[1] == b"\x18"
    talk.says(BANNER)
    assert talk.lines == ["$X"]
    talk.state = "Idle"
    talk.identify()
    talk.passes(2.0)
    assert VerbDone(Verb.CLEAR_FAULT) in talk.told
    assert talk.told[-1] == StateChanged(Activity.IDLE, "") or StateChanged(Activity.IDLE, "") in talk.told


def test_homing_may_be_silent_and_says_when_it_failed() -> None:
    talk = greeted()
    talk.engine.home(talk.now)
    talk.listen()
    assert talk.taken()[0] == ["$H"]
    talk.state = ""
    talk.passes(60.0)
    assert not talk.events(MachineFault)
    talk.says("ALARM:9")
    done = talk.events(VerbDone)[0]
    assert isinstance(done, VerbDone)
    assert "ALARM:9" in done.error


def test_homing_that_is_not_enabled_is_an_error_and_no_fault() -> None:
    talk = greeted()
    talk.engine.home(talk.now)
    talk.listen()
    talk.says("error:5")
    assert VerbDone(Verb.HOME, "error:5 (homing is not enabled ($22))") in talk.told
    assert talk.told[-1] == StateChanged(Activity.IDLE, "")


@pytest.mark.parametrize("text", ["G1 X1 ?", "!", "~", "G1 \x85", "G1\nG2"])
def test_i13_no_real_time_byte_in_a_command(text: str) -> None:
    talk = greeted()
    with pytest.raises(ForbiddenByte):
        talk.engine.command(text, talk.now)
    talk.listen()
    assert talk.taken() == ([], b"")


def test_commands_go_one_at_a_time_and_carry_errors() -> None:
    talk = greeted()
    with pytest.raises(UsageError):
        talk.engine.command("G1 X" + "1" * 80, talk.now)
    ticket = talk.engine.command("G5 X1", talk.now)
    with pytest.raises(MachineBusy):
        talk.engine.command("G0 X1", talk.now)
    talk.listen()
    talk.says("error:20")
    assert talk.events(CommandDone) == [CommandDone(ticket, ("error:20 (an unsupported command)",), ok=False)]


def test_a_controller_that_never_identifies_again_is_a_fault() -> None:
    talk = greeted()
    talk.says(BANNER)
    talk.passes(30.0)
    assert any(isinstance(event, MachineFault) and event.kind == "no-answer" for event in talk.told)


def test_i14_nothing_is_unlocked_when_it_boots_long_after_a_reset_that_it_did_not_answer() -> None:
    talk = greeted()
    talk.engine.clear_fault(talk.now)
    talk.listen()
    talk.state = ""
    talk.passes(10.0)
    talk.taken()
    talk.state = "Alarm"
    talk.says(BANNER)
    talk.identify()
    assert "$X" not in talk.taken()[0]
    assert any(isinstance(event, PositionSuspect) for event in talk.told)


def test_i14_a_stop_takes_back_the_unlocking_that_was_asked_for() -> None:
    talk = greeted()
    talk.engine.clear_fault(talk.now)
    talk.engine.stop(talk.now)
    talk.listen()
    talk.state = "Alarm"
    talk.says(BANNER)
    talk.listen()
    assert "$X" not in talk.lines


@pytest.mark.parametrize(("homing", "suspect"), [("0", True), ("1", False)])
def test_a_controller_that_opening_its_port_resets_knows_its_place_only_by_homing(homing: str, suspect: bool) -> None:
    """With homing it wakes up locked, and says that itself."""
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.says(BANNER)
    talk.listen()
    while talk.lines and talk.lines[0] in ANSWERS:
        question = talk.lines.pop(0)
        talk.says(*(["$13=0", f"$22={homing}"] if question == "$$" else ANSWERS[question]), "ok")
    assert any(isinstance(event, PositionSuspect) for event in talk.told) == suspect
    assert any(isinstance(event, Ready) for event in talk.told)


def test_a_controller_that_was_not_reset_keeps_its_place() -> None:
    talk = Talk()
    talk.engine.connected(talk.now)
    talk.listen()
    while talk.lines and talk.lines[0] in ANSWERS:
        question = talk.lines.pop(0)
        talk.says(*(["$13=0", "$22=0"] if question == "$$" else ANSWERS[question]), "ok")
    assert not any(isinstance(event, PositionSuspect) for event in talk.told)


def test_a_mill_that_still_moves_when_we_come_can_be_made_safe_at_once() -> None:
    talk = Talk("Run")
    talk.engine.connected(talk.now)
    talk.listen()
    talk.engine.make_safe(talk.now)
    talk.listen()
    assert b"\x18" in talk.urgent
    talk.state = "Idle"
    talk.says(BANNER)
    talk.identify()
    assert VerbDone(Verb.MAKE_SAFE) in talk.told
    assert talk.events(Ready)


# How the controller stands before a program

EVERYTHING = ("G90", "G21", "G17 G94", "G55", "G49", "G92.1")


def asked(*lines: str, offsets: dict[str, str] | None = None, modes: str = "", talk: Talk | None = None) -> Talk:
    """A start whose questions are answered, with some offsets and modes other than they should be."""
    talk = talk or greeted()
    talk.engine.start(feeder(lines or ("G1 X1", "G1 X2")), talk.now)
    talk.listen()
    assert talk.lines == ["$#"]
    for name, value in (offsets or {}).items():
        talk.offsets[name] = value
    talk.says(*talk.offset_lines(), "ok")
    assert talk.lines == ["$#", "$G"]
    talk.says(modes or ANSWERS["$G"][0], "ok")
    return talk


def refusal(talk: Talk) -> RunRefused:
    """The one answer to the start, which let nothing of the program out and told of no run."""
    (refused,) = talk.events(RunRefused)
    assert isinstance(refused, RunRefused)
    assert not set(talk.lines) - {"$#", "$G"}
    assert not talk.events(RunBegun)
    assert not talk.events(RunEnded)
    assert StateChanged(Activity.RUNNING, "") not in talk.told
    return refused


def test_a_program_begins_when_the_controller_stands_as_the_gate_assumed() -> None:
    talk = greeted()
    talk.engine.expect_offsets({"G54": (0.0, 0.004, 0.0), "G59": (0.0, 0.0, 0.0), "G59.1": (1.0, 1.0, 1.0)})
    asked(talk=talk)
    assert talk.lines == ["$#", "$G", "G1X1", "G1X2"]
    assert RunBegun() in talk.told
    assert StateChanged(Activity.RUNNING, "") in talk.told


WRONG = [
    ("G0 G54 G18 G21 G90 G94 M5", {}, "G18 is active", "G17"),
    ("G0 G54 G17 G21 G90 G93 M5", {}, "G93 is active", "G94"),
    ("G0 G55 G17 G21 G90 G94 M5", {}, "G55 is active", "G54"),
    ("G0 G54 G17 G21 G90 G94 G41 M5", {}, "G41 is active", "G40"),
    ("", {"G92": "10.000,0.000,0.000"}, "G92 is set (X 10.000 Y 0.000 Z 0.000)", "G92.1"),
    ("", {"G92": "0.000,0.000,-0.020"}, "G92 is set", "G92.1"),
    ("", {"TLO": "12.500"}, "tool length offset is set (12.500 mm)", "G49"),
]


@pytest.mark.parametrize(("modes", "offsets", "reason", "remedy"), WRONG)
def test_what_the_gate_did_not_assume_refuses_the_run(
    modes: str, offsets: dict[str, str], reason: str, remedy: str
) -> None:
    refused = refusal(asked(modes=f"[GC:{modes}]" if modes else "", offsets=offsets))
    assert reason in refused.reason
    assert remedy in refused.hint


@pytest.mark.parametrize(("modes", "offsets", "reason", "remedy"), [case for case in WRONG if "G41" not in case[0]])
def test_what_the_program_sets_itself_before_it_moves_may_stand_otherwise(
    modes: str, offsets: dict[str, str], reason: str, remedy: str
) -> None:
    talk = asked(*EVERYTHING, "G0 X1", modes=f"[GC:{modes}]" if modes else "", offsets=offsets)
    assert not talk.events(RunRefused), (reason, remedy)
    assert "".join(talk.lines).startswith("$#$GG90G21G17G94")


@pytest.mark.parametrize(("modes", "offsets", "reason", "remedy"), WRONG)
def test_what_the_program_sets_after_its_first_move_comes_too_late(
    modes: str, offsets: dict[str, str], reason: str, remedy: str
) -> None:
    talk = asked("G90 G21", "G0 X1", *EVERYTHING, modes=f"[GC:{modes}]" if modes else "", offsets=offsets)
    assert reason in refusal(talk).reason, remedy


@pytest.mark.parametrize("expected", [(-240.0, -150.0, -20.0), (-250.0, -150.02, -20.0), (-250.0, -150.0, -20.02)])
def test_a_work_offset_that_differs_from_the_record_refuses_the_run(expected: tuple[float, float, float]) -> None:
    talk = greeted()
    talk.engine.expect_offsets({"G54": expected})
    refused = refusal(asked(talk=talk, offsets={"G54": "-250.000,-150.000,-20.000"}))
    assert "G54 on the machine is X -250.000 Y -150.000 Z -20.000" in refused.reason
    assert f"the set-up says X {expected[0]:.3f}" in refused.reason
    assert refused.hint


def test_a_stored_place_that_differs_from_the_record_refuses_the_run() -> None:
    talk = greeted()
    talk.engine.expect_offsets({"G28": (-1.0, -1.0, -1.0)})
    assert (
        "G28 on the machine is X -1.000 Y -1.000 Z -9.000"
        in refusal(asked(talk=talk, offsets={"G28": "-1.000,-1.000,-9.000"})).reason
    )


def test_a_work_offset_not_on_record_is_nobody_s_business() -> None:
    talk = greeted()
    talk.engine.expect_offsets({"G54": (0.0, 0.0, 0.0)})
    asked(talk=talk, offsets={"G55": "-250.000,-150.000,-20.000"})
    assert talk.events(RunBegun)


def test_a_new_set_up_holds_from_the_next_start_on() -> None:
    talk = greeted()
    talk.engine.expect_offsets({"G54": (1.0, 0.0, 0.0)})
    refusal(asked(talk=talk))
    talk.engine.expect_offsets({"G54": (0.0, 0.0, 0.0)})
    talk.lines.clear()
    asked(talk=talk)
    assert talk.events(RunBegun)


def test_a_controller_that_reports_inches_is_compared_in_millimetres() -> None:
    talk = greeted()
    ticket = talk.engine.command("$13=1", talk.now)
    talk.listen()
    talk.says("ok")
    assert talk.events(CommandDone) == [CommandDone(ticket, (), ok=True)]
    talk.lines.clear()
    talk.engine.expect_offsets({"G54": (-254.0, 0.0, 0.0)})
    asked(talk=talk, offsets={"G54": "-10.0000,0.0000,0.0000"})
    assert talk.events(RunBegun)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_the_answers_may_be_split_anywhere(step: int) -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    talk.listen()
    talk.offsets["G92"] = "0.000,5.000,0.000"
    for answer in (talk.offset_lines(), ANSWERS["$G"]):
        data = "".join(line + "\r\n" for line in (*answer, "ok")).encode()
        for begin in range(0, len(data), step):
            talk.engine.receive(data[begin : begin + step], talk.now)
            talk.listen()
    assert "Y 5.000" in refusal(talk).reason


def test_no_answer_refuses_the_run_and_asks_who_is_there() -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    talk.listen()
    talk.lines.clear()
    talk.passes(4.0)
    (refused,) = talk.events(RunRefused)
    assert isinstance(refused, RunRefused)
    assert "in time" in refused.reason
    assert talk.lines == ["$I"]
    talk.identify()
    asked(talk=talk)
    assert talk.events(RunBegun)


@pytest.mark.parametrize("garbled", ["[G54:0.000,0.0?0,0.000]", "[G92:0.000,0.000]", "[G54:1.0.0,0.0,0.0]"])
def test_an_answer_that_cannot_be_read_refuses_the_run(garbled: str) -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    talk.listen()
    name = garbled[: garbled.index(":") + 1]
    talk.says(*(garbled if line.startswith(name) else line for line in talk.offset_lines()), "ok")
    talk.says(*ANSWERS["$G"], "ok")
    assert "could not be read" in refusal(talk).reason


@pytest.mark.parametrize("happens", ["cancel", "stop", "alarm", "reset", "door", "error", "make_safe"])
def test_whatever_happens_meanwhile_the_program_does_not_begin(happens: str) -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    talk.listen()
    if happens == "alarm":
        talk.says("ALARM:1")
    elif happens == "reset":
        talk.says(BANNER)
    elif happens == "door":
        talk.says("<Door:0|MPos:0.000,0.000,0.000|FS:0,0>")
    elif happens == "error":
        talk.says("error:8")
    else:
        getattr(talk.engine, happens)(talk.now)
        talk.listen()
    assert len(talk.events(RunRefused)) == 1
    if happens != "error":
        talk.says(*talk.offset_lines(), "ok")
    talk.says(*ANSWERS["$G"], "ok", "ok", "ok")
    talk.passes(5.0)
    assert len(talk.events(RunRefused)) == 1
    assert not talk.events(RunBegun)
    assert not talk.events(RunEnded)
    assert "G1X1" not in talk.lines


def test_late_answers_of_a_run_given_up_do_not_begin_the_next() -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    talk.listen()
    talk.says(*talk.offset_lines(), "ok")
    talk.engine.cancel(talk.now)
    talk.engine.start(feeder(["G1 X2"]), talk.now)
    talk.listen()
    talk.says(*ANSWERS["$G"], "ok")
    assert not talk.events(RunBegun)
    assert talk.lines == ["$#", "$G", "$#"]


def test_nothing_else_comes_between_the_questions_and_the_program() -> None:
    talk = greeted()
    talk.engine.start(feeder(["G1 X1"]), talk.now)
    for verb in (talk.engine.home, talk.engine.clear_fault, lambda now: talk.engine.command("G92 X1", now)):
        with pytest.raises(MachineBusy):
            verb(talk.now)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"G53G0Z0", b"G55", b"G0X1"], {"frame"}),
        ([b"G0X1G55G17G94"], {"frame", "plane", "feed mode"}),
        ([b"G92.1X1", b"G49"], set()),
        ([b"G43.1Z5", b"G92.1", b"G28"], {"tool length", "G92"}),
        ([b"G53G1Z0", b"G55"], set()),
        ([b"G28", b"G55"], set()),
        ([b"M3S1000", b"G017.0T1F300"], {"plane"}),
        ([b"G91.1G90G21"], set()),
    ],
)
def test_what_a_program_sets_before_it_moves(lines: list[bytes], expected: set[str]) -> None:
    assert set_by(lines) - {"motion", "spindle", "F", "S"} == expected
