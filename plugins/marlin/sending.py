"""What the Marlin engine sends, and when: greeting, program, questions, the ways a run is held or ended.

Calls only `state` below it. It must not know how the board's words are told apart.
"""

from __future__ import annotations

from fleetctl.errors import FleetctlError, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    Identified,
    MachineFault,
    Progress,
    Ready,
    RunEndKind,
    RunFinished,
    Verb,
    VerbDone,
    WaitingForPerson,
)

from . import words
from .board import board_facts
from .link import Ask, Done
from .state import DEAF, RUN_IN_HAND, MarlinState, Phase
from .watch import Pace

POLL_S = 5.0

IN_STEP_PATIENCE_S = 12.0
"""A board that was reset boots and answers within a few seconds; one that was killed never does."""


class Sending(MarlinState):
    """Everything that leads to bytes."""

    # Greeting

    def _greet(self, now: float) -> None:
        self._abandon("the board is greeted anew")
        self._phase = Phase.GREETING
        self._lines.reset()
        self._greeting.begin(now)
        self._poll_due_s = self._resend_ok_due_s = None
        self._waiting = False
        if self._was_in_step:
            self._in_step_by_s = now + IN_STEP_PATIENCE_S

    def _identify(self) -> None:
        self._abandon("numbers begin anew")
        self._phase = Phase.IDENTIFYING
        self._asks = [Ask("M115", self._identified, wants_answer=True)]

    def _identified(self, ask: Ask, now: float) -> None:
        firmware, version, self._facts = words.firmware_facts(ask.lines)
        self._events.append(Identified(firmware, version, board_facts(self._facts)))
        if self._can("AUTOREPORT_TEMP"):
            self._asks.append(Ask("M155 S2"))
        if self._can("AUTOREPORT_POS"):
            self._asks.append(Ask("M154 S2"))
        self._asks += [Ask("M113 S2"), Ask("M105"), Ask("M114", self._in_step, wants_answer=True)]

    def _in_step(self, ask: Ask, now: float) -> None:
        self._in_step_by_s = None
        self._clearing, self._was_in_step = False, True
        self._poll_due_s = now + POLL_S
        self._enter(Phase.IDLE, "")
        self._events += [Ready(), VerbDone(Verb.CLEAR_FAULT)]

    def _out_of_step(self) -> None:
        """The board did not answer the greeting in time; the greeting goes on, for when a person resets it."""
        self._in_step_by_s = None
        text = "The board does not answer. Press its reset button or switch it off and on."
        if self._clearing:
            self._clearing = False
            self._events.append(VerbDone(Verb.CLEAR_FAULT, text))
        else:
            self._events.append(MachineFault("no-answer", text, position_lost=False))

    # What goes out

    def _step(self, now: float) -> None:
        """Send what may be sent, then see what that leaves to wait for."""
        if self._phase not in DEAF and self._resend_ok_due_s is None:
            self._fill()
            self._finish_program()
        told = (self._acknowledged_line, self._sent_line)
        if told != self._told and self._phase in RUN_IN_HAND:
            self._told = told
            self._events.append(Progress(self._acknowledged_line, self._sent_line, self._acknowledged_bytes))
        if self._waiting or not self._link.window:
            self._watch.alive()
        else:
            self._watch.arm(now, self._pace())

    def _fill(self) -> None:
        link = self._link
        if link.repeating:
            link.repeat()
        while self._asks and link.room() > 0 and not link.repeating:
            link.send(self._asks.pop(0))
        if self._phase is Phase.RUNNING and self._feeder is not None and link.room() > 0 and not link.repeating:
            try:
                last = link.feed(self._feeder)
            except FleetctlError as error:
                self._end_run(RunEndKind.FAILED, str(error))
                return
            if last is not None:
                self._sent_line = last[1]

    def _finish_program(self) -> None:
        """An ok means accepted: the program is done when the planner has run dry."""
        if self._phase is Phase.RUNNING and self._feeder is not None and self._feeder.exhausted:
            self._phase = Phase.FINISHING
            self._drain(self._finished)
            self._fill()

    def _drain(self, done: Done) -> None:
        self._asks += [Ask("M400"), Ask("M114", done, wants_answer=True)]

    def _finished(self, ask: Ask, now: float) -> None:
        if self._phase is Phase.FINISHING:
            self._events.append(RunFinished(self._acknowledged_line))
            self._feeder = None
            self._enter(Phase.IDLE, "")

    def _add_polls(self) -> None:
        """Readings that the firmware does not report by itself, and at least one as a sign of life; never more
        than one of a kind under way."""
        under_way = {ask.text for ask in (*self._asks, *self._link.window.tags()) if isinstance(ask, Ask)}
        unreported = ["M114"] if not self._can("AUTOREPORT_POS") else []
        if not self._can("AUTOREPORT_TEMP") or not unreported:
            unreported.append("M105")
        self._asks += [self._poll(question) for question in unreported if question not in under_way]

    def _poll(self, question: str) -> Ask:
        return Ask(question, wants_answer=question == "M114", is_poll=True)

    def _ask_again(self) -> None:
        """No answer in time. A poll that went unanswered is given up, so that no other answer is taken for its."""
        self._lines.reset()  # the beginning of a line whose end was lost would spoil the next one
        while isinstance(oldest := self._link.oldest, Ask) and oldest.is_poll:
            self._link.answered()
        self._link.ask_over_the_window(self._poll("M105"))

    def _ask(self, text: str, done: Done, *, ticket: bool = False, now: float) -> int:
        self._tickets += ticket
        self._occupied = True
        self._asks.append(Ask(text, done, ticket=self._tickets if ticket else 0))
        self._step(now)
        return self._tickets

    def _command_done(self, ask: Ask, now: float) -> None:
        self._occupied = False
        self._events.append(CommandDone(ask.ticket, tuple(ask.lines), not ask.failed))

    # Heat

    def _safe_lines(self) -> list[str]:
        tools = sorted(name[1:] for name in self._targets_degc if name[0] == "T")
        lines = ["M104 S0"] if len(tools) < 2 else [f"M104 T{tool} S0" for tool in tools]
        chamber = ["M141 S0"] if "C" in self._targets_degc else []
        fan = [] if self._phase is Phase.PAUSED else ["M107"]
        return [*lines, "M140 S0", *chamber, *fan]

    def _heating_lines(self) -> list[str]:
        """What brings the heat back that is asked for now."""
        lines = []
        for name, target in sorted(self._targets_degc.items()):
            if target > 0:
                tool = f" T{name[1:]}" if name != "T0" else ""
                code = {"B": "M190", "C": "M191"}.get(name[0], "M109")
                lines.append(f"{code}{tool if code == 'M109' else ''} S{target:g}")
        return lines

    # Waits and ends

    def _hold(self, reason: str) -> None:
        self._phase = Phase.PAUSED

        def at_rest(ask: Ask, now: float) -> None:
            if self._phase is Phase.PAUSED:
                self._tell(Activity.PAUSED, reason)

        self._drain(at_rest)

    def _go_on(self) -> None:
        """After a pause that was too long for the heat, it comes back first: bed, then tools."""
        self._asks += [Ask(line) for line in self._reheat]
        self._reheat = []
        self._enter(Phase.RUNNING, "")

    def _wait_for_person(self) -> None:
        if not self._waiting and self._link.window:
            self._waiting = True
            self._events.append(WaitingForPerson(self._prompt or "the machine waits for a person"))
            self._prompt = ""

    def _wait_here_instead(self) -> bool:
        """A firmware that waits takes no `M104 S0`. After M0 and M1 it does nothing but read on, so with nothing else
        in flight it is woken and the waiting goes on here, paused. Whether that could be done.
        """
        oldest = self._link.oldest
        plain = isinstance(oldest, tuple) and words.code(oldest[0]) in words.PLAIN_WAITS
        if not (plain and len(self._link.window) == 1 and self._can("EMERGENCY_PARSER")):
            return False
        self._reheat = self._heating_lines()
        self._hold("it waited long for a person")
        self._urgent.append(b"M108\n")
        return True

    def _wake(self) -> None:
        if not self._can("EMERGENCY_PARSER"):
            raise MachineError("This firmware hears nothing while it waits.", hint="Press the button at the machine.")
        self._urgent.append(b"M108\n")

    def _end_run(self, kind: RunEndKind, reason: str) -> None:
        """Controlled: heaters off, planner dry, then the end is told."""
        if self._phase is Phase.ENDING:
            return
        self._end = (kind, reason)
        self._phase = Phase.ENDING
        self._feeder = None
        if self._can("EMERGENCY_PARSER") and (self._waiting or self._pace() is not Pace.QUICK):
            self._urgent.append(b"M108\n")
        self._asks = [ask for ask in self._asks if not ask.is_poll] + [Ask(line) for line in self._safe_lines()]
        self._drain(self._run_is_over)

    def _run_is_over(self, ask: Ask, now: float) -> None:
        if self._phase is Phase.ENDING:
            kind, reason = self._end
            self._ended(kind, reason, depth=0)
            self._enter(Phase.IDLE, "")

    def _answer_lost(self) -> None:
        if self._phase is Phase.IDENTIFYING:
            return
        reason = f"no answer from the firmware{self._at()}"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="no-answer", position_lost=self._moving())

    def _moving(self) -> bool:
        return self._phase in RUN_IN_HAND
