"""What the Grbl engine asks the controller before a program, and what it makes of the answers.

Calls only `ending` and `state` below it; what is compared is in `standing`. It changes nothing on the machine.
"""

from __future__ import annotations

from fleetctl.errors import FleetctlError, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import CommandDone, RunBegun

from . import standing
from .dialects import DIALECTS
from .ending import ASK_AGAIN, Ending
from .sender import Ask
from .state import Phase

CHECK_PATIENCE_S = 3.0
"""For some 400 bytes, read from the settings memory."""
SPEED_TOLERANCE = 0.005


class Checking(Ending):
    """Between a start and its first byte."""

    def _need_fit(self) -> None:
        """The controller is the one that the gate reckoned with. Raises MachineError."""
        expected, here = self._expected_dialect, self._dialect
        if expected in DIALECTS and expected != here.name:
            raise MachineError(
                f"The machine is on record as {DIALECTS[expected].firmware}, and {here.firmware} answers.",
                hint=f"Give it a profile of dialect {here.name}: words and limits of the two differ.",
            )
        laser = self._facts.get("$32", "").strip("0.") != "" if "$32" in self._facts else None
        if self._expected_laser is not None and laser is not None and laser != self._expected_laser:
            burns = "a spindle would not be waited for" if laser else "the beam would stay on at standstill"
            raise MachineError(
                f"Laser mode is {'on' if laser else 'off'} ($32), and the machine is "
                f"{'a laser' if self._expected_laser else 'a mill'}: {burns}.",
                hint=f"Send $32={int(self._expected_laser)}.",
            )
        self._need_full_speed()

    def _need_full_speed(self) -> None:
        expected = self._expected_full_speed
        try:
            here = float(self._facts["$30"])
        except (KeyError, ValueError):
            return
        if expected and abs(here - expected) > expected * SPEED_TOLERANCE:
            raise MachineError(
                f"$30 is {here:g}, and full speed is on record as S{expected:g}: every S would turn at "
                f"{expected / here:.0%} of what it says."
                if here
                else "$30 is 0.",
                hint=f"Send $30={expected:g}, or set the machine's option full_speed={here:g}.",
            )

    def _check(self, now: float) -> None:
        """Ask how the controller stands; the program begins with the second answer, or not at all."""
        self._go(Phase.CHECKING, now)
        self._strays = 0
        self._set_budget()
        self._phase_due_s = now + CHECK_PATIENCE_S
        self._check_asks = [
            Ask("$#", self._offsets_told, expects="[TLO:"),
            Ask("$G", self._modes_told, expects="[GC:"),
        ]
        self._sender.asks += self._check_asks
        self._poll(now)

    def _offsets_told(self, ask: Ask, error: int) -> None:
        if ask not in self._check_asks:
            return  # of a run that was given up meanwhile
        self._offset_lines = ask.lines
        if error:
            self._refuse(f"It does not tell its work offsets: {self._dialect.error_text(error)}.", ASK_AGAIN)

    def _modes_told(self, ask: Ask, error: int) -> None:
        if ask not in self._check_asks:
            return  # of a run that was given up meanwhile
        stands = standing.read(self._offset_lines, ask.lines, inches=self._reader.inches)
        if self._strays:
            self._refuse(
                "It answers more lines than were sent, so nobody could count what it has.",
                "Something on the link makes two line ends of one (CR, LF); let the bridge pass bytes as they come.",
            )
            return
        if error or stands is None:
            self._refuse("Its answer to $# or $G could not be read.", ASK_AGAIN)
            return
        try:
            found = standing.obstacle(stands, self._expected_mm, self._set_by_program)
        except FleetctlError as refused:
            self._refuse(str(refused))
            return
        if found is not None:
            self._refuse(*found)
        else:
            self._begin()

    def _set_by_program(self) -> frozenset[str]:
        return standing.set_by(self._sender.head(standing.HEAD_LINES))

    def _begin(self) -> None:
        """The first line of the program goes out in this step."""
        self._sender.feeding = self._in_run = True
        self._phase, self._phase_due_s = Phase.RUNNING, None
        self._events.append(RunBegun())
        self._show(Activity.RUNNING, "")

    # Check mode, because a person asked

    def _ask_check_mode(self, ticket: int, now: float) -> None:
        """Leaving `$C` resets the controller, and a G92 or tool length would be lost with it: only without them."""
        if self._state == "Check":
            self._leaves_check_mode = True
            self._ask(Ask("$C", self._command_done, ticket=ticket), now)
        else:
            self._ask(Ask("$#", self._offsets_at_check_mode, ticket=ticket, expects="[TLO:"), now)

    def _offsets_at_check_mode(self, ask: Ask, error: int) -> None:
        what = standing.lost_by_reset(ask.lines)
        if error or what:
            self._occupied = False
            why = f"{what} is set, and leaving check mode would clear it" if what else self._dialect.error_text(error)
            self._events.append(CommandDone(ask.ticket, (why,), ok=False))
            return
        self._in_check_mode = True
        self._sender.asks.append(Ask("$C", self._command_done, ticket=ask.ticket))
