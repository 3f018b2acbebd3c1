"""The Grbl engine line by line: what it sends for what it hears, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from fleetctl_plugins.grbl.engine import GrblEngine

from fleetctl.errors import ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    Identified,
    MachineFault,
    PositionSuspect,
    Ready,
    RunEnded,
    RunEndKind,
    RunFinished,
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
    "$#": ["[G54:0.000,0.000,0.000]"],
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

    def events(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.told if isinstance(event, kind)]

    def end(self) -> RunEnded:
        (end,) = self.events(RunEnded)
        assert isinstance(end, RunEnded)
        return end


def feeder(lines: Iterable[str]) -> Feeder:
    made = Feeder(line_limit_bytes=79, remove_spaces=True)
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
    talk.state = "Run"
    talk.listen()
    return talk


# Greeting


def test_nothing_but_queries_goes_out_until_it_rests() -> None:
    talk = Talk("Run")
    talk.engine.connected(talk.now)
    talk.passes(20.0)
    assert talk.taken() == ([], b"")
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
    assert talk.events(RunFinished) == [RunFinished(1)]


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
    talk.passes(6.0)
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
    talk.passes(10.0)
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


def test_m0_waits_for_a_person_and_goes_on_with_cycle_start() -> None:
    talk = running("M0", "G1 X2")
    talk.taken()
    talk.state = "Hold:0"
    talk.passes(3600.0)
    assert talk.events(WaitingForPerson) == [WaitingForPerson("program stop (M0)")]
    assert not talk.events(RunEnded)
    talk.engine.resume(talk.now)
    talk.listen()
    assert talk.taken()[1] == b"~"


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
