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
    Prompted,
    Ready,
    RunEndKind,
    RunFinished,
    Verb,
    VerbDone,
    WaitingForPerson,
)

from . import words
from .board import board_facts
from .link import Ask, Done, Sent
from .quirks import UNKNOWN, quirks_of
from .state import DEAF, POLL_S, RUN_IN_HAND, MarlinState, Phase
from .watch import QUIET_S, Pace

LATE_S = 30.0
"""Where ok means read, the answer itself may be lost; without `busy:` for so long the question is asked again."""

LATE_TRIES = 3

FRAME_BYTES = 14
"""Number, checksum and line end around a line of ours."""

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
        self._half_error_due_s = self._answer_over_s = self._late_due_s = None
        self._watch.reports = False
        self._waiting = self._card_prints = self._has_card = self._was_woken = False
        self._close_prompt()
        if self._was_in_step:
            self._in_step_by_s = now + IN_STEP_PATIENCE_S

    def _identify(self) -> None:
        self._abandon("numbers begin anew")
        self._phase = Phase.IDENTIFYING
        self._quirks = UNKNOWN
        self._was_asked = self._oks_are_named = False
        self._asks = [Ask("M115", self._identified, wants_answer=True)]

    def _identified(self, ask: Ask, now: float) -> None:
        firmware, version, facts = words.firmware_facts(ask.lines)
        self._facts = board_facts(facts)
        quirks = self._quirks = quirks_of(self._facts)
        self._facts["quirks"] = quirks.name
        self._link.receive_bytes = quirks.receive_bytes
        self._watch.keep_alive = quirks.keep_alive
        self._events.append(Identified(firmware, version, self._facts, quirks.planner_depth))
        self._asks += [Ask(line) for line in (*quirks.reports, *self._report_lines())]
        if self._can("PROMPT_SUPPORT"):
            self._asks.append(Ask("M876 P1"))
        self._asks += [Ask("M113 S2"), Ask("M105"), Ask("M114", self._in_step, wants_answer=True)]

    def _report_lines(self) -> list[str]:
        """What makes the firmware report by itself: temperatures, position, and whether it prints from its card."""
        lines = []
        if self._can("AUTOREPORT_TEMP") and not self._quirks.reports_temperature:
            lines.append("M155 S2")
        if self._can("AUTOREPORT_POS") and not self._quirks.reports_position:
            lines.append("M154 S2")
        if self._can("AUTOREPORT_SD_STATUS"):
            lines.append("M27 S5")
        elif self._facts.get("cap:SDCARD") != "0":
            # Marlin 1.1, early Marlin 2 and Prusa's 8-bit boards print from a card and claim none: asked once.
            lines.append("M27")
        return lines

    def _tell_card(self) -> None:
        """Say whether the machine prints a file of its own."""
        activity = Activity.RUNNING if self._card_prints else Activity.IDLE
        self._tell(activity, "it prints a file from its own card" if self._card_prints else "")

    @property
    def _reports_temperature(self) -> bool:
        return self._quirks.reports_temperature or self._can("AUTOREPORT_TEMP")

    @property
    def _reports_position(self) -> bool:
        return self._quirks.reports_position or self._can("AUTOREPORT_POS")

    def _in_step(self, ask: Ask, now: float) -> None:
        self._in_step_by_s = None
        self._clearing, self._was_in_step = False, True
        self._poll_due_s = now + self.first_poll_s
        self._watch.reports = self._reports_temperature
        self._enter(Phase.IDLE, "")
        if self._card_prints:
            self._tell_card()
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
        self._tell_progress()
        if self._waiting or not (self._link.window or self._late):
            self._watch.alive()
        elif self._watch.due_s is None:
            self._watch.arm(now, self._pace())
        if not self._late:
            self._late_due_s = None
        elif self._late_due_s is None:
            self._late_due_s = now + LATE_S

    def _tell_progress(self) -> None:
        told = (self._acknowledged_line, self._sent_line)
        if told != self._told and self._phase in RUN_IN_HAND:
            self._told = told
            self._events.append(Progress(*told, self._acknowledged_bytes))

    def _fill(self) -> None:
        link = self._link
        if link.repeating:
            link.repeat()
        while self._asks and not link.repeating and link.fits(len(self._asks[0].text) + FRAME_BYTES):
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
        if self._phase is Phase.RUNNING and self._feeder is not None and self._is_fed():
            self._phase = Phase.FINISHING
            self._drain(self._finished)
            self._fill()

    def _is_fed(self) -> bool:
        assert self._feeder is not None
        return self._feeder.exhausted

    def _drain(self, done: Done) -> None:
        self._asks += [Ask("M400"), Ask("M114", done, wants_answer=True)]

    def _finished(self, ask: Ask, now: float) -> None:
        if self._phase is Phase.FINISHING:
            self._events.append(RunFinished(self._acknowledged_line, self._acknowledged_bytes))
            self._feeder = None
            self._enter(Phase.IDLE, "")

    def _add_polls(self) -> None:
        """Readings that the firmware does not report by itself, and at least one as a sign of life; never more
        than one of a kind under way."""
        ours: tuple[Sent, ...] = (*self._asks, *self._link.window.tags(), *self._late)
        under_way = {ask.text for ask in ours if isinstance(ask, Ask)}
        unreported = ["M114"] if not self._reports_position else []
        if not self._reports_temperature or not unreported:
            unreported.append("M105")
        if self._phase is Phase.IDLE and self._has_card and not self._can("AUTOREPORT_SD_STATUS"):
            unreported.append("M27")
        self._asks += [self._poll(question) for question in unreported if question not in under_way]

    def _poll(self, question: str) -> Ask:
        return Ask(question, wants_answer=question == "M114", is_poll=True)

    def _ask_again(self) -> None:
        """No answer in time. A poll that went unanswered is given up, so that no other answer is taken for its."""
        self._lines.reset()  # the beginning of a line whose end was lost would spoil the next one
        self._link.history.expect_no_echo()  # what is asked for from here on is missing
        while isinstance(oldest := self._link.oldest, Ask) and oldest.is_poll:
            self._link.answered()
        self._link.ask_over_the_window(self._poll("M105"))

    def _answer_is_late(self, now: float) -> None:
        """The question was read long ago and its answer has not come."""
        self._late_due_s = None
        ask = self._late.popleft()
        ask.tries += 1
        if ask.tries >= LATE_TRIES:
            self._answer_lost(now)
        else:
            self._asks.insert(0, ask)

    def _ask(self, text: str, done: Done, *, ticket: bool = False, now: float) -> int:
        self._tickets += ticket
        self._occupied = True
        asked = Ask(text, done, ticket=self._tickets if ticket else 0)
        self._asks.append(asked)
        if self._quirks.taken_is_ok:
            # Its ok says that it was read. It is done, and has said all it has to say, when the planner is dry.
            asked.deferred = True
            self._collector = asked
            self._drain(lambda _, at: done(asked, at))
        self._step(now)
        return self._tickets

    def _command_done(self, ask: Ask, now: float) -> None:
        self._occupied = False
        self._collector = None
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
            self._waiting_since_s = self._watch.heard_s
            self._events.append(WaitingForPerson(self._question() or "the machine waits for a person"))

    def _question(self) -> str:
        """What the firmware asks, with its choices as a person answers them."""
        named = ", ".join(f"{index}: {choice}" for index, choice in enumerate(self._choices))
        return f"{self._prompt} ({named})" if named else self._prompt

    def _close_prompt(self) -> None:
        self._prompt = ""
        self._choices = []
        if self._asked_a_person:
            self._asked_a_person = False
            self._events.append(Prompted())

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
        go_on = [index for index, choice in enumerate(self._choices) if choice.lower() == "continue"]
        if self._asked_a_person and go_on:
            self._urgent.append(b"M876 S%d\n" % go_on[0])
            self._close_prompt()
        self._urgent.append(b"M108\n")
        self._was_woken = True

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

    def _answer_lost(self, now: float) -> None:
        if self._phase is Phase.IDENTIFYING:
            return
        talks = now - self._watch.heard_s < POLL_S
        reason = "the firmware talks but does not answer" if talks else "no answer from the firmware"
        reason = f"{reason}{self._at()}"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="no-answer", position_lost=self._moving())

    def _quiet_at_s(self) -> float | None:
        """When a silence will have lasted too long: reports were asked for, and none comes any more.

        Many firmwares report nothing while they wait for a person; there it counts only after something was heard.
        """
        if self._phase in DEAF or (self._waiting and self._watch.heard_s <= self._waiting_since_s):
            return None
        return self._watch.quiet_at_s()

    def _fell_silent(self) -> None:
        reason = f"not one line from the firmware for {QUIET_S:.0f} s{self._at()}"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="no-answer", position_lost=self._moving())

    def _acknowledgement_lost(self) -> None:
        """A later line was answered and this one was not, by a firmware that does not compare numbers (I6)."""
        reason = f"an acknowledgement was lost{self._at()}, and this firmware does not check that no line is missing"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="no-answer", position_lost=True)

    def _moving(self) -> bool:
        return self._phase in RUN_IN_HAND
